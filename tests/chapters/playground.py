"""The playground: no code in the page, and no number of ours but its settings."""

PAGE = "playground"
ALLOWED = [
    "a learning rate of 0.03",  # the tool's default
    "500 units and 0.01",  # the authors' settings
]
