"""The user's terminal, or pipes, joined to the agent: raw keys, size, resize; or stdin, stdout and stderr apart."""

import os
import select
import shutil
import signal
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NamedTuple

from bottle_core.contract import Session, Stream
from bottle_core.errors import OutputError

_CHUNK = 65536


class Terminal(NamedTuple):
    """The process's own descriptors; `interactive` when both ends are a terminal (IO-001), else headless (IO-002)."""

    stdin: int
    stdout: int
    stderr: int

    @property
    def interactive(self) -> bool:
        """Whether the agent gets a terminal."""
        return os.isatty(self.stdin) and os.isatty(self.stdout)


STANDARD = Terminal(0, 1, 2)


def fit(session: Session, terminal: Terminal) -> None:
    """Gives the agent's terminal the size of the user's; before the agent runs, so that its first look is right."""
    if terminal.interactive:
        with suppress(OSError):
            size = os.get_terminal_size(terminal.stdout)
            session.resize(size.lines, size.columns)
            return
        fallback = shutil.get_terminal_size()
        session.resize(fallback.lines, fallback.columns)


def join(session: Session, terminal: Terminal) -> None:
    """Passes bytes both ways until the agent's output ends. The agent's exit code is the backend's to tell.

    Raises BrokenPipeError when nobody reads our output any more; then the agent is not wanted any more either.
    Raises OutputError when it can't be written for another reason, a full disk for instance.
    """
    with _Pump(session, terminal) as pump:
        pump.run()


class _Pump:
    def __init__(self, session: Session, terminal: Terminal) -> None:
        self._session = session
        self._terminal = terminal
        self._wake_read, self._wake_write = os.pipe()
        self._failure: BaseException | None = None
        self._output = threading.Thread(target=self._copy_output, name="output", daemon=True)

    def __enter__(self) -> "_Pump":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()
        self._output.join(2.0)
        os.close(self._wake_read)
        os.close(self._wake_write)

    def run(self) -> None:
        with _raw(self._terminal), _resizing(self._session, self._terminal):
            self._output.start()
            self._copy_input()
        if isinstance(self._failure, OSError) and not isinstance(self._failure, BrokenPipeError):
            raise OutputError("pass the agent's output on", self._failure.strerror or "it can't be written")
        if self._failure is not None:
            raise self._failure

    def _copy_output(self) -> None:
        targets = {Stream.STDOUT: self._terminal.stdout, Stream.STDERR: self._terminal.stderr}
        try:
            while (chunk := self._session.read()) is not None:
                view = memoryview(chunk.data)
                while view:
                    view = view[os.write(targets[chunk.stream], view) :]
        except BaseException as error:
            self._failure = error
        finally:
            os.write(self._wake_write, b"x")

    def _copy_input(self) -> None:
        """Until the output has ended; a stdin that ends or can't be read is ended for the agent as well."""
        sources = [self._wake_read, self._terminal.stdin]
        while True:
            ready = _readable(sources)
            if self._wake_read in ready:
                return
            try:
                data = os.read(self._terminal.stdin, _CHUNK)
            except OSError:
                data = b""
            if data:
                self._session.write(data)
            else:
                self._session.close_stdin()
                sources = [self._wake_read]


def _readable(descriptors: list[int]) -> list[int]:
    """Like select, for files too and for descriptors above 1023; a closed stdin counts as readable."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll()]


@contextmanager
def _raw(terminal: Terminal) -> Iterator[None]:
    """Every key goes to the agent, Ctrl-C too; the user's settings come back whatever happens."""
    if not terminal.interactive:
        yield
        return
    before = termios.tcgetattr(terminal.stdin)
    try:
        tty.setraw(terminal.stdin)
        yield
    finally:
        termios.tcsetattr(terminal.stdin, termios.TCSADRAIN, before)


@contextmanager
def _resizing(session: Session, terminal: Terminal) -> Iterator[None]:
    if not terminal.interactive:
        yield
        return

    def resized(_number: int, _frame: FrameType | None) -> None:
        with suppress(Exception):
            fit(session, terminal)

    before = signal.signal(signal.SIGWINCH, resized)
    try:
        fit(session, terminal)
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
