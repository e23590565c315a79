r"""Six conventions of spectral decoupling, and how a coefficient moves from one to another.

This book adds :math:`\frac{\lambda}{2n} \sum_i \hat y_i^2` to the **mean** logistic loss and calls
λ ``lam``: Eq. 17 divided by n. For a softmax with K classes it adds
:math:`\frac{\lambda}{2n} \sum_i \sum_k \hat y_{ik}^2` to the mean cross-entropy. Published code
differs in the factor 1/2, in sums and means, and in which logits are penalised, so that "λ = 0.1"
means little without its source. A conversion is one factor: ``lam`` = factor × coefficient.

>>> to_lam("authors", 0.003)
0.006
>>> to_lam("domainbed", 0.1, classes=2)
0.1
>>> from_lam("weight-decay", 3.0, n=300)
0.01
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Value = float | tuple[float, float]


@dataclass(frozen=True)
class Convention:
    """How one source writes its penalty, added to a mean loss (the paper: to a sum).

    Attributes:
        source: who writes it so.
        link: where to read it.
        penalty: the formula, in LaTeX; c is the source's own coefficient.
        coefficient: the values of c that the source uses.
        lam: the same strength as this book's ``lam``, in LaTeX.
        factor: ``lam`` / c, from what ``needs`` names.
        needs: the argument that a conversion needs besides c: "classes", "shares", "n", or none.
        penalises: "logits", "true-class logit" or "weights".
    """

    source: str
    link: str
    penalty: str
    coefficient: str
    lam: str
    factor: Callable[[Any], Value]
    needs: str | None = None
    penalises: str = "logits"


CONVENTIONS = {
    "paper": Convention(
        "the paper, Eq. 17 (beside a sum loss)",
        "https://arxiv.org/abs/2011.09468",
        r"\frac{c}{2} \sum_i \hat y_i^2",
        "0.01, 0.05 (CIFAR)",
        "c",
        lambda _: 1.0,
    ),
    "authors": Convention(
        "the authors' code: two moons, Colored MNIST",
        "https://github.com/mohammadpz/Gradient_Starvation",
        r"c \cdot \mathrm{mean}_i\, \hat y_i^2",
        "0.003; 2e-5, in effect 1 after the switch",
        "2c",
        lambda _: 2.0,
    ),
    "authors-celeba": Convention(
        "the authors' code: CelebA",
        "https://github.com/mohammadpz/Gradient_Starvation",
        r"c \sum_{\pm} \mathrm{mean}_{i:\, y_i = \pm 1} (\hat y_i - \gamma_\pm)^2",
        "0.1",
        r"2c / \pi_\pm",
        lambda shares: (2 / shares[0], 2 / shares[1]),
        needs="shares",
    ),
    "domainbed": Convention(
        "DomainBed",
        "https://github.com/facebookresearch/DomainBed",
        r"c \cdot \mathrm{mean}_{i,k}\, \hat y_{ik}^2",
        "0.1; searched from 1e-5 to 0.1",
        "2c / K",
        lambda classes: 2 / classes,
        needs="classes",
    ),
    "woods": Convention(
        "WOODS",
        "https://github.com/jc-audet/WOODS",
        r"c \cdot \mathrm{mean}_i \sum_k \hat y_{ik}^2",
        "1",
        "2c",
        lambda _: 2.0,
    ),
    "bias-mitigators": Convention(
        "bias-mitigators",
        "https://github.com/erobic/bias-mitigators",
        r"\mathrm{mean}_i\, \frac{c}{2} (\hat y_{i y_i} - \gamma_{y_i})^2",
        "10",
        "c",
        lambda _: 1.0,
        penalises="true-class logit",
    ),
    "weight-decay": Convention(
        "PyTorch's weight_decay (Eq. 5, not 17)",
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html",
        r"\frac{c}{2} \lVert \theta \rVert^2",
        "0.01 (two moons)",
        "n c",
        float,
        needs="n",
        penalises="weights",
    ),
}


def to_lam(
    convention: str,
    value: Value,
    *,
    classes: int | None = None,
    shares: Sequence[float] | None = None,
    n: int | None = None,
) -> Value:
    r"""Return the ``lam`` of this book that penalises as much as a source's own coefficient.

    Summing *both* loss and penalty over examples changes nothing; a summed penalty beside a mean
    loss is worth n times as much.

    Args:
        convention: a key of :data:`CONVENTIONS`.
        value: the source's coefficient >= 0; a pair (class -1, class +1) where it has two.
        classes: K >= 2, where the source averages over classes ("domainbed").
        shares: of the two classes (class -1, class +1) in a batch, positive, of sum 1, where the
            source averages within each class ("authors-celeba").
        n: number of examples, where the source penalises the weights ("weight-decay").

    Returns:
        A number, or a pair (class -1, class +1) where the two classes differ.

    Raises:
        ValueError: an unknown convention, a value out of range, or an argument that is missing
            or has no use here.
    """
    return _times(value, _factor(convention, {"classes": classes, "shares": shares, "n": n}))


def from_lam(
    convention: str,
    lam: Value,
    *,
    classes: int | None = None,
    shares: Sequence[float] | None = None,
    n: int | None = None,
) -> Value:
    """Return the coefficient of a source for a ``lam`` of this book: the inverse of `to_lam`.

    Arguments and errors are those of :func:`to_lam`.
    """
    factor = _factor(convention, {"classes": classes, "shares": shares, "n": n})
    inverse = (1 / factor[0], 1 / factor[1]) if isinstance(factor, tuple) else 1 / factor
    return _times(lam, inverse)


def _factor(convention: str, given: dict[str, Any]) -> Value:
    if convention not in CONVENTIONS:
        raise ValueError(f"convention must be in {tuple(CONVENTIONS)}, got {convention!r}")
    chosen = CONVENTIONS[convention]
    useless = {k: v for k, v in given.items() if v is not None and k != chosen.needs}
    if useless:
        needed = f"needs {chosen.needs} alone" if chosen.needs else "needs nothing else"
        raise ValueError(f"{convention!r} {needed}, got {useless}")
    extra: Any = given[chosen.needs] if chosen.needs else None
    if chosen.needs and extra is None:
        raise ValueError(f"{convention!r} cannot be converted without {chosen.needs}=…, got none")
    for name, least in (("classes", 2), ("n", 1)):
        if chosen.needs == name and not (isinstance(extra, int) and extra >= least):
            raise ValueError(f"{name} must be an integer >= {least}, got {extra!r}")
    if chosen.needs == "shares" and not (
        len(extra) == 2 and min(extra) > 0 and math.isclose(sum(extra), 1, abs_tol=1e-6)
    ):
        raise ValueError(f"shares must be two positive numbers of sum 1, got {extra!r}")
    return chosen.factor(extra)


def _times(value: Value, factor: Value) -> Value:
    """Multiply numbers and pairs element by element."""
    for one in value if isinstance(value, tuple) else (value,):
        if not 0 <= one < math.inf:
            raise ValueError(f"a coefficient must be a finite number >= 0, got {value!r}")
    if isinstance(value, tuple) or isinstance(factor, tuple):
        pairs = (v if isinstance(v, tuple) else (v, v) for v in (value, factor))
        (negative, positive), (first, second) = pairs
        return negative * first, positive * second
    return value * factor
