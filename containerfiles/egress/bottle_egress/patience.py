"""Limits of time and number: an upstream that does not speak, and a client that opens too much."""

import asyncio
import time

from mitmproxy import connection, tls
from mitmproxy.addons.proxyserver import Proxyserver

from bottle_egress.ledger import Ledger
from bottle_egress.strict import LATE

_HANDSHAKE = 15.0
_TICK = 1.0
_MOST_CLIENTS = 1024


class Patience:
    """The add-on that closes what would hang."""

    def __init__(self, server: Proxyserver, ledger: Ledger) -> None:
        self._server = server
        self._ledger = ledger
        self._shaking: dict[str, tuple[float, tls.TlsData]] = {}
        self._ticking: asyncio.Task[None] | None = None

    def running(self) -> None:
        self._ticking = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._ledger.show_lasting()
            now = time.monotonic()
            for data in [data for due, data in self._shaking.values() if due < now]:
                self._shaking.pop(data.conn.id)
                self._close(data)

    def client_connected(self, client: connection.Client) -> None:
        if len(self._server.connections) > _MOST_CLIENTS:
            client.error = "too many connections"

    def tls_start_server(self, data: tls.TlsData) -> None:
        self._shaking[data.conn.id] = (time.monotonic() + _HANDSHAKE, data)

    def tls_established_server(self, data: tls.TlsData) -> None:
        self._shaking.pop(data.conn.id, None)

    def tls_failed_server(self, data: tls.TlsData) -> None:
        self._shaking.pop(data.conn.id, None)

    def _close(self, data: tls.TlsData) -> None:
        handler = self._server.connections.get(data.context.client.id)
        transport = handler.transports.get(data.conn) if handler else None
        if transport is not None and transport.handler is not None:
            LATE.add(data.conn.id)
            transport.handler.cancel("no TLS handshake in time")
