"""The page on grading: no exercises of its own, no core cells, no results."""

PAGE = "grading"
ALLOWED = [
    "bubblewrap 0.7",  # the oldest version with all that grading asks of it
]
