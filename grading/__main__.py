"""The command ``python -m grading``, see `grading.command`."""

import sys

from grading.command import main
from gsutils.text import command

sys.exit(command(main))
