"""The `bottle` command's way in; what it does is in command.py."""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType


def main() -> None:
    """The console script. Every error becomes one message and its documented exit code."""
    _open_standard_descriptors()
    # Until the command runs there is nothing to remove, and Ctrl-C ends the process as it ends any other.
    _on_ctrl_c(signal.SIG_DFL)
    from bottle_core.cli.command import cli
    from bottle_core.cli.outcome import run

    _on_ctrl_c(signal.default_int_handler)
    code = run(cli)
    # Everything is done but the interpreter's own end.
    _on_ctrl_c(signal.SIG_IGN)
    sys.exit(code)


def _open_standard_descriptors() -> None:
    """What was closed (`<&-`) is opened on nothing, or the next file or connection would take its place."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _on_ctrl_c(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    """A shell starts what it puts in the background with SIGINT ignored; that stays so."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)
