"""What is written down of each request and tunnel: one event at its end, and one before for those that last."""

import time
from dataclasses import dataclass, field
from typing import Any

from mitmproxy import http, tcp

from bottle_egress import lines
from bottle_egress.verdicts import Verdict

_LASTING = 5.0
_KEY = "bottle.entry"

Flow = http.HTTPFlow | tcp.TCPFlow


@dataclass
class Entry:
    """Body bytes that have passed, since when, and whether it has been written down, as still open or at its end."""

    began: float = field(default_factory=time.monotonic)
    up: int = 0
    down: int = 0
    shown: bool = False
    closed: bool = False


class Ledger:
    """The entries of all open flows."""

    def __init__(self, session: str) -> None:
        self._session = session
        self._open: dict[str, Flow] = {}

    def entry(self, flow: Flow) -> Entry:
        """The flow's entry; the first call opens it."""
        found: Entry | None = flow.metadata.get(_KEY)
        if found is None:
            found = flow.metadata[_KEY] = Entry()
            self._open[flow.id] = flow
        return found

    def close(self, flow: Flow, decision: str, rule: str, reason: str) -> None:
        """Writes the flow's event, once."""
        entry = self.entry(flow)
        self._open.pop(flow.id, None)
        if not entry.closed:
            entry.closed = True
            self._write(flow, entry, decision, rule, reason)

    def forget(self, flow: Flow) -> None:
        """For what was no request of its own, such as a CONNECT whose tunnel has an entry."""
        self._open.pop(flow.id, None)

    def show_lasting(self) -> None:
        """Writes down what has been open for a while: a session may end before it does."""
        since = time.monotonic() - _LASTING
        for flow in list(self._open.values()):
            entry = self.entry(flow)
            if not entry.shown and entry.began < since:
                entry.shown = True
                self._write(flow, entry, "allowed", "", "still open")

    def unread(self, verdict: Verdict) -> None:
        """Writes down a request that could not be read."""
        lines.event(self._session, verdict.decision, rule=verdict.rule, reason=verdict.reason, status=verdict.status)

    def unused(self, target: tuple[Any, ...] | None, sni: str, reason: str) -> None:
        """Writes down a tunnel that ended before its first request."""
        host, port = target[:2] if target else ("", 0)
        lines.event(
            self._session, "error", reason=reason, method="CONNECT", scheme="https", host=host, port=port, sni=sni
        )

    def _write(self, flow: Flow, entry: Entry, decision: str, rule: str, reason: str) -> None:
        lines.event(
            self._session,
            decision,
            rule=rule,
            reason=reason,
            **_of_request(flow) if isinstance(flow, http.HTTPFlow) else _of_tunnel(flow),
            sni=flow.client_conn.sni or "",
            bytes_up=entry.up,
            bytes_down=entry.down,
            ms=int((time.monotonic() - entry.began) * 1000),
        )


def _of_request(flow: http.HTTPFlow) -> dict[str, Any]:
    request, response = flow.request, flow.response
    return {
        "method": request.method,
        "scheme": request.scheme,
        "host": request.host,
        "port": request.port,
        "path": "" if request.method == "CONNECT" else lines.without_values(request.path),
        "status": response.status_code if response else 0,
    }


def _of_tunnel(flow: tcp.TCPFlow) -> dict[str, Any]:
    host, port = flow.server_conn.address[:2] if flow.server_conn.address else ("", 0)
    scheme = "https" if flow.client_conn.sni else "tcp"
    return {"method": "CONNECT", "scheme": scheme, "host": host, "port": port, "path": "", "status": 0}
