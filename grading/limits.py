"""What the code of one exercise may use.

>>> Limits(seconds=2.0).clock
4.0
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What the code of one exercise may use.

    Attributes:
        seconds: of computing time; by the clock it may take twice as long.
        memory: in GiB, beyond what the libraries take.
    """

    seconds: float = 5.0
    memory: float = 1.0

    def __post_init__(self) -> None:
        """Refuse limits that nothing could meet."""
        for name in ("seconds", "memory"):
            if not 0 < getattr(self, name) <= 3600:
                raise ValueError(f"{name} must be > 0 and <= 3600, got {getattr(self, name)}")

    @property
    def clock(self) -> float:
        """Seconds by the clock."""
        return 2 * self.seconds
