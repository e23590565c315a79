"""The code behind the executable book on gradient starvation in neural networks.

Import the module a chapter names; nothing heavy is loaded before that::

    from gsutils import losses, nets, train
    from gsutils.data import moons
"""

import os

# PyTorch's threads sleep while they wait. Those that spin keep a busy machine's cores from the very
# work that they wait for: a small network then trains ten times as long. Read as PyTorch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
