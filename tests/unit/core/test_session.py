"""The pump between the user's descriptors and a session."""

import os
import pty
import threading
from pathlib import Path

import pytest

from bottle_core.contract import Stream
from bottle_core.session import Terminal, fit, join
from bottle_core.testing import FakeSession


def test_headless_streams_stay_apart_and_stdin_ends(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.write(write, b"question")
    os.close(write)
    out, err = (os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in ("out", "err"))
    session = FakeSession()

    def agent() -> None:
        session.stdin_closed.wait(5)
        session.say(b"answer to " + session.stdin)
        session.say(b"warning", Stream.STDERR)
        session.end()

    threading.Thread(target=agent).start()
    join(session, Terminal(read, out, err))
    assert (tmp_path / "out").read_bytes() == b"answer to question"
    assert (tmp_path / "err").read_bytes() == b"warning"
    assert session.closed
    for descriptor in (read, out, err):
        os.close(descriptor)


def test_ten_megabytes_are_intact(tmp_path: Path) -> None:
    out = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    nothing = os.open(os.devnull, os.O_RDONLY)
    session, blocks = FakeSession(), [bytes([n % 256]) * 65536 for n in range(160)]
    for block in blocks:
        session.say(block)
    session.end()
    join(session, Terminal(nothing, out, out))
    assert (tmp_path / "out").read_bytes() == b"".join(blocks)
    os.close(out)
    os.close(nothing)


def test_a_reader_that_has_gone_is_an_error() -> None:
    read, write = os.pipe()
    os.close(read)
    nothing = os.open(os.devnull, os.O_RDONLY)
    session = FakeSession()
    session.say(b"x" * 100)
    session.end()
    with pytest.raises(BrokenPipeError):
        join(session, Terminal(nothing, write, write))
    os.close(write)
    os.close(nothing)


def test_a_terminal_is_fitted_and_restored() -> None:
    import fcntl
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
    before = termios.tcgetattr(slave)
    session = FakeSession()
    terminal = Terminal(slave, slave, slave)
    assert terminal.interactive
    fit(session, terminal)
    assert session.size == (33, 99)
    session.say(b"raw\n")
    session.end()
    join(session, terminal)
    assert termios.tcgetattr(slave) == before
    assert os.read(master, 100) == b"raw\n"
    os.close(master)
    os.close(slave)
