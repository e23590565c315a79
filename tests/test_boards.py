"""The rook puzzles: the rule holds on every board, and arrows agree as often as they should."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gsutils.data import boards

MANY = boards.draw(4000, seed=1)


def solved(board):
    """The side on which the rook reaches a queen, found square by square."""
    rook, queens, pawns = board.pieces[0]
    ((rank, file),) = np.argwhere(rook)
    free = []
    for side in (-1, 1):
        at = file + side
        while not queens[rank, at] and not pawns[rank, at]:
            at += side
        free += [side] if queens[rank, at] else []
    return free


def test_the_rook_can_take_one_queen_and_the_label_says_which():
    for i in range(500):
        assert solved(MANY[i : i + 1]) == [MANY.y[i]]


def test_every_board_has_a_rook_two_queens_and_no_two_pieces_on_a_square():
    assert (MANY.pieces.sum((2, 3))[:, :2] == (1, 2)).all()
    assert MANY.pieces.sum(1).max() == 1
    assert MANY.flat.shape == (4000, 256)
    assert MANY.flat.dtype == MANY.y.dtype == np.float32


def test_both_labels_are_equally_likely_and_no_single_square_gives_the_answer_away():
    assert abs(MANY.y.mean()) < 0.05
    varied = MANY.flat.std(0) > 0
    correlation = np.corrcoef(MANY.flat[:, varied].T, MANY.y)[-1, :-1]
    assert abs(correlation).max() < 0.2


def test_the_rule_of_thumb_is_better_than_chance_and_far_from_the_rule():
    right = (boards.pawn_count(MANY) * MANY.y).mean() / 2 + 0.5
    assert 0.6 < right < 0.7


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 1), st.integers(0, 50))
def test_arrows_are_right_as_often_as_the_agreement_says(agreement, seed):
    right = (MANY.with_arrows(agreement, seed).arrow == MANY.y).mean()
    assert abs(right - agreement) < 0.05


def test_a_higher_agreement_only_turns_wrong_arrows_round():
    low, high = (MANY.with_arrows(q, seed=2).arrow == MANY.y for q in (0.7, 0.9))
    assert (high | ~low).all()
    assert high.sum() > low.sum()


def test_an_arrow_covers_the_squares_up_to_the_queen_it_points_to():
    book = MANY[:200].with_arrows(0.5, seed=0)
    for i, plane in enumerate(book.flat.reshape(-1, 4, 8, 8)):
        ((rank, rook),) = np.argwhere(plane[0])
        covered = np.flatnonzero(plane[3, rank])
        assert plane[3].sum() == len(covered)
        assert (np.sign(covered - rook) == book.arrow[i]).all()
        far = covered[abs(covered - rook).argmax()]
        assert plane[1, rank, far] == 1
        assert len(covered) == abs(far - rook)


def test_without_arrows_the_plane_is_empty_and_the_positions_stay():
    bare = MANY.with_arrows(0.9).with_arrows(None)
    assert not bare.flat.reshape(-1, 4, 64)[:, 3].any()
    assert bare.pieces is MANY.pieces


def test_fewer_boards_are_drawn_from_the_seed_alone():
    one, same, other = (boards.draw(30, seed) for seed in (5, 5, 6))
    assert (one.flat == same.flat).all()
    assert (one.flat != other.flat).any()
    assert (boards.draw(30, 5, "test boards").flat != one.flat).any()


def test_misprints_turn_labels_round_and_nothing_else():
    wrong = MANY.misprinted(0.25, seed=3)
    assert abs((wrong.y != MANY.y).mean() - 0.25) < 0.03
    assert wrong.pieces is MANY.pieces
    assert (MANY.misprinted(0.0).y == MANY.y).all()


def test_text_and_drawing_show_the_pieces_and_the_arrow():
    book = MANY[:3].with_arrows(1.0)
    text = book.text(0)
    assert (text.count("R"), text.count("q")) == (1, 2)
    assert text.count("p") == book.pieces[0, 2].sum()
    assert "*" in text
    fig, ax = plt.subplots()
    book.show(ax, 0)
    symbols = "".join(t.get_text() for t in ax.texts)
    assert (symbols.count("♖"), symbols.count("♛")) == (1, 2)
    assert sum(getattr(t, "arrow_patch", None) is not None for t in ax.texts) == 1
    plt.close(fig)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: boards.draw(0, 0), "n must be an integer >= 1"),
        (lambda: boards.draw(5, 0, pawns=1.5), "pawns must be in"),
        (lambda: MANY.with_arrows(1.2), "agreement must be in"),
        (lambda: MANY.misprinted(-0.1), "share must be in"),
    ],
)
def test_arguments_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
