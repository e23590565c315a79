"""Table 2 as a plain script has it: one seed after another, float32, ``torch.optim``.

It reads like the published code of IRM and of the paper, and shares nothing with gsutils but the
data; benchmarks/table2.py times the package against it.
"""

from torch import Tensor, autograd, nn, ones, optim
from torch.nn.functional import binary_cross_entropy_with_logits as nll


def network(inputs: int, width: int, device: str) -> nn.Sequential:
    """Return the MLP with Xavier weights and zero biases."""
    net = nn.Sequential(
        nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)
    )
    for layer in net[::2]:
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return net.to(device)


def penalty(logits: Tensor, y: Tensor) -> Tensor:
    """Return IRMv1's penalty by a double backward, as its authors do."""
    scale = ones((), device=logits.device, requires_grad=True)
    (slope,) = autograd.grad(nll(logits * scale, y), scale, create_graph=True)
    return slope**2


def train(method: str, environments: list[tuple[Tensor, Tensor]], start: int, steps: int) -> None:
    """Train one network; ``environments`` are (X (n, d), y (n,) in {0, 1}), ``start`` a step."""
    X, width = environments[0][0], 390 if method == "irm" else 300
    net = network(X.shape[1], width, str(X.device))
    optimizer = optim.Adam(net.parameters(), lr=4.898536566546834e-4 if method == "irm" else 1e-4)
    for step in range(start, start + steps):
        logits = [net(X)[:, 0] for X, _ in environments]
        loss = sum(nll(z, y) for z, (_, y) in zip(logits, environments)) / 2
        if method == "sd":
            square = sum(z.square().mean() for z in logits) / 2
            loss = loss + 2e-5 * square if step < 450 else 2e-5 * (loss + square)
        if method == "irm":
            weight = 91257.18613115903 if step >= 190 else 1.0
            loss = loss + 1.10794568e-3 * sum(w.norm() ** 2 for w in net.parameters())
            loss = loss + weight * sum(penalty(z, y) for z, (_, y) in zip(logits, environments)) / 2
            loss = loss / weight
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
