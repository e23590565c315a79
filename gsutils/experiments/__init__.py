"""One module per task; each figure or table of the paper is an entry of one of them.

An entry holds its cases in both sizes, what trains them and the paper's numbers; the plain dict
:data:`ENTRIES` lists them all. ``quick`` is what the chapters run: under a minute on two
CPU cores. ``paper`` is the published setting.

>>> print(*ENTRIES)  # doctest: +NORMALIZE_WHITESPACE
figure1 regularisers figure1d figure5 table1 cifar2-cpu table2 sd-path table3 dosage dosage-noise
label-noise label-noise-width transient-map red-arrows red-arrows-methods dominoes ten-colours
"""

from gsutils.experiments import (
    celeba,
    cifar,
    colored_mnist,
    dominoes,
    dosage,
    dosage_noise,
    figure5,
    label_noise,
    red_arrows,
    responses,
    ten_colours,
    two_cues,
    two_moons,
)
from gsutils.runs.entry import SIZES, Entry, chosen_size

ENTRIES: dict[str, Entry] = {
    **two_moons.ENTRIES,
    **responses.ENTRIES,
    **figure5.ENTRIES,
    **cifar.ENTRIES,
    **colored_mnist.ENTRIES,
    **celeba.ENTRIES,
    **dosage.ENTRIES,
    **dosage_noise.ENTRIES,
    **label_noise.ENTRIES,
    **two_cues.ENTRIES,
    **red_arrows.ENTRIES,
    **dominoes.ENTRIES,
    **ten_colours.ENTRIES,
}

__all__ = ["ENTRIES", "SIZES", "Entry", "chosen_size"]
