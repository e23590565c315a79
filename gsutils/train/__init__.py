"""One training loop for every experiment: see :mod:`gsutils.train.loop`.

>>> resolve_device("cpu")
device(type='cpu')
"""

from gsutils.train.devices import PRECISIONS, precision, resolve_device
from gsutils.train.full_batch import Chunk, chunks, fit
from gsutils.train.loop import History, TrainingDiverged, minimise
from gsutils.train.minibatch import Epochs, fit_images, pixels
from gsutils.train.optimizers import SGD, Adam

__all__ = [
    "PRECISIONS",
    "SGD",
    "Adam",
    "Chunk",
    "Epochs",
    "History",
    "TrainingDiverged",
    "chunks",
    "fit",
    "fit_images",
    "minimise",
    "pixels",
    "precision",
    "resolve_device",
]
