r"""Multilayer perceptrons that carry several independent runs at once.

Every parameter has a leading run axis, so that seeds and hyper-parameters train together in one
program; a run's numbers are those that it would have alone.

>>> import torch
>>> net = MLP((2, 500, 1), seeds=range(3))
>>> net(torch.zeros(10, 2)).shape
torch.Size([3, 10])
"""

import json
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gsutils import guards
from gsutils.seeding import check_seeds, stream

INITIALISATIONS = ("pytorch", "xavier")
PARAMETERISATIONS = ("standard", "ntk")


class MLP(nn.Module):
    r"""A fully connected ReLU network, in one copy per seed.

    ``standard``: :math:`f^{(l)} = W^{(l)} h^{(l-1)} + b^{(l)}`, :math:`h^{(l)} = \max(0, f^{(l)})`.

    ``ntk`` (Eq. 1): :math:`f^{(l)} = W^{(l)} h^{(l-1)}`,
    :math:`h^{(l)} = \sqrt{2/d_l}\, \max(0, f^{(l)})`, :math:`W_{ij} \sim N(0, 1)`, no biases.

    Args:
        widths: inputs, hidden widths, and logits, for example ``(2, 500, 1)``; two classes have
            one logit, K > 2 classes K.
        seeds: one per run; weights come from ``stream(seed, role)``.
        parameterisation: "standard" or "ntk".
        init: of the standard parameterisation. "pytorch": weights and biases uniform on
            ±1/√fan_in, as in ``torch.nn.Linear``. "xavier": weights Xavier uniform, biases zero.
        batch_norm: normalise each hidden layer before its ReLU (standard only).
        dropout: share of hidden units dropped in training, in [0, 1).
        role: name of the stream; a second network of the same seeds has another, and with it other
            units dropped.

    Raises:
        ValueError: an unknown name, or a width, share or seed out of range.
    """

    def __init__(
        self,
        widths: Sequence[int],
        seeds: Iterable[int] = (0,),
        *,
        parameterisation: str = "standard",
        init: str = "pytorch",
        batch_norm: bool = False,
        dropout: float = 0.0,
        role: str = "weights",
    ) -> None:
        super().__init__()
        self.widths, self.seeds = tuple(widths), check_seeds(seeds)
        self.parameterisation, self.dropout = parameterisation, dropout
        for width in self.widths:
            guards.count("a width", width)
        if len(self.widths) < 2 or min(self.widths) < 1 or self.widths[-1] == 2:
            raise ValueError(
                f"widths must be positive and end with 1 for two classes, got {self.widths}"
            )
        if parameterisation not in PARAMETERISATIONS:
            raise ValueError(
                f"parameterisation must be in {PARAMETERISATIONS}, got {parameterisation!r}"
            )
        if init not in INITIALISATIONS:
            raise ValueError(f"init must be in {INITIALISATIONS}, got {init!r}")
        guards.number("dropout", dropout, least=0.0, below=1.0)
        if batch_norm and parameterisation == "ntk":
            raise ValueError("batch_norm has no place in the NTK parameterisation (Eq. 1)")

        streams = [stream(seed, role) for seed in self.seeds]
        weights, biases = [], []
        for fan_in, fan_out in zip(self.widths, self.widths[1:]):
            draws = [_draw(rng, fan_in, fan_out, parameterisation, init) for rng in streams]
            weights.append(nn.Parameter(torch.stack([weight for weight, _ in draws])))
            biases.append(nn.Parameter(torch.stack([bias for _, bias in draws])))
        self.weights = nn.ParameterList(weights)  # (runs, fan_out, fan_in)
        self.biases = nn.ParameterList(biases if parameterisation == "standard" else [])
        self.norms = nn.ModuleList(
            RunBatchNorm(len(self.seeds), width) for width in self.widths[1:-1] if batch_norm
        )
        dropped = "dropout" if role == "weights" else f"dropout, {role}"
        self._dropout_streams = [stream(seed, dropped) for seed in self.seeds]

    @property
    def runs(self) -> int:
        """The number of runs."""
        return len(self.seeds)

    def forward(self, X: Tensor, columns: Tensor | None = None) -> Tensor:
        """Return the logits (runs, n) for inputs (n, d), shared by all runs, or (runs, n, d).

        Of K classes they are (runs, n, K). Where ``columns`` (c,) is given, X holds these inputs
        alone, and the others are zero.
        """
        inputs = self.widths[0] if columns is None else len(columns)
        if X.shape[-1] != inputs or X.ndim not in (2, 3):
            raise ValueError(
                f"X must be (n, {inputs}) or (runs, n, {inputs}), got {tuple(X.shape)}"
            )
        if X.ndim == 3 and X.shape[0] != self.runs:
            raise ValueError(f"X holds {X.shape[0]} runs, the network {self.runs}")
        h = (X if X.ndim == 3 else X.expand(self.runs, *X.shape)).mT  # (runs, d, n)
        last = len(self.weights) - 1
        for layer, weight in enumerate(self.weights):
            if layer == 0 and columns is not None:
                weight = weight[:, :, columns]
            if self.biases:
                f = torch.baddbmm(self.biases[layer][..., None], weight, h)
            else:
                f = torch.bmm(weight, h)
            if layer == last:
                return f[:, 0] if len(f[0]) == 1 else f.mT
            h = F.relu(self.norms[layer](f) if self.norms else f, inplace=True)
            if self.parameterisation == "ntk":
                h = h * (2 / weight.shape[1]) ** 0.5
            if self.training and self.dropout:
                h = h * self._dropout_mask(h)
        raise AssertionError("unreachable: widths has at least two entries")

    def get_extra_state(self) -> list[str]:
        """Return where the dropout streams are, one string per run: a checkpoint needs it."""
        return [json.dumps(rng.bit_generator.state) for rng in self._dropout_streams]

    def set_extra_state(self, state: list[str]) -> None:
        """Set the dropout streams to where they were."""
        for rng, where in zip(self._dropout_streams, state, strict=True):
            rng.bit_generator.state = json.loads(where)

    def single(self, run: int) -> "MLP":
        """Return a copy that holds one run alone, in evaluation mode.

        Raises:
            ValueError: there is no such run.
        """
        if not 0 <= run < self.runs:
            raise ValueError(f"run must be in 0..{self.runs - 1}, got {run}")
        alone = self._like(self.seeds[run : run + 1])
        # The extra state, too, is a list with one item per run.
        alone.load_state_dict({k: v[run : run + 1] for k, v in self.state_dict().items()})
        return alone.eval()

    def copies(self, times: int) -> "MLP":
        """Return a network that holds all runs, then all of them again, ``times`` times.

        Raises:
            ValueError: ``times`` is less than 1.
        """
        if times < 1:
            raise ValueError(f"times must be >= 1, got {times}")
        many = self._like(range(self.runs * times))
        many.load_state_dict(
            {
                k: v * times if isinstance(v, list) else v.repeat(times, *[1] * (v.ndim - 1))
                for k, v in self.state_dict().items()
            }
        )
        return many

    def _like(self, seeds: Iterable[int]) -> "MLP":
        """Return a network of the same kind with other runs."""
        return MLP(
            self.widths,
            seeds,
            parameterisation=self.parameterisation,
            batch_norm=len(self.norms) > 0,
            dropout=self.dropout,
        ).to(self.weights[0])

    def _dropout_mask(self, h: Tensor) -> Tensor:
        """Return a mask like ``h``, entries 0 or 1/(1 - dropout), each run from its own stream."""
        keep = [
            rng.random(h.shape[1:], np.float32) >= self.dropout for rng in self._dropout_streams
        ]
        return torch.from_numpy(np.stack(keep)).to(h.device, h.dtype) / (1 - self.dropout)


class Pair(nn.Module):
    """Two networks side by side, for learning from failure; the second is the one that counts.

    In training the output is the logits of both, (2, ..., n), in evaluation those of the second.
    """

    def __init__(self, biased: nn.Module, debiased: nn.Module) -> None:
        super().__init__()
        one, other = ([tuple(p.shape) for p in net.parameters()] for net in (biased, debiased))
        if one != other:
            raise ValueError(
                f"both networks must have parameters of the same shapes, got {one} and {other}"
            )
        self.biased, self.debiased = biased, debiased

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the logits."""
        if not self.training:
            return self.debiased(*inputs)
        return torch.stack([self.biased(*inputs), self.debiased(*inputs)])


class RunBatchNorm(nn.Module):
    """Batch normalisation of (runs, width, n) over n, each run apart, with PyTorch's defaults."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, runs: int, width: int) -> None:
        super().__init__()
        guards.count("runs", runs)
        guards.count("width", width)
        self.scale = nn.Parameter(torch.ones(runs, width))
        self.shift = nn.Parameter(torch.zeros(runs, width))
        self.register_buffer("running_mean", torch.zeros(runs, width))
        self.register_buffer("running_var", torch.ones(runs, width))

    def forward(self, f: Tensor) -> Tensor:
        """Return the normalised pre-activations, (runs, width, n)."""
        flat = F.batch_norm(
            f.reshape(1, -1, f.shape[-1]),
            self.running_mean.view(-1),
            self.running_var.view(-1),
            self.scale.flatten(),
            self.shift.flatten(),
            training=self.training,
        )
        return flat.view_as(f)


def _draw(
    rng: np.random.Generator, fan_in: int, fan_out: int, parameterisation: str, init: str
) -> tuple[Tensor, Tensor]:
    """Draw one layer's weight (fan_out, fan_in) and bias (fan_out,), float32."""
    if parameterisation == "ntk":
        weight, bias = rng.standard_normal((fan_out, fan_in)), np.zeros(fan_out)
    elif init == "xavier":
        bound = (6 / (fan_in + fan_out)) ** 0.5
        weight, bias = rng.uniform(-bound, bound, (fan_out, fan_in)), np.zeros(fan_out)
    else:
        bound = fan_in**-0.5
        weight = rng.uniform(-bound, bound, (fan_out, fan_in))
        bias = rng.uniform(-bound, bound, fan_out)
    return torch.from_numpy(weight).float(), torch.from_numpy(bias).float()
