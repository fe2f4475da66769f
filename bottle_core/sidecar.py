"""Reads a sidecar's output: when it serves, what it decides, and that it died (NET-011, NET-013)."""

import threading
import time
from collections import deque
from collections.abc import Callable

from bottle_core.contract import Backend, Session
from bottle_core.egress.base import EgressEvent, EgressProxy, Ready
from bottle_core.errors import EngineError, StepTimeoutError
from bottle_core.policy.egress import EgressPolicy

_TAIL_LINES = 8
_HEALTH_INTERVAL = 0.1
_LINE_LIMIT = 1024 * 1024
_OTHER = 'choose another one in the manifest: "egress": {"proxy": "mitmproxy"}'


class SidecarWatch:
    """Follows the output in a thread of its own from construction on.

    `on_event` is told of every decision, `on_end` once when the output ends, both from that thread.
    """

    def __init__(
        self,
        proxy: EgressProxy,
        session: str,
        stream: Session,
        on_event: Callable[[EgressEvent], None],
        on_end: Callable[[], None],
    ) -> None:
        self._proxy = proxy
        self._session = session
        self._stream = stream
        self._on_event = on_event
        self._on_end = on_end
        self._ready: Ready | None = None
        self._changed = threading.Condition()
        self._ended = False
        self._abandoned = False
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._thread = threading.Thread(target=self._follow, name="sidecar", daemon=True)
        self._thread.start()

    def wait_ready(
        self, backend: Backend, name: str, health: tuple[str, ...], policy: EgressPolicy, timeout: float
    ) -> Ready:
        """Blocks until the sidecar serves.

        Raises EngineError if it ended or was abandoned, StepTimeoutError after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            with self._changed:
                if self._ready is not None:
                    return self._ready
                if self._abandoned:
                    raise EngineError("start the egress sidecar", "the start was given up")
                if self._ended:
                    ended = f"{self._proxy.name} ended: {self.last_words()}"
                    raise EngineError("start the egress sidecar", ended, _OTHER)
                self._changed.wait(_HEALTH_INTERVAL if health else max(0.0, deadline - time.monotonic()))
            if time.monotonic() >= deadline:
                raise StepTimeoutError(
                    "start the egress sidecar",
                    f"{self._proxy.name} did not say that it serves within {timeout:.0f} s: {self.last_words()}",
                    _OTHER,
                )
            if health and self._ready is None and not self._ended:
                result = backend.exec(name, health)
                if result.exit_code == 0:
                    self._become_ready(self._proxy.ready_by_health(policy))

    def abandon(self) -> None:
        """Lets `wait_ready` give up at once."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def last_words(self) -> str:
        """The last lines of the output, for error messages."""
        return " / ".join(self._tail) or "it said nothing"

    def finish(self, timeout: float) -> None:
        """Waits until all of a stopped sidecar's output has been read, at most `timeout` seconds."""
        self._thread.join(timeout)
        self._stream.close()

    def _become_ready(self, ready: Ready) -> None:
        with self._changed:
            self._ready = ready
            self._changed.notify_all()

    def _follow(self) -> None:
        rest: dict[int, bytes] = {}
        while (chunk := self._stream.read()) is not None:
            *lines, tail = (rest.get(chunk.stream, b"") + chunk.data).split(b"\n")
            rest[chunk.stream] = tail[-_LINE_LIMIT:]
            for line in lines:
                self._line(line)
        for line in rest.values():
            if line:
                self._line(line)
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._on_end()

    def _line(self, line: bytes) -> None:
        if self._ready is None and (ready := self._proxy.ready(line)) is not None:
            self._become_ready(ready)
        elif (event := self._proxy.event(line, self._session)) is not None:
            self._on_event(event)
        elif line.strip():
            self._tail.append(line.decode("utf-8", "replace").strip()[:500])
