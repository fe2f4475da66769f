"""mitmproxy's HTTP core, made stricter where it would wait, buffer or go on.

A refusal is answered at once and not after the whole body; heads, pipelines and messages have a limit; a fault
closes the connection; names stay A-labels. These are the core's own classes with single methods replaced, so the
version of mitmproxy is pinned, and the tests of the sidecar run against it.
"""

import logging
import re
from collections.abc import Callable
from typing import Any

import h11
from mitmproxy import flow as flows
from mitmproxy import http
from mitmproxy.connection import ConnectionState
from mitmproxy.net.http import url
from mitmproxy.proxy import commands, events, layer, mode_servers
from mitmproxy.proxy.layers import http as core
from mitmproxy.proxy.layers import tls, websocket
from mitmproxy.proxy.layers.http import _http1

from bottle_egress import refusal, verdicts
from bottle_egress.verdicts import Verdict

VERDICT = "bottle.verdict"

LATE: set[str] = set()
"""Connections to servers that were closed because their TLS handshake took too long."""

HELLO_LIMIT = 64 * 1024
_HEAD_LIMIT = 256 * 1024
_MESSAGE_LIMIT = 16 * 1024**2
_A_LABELS = re.compile(r"([A-Za-z0-9.-]{1,253})(?::([0-9]{1,5}))?")

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_METHOD = re.compile(_TOKEN + rb"{0,64}(?: |\Z)")
_REQUEST_LINE = re.compile(_TOKEN + rb"{1,64} .* HTTP/[0-9]\.[0-9]\r?", re.DOTALL)

_Generator = layer.CommandGenerator[Any]


def misuse(request: http.Request, *, asked_as_proxy: bool) -> Verdict | None:
    """Why a head is refused before anybody looks at where it leads, or None."""
    if asked_as_proxy and request.method != "CONNECT" and not request.authority:
        # There is nothing to see here; a Host field alone does not make it a request to a proxy (NET-009).
        return Verdict(403, "blocked", "NET-009", "this is a proxy without pages; ask it for a whole URL")
    if any(byte in value for _, value in request.headers.fields for byte in b"\r\n\0"):
        return Verdict(403, "blocked", "NET-006", "a header field of the request spans lines")
    if request.http_version == "HTTP/1.1" and request.method != "CONNECT" and not request.headers.get_all("host"):
        return Verdict(403, "blocked", "NET-006", "the request has no Host field")
    return None


def _unclear(response: http.Response | None) -> str:
    """Why an answer can be read in more than one way, or ""."""
    try:
        if response is not None:
            core.validate_headers(response)
    except ValueError:
        return "the answer's length or fields are not clear"
    return ""


def is_like_http(start: bytes) -> bool:
    """Whether an unfinished head may still become a request: who speaks something else shall not wait for an answer."""
    line, newline, _ = start.lstrip(b"\r\n").partition(b"\n")
    return bool(_REQUEST_LINE.fullmatch(line) if newline else _METHOD.match(line))


class Stream(core.HttpStream):
    """One request and its response."""

    def check_invalid(self, request: bool) -> _Generator:
        if request:
            verdict = misuse(self.flow.request, asked_as_proxy=self.mode is core.HTTPMode.regular)
            if verdict is None and core.validate_request(self.mode, self.flow.request, True):
                verdict = verdicts.MALFORMED
            if verdict is not None:
                yield from self._refuse(verdict, verdict.reason)
                return True
        elif reason := _unclear(self.flow.response):
            yield commands.CloseConnection(self.flow.server_conn)
            yield from self._refuse(Verdict(502, "error", "", reason), reason)
            return True
        return False

    def check_killed(self, emit_error_hook: bool) -> _Generator:
        if (yield from super().check_killed(emit_error_hook)):
            return True
        if self.client_state == self.state_wait_for_request_headers and self.flow.response is not None:
            # Our own answer: it does not wait for a body that nobody will read.
            yield from self._answer()
            return True
        return False

    def handle_protocol_error(self, event: Any) -> _Generator:
        if isinstance(event, core.ResponseProtocolError) and self._unanswered():
            yield from self._refuse(verdicts.of_upstream(event.message), event.message)
        else:
            yield from super().handle_protocol_error(event)

    def _unanswered(self) -> bool:
        return self.flow.response is None and self.server_state != self.state_errored

    def _refuse(self, verdict: Verdict, message: str) -> _Generator:
        self.flow.metadata[VERDICT] = verdict
        self.flow.error = flows.Error(message)
        self.flow.response = refusal.response(verdict, self.flow.request.host)
        yield core.HttpErrorHook(self.flow)
        if not (yield from super().check_killed(False)):
            yield from self._answer()

    def _answer(self) -> _Generator:
        response, client = self.flow.response, self.context.client
        assert response is not None
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored
        yield core.SendHttp(core.ResponseHeaders(self.stream_id, response, end_stream=False), client)
        if self.flow.request.method != "HEAD" and response.raw_content:
            yield core.SendHttp(core.ResponseData(self.stream_id, response.raw_content), client)
        yield core.SendHttp(core.ResponseEndOfMessage(self.stream_id), client)
        # Of a stream that is dropped, what still arrives is read and thrown away.
        yield core.DropStream(self.stream_id)


class FromClient(_http1.Http1Server):
    """Reads requests; what is not read on does not pile up, and what is no request is not waited for."""

    on_unread: Callable[[Verdict], None]

    def _handle_event(self, event: events.Event) -> _Generator:
        yield from super()._handle_event(event)
        if not self.buf or self.state == self.done:
            return
        verdict = None
        if len(self.buf) > _HEAD_LIMIT:
            verdict = verdicts.TOO_LONG
        elif self.state == self.read_headers and not is_like_http(bytes(self.buf)):
            verdict = verdicts.MALFORMED
        if verdict is not None:
            if self.state == self.read_headers:
                type(self).on_unread(verdict)
                yield commands.SendData(self.conn, refusal.raw(verdict))
            yield commands.CloseConnection(self.conn)
            self.buf = _http1.ReceiveBuffer()
            self.state = self.done

    def send(self, event: core.HttpEvent) -> _Generator:
        """What the streams leave to mitmproxy's own page of HTML is told as everything else is."""
        status = event.code.http_status_code() if isinstance(event, core.ResponseProtocolError) else None
        if status is None or self.response is not None or not self.conn.state & ConnectionState.CAN_WRITE:
            yield from super().send(event)
            return
        verdict = verdicts.MALFORMED if status < 500 else verdicts.of_upstream(event.message)
        yield commands.SendData(self.conn, refusal.raw(verdict))
        yield commands.CloseConnection(self.conn)


class FromServer(_http1.Http1Client):
    """Reads responses, likewise."""

    def _handle_event(self, event: events.Event) -> _Generator:
        yield from super()._handle_event(event)
        if len(self.buf) > _HEAD_LIMIT and self.state != self.done:
            self.buf = _http1.ReceiveBuffer()
            self.state = self.done
            yield commands.CloseConnection(self.conn)
            if self.stream_id is not None:
                error = core.ResponseProtocolError(
                    self.stream_id, "the response's head is too long", core.ErrorCode.GENERIC_SERVER_ERROR
                )
                yield _http1.ReceiveHttp(error)


class Sockets(websocket.WebsocketLayer):
    """WebSocket messages are put together before they go on: not those without end."""

    def relay_messages(self, event: events.Event) -> _Generator:
        yield from super().relay_messages(event)
        for side in (self.client_ws, self.server_ws):
            if sum(map(len, side.frame_buf)) > _MESSAGE_LIMIT:
                for other in (self.client_ws, self.server_ws):
                    other.frame_buf = [b""]
                    yield commands.CloseConnection(other.conn)
                yield websocket.WebsocketEndHook(self.flow)
                self.flow.live = False
                self._handle_event = self.done  # type: ignore[method-assign]
                return


class Handler(mode_servers.ProxyConnectionHandler):
    """A connection; a fault in its handling ends it, where mitmproxy would leave it hanging."""

    async def handle_client(self) -> None:
        """Closes every socket at the end: a task that is cancelled while it waits for a lock leaves its own open."""
        ours = self.transports[self.client].writer
        try:
            await super().handle_client()
        finally:
            for writer in (ours, *(transport.writer for transport in self.transports.values())):
                if writer is not None:
                    writer.close()

    def log(self, message: str, level: int = logging.INFO, exc_info: Any = None) -> None:
        super().log(message, level, exc_info)
        if level >= logging.ERROR:
            transport = self.transports.get(self.client)
            if transport is not None and transport.handler is not None:
                transport.handler.cancel("a fault in its handling")


class _WithoutTrailers:
    """A body whose trailer fields are dropped, as a proxy may (RFC 9110, 6.5.1); mitmproxy knows none."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def __call__(self, buffer: Any) -> Any:
        return self._bare(self._reader(buffer))

    def read_eof(self) -> Any:
        return self._bare(self._reader.read_eof())

    @staticmethod
    def _bare(event: Any) -> Any:
        return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) else event


def install(on_unread: Callable[[Verdict], None]) -> None:
    """Puts these in the place of mitmproxy's own; `on_unread` hears of requests that have no readable head."""
    parse, body_reader = url.parse_authority, _http1.make_body_reader
    receive_handshake_data = tls.ClientTLSLayer.receive_handshake_data
    handshake_finished = tls.ServerTLSLayer._handshake_finished

    def parse_authority(authority: Any, check: bool) -> tuple[str, int | None]:
        """A-labels stay what they are; the policy is written in them."""
        text = authority.decode("latin-1") if isinstance(authority, bytes) else authority
        match = _A_LABELS.fullmatch(text) if "xn--" in text.lower() else None
        if match and int(match[2] or 0) <= 65535:
            return match[1], int(match[2]) if match[2] else None
        return parse(authority, check)

    def unread(status: int, message: str = "") -> bytes:  # noqa: ARG001  mitmproxy's signature
        on_unread(verdicts.MALFORMED)
        return refusal.raw(verdicts.MALFORMED)

    def finished(tunnel: tls.ServerTLSLayer, reason: str | None) -> _Generator:
        late = tunnel.conn.id in LATE
        LATE.discard(tunnel.conn.id)
        yield from handshake_finished(tunnel, "no TLS handshake in time" if reason and late else reason)

    def receive(tunnel: tls.ClientTLSLayer, data: bytes) -> _Generator:
        if not tunnel.client_hello_parsed and len(tunnel.recv_buffer) > HELLO_LIMIT:
            # It is read from its beginning with every piece that arrives.
            return False, "Cannot parse ClientHello: it is too long"
        return (yield from receive_handshake_data(tunnel, data))

    FromClient.on_unread = staticmethod(on_unread)
    tls.ClientTLSLayer.receive_handshake_data = receive  # type: ignore[method-assign]
    tls.ServerTLSLayer._handshake_finished = finished  # type: ignore[method-assign]
    url.parse_authority = parse_authority
    _http1.make_error_response = unread
    _http1.make_body_reader = lambda size: _WithoutTrailers(body_reader(size))  # type: ignore[assignment,return-value]
    core.HttpStream, core.Http1Server, core.Http1Client = Stream, FromClient, FromServer  # type: ignore[misc]
    websocket.WebsocketLayer = Sockets  # type: ignore[misc]
    mode_servers.ProxyConnectionHandler = Handler  # type: ignore[misc]
