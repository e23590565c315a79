r"""A chess book with red arrows, drawn by code: the thought experiment of section 5 as a task.

On every board White's rook stands on the fourth or fifth file, with a black queen on either side
of it on the same rank, two or three squares away. A black pawn stands between the rook and one of
the queens; more pawns, on other ranks, mean nothing. **Which queen can the rook take?** The label
is +1 for the right one and -1 for the left one; it follows from the position without exception.

A red arrow from the rook to a queen may be printed on a board. It agrees with the label with a
probability of our choice, whatever the position. The puzzles come from no real game: there are no
kings, and pawns stand on any rank.

>>> book = draw(5, seed=0).with_arrows(1.0, seed=0)
>>> book.flat.shape, bool((book.arrow == book.y).all())
((5, 256), True)
>>> print(book.text(0))
. . . . . . . .
. . . . . . . .
. . q p R * * q
. . p . . . . .
. . p . . . . .
. . . . . . . p
. p p . . . . .
. . . . . . . .
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from gsutils import guards
from gsutils.seeding import stream

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "rook puzzles (drawn by code)"
SIDE = 8
PLANES = ("rook", "queens", "pawns", "arrow")
PAWNS = 0.15  # share of the squares off the rook's rank that hold a pawn
LIGHT, DARK, RED = "#f3ead8", "#c9b08c", "#c1121f"


@dataclass(frozen=True)
class Boards:
    """Positions, with or without arrows.

    Attributes:
        pieces: 1 where a piece of the first three :data:`PLANES` stands, float32, (n, 3, 8, 8).
        y: the side of the queen that can be taken, -1 left, +1 right, float32, (n,).
        arrow: the side that the arrow points to, 0 where none is printed, float32, (n,).
    """

    pieces: np.ndarray
    y: np.ndarray
    arrow: np.ndarray

    def __len__(self) -> int:
        """Return the number of boards."""
        return len(self.y)

    def __getitem__(self, chosen: slice | np.ndarray) -> "Boards":
        """Return some of the boards."""
        return Boards(self.pieces[chosen], self.y[chosen], self.arrow[chosen])

    def with_arrows(
        self, agreement: float | np.ndarray | None, seed: int = 0, name: str = "arrows"
    ) -> "Boards":
        """Print other arrows on the same positions.

        Args:
            agreement: the probability with which an arrow is right, in [0, 1], one for all boards
                or one for each; None: no arrows.
            seed: draws which are wrong. With the same seed, a higher agreement turns some of the
                wrong arrows round and leaves the others as they are.
            name: of the stream; arrows on other boards come from a stream of their own.

        Raises:
            ValueError: the agreement is no probability.
        """
        if agreement is None:
            return replace(self, arrow=np.zeros_like(self.y))
        _check_shares("agreement", agreement)
        right = stream(seed, name).random(len(self)) < agreement
        return replace(self, arrow=np.where(right, self.y, -self.y))

    def misprinted(self, share: float, seed: int = 0, name: str = "misprints") -> "Boards":
        """Turn a share of the labels round, drawn from a seed's stream ``name``; arrows stay.

        Raises:
            ValueError: the share is not in [0, 1].
        """
        _check_shares("share", share)
        wrong = stream(seed, name).random(len(self)) < share
        return replace(self, y=np.where(wrong, -self.y, self.y))

    @cached_property
    def flat(self) -> np.ndarray:
        """What a network sees: the four planes one after the other, float32, (n, 256)."""
        planes = np.concatenate([self.pieces, self._arrow_plane[:, None]], 1)
        return planes.reshape(len(self), -1)

    @cached_property
    def _arrow_plane(self) -> np.ndarray:
        """Return 1 from the square beside the rook to the queen pointed at, (n, 8, 8)."""
        rook, queens, _ = self.pieces.swapaxes(0, 1)
        file = np.arange(SIDE)
        offset = file - rook.any(1).argmax(1)[:, None]  # (n, 8)
        target = queens.any(1) & (offset * self.arrow[:, None] > 0)
        reach = (target * abs(offset)).max(1, keepdims=True)
        covered = (offset * self.arrow[:, None] > 0) & (abs(offset) <= reach)
        plane: np.ndarray = rook.any(2)[:, :, None] & covered[:, None]
        return plane.astype(np.float32)

    def text(self, i: int) -> str:
        """Return one board as text: R, q and p are pieces, * the arrow."""
        squares = np.full((SIDE, SIDE), ".")
        for plane, letter in zip((self._arrow_plane[i], *self.pieces[i]), "*Rqp"):
            squares[plane > 0] = letter
        return "\n".join(" ".join(row) for row in squares)

    def show(self, ax: "Axes", i: int) -> None:
        """Draw one board on an axis, with chess symbols and, where there is one, the arrow."""
        from matplotlib.colors import ListedColormap

        squares = np.indices((SIDE, SIDE)).sum(0) % 2
        ax.imshow(squares, cmap=ListedColormap([LIGHT, DARK]), vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        for plane, symbol in zip(self.pieces[i], "♖♛♟"):
            for row, file in np.argwhere(plane):
                ax.text(file, row, symbol, fontsize=15, ha="center", va="center_baseline")
        (row, rook), queens = np.argwhere(self.pieces[i, 0])[0], np.argwhere(self.pieces[i, 1])
        for _, file in queens[np.sign(queens[:, 1] - rook) == self.arrow[i]]:
            ax.annotate("", (file, row), (rook, row), arrowprops={
                "arrowstyle": "-|>", "color": RED, "linewidth": 2.6, "alpha": 0.85,
                "shrinkA": 2, "shrinkB": 2,
            })  # fmt: skip


def draw(n: int, seed: int, name: str = "boards", pawns: float = PAWNS) -> Boards:
    """Draw positions without arrows, both labels equally likely.

    Args:
        n: how many, >= 1.
        seed: of the stream.
        name: of the stream; training and test boards have streams of different names.
        pawns: share of the squares off the rook's rank that hold a pawn, in [0, 1].

    Raises:
        ValueError: an argument out of range.
    """
    guards.count("n", n)
    _check_shares("pawns", pawns)
    rng, board = stream(seed, name), np.arange(n)
    y = rng.choice([-1, 1], n)
    rank, rook = rng.integers(SIDE, size=n), rng.integers(3, 5, n)
    distance = rng.integers(2, 4, (2, n))  # of the queens: that to be taken, that behind the pawn
    pieces = np.zeros((n, 3, SIDE, SIDE), np.float32)
    pieces[:, 2] = rng.random((n, SIDE, SIDE)) < pawns
    pieces[board, 2, rank] = 0
    pieces[board, 0, rank, rook] = 1
    pieces[board, 1, rank, rook + y * distance[0]] = 1
    pieces[board, 1, rank, rook - y * distance[1]] = 1
    pieces[board, 2, rank, rook - y * rng.integers(1, distance[1])] = 1
    labels = y.astype(np.float32)
    return Boards(pieces, labels, np.zeros_like(labels))


def joined(parts: Sequence[Boards]) -> Boards:
    """Put several sets of boards together.

    Raises:
        ValueError: there is none.
    """
    if not parts:
        raise ValueError("parts must hold at least one set of boards, got none")
    arrays = ([getattr(part, name) for part in parts] for name in ("pieces", "y", "arrow"))
    return Boards(*(np.concatenate(array) for array in arrays))


def pawn_count(boards: Boards) -> np.ndarray:
    """Return a rule of thumb's answers, (n,): the side of the rook's file with fewer pawns.

    It knows no lines and guesses nothing where the sides are equal: 0.
    """
    offset = np.arange(SIDE) - boards.pieces[:, 0].any(1).argmax(1)[:, None]
    per_file = boards.pieces[:, 2].sum(1)
    return -np.sign((per_file * np.sign(offset)).sum(1))


def _check_shares(name: str, value: float | np.ndarray) -> None:
    if not ((np.asarray(value) >= 0) & (np.asarray(value) <= 1)).all():
        raise ValueError(f"{name} must be in [0, 1], got {value}")
