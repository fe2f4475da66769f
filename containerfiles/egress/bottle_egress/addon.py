"""The decisions, at the moments that mitmproxy offers: CONNECT, request, connection; and what was decided."""

import functools
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from mitmproxy import http, tcp, tls
from mitmproxy.proxy import server_hooks

from bottle_egress import lines, refusal, verdicts
from bottle_egress.config import Config
from bottle_egress.ledger import Entry, Ledger
from bottle_egress.names import Names, RefusedAddressError, UnresolvableError
from bottle_egress.rules import judge
from bottle_egress.strict import VERDICT
from bottle_egress.verdicts import Verdict

# Fields between a client and its proxy, which are nobody else's business.
_HOP = ("proxy-authorization", "proxy-connection", "proxy-authenticate")

_Hook = Callable[["Gate", http.HTTPFlow], Awaitable[None]]


def _closed_by_fault(hook: _Hook) -> _Hook:
    """mitmproxy goes on when a hook fails; here the request ends."""

    @functools.wraps(hook)
    async def guarded(gate: "Gate", flow: http.HTTPFlow) -> None:
        try:
            await hook(gate, flow)
        except Exception as error:
            lines.say("log", level="error", message=f"{hook.__name__}: {type(error).__name__}")
            flow.response = refusal.response(verdicts.BROKEN, "")

    return guarded


class Gate:
    """The mitmproxy add-on that carries the policy out."""

    def __init__(self, config: Config, names: Names, ledger: Ledger) -> None:
        self._config = config
        self._names = names
        self._ledger = ledger

    # Requests

    @_closed_by_fault
    async def http_connect(self, flow: http.HTTPFlow) -> None:
        await self._decide(flow)
        if flow.response is None:
            # What is asked in the tunnel is written down, or the tunnel itself.
            self._ledger.forget(flow)

    @_closed_by_fault
    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flow.error:
            return
        await self._decide(flow)
        if flow.response is None:
            for name in _HOP:
                flow.request.headers.pop(name, None)
            flow.request.stream = _counting(self._ledger.entry(flow), "up")

    async def _decide(self, flow: http.HTTPFlow) -> None:
        verdict = next(contradictions(flow), None) or await self._verdict(flow.request.host, flow.request.port)
        if verdict is not None:
            flow.response = refusal.response(verdict, flow.request.host)
            self._ledger.close(flow, verdict.decision, verdict.rule, verdict.reason)

    async def _verdict(self, host: str, port: int) -> Verdict | None:
        """Why this destination is refused, or None."""
        judged = judge(self._config.rules, host, port)
        if judged.rule is None:
            return Verdict(403, "blocked", judged.requirement, judged.reason)
        try:
            await self._names.check(host.lower())
        except RefusedAddressError as error:
            return Verdict(403, "blocked", "NET-007", str(error))
        except UnresolvableError as error:
            return Verdict(502, "error", "", str(error))
        return None

    # Connections

    async def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """The last look before a connection: what was checked a while ago is checked again."""
        server = data.server
        try:
            host, port = server.address[:2] if server.address else ("", 0)
            verdict = await self._verdict(host, port)
            # The event loop looks the name up as it is written here.
            server.address = (host.lower(), port)
        except Exception as error:
            lines.say("log", level="error", message=f"server_connect: {type(error).__name__}")
            verdict = verdicts.BROKEN
        if verdict is not None:
            server.error = f"{verdict.rule} {verdict.reason}".strip()

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """Most often a client with certificates of its own, which does not trust the bottle's authority."""
        reason = verdicts.without_content(data.conn.error or "no TLS")
        self._ledger.unused(data.context.server.address, data.context.client.sni or "", f"in the bottle: {reason}")

    # Responses

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if flow.response is not None:
            # The field is the proxy's own word.
            flow.response.headers.pop(refusal.HEADER, None)
            # Nothing is held back: large bodies and event streams pass piece by piece.
            flow.response.stream = _counting(self._ledger.entry(flow), "down")

    def response(self, flow: http.HTTPFlow) -> None:
        if flow.websocket is None:
            self._ledger.close(flow, "allowed", "", "")

    def error(self, flow: http.HTTPFlow) -> None:
        verdict: Verdict | None = flow.metadata.get(VERDICT)
        if verdict is not None:
            self._ledger.close(flow, verdict.decision, verdict.rule, verdict.reason)
            return
        reason = verdicts.without_content(flow.error.msg if flow.error else "")
        # What had been answered before it broke off was let through.
        self._ledger.close(flow, "error" if flow.response is None else "allowed", "", reason)

    def websocket_message(self, flow: http.HTTPFlow) -> None:
        assert flow.websocket is not None
        entry, message = self._ledger.entry(flow), flow.websocket.messages[-1]
        if message.from_client:
            entry.up += len(message.content)
        else:
            entry.down += len(message.content)
        # mitmproxy keeps every message of a flow; nobody reads them here.
        flow.websocket.messages.clear()

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        self._ledger.close(flow, "allowed", "", "websocket")

    # Tunnels that are relayed as they are

    def tcp_start(self, flow: tcp.TCPFlow) -> None:
        self._ledger.entry(flow)

    def tcp_message(self, flow: tcp.TCPFlow) -> None:
        entry, message = self._ledger.entry(flow), flow.messages[-1]
        if message.from_client:
            entry.up += len(message.content)
        else:
            entry.down += len(message.content)
        flow.messages.clear()

    def tcp_end(self, flow: tcp.TCPFlow) -> None:
        self._ledger.close(flow, "allowed", "", "relayed without inspection")

    def tcp_error(self, flow: tcp.TCPFlow) -> None:
        verdict = verdicts.of_upstream(flow.error.msg if flow.error else "")
        self._ledger.close(flow, verdict.decision, verdict.rule, verdict.reason)


def contradictions(flow: http.HTTPFlow) -> Iterator[Verdict]:
    """Request line, Host field and TLS must name one host (NET-006)."""
    request = flow.request
    host = request.host.lower()
    fields = request.headers.get_all("host")
    if len(fields) > 1:
        yield Verdict(403, "blocked", "NET-006", "the request has more than one Host field")
    # The property would show an A-label as what it stands for.
    authority = request.data.authority.decode("latin-1")
    for name in (*fields, *([authority] if authority else [])):
        if _bare(name, request.port) != host:
            yield Verdict(403, "blocked", "NET-006", f"the request is for {host[:253]} and names another host")
    sni = flow.client_conn.sni
    # A CONNECT inside of TLS is asked of the proxy itself; there TLS names no destination.
    if sni and flow.client_conn.tls_established and request.method != "CONNECT" and sni.lower() != host:
        yield Verdict(403, "blocked", "NET-006", f"the connection is for {host[:253]} and TLS names another host")


def _bare(name: str, port: int) -> str:
    """The host of a Host field, lower-case; a port other than the request's own makes it another host."""
    host, colon, number = name.strip().lower().rpartition(":")
    if not colon:
        return number
    return host if number == str(port) else name.lower()


def _counting(entry: Entry, way: str) -> Any:
    """A stream that lets every piece through and counts it."""

    def pass_on(data: bytes) -> bytes:
        setattr(entry, way, getattr(entry, way) + len(data))
        return data

    return pass_on
