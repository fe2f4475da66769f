"""The demo: tries inside a bottle what an attacker would, and what work needs, and prints a scoreboard.

Other kinds are pure; this one asks the machine which host can be reached at all, because a demo without a
real upstream would show nothing.
"""

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from urllib.parse import urlsplit

from bottle_core.agents.base import AgentKind, AgentRequest
from bottle_core.environment import DOCUMENTED_NAMES
from bottle_core.errors import UsageError
from bottle_core.policy.egress import HostRule
from bottle_core.policy.hosts import parse_pattern
from bottle_core.spec import ImageSource

UPSTREAM_VARIABLE = "BOTTLE_DEMO_UPSTREAM"
_LAST_RESORT = "https://example.com/"
_PROBE = ("python3", "-I", "/opt/bottle/probe")
_TIMEOUT = 2.0
# Documentation range (RFC 5737): a datagram socket that is connected to it sends nothing, but has an address.
_SOMEWHERE = ("192.0.2.1", 9)


class DemoAgent(AgentKind):
    """Its image holds the probe of containerfiles/demo; the manifest's `command` is added to its arguments."""

    name = "demo"
    summary = "attacks its own bottle and prints a scoreboard"
    image = ImageSource(recipe="demo")

    @cached_property
    def upstream(self) -> str:
        """URL of a host that answers this machine: named by the user, the package mirror, or a public one."""
        if named := os.environ.get(UPSTREAM_VARIABLE):
            return _checked(named)
        return next((url for url in _candidates() if _answers(url)), _LAST_RESORT)

    @property
    def _host(self) -> str:
        return (urlsplit(self.upstream).hostname or "").lower()

    @cached_property
    def _addresses(self) -> tuple[IPv4Address, ...]:
        try:
            found = socket.getaddrinfo(self._host, None, socket.AF_INET, socket.SOCK_STREAM)
        except OSError:
            return ()
        return tuple(dict.fromkeys(IPv4Address(entry[4][0]) for entry in found))

    def argv(self, request: AgentRequest) -> tuple[str, ...]:
        arguments = ["--allowed", self.upstream, "--names", ",".join(sorted(DOCUMENTED_NAMES))]
        for address in (*self._addresses[:2], *_own_addresses()):
            arguments += ["--outside", str(address)]
        return (*_PROBE, *arguments, *request.command)

    def hosts(self) -> tuple[HostRule, ...]:
        return (HostRule(pattern=self._host, origin="default", reason="the upstream that the demo works with"),)

    def private_grants(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(IPv4Network(address) for address in self._addresses if not address.is_global)


def _checked(url: str) -> str:
    parts = urlsplit(url)
    try:
        parse_pattern(parts.hostname or "")
    except ValueError as error:
        raise UsageError(f"use {UPSTREAM_VARIABLE}", str(error), "name a URL such as https://example.com/") from error
    if parts.scheme not in ("http", "https") or "*" in parts.netloc:
        raise UsageError(
            f"use {UPSTREAM_VARIABLE}", "it is no http or https URL", "name a URL such as https://example.com/"
        )
    return url


def _candidates() -> Iterator[str]:
    if shutil.which("apt-get") is None:
        return
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    listing = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    for mirror in dict.fromkeys(listing.split()):
        parts = urlsplit(mirror)
        if parts.hostname:
            yield f"https://{parts.hostname}/"
            yield f"http://{parts.netloc}/"


def _answers(url: str) -> bool:
    """Whether the host accepts a connection; over TLS, with a certificate that this machine trusts."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        with socket.create_connection(
            (host, parts.port or (443 if parts.scheme == "https" else 80)), _TIMEOUT
        ) as plain:
            if parts.scheme == "https":
                ssl.create_default_context().wrap_socket(plain, server_hostname=host).close()
    except OSError:
        return False
    return True


def _own_addresses() -> tuple[str, ...]:
    """The address by which this machine reaches others, if it has one: the agent must not get there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_SOMEWHERE)
        except OSError:
            return ()
        return (str(probe.getsockname()[0]),)
