"""The ledger page: no exercises, no core cells; every number of ours is read from a stored run."""

PAGE = "ledger"
ALLOWED = [
    "a disturbance of 0.05",  # the paper's ε
    # The rule: levels, and the margin of an entropy, which test_ledger compares with the code.
    "and 0.05 nats for an entropy",
    "with its 90 %",
    "the 90 % interval lies within the margin",
    "each at 5 %",
    "the 95 % interval excludes zero",
    "the ends of the 90 % interval",
    "Accuracies are in %",  # a unit
]
