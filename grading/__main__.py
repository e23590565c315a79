"""The command ``python -m grading``, see `grading.command`."""

import sys

try:
    from grading.command import main
    from gsutils.text import command

    sys.exit(command(main))
except ModuleNotFoundError as error:
    print(
        f"grading: {error.name} is not installed for {sys.executable or 'this Python'}: in the "
        "book's folder, type make book once, and then .venv/bin/python -m grading",
        file=sys.stderr,
    )
    sys.exit(2)
