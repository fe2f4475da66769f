"""Ctrl-C and SIGTERM during a start: the first ends in order, the second Ctrl-C at once (LIFE-001)."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from bottle_core.errors import TerminatedError
from bottle_core.exitcodes import ExitCode

_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Turns signals into exceptions of the main thread, except between `shield` and `unshield`.

    The exception is raised at most once: what unwinds is not interrupted a second time, except by a second
    Ctrl-C, which ends the process on the spot.
    """

    def __init__(self) -> None:
        self._raised = False
        self._shielded = False
        self.pending: signal.Signals | None = None

    @contextmanager
    def installed(self) -> Iterator["Interrupts"]:
        """The handlers are in force inside this block; main thread only.

        A signal that is ignored stays ignored: that is what nohup and a shell's background jobs ask for.
        """
        heard = [number for number in _HANDLED if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._handle) for number in heard}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def shield(self) -> None:
        """From here on everything is being removed; a first signal is only noted."""
        self._shielded = True

    def unshield(self) -> None:
        """Removal is over; raises now what arrived during it and was not raised yet."""
        self._shielded = False
        if self.pending is not None and not self._raised:
            self._raised = True
            self._raise(self.pending)

    @staticmethod
    def _raise(number: int) -> None:
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise TerminatedError

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._raised or (self._shielded and self.pending is not None):
            if number == signal.SIGINT:
                os.write(2, b"\nbottle: ended at once; some of the bottle may be left in the engine\n")
                os._exit(ExitCode.INTERRUPTED)
            return
        self.pending = signal.Signals(number)
        if self._shielded:
            return
        self._raised = True
        self._raise(number)
