"""The code behind the executable book on gradient starvation in neural networks.

Import the module a chapter names; nothing heavy is loaded before that::

    from gsutils import losses, nets, train
    from gsutils.data import moons
"""

import os

# PyTorch's threads sleep while they wait. Those that spin keep a busy machine's cores from the very
# work that they wait for: a small network then trains ten times as long. Read as PyTorch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# The progress bars' library refuses to load where it cannot read a variable of its own, such as
# TQDM_MININTERVAL=soon; nobody's training should fail for that.
if any(name.startswith("TQDM_") for name in os.environ):
    try:
        import tqdm.auto  # noqa: F401
    except (TypeError, ValueError):
        for name in [name for name in os.environ if name.startswith("TQDM_")]:
            del os.environ[name]

__version__ = "0.1.0"
