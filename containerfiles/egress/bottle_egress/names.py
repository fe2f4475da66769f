"""Names become addresses here and nowhere else: asked once, checked, and what was checked is what is dialled."""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.resolver

_LIFETIME = 5.0
_DIAL = 15.0
_KEEP = 10.0
_MOST = 1024


class RefusedAddressError(Exception):
    """The name leads where the bottle may not go (NET-007)."""


class UnresolvableError(Exception):
    """The name leads nowhere."""


class Names:
    """Checked addresses by name. `refusal` says why an address may not be dialled, or ""."""

    def __init__(self, nameservers: Sequence[str], refusal: Callable[[IPv4Address], str]) -> None:
        self._refusal = refusal
        self._resolver = dns.asyncresolver.Resolver(configure=not nameservers)
        if nameservers:
            self._resolver.nameservers = list(nameservers)
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}

    async def check(self, host: str) -> tuple[str, ...]:
        """The addresses that may be dialled for this host; raises RefusedAddressError, UnresolvableError.

        One address that may not be dialled refuses the name as a whole: a mixed answer is how rebinding begins.
        """
        now = time.monotonic()
        known = self._known.get(host)
        if known and known[0] > now:
            return known[1]
        addresses = await self._ask(host)
        for address in addresses:
            if reason := self._refusal(address):
                raise RefusedAddressError(reason)
        checked = tuple(map(str, addresses))
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[host] = (now + _KEEP, checked)
        return checked

    async def _ask(self, host: str) -> list[IPv4Address]:
        try:
            return [IPv4Address(host)]
        except ValueError:
            pass
        try:
            answer = await self._resolver.resolve(host, "A", search=False, lifetime=_LIFETIME)
        except dns.resolver.NXDOMAIN:
            raise UnresolvableError("there is no host of this name") from None
        except dns.resolver.NoAnswer:
            raise UnresolvableError("this name has no IPv4 address") from None
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise UnresolvableError(f"the name could not be resolved: {type(error).__name__}") from None
        return [IPv4Address(record.address) for record in answer]

    def dialled(self, host: str) -> tuple[str, ...]:
        """The addresses that `check` has let through just now; empty for a name that it hasn't."""
        return self._known.get(host, (0.0, ()))[1]


class GuardedLoop(asyncio.SelectorEventLoop):
    """An event loop that knows no names but the checked ones."""

    names: Names | None = None

    async def getaddrinfo(self, host: Any, port: Any, **hints: int) -> list[Any]:  # type: ignore[override]
        addresses = self.names.dialled(host) if self.names else ()
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "the name has not been checked")
        kind = hints.get("type") or socket.SOCK_STREAM
        return [(socket.AF_INET, kind, socket.IPPROTO_TCP, "", (address, port)) for address in addresses]

    async def create_connection(self, *arguments: Any, **options: Any) -> Any:
        """Dials as usual, but not for the two minutes that the kernel would try."""
        try:
            async with asyncio.timeout(_DIAL):
                return await super().create_connection(*arguments, **options)
        except TimeoutError:
            raise TimeoutError("the host did not answer in time") from None
