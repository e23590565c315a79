r"""A small convolutional network for images, with weights that a seed can draw again.

It has the plain shape of the CIFAR speed records (Page 2018, "How to train your ResNet"; Jordan
2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU"), with ReLU as in section 4.2 of the paper:
a fixed whitening of small patches, then groups of convolutions that each halve the image, the
maximum over what is left of it, and a linear map to the logits.

>>> images = torch.rand(5, 1, 8, 8)
>>> net = ConvNet((8, 16), images)
>>> net(images).shape
torch.Size([5])
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gsutils.seeding import check_seeds, stream


class ConvNet(nn.Module):
    r"""A convolutional ReLU network of images in [0, 1].

    The 2×2 patches of :math:`4x - 2` are whitened, and their positive and negative parts go on
    (24 channels of a colour image). Each width then stands for a group: 3×3 convolution, 2×2
    maximum, batch normalisation, ReLU, and once more convolution, normalisation, ReLU (twice, with
    a shortcut around them, where ``residual``).

    Args:
        widths: the channels of each group; an image of h×w pixels can be halved as many times.
        images: (n, c, h, w) in [0, 1]; their patches give the whitening, which is not trained.
        outputs: 1 for a two-class network, which has one logit; else the number of classes.
        residual: whether each group has a third convolution and a shortcut around the last two.
        seed: of the weights, ``stream(seed, "weights")``: uniform on ±1/√fan_in, as PyTorch's;
            biases zero.

    Raises:
        ValueError: a width or count out of range, or images of another shape.
    """

    whitening: Tensor

    def __init__(
        self,
        widths: Sequence[int],
        images: Tensor,
        outputs: int = 1,
        residual: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not widths or min(*widths, outputs) < 1 or outputs == 2:
            raise ValueError(
                "widths and outputs must be >= 1, and outputs 1 for two classes; got "
                f"{tuple(widths)} and {outputs}"
            )
        if images.ndim != 4 or min(images.shape[2:]) <= 2 ** len(widths):
            raise ValueError(
                f"images must be (n, c, h, w) of more than {2 ** len(widths)} pixels a side, to be "
                f"halved {len(widths)} times, got {tuple(images.shape)}"
            )
        self.outputs = outputs
        self.register_buffer("whitening", _whitening(4 * images - 2))
        self.groups = nn.Sequential(
            *(_Group(a, b, residual) for a, b in zip((2 * len(self.whitening), *widths), widths))
        )
        self.head = nn.Linear(widths[-1], outputs)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.reset(seed)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images (n, c, h, w) in [0, 1]: (n,), or (n, outputs) if several."""
        logits: Tensor = self.head(self.features(images))
        return logits[:, 0] if self.outputs == 1 else logits

    def features(self, images: Tensor) -> Tensor:
        """Return what the last layer, which is linear, sees of images: (n, widths[-1])."""
        patches = F.conv2d(4 * images - 2, self.whitening)
        found: Tensor = self.groups(torch.cat([patches, -patches], 1).relu()).amax((2, 3))
        return found

    def reset(self, seed: int) -> None:
        """Draw the weights anew, in place, so that a compiled network stays compiled."""
        (seed,) = check_seeds([seed])
        rng = stream(seed, "weights")
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                bound = module.weight[0].numel() ** -0.5
                draw = rng.uniform(-bound, bound, module.weight.shape)
                with torch.no_grad():
                    module.weight.copy_(torch.from_numpy(draw))
                    if module.bias is not None:
                        module.bias.zero_()
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()


class Mirrored(nn.Module):
    """A network that answers by the mean of its logits for an image and for its mirror image."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.train(net.training)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images (n, c, h, w), as the network does."""
        mean: Tensor = (self.net(images) + self.net(images.flip(-1))) / 2
        return mean


def _whitening(images: Tensor, size: int = 2, floor: float = 0.01) -> Tensor:
    """Return filters (c·size², c, size, size) that make the patches of images white.

    They are the eigenvectors of the patches' second moments over the roots of the eigenvalues,
    which are raised by ``floor``, lest noise be blown up. The largest entry of each is positive.
    """
    patches = F.unfold(images[:5000].double().cpu(), size).mT.flatten(0, 1)  # (patches, c·size²)
    values, vectors = torch.linalg.eigh(patches.mT @ patches / len(patches))
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    filters = (vectors * largest.sign() / (values + floor).sqrt()).mT
    return filters.reshape(-1, images.shape[1], size, size).to(images)


class _Group(nn.Module):
    """Convolutions that halve the image and change the number of channels from a to b."""

    def __init__(self, a: int, b: int, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.first = _convolution(a, b, pool=True)
        self.rest = nn.Sequential(*(_convolution(b, b) for _ in range(2 if residual else 1)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        rest: Tensor = self.rest(x)
        return x + rest if self.residual else rest


def _convolution(a: int, b: int, pool: bool = False) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(a, b, 3, padding=1, bias=False)]
    layers += [nn.MaxPool2d(2)] if pool else []
    return nn.Sequential(*layers, nn.BatchNorm2d(b), nn.ReLU())
