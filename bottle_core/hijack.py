"""Attach and exec streams: an HTTP connection that becomes a raw one. Shared by engines that speak Docker's protocol.

Client libraries lose what the engine sends right behind the response's header; this keeps it.
Rules: Docker Engine API, "Attach to a container": with a terminal the stream is raw, without one it is a
sequence of frames, 1 byte stream, 3 bytes zero, 4 bytes big-endian length, payload.
"""

import json
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from bottle_core.contract import Chunk, Session, Stream
from bottle_core.errors import EngineError

_CHUNK = 65536
_HEADER_LIMIT = 65536
_FRAME = struct.Struct(">BxxxL")
_STREAMS = {1: Stream.STDOUT, 2: Stream.STDERR}


class Connect(Protocol):
    """Opens a new connection to the engine."""

    def __call__(self) -> socket.socket: ...


class RefusedError(Exception):
    """The engine answered with an error; `status` is the HTTP status, `message` the engine's own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


def open_stream(connect: Connect, path: str, body: dict[str, object] | None = None) -> tuple[socket.socket, bytes]:
    """POSTs `path` and returns the connection and what already came behind the header; raises RefusedError."""
    payload = json.dumps(body).encode() if body is not None else b""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    connection = connect()
    try:
        connection.sendall(head.encode("ascii") + payload)
        received = b""
        while b"\r\n\r\n" not in received:
            data = connection.recv(_CHUNK)
            if not data or len(received) > _HEADER_LIMIT:
                raise EngineError("open a stream to the engine", "it ended the connection without an answer")
            received += data
        header, _, rest = received.partition(b"\r\n\r\n")
        status = int(header.split(None, 2)[1])
        if status not in (101, 200):
            raise RefusedError(status, _message(connection, header, rest))
    except BaseException:
        connection.close()
        raise
    return connection, rest


def _message(connection: socket.socket, header: bytes, rest: bytes) -> str:
    length = next(
        (int(line.split(b":")[1]) for line in header.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(rest) < length and (data := connection.recv(_CHUNK)):
        rest += data
    with suppress(ValueError):
        answer = json.loads(rest)
        if isinstance(answer, dict):
            return str(answer.get("message") or answer.get("cause") or answer)
    return rest.decode("utf-8", "replace").strip()


class HijackedSession(Session):
    """A session on a hijacked connection; `resizer` sets the terminal's size through the engine's API."""

    def __init__(
        self, connection: socket.socket, rest: bytes, *, tty: bool, resizer: Callable[[int, int], None] | None = None
    ) -> None:
        self._connection = connection
        self._rest = rest
        self._tty = tty
        self._resizer = resizer
        self._writing = threading.Lock()
        self._closed = False

    def read(self) -> Chunk | None:
        if self._tty:
            data = self._some(_CHUNK)
            return Chunk(Stream.STDOUT, data) if data else None
        while True:
            header = self._exactly(_FRAME.size)
            if header is None:
                return None
            stream, length = _FRAME.unpack(header)
            payload = self._exactly(length)
            if payload is None:
                return None
            if payload and stream in _STREAMS:
                return Chunk(_STREAMS[stream], payload)

    def _some(self, limit: int) -> bytes:
        if self._rest:
            data, self._rest = self._rest[:limit], self._rest[limit:]
            return data
        try:
            return self._connection.recv(limit)
        except OSError:
            return b""

    def _exactly(self, count: int) -> bytes | None:
        parts = []
        while count:
            data = self._some(min(count, 1024 * 1024))
            if not data:
                return None
            parts.append(data)
            count -= len(data)
        return b"".join(parts)

    def write(self, data: bytes) -> None:
        with self._writing, suppress(OSError):
            self._connection.sendall(data)

    def close_stdin(self) -> None:
        with self._writing, suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    def resize(self, rows: int, columns: int) -> None:
        if self._resizer is not None and self._tty:
            self._resizer(rows, columns)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        # Wakes a reader that is blocked in recv; close alone would leave it there.
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
