"""The decisions, at the moments that mitmproxy offers: CONNECT, ClientHello, request, connection."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from mitmproxy import http, tls
from mitmproxy.proxy import server_hooks

from bottle_egress import lines, refusal
from bottle_egress.config import Config
from bottle_egress.names import Names, RefusedAddressError, UnresolvableError
from bottle_egress.rules import judge

_DECIDED = "bottle.decided"
_COUNT = "bottle.count"


class _Message(Protocol):
    stream: Any


@dataclass
class _Count:
    """Body bytes that have passed, and when the request began."""

    began: float
    up: int = 0
    down: int = 0


class Gate:
    """The mitmproxy add-on that carries the policy out."""

    def __init__(self, config: Config, names: Names) -> None:
        self._config = config
        self._names = names

    # CONNECT

    async def http_connect(self, flow: http.HTTPFlow) -> None:
        await self._decide(flow)

    # TLS

    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """A host that is granted without inspection is relayed, if TLS names the host that CONNECT named."""
        target = data.context.server.address
        if target is None or data.client_hello.sni is None:
            return
        verdict = judge(self._config.rules, target[0], target[1])
        if verdict.rule is None or verdict.rule.inspect or data.client_hello.sni.lower() != target[0].lower():
            return
        data.ignore_connection = True
        self._event("allowed", "", "relayed without inspection", "CONNECT", "https", target, sni=data.client_hello.sni)

    # Requests

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flow.error:
            return
        request = flow.request
        flow.metadata[_COUNT] = count = _Count(time.monotonic())
        for requirement, reason in self._contradictions(flow):
            self._refuse(flow, 403, "blocked", requirement, reason)
            return
        await self._decide(flow)
        if flow.response is None:
            request.stream = _counting(count, "up")

    def _contradictions(self, flow: http.HTTPFlow) -> Iterator[tuple[str, str]]:
        """URL, Host field and TLS must name one host (NET-006)."""
        request = flow.request
        host = request.host.lower()
        fields = request.headers.get_all("host")
        if len(fields) > 1:
            yield "NET-006", "the request has more than one Host field"
        for name in (*fields, *([request.authority] if request.authority else [])):
            if _bare(name, request.port) != host:
                yield "NET-006", f"the request is for {host} and names another host"
        sni = flow.client_conn.sni
        if sni and flow.client_conn.tls_established and sni.lower() != host:
            yield "NET-006", f"the connection is for {host} and TLS names another host"

    async def _decide(self, flow: http.HTTPFlow) -> None:
        host, port = flow.request.host, flow.request.port
        verdict = judge(self._config.rules, host, port)
        if verdict.rule is None:
            self._refuse(flow, 403, "blocked", verdict.requirement, verdict.reason)
            return
        try:
            await self._names.check(host.lower())
        except RefusedAddressError as error:
            self._refuse(flow, 403, "blocked", "NET-007", str(error))
        except UnresolvableError as error:
            self._refuse(flow, 502, "error", "", str(error))

    def _refuse(self, flow: http.HTTPFlow, status: int, decision: str, requirement: str, reason: str) -> None:
        request = flow.request
        flow.response = refusal.response(status, decision, requirement, request.host, reason)
        self._flow_event(flow, decision, requirement, reason)

    # Connections

    async def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """The last look before a connection: what was checked a while ago is checked again."""
        address = data.server.address
        verdict = judge(self._config.rules, address[0], address[1]) if address else None
        if address is None or verdict is None or verdict.rule is None:
            data.server.error = "the destination is not granted"
            return
        # The event loop looks the name up as it is written here.
        data.server.address = (address[0].lower(), address[1])
        try:
            await self._names.check(address[0].lower())
        except (RefusedAddressError, UnresolvableError) as error:
            data.server.error = str(error)
            self._event("blocked", "NET-007", str(error), "CONNECT", "", address)

    # Responses

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if flow.response is not None and (count := flow.metadata.get(_COUNT)):
            # Nothing is held back: large bodies and event streams pass piece by piece.
            flow.response.stream = _counting(count, "down")

    def response(self, flow: http.HTTPFlow) -> None:
        if flow.websocket is None:
            self._flow_event(flow, "allowed", "", "")

    def websocket_message(self, flow: http.HTTPFlow) -> None:
        assert flow.websocket is not None
        message = flow.websocket.messages[-1]
        count: _Count = flow.metadata[_COUNT]
        if message.from_client:
            count.up += len(message.content)
        else:
            count.down += len(message.content)
        # mitmproxy keeps every message of a flow; nobody reads them here.
        flow.websocket.messages.clear()

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        self._flow_event(flow, "allowed", "", "websocket")

    def error(self, flow: http.HTTPFlow) -> None:
        self._flow_event(flow, "error", "", flow.error.msg if flow.error else "")

    # Events

    def _flow_event(self, flow: http.HTTPFlow, decision: str, requirement: str, reason: str) -> None:
        if flow.metadata.get(_DECIDED):
            return
        flow.metadata[_DECIDED] = True
        request, response = flow.request, flow.response
        count: _Count = flow.metadata.get(_COUNT) or _Count(time.monotonic())
        self._event(
            decision,
            requirement,
            reason,
            request.method,
            request.scheme,
            (request.host, request.port),
            path="" if request.method == "CONNECT" else lines.without_values(request.path),
            sni=flow.client_conn.sni or "",
            status=response.status_code if response else 0,
            bytes_up=count.up,
            bytes_down=count.down,
            ms=int((time.monotonic() - count.began) * 1000),
        )

    def _event(
        self,
        decision: str,
        requirement: str,
        reason: str,
        method: str,
        scheme: str,
        target: tuple[Any, ...],
        **more: Any,
    ) -> None:
        lines.event(
            self._config.session,
            decision,
            rule=requirement,
            reason=reason,
            method=method,
            scheme=scheme,
            host=str(target[0]),
            port=int(target[1]),
            **more,
        )


def _bare(name: str, port: int) -> str:
    """The host of a Host field, lower-case; a port other than the request's own makes it another host."""
    host, colon, number = name.strip().lower().rpartition(":")
    if not colon:
        return number
    return host if number == str(port) else name.lower()


def _counting(count: _Count, way: str) -> Any:
    """A stream that lets every piece through and counts it."""

    def pass_on(data: bytes) -> bytes:
        setattr(count, way, getattr(count, way) + len(data))
        return data

    return pass_on
