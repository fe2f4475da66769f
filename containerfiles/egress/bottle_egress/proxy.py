"""mitmproxy as a library: its proxy core and TLS, nothing else of it."""

import asyncio
import base64
import contextlib
import logging
import os
import resource
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import certifi

from bottle_egress import lean  # noqa: F401  isort: skip  before mitmproxy
from mitmproxy import options
from mitmproxy.addons.disable_h2c import DisableH2C
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.master import Master

from bottle_egress import authority, guard, lines, neighbours, strict
from bottle_egress.addon import Gate
from bottle_egress.config import Config
from bottle_egress.ledger import Ledger
from bottle_egress.names import GuardedLoop, Names
from bottle_egress.patience import Patience
from bottle_egress.relay import NextProtocol

_STORE = Path("/run/bottle")
_IDLE = 3600
# Far above what 1024 busy connections take; the host's memory is not the agent's to fill.
_MEMORY = 1024**3


class Announce:
    """Says that the proxy serves, once it does."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell

    def running(self) -> None:
        self._tell()


def run(config: Config) -> None:
    """Serves until the process is told to end."""
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    with asyncio.Runner(loop_factory=GuardedLoop) as runner:
        runner.run(_serve(config))


async def _serve(config: Config) -> None:
    own = guard.own_networks()
    names = Names(config.resolvers, lambda address: guard.refusal(address, config.private_grants, own))
    loop = asyncio.get_running_loop()
    assert isinstance(loop, GuardedLoop)
    loop.names = names
    roots = Path(certifi.where()).read_bytes() + b"\n" + config.extra_ca.encode()
    trusted = _write("upstream.pem", roots)
    # Hosts that are relayed show their own certificates; Java knows no store but the one it is given.
    issuer = authority.make(config.session, b"" if all(rule.inspect for rule in config.rules) else roots)
    key = _write("mitmproxy-ca.pem", issuer.key_and_certificate)
    ledger = Ledger(config.session)
    strict.install(ledger.unread)
    master = Master(options.Options(confdir=str(_STORE), listen_host=config.listen, listen_port=config.port))
    logging.getLogger().addHandler(_warnings())

    def ready() -> None:
        # mitmproxy has read it; the key is only in memory from now on.
        key.unlink()
        _say_ready(config, issuer)

    server = Proxyserver()
    master.addons.add(
        server,
        Patience(server, ledger),
        Gate(config, names, ledger),
        DisableH2C(),
        NextProtocol(config.rules),
        TlsConfig(),
        Announce(ready),
    )
    master.options.update(
        mode=["regular"],
        connection_strategy="lazy",
        upstream_cert=False,
        ssl_insecure=False,
        ssl_verify_upstream_trusted_ca=str(trusted),
        rawtcp=False,
        http2=False,
        http3=False,
        # An agent may wait long for one answer; nobody waits for ever.
        tcp_timeout=_IDLE,
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
