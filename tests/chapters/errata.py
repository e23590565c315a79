"""The errata page: no exercises, no core cells."""

PAGE = "errata"
ALLOWED = [
    # the paper's words and settings
    "given as 0.85 % of the training data",
    "due to 25 % label noise, a hypothetical optimum achieves 75 % accuracy",
    "γ = 0.44 for dark hair",
    "0.05 in which norm",
    r"\epsilon_{\mathrm{PGD}} = 0.05",
    r"\|\delta\|_\infty = 0.05 is some 55 times as long as 0.05",
    "λ = 0.01 for two and ten classes, 0.05 for a hundred",
    "0.05 in three conventions",
    "the numbers kept beside the authors' script are 0.67 and 1.47",
    # of the colours of Colored MNIST, by definition
    "right on 85 % of the training images, going against it on 90 % of the test images",
    "right on 10 % of the test images",
]
