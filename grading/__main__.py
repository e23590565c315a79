"""The command ``python -m grading``, see `grading.command`."""

import sys

from grading.command import main

sys.exit(main())
