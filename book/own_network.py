"""Does my network starve? Diagnose it, train it with spectral decoupling, and look again."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gsutils import diagnose, losses
from gsutils.data import mnist

digits, _ = mnist.parts(mnist.embedded_digits())  # from here to `loader`: put your own data
X, y = torch.tensor(digits.images[:1500, None]) / 255, torch.tensor(digits.digits[:1500]).long()
torch.manual_seed(0)
place = torch.where(torch.rand(len(y)) < 0.97, y, torch.randint(10, y.shape))
X[torch.arange(len(y)), 0, 0, 2 + place] = 1.0  # a stamp that gives nearly every digit away
loader = DataLoader(TensorDataset(X, y, place == y), batch_size=50, shuffle=True)


def trained(penalty: nn.Module | None = None, epochs: int = 6) -> nn.Module:
    """Train the same network, with or without a penalty on its logits."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(196, 100), nn.ReLU(), nn.Linear(100, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for _ in range(epochs):
        for X, y, _ in loader:
            logits = net(X)
            loss = nn.functional.cross_entropy(logits, y)
            loss = loss + (penalty(logits, y) if penalty else 0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net


print("before:", diagnose.report(trained(), loader))
lam = losses.lam_for_lead(lead=3.0, classes=10)
print("after:", diagnose.report(trained(losses.SpectralDecoupling(lam)), loader))
