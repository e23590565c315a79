"""The code behind the executable book on gradient starvation in neural networks.

Import the module a chapter names; nothing heavy is loaded before that::

    from gsutils import losses, nets, train
    from gsutils.data import moons
"""

__version__ = "0.1.0"
