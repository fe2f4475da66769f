"""The `bottle` command's way in; what it does is in command.py."""

import os
import sys

from bottle_core.cli import ctrl_c


def main() -> None:
    """The console script. Every error becomes one message and its documented exit code."""
    _open_standard_descriptors()
    # Each verb changes that once there is something to remove.
    ctrl_c.ends_the_process()
    from bottle_core.cli.command import cli
    from bottle_core.cli.outcome import run

    code = run(cli)
    ctrl_c.does_nothing()
    sys.exit(code)


def _open_standard_descriptors() -> None:
    """What was closed (`<&-`) is opened on nothing, or the next file or connection would take its place."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
