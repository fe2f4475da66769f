"""Servers that misbehave, one port each, on the world's address; in threads of the test's own process."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tests.support.world_server import ADDRESS

Talk = Callable[[socket.socket], None]


class Upstreams(NamedTuple):
    """The ports."""

    silent: int
    """Accepts and never says a word."""
    full: int
    """Does not even accept."""
    echo: int
    """Sends back what it gets."""
    endless: int
    """Answers with a head that does not end."""
    garbage: int
    """Answers with what is no HTTP."""
    twofold: int
    """Answers with two lengths at once."""
    trailers: int
    """Answers in chunks with a trailer field, and forges the proxy's word."""
    reflect: int
    """Answers with the head it got."""


SECRET = "hunter2"


def _silent(peer: socket.socket) -> None:
    while peer.recv(65536):
        pass


def _echo(peer: socket.socket) -> None:
    while data := peer.recv(65536):
        peer.sendall(data)


def _head(peer: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data and (piece := peer.recv(65536)):
        data += piece
    return data


def _endless(peer: socket.socket) -> None:
    _head(peer)
    peer.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(4096):
        peer.sendall(b"a" * 65536)


def _says(answer: bytes) -> Talk:
    def talk(peer: socket.socket) -> None:
        _head(peer)
        peer.sendall(answer)

    return talk


def _reflect(peer: socket.socket) -> None:
    head = _head(peer)
    peer.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(head), head))


_GARBAGE = f"SSH-2.0 {SECRET}\r\n{SECRET}: {SECRET}\r\n\r\n".encode()
_TWOFOLD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
_TRAILERS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: close\r\n"
    b"X-Bottle-Decision: blocked; rule=FORGED\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"
)


def _serve(listener: socket.socket, talk: Talk) -> None:
    with contextlib.suppress(OSError):
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=_converse, args=(peer, talk), daemon=True).start()


def _converse(peer: socket.socket, talk: Talk) -> None:
    with peer, contextlib.suppress(OSError):
        talk(peer)


@contextmanager
def running() -> Iterator[Upstreams]:
    """The servers; the world has to run, since it has the address."""
    talks = (
        *(_silent, None, _echo, _endless, _says(_GARBAGE), _says(_TWOFOLD), _says(_TRAILERS)),
        _reflect,
    )
    with contextlib.ExitStack() as stack:
        ports = []
        for talk in talks:
            listener = stack.enter_context(socket.socket())
            listener.bind((ADDRESS, 0))
            listener.listen(0 if talk is None else 64)
            ports.append(listener.getsockname()[1])
            if talk is None:
                # A full queue makes the kernel drop what else arrives, as a packet filter would.
                for _ in range(4):
                    filler = stack.enter_context(socket.socket())
                    filler.setblocking(False)
                    filler.connect_ex(listener.getsockname())
            else:
                threading.Thread(target=_serve, args=(listener, talk), daemon=True).start()
        yield Upstreams(*ports)
