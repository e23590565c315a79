"""The networks of the book.

>>> import torch
>>> MLP((2, 500, 1), seeds=range(3))(torch.zeros(10, 2)).shape
torch.Size([3, 10])
"""

from gsutils.nets.convolutional import ConvNet, Mirrored
from gsutils.nets.mlp import INITIALISATIONS, MLP, PARAMETERISATIONS, Pair, RunBatchNorm

__all__ = [
    "INITIALISATIONS",
    "MLP",
    "PARAMETERISATIONS",
    "ConvNet",
    "Mirrored",
    "Pair",
    "RunBatchNorm",
]
