"""The ledger page: no exercises, no core cells; every number of ours is read from a stored run."""

PAGE = "ledger"
ALLOWED = [
    r"t_{0.975}(\nu)",  # the quantile of the definition
    "a disturbance of 0.05",  # the paper's ε
    "(0.05 in other units)",  # ledger.WIDE
    "Accuracies are in %",  # a unit
]
