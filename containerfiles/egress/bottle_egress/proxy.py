"""mitmproxy as a library: its proxy core and TLS, nothing else of it."""

import asyncio
import base64
import contextlib
import logging
import os
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import certifi

from bottle_egress import lean  # noqa: F401  isort: skip  before mitmproxy
from mitmproxy import options
from mitmproxy.addons.disable_h2c import DisableH2C
from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.master import Master
from mitmproxy.proxy import layer, layers
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode, _http1

from bottle_egress import authority, guard, lines, neighbours, refusal
from bottle_egress.addon import Gate
from bottle_egress.config import Config
from bottle_egress.names import GuardedLoop, Names

_STORE = Path("/run/bottle")


class OnlyHttp(NextLayer):
    """Whatever does not look like TLS is read as HTTP, which refuses it if it isn't: no raw tunnels, no DNS."""

    def _next_layer(self, context: Context, data_client: bytes, data_server: bytes) -> layer.Layer | None:
        chosen = super()._next_layer(context, data_client, data_server)
        if isinstance(chosen, layers.TCPLayer | layers.UDPLayer | layers.DNSLayer):
            return layers.HttpLayer(context, HTTPMode.transparent)
        return chosen


class Announce:
    """Says that the proxy serves, once it does."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell

    def running(self) -> None:
        self._tell()


def run(config: Config) -> None:
    """Serves until the process is told to end."""
    with asyncio.Runner(loop_factory=GuardedLoop) as runner:
        runner.run(_serve(config))


async def _serve(config: Config) -> None:
    own = guard.own_networks()
    names = Names(config.resolvers, lambda address: guard.refusal(address, config.private_grants, own))
    loop = asyncio.get_running_loop()
    assert isinstance(loop, GuardedLoop)
    loop.names = names
    issuer = authority.make(config.session)
    trusted = _write("upstream.pem", Path(certifi.where()).read_bytes() + b"\n" + config.extra_ca.encode())
    key = _write("mitmproxy-ca.pem", issuer.key_and_certificate)
    _http1.format_error = refusal.error_page
    master = Master(options.Options(confdir=str(_STORE), listen_host=config.listen, listen_port=config.port))
    logging.getLogger().addHandler(_warnings())

    def ready() -> None:
        # mitmproxy has read it; the key is only in memory from now on.
        key.unlink()
        _say_ready(config, issuer)

    master.addons.add(Proxyserver(), Gate(config, names), DisableH2C(), OnlyHttp(), TlsConfig(), Announce(ready))
    master.options.update(
        mode=["regular"],
        connection_strategy="lazy",
        upstream_cert=False,
        ssl_insecure=False,
        ssl_verify_upstream_trusted_ca=str(trusted),
        rawtcp=False,
        http2=False,
        http3=False,
    )
    await master.run()


def _warnings() -> logging.Handler:
    handler = lines.LogLines()
    handler.setLevel(logging.WARNING)
    return handler


def _write(name: str, content: bytes) -> Path:
    path = _STORE / name
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return path


def _say_ready(config: Config, issuer: authority.Authority) -> None:
    lines.say(
        "ready",
        policy_hash=config.policy_hash,
        ca_certificate=issuer.certificate.decode("ascii"),
        trust_store=base64.b64encode(issuer.trust_store).decode("ascii"),
        neighbours=neighbours.present(config.internal_subnet, IPv4Address(config.listen)),
        forwarding=neighbours.forwarding(),
    )
