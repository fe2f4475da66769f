"""What is spoken in a tunnel: TLS and HTTP are looked into; a host granted without inspection is relayed as it is."""

from collections.abc import Sequence

from mitmproxy.addons.next_layer import NeedsMoreData, NextLayer
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import layer, layers
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode

from bottle_egress.config import Rule
from bottle_egress.rules import judge
from bottle_egress.strict import HELLO_LIMIT

_TLS = b"\x16"
_WEB = (80, 443)


class NextProtocol(NextLayer):
    """Decides by the first bytes. No raw tunnels but to hosts that are granted so, and no DNS."""

    name = "nextlayer"

    def __init__(self, rules: Sequence[Rule]) -> None:
        super().__init__()
        self._rules = rules

    def _next_layer(self, context: Context, data_client: bytes, data_server: bytes) -> layer.Layer | None:
        target = context.server.address
        if target is not None and not context.client.tls:
            if data_client[:1] == _TLS and len(data_client) < 3:
                raise NeedsMoreData
            if self._relayed(context, (target[0], target[1]), data_client):
                return layers.TCPLayer(context)
        chosen = super()._next_layer(context, data_client, data_server)
        if isinstance(chosen, layers.TCPLayer | layers.UDPLayer | layers.DNSLayer):
            return layers.HttpLayer(context, HTTPMode.transparent)
        return chosen

    def _relayed(self, context: Context, target: tuple[str, int], data: bytes) -> bool:
        """Whether the tunnel is left alone: granted so, and TLS, if it is TLS, names the host of CONNECT (NET-006)."""
        rule = judge(self._rules, *target).rule
        if rule is None or rule.inspect or not data:
            return False
        if not starts_like_tls_record(data):
            # The web's ports carry a Host field, which is checked where HTTP is read.
            return target[1] not in _WEB
        if len(data) > HELLO_LIMIT:
            return False
        hello = self._get_client_hello(context, data)
        if hello is None:
            return False
        context.client.sni = hello.sni
        # Clients don't name an address in TLS (RFC 6066, 3).
        return hello.sni.lower() == target[0].lower() if hello.sni else target[0].replace(".", "").isdigit()
