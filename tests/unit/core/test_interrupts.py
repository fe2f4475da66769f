"""Signals: the first ends in order, one that was ignored stays ignored, the handlers of before come back."""

import os
import signal

import pytest

from bottle_core.errors import TerminatedError
from bottle_core.interrupts import Interrupts


@pytest.mark.parametrize(
    ("number", "raised"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, TerminatedError), (signal.SIGHUP, TerminatedError)],
)
def test_a_signal_becomes_an_exception_once(number: signal.Signals, raised: type[BaseException]) -> None:
    before = signal.getsignal(number)
    with pytest.raises(raised), Interrupts().installed():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_during_removal_it_waits() -> None:
    interrupts = Interrupts()
    with interrupts.installed():
        interrupts.shield()
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupts.pending is signal.SIGTERM
        with pytest.raises(TerminatedError):
            interrupts.unshield()


def test_what_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts().installed():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
