"""Networks of section 4.4 that map images of bytes to one logit each.

``resnet50`` is torchvision's ResNet-50, pretrained on ImageNet, with a new last layer. `SmallCNN`
has the same interface, and serves the stand-in of :mod:`gsutils.data.faces`.

>>> net = SmallCNN(side=16, seed=0)
>>> net(torch.zeros(5, 3, 16, 16, dtype=torch.uint8)).shape
torch.Size([5])
"""

from importlib import import_module

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from gsutils import guards
from gsutils.data.fetch import DataUnavailable
from gsutils.seeding import check_seeds, stream

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CNN, RESNET50 = "cnn", "resnet50"
IMAGE_NETWORKS = (CNN, RESNET50)


class SmallCNN(nn.Module):
    """Two strided 3×3 convolutions and a linear layer, without normalisation across a batch.

    Args:
        side: height and width of the images, a multiple of 4.
        seed: weights and biases are uniform on ±1/√fan_in, from a stream of this seed.
        role: names the stream, so that two networks of one seed can differ.

    Raises:
        ValueError: an impossible side, or a seed out of range.
    """

    def __init__(self, side: int = 16, seed: int = 0, role: str = "weights") -> None:
        super().__init__()
        (seed,) = check_seeds([seed])
        if guards.count("side", side) % 4:
            raise ValueError(f"side must be a positive multiple of 4, got {side}")
        self.layers = nn.Sequential(
            skip_init(nn.Conv2d, 3, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            skip_init(nn.Conv2d, 8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            skip_init(nn.Linear, 16 * (side // 4) ** 2, 1),
        )
        rng = stream(seed, role)
        for layer in self.layers:
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                draw_uniform(layer, rng)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (n,) of images (n, 3, side, side), bytes."""
        logits: Tensor = self.layers(images.float() / 255 - 0.5)
        return logits[:, 0]


class ResNet50(nn.Module):
    """torchvision's ResNet-50 with one logit, for images of bytes; see :func:`resnet50`."""

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, seed: int, role: str = "weights") -> None:
        super().__init__()
        last = body.get_submodule("fc")
        assert isinstance(last, nn.Linear)
        self.body = body
        self.body.fc = head = skip_init(nn.Linear, last.in_features, 1)
        draw_uniform(head, stream(seed, role))
        self.register_buffer("mean", 255 * torch.tensor(IMAGENET_MEAN)[:, None, None])
        self.register_buffer("std", 255 * torch.tensor(IMAGENET_STD)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (n,) of images (n, 3, h, w), bytes."""
        pixels = (images - self.mean) / self.std
        logits: Tensor = self.body(pixels.contiguous(memory_format=torch.channels_last))
        return logits[:, 0]


def resnet50(seed: int = 0, role: str = "weights", pretrained: bool = True) -> ResNet50:
    """Return torchvision's ResNet-50 with a fresh last layer of one logit.

    Args:
        seed: of the last layer.
        role: names the stream that draws it.
        pretrained: with ImageNet weights (version 1, those of 2021), which torchvision
            downloads once, about 100 MB; else with torchvision's random ones.

    Raises:
        ModuleNotFoundError: torchvision is not installed.
        DataUnavailable: the ImageNet weights cannot be had.
    """
    try:
        models = import_module("torchvision.models")
    except ImportError as error:
        raise ModuleNotFoundError(
            "the ResNet-50 of section 4.4 comes from torchvision, which is not installed: run "
            f"`pip install torchvision`, in the version that belongs to torch {torch.__version__}"
        ) from error
    try:
        weights = models.ResNet50_Weights.IMAGENET1K_V1 if pretrained else None
        body = models.resnet50(weights=weights)
    except (OSError, RuntimeError) as error:
        raise DataUnavailable(
            f"torchvision could not load the ImageNet weights of its ResNet-50 ({error}); download "
            f"them once with a network, or put them into {torch.hub.get_dir()}/checkpoints"
        ) from error
    return ResNet50(body, seed, role)


def image_network(name: str, side: int, seed: int, role: str = "weights") -> nn.Module:
    """Return a network by its name in :data:`IMAGE_NETWORKS`; ``side`` matters to the CNN alone.

    Raises:
        ValueError: an unknown name.
    """
    if name == CNN:
        return SmallCNN(side, seed, role)
    if name == RESNET50:
        return resnet50(seed, role)
    raise ValueError(f"network must be in {IMAGE_NETWORKS}, got {name!r}")


def draw_uniform(layer: nn.Conv2d | nn.Linear, rng: np.random.Generator) -> None:
    """Draw a layer's weights and biases anew, uniform on ±1/√fan_in, PyTorch's own bounds."""
    bound = layer.weight[0].numel() ** -0.5
    with torch.no_grad():
        for parameter in (layer.weight, layer.bias):
            if parameter is not None:
                draw = rng.uniform(-bound, bound, tuple(parameter.shape))
                parameter.copy_(torch.from_numpy(draw))
