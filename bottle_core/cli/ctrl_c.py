"""What Ctrl-C does, by how far a command has come. A shell's background job ignores it; that stays so."""

import signal
from collections.abc import Callable
from types import FrameType


def ends_the_process() -> None:
    """As with any other process: for the time in which there is nothing to remove.

    An exception could get lost there: libraries that are being imported catch what they like.
    """
    _set(signal.SIG_DFL)


def raises() -> None:
    """KeyboardInterrupt, so that what exists is removed."""
    _set(signal.default_int_handler)


def does_nothing() -> None:
    """For the interpreter's own end, when everything is done."""
    _set(signal.SIG_IGN)


def _set(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)
