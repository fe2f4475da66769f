"""Host patterns of a policy: `host`, `*.host`, each with `:port` or without, and IPv4 addresses.

A pattern is normalised to what a proxy compares: lower-case A-labels (RFC 5890), or a dotted IPv4 address.
"""

import re
from functools import cache
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

MAX_NAME = 253
MAX_TEXT = 1024

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
# The last label decides whether clients read a host as an IPv4 address (https://url.spec.whatwg.org/#ends-in-a-number-checker).
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def parse_pattern(text: str) -> tuple[str, tuple[int, ...] | None]:
    """The normalised pattern, and the ports if the text names one; None leaves them to the policy's default.

    Raises ValueError with a reason for users, which never repeats the text (it could hold a password).
    """
    _refuse_what_is_no_host(text)
    host, colon, port = text.partition(":")
    ports = (_port(port),) if colon else None
    wildcard = host.startswith("*.")
    name = _name(host[2:] if wildcard else host)
    if wildcard:
        if is_address(name):
            raise ValueError("an address has no sub-domains; name each address")
        if is_public_suffix(name):
            raise ValueError(
                f"*.{name} would grant names of unrelated owners ({name} is a public suffix); name the domain"
            )
    return ("*." + name if wildcard else name), ports


def matches(pattern: str, host: str) -> bool:
    """Whether a normalised pattern covers a host: itself, or for `*.x` every name below x, but not x.

    `host` counts as it is, in any case; a trailing dot or another spelling of an address matches nothing.
    """
    host = host.lower()
    if not pattern.startswith("*."):
        return host == pattern
    below, suffix = host[: 1 - len(pattern)], pattern[1:]
    return host.endswith(suffix) and all(_LABEL.fullmatch(label) for label in below.split("."))


def is_address(pattern: str) -> bool:
    """Whether a normalised pattern is an IPv4 address."""
    try:
        IPv4Address(pattern)
    except ValueError:
        return False
    return True


def is_public_suffix(name: str) -> bool:
    """Whether a registry gives away the names directly below it (the list's ICANN section), or it is one label."""
    return "." not in name or _suffixes(name.rpartition(".")[2], icann=True).is_public(name)


def is_shared_suffix(name: str) -> bool:
    """Whether different customers own the names directly below it, as with hosting services (the whole list)."""
    return "." not in name or _suffixes(name.rpartition(".")[2], icann=False).is_public(name)


def _refuse_what_is_no_host(text: str) -> None:
    if not text:
        raise ValueError("a host can't be empty")
    if len(text) > MAX_TEXT:
        raise ValueError(f"a host has at most {MAX_NAME} characters")
    if not text.isprintable() or " " in text:
        raise ValueError("a host has no blanks and no control characters")
    if "://" in text:
        raise ValueError("write the host alone, without a scheme such as https://")
    if "@" in text:
        raise ValueError("write the host alone, without a user name or password")
    if any(c in text for c in "/\\?#"):
        raise ValueError("write the host alone, without a path")
    if "[" in text or text.count(":") > 1:
        raise ValueError("IPv6 addresses can't be granted; bottles have IPv4 only")
    if text.startswith("*") and not text.startswith("*."):
        raise ValueError("not everything can be granted; a wildcard is a leading *. before a domain")
    if "*" in text[1:]:
        raise ValueError("a wildcard is possible only as a leading *.")


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise ValueError("a port is a number from 1 to 65535, without leading zeros")
    return int(text)


def _name(text: str) -> str:
    if text.startswith("."):
        raise ValueError("a host does not start with a dot; for all sub-domains write *. before the domain")
    if text.endswith("."):
        raise ValueError("write the host without the dot at its end")
    name = text.lower() if text.isascii() else _to_ascii(text)
    if len(name) > MAX_NAME:
        raise ValueError(f"a host has at most {MAX_NAME} characters")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _address(name)
    for label in labels:
        _check_label(label)
    return name


def _check_label(label: str) -> None:
    if not label:
        raise ValueError("a host has no two dots in a row")
    if len(label) > 63:
        raise ValueError("each part of a host has at most 63 characters")
    if "_" in label:
        raise ValueError("a host name has no underscore")
    if not _LABEL.fullmatch(label):
        raise ValueError("each part of a host has letters, digits and inner hyphens only")
    if label.startswith("xn--"):
        import idna

        try:
            idna.ulabel(label)
        except UnicodeError:
            raise ValueError("the part that starts with xn-- is not a valid internationalised name") from None


def _to_ascii(text: str) -> str:
    import idna

    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode().lower()
    except UnicodeError:
        raise ValueError("this is not a valid internationalised host name (IDNA 2008)") from None


def _address(name: str) -> str:
    if not is_address(name):
        raise ValueError("an IPv4 address is written as four decimal numbers from 0 to 255, without leading zeros")
    address = IPv4Address(name)
    if address.is_multicast or address.is_unspecified or int(address) == 0xFFFFFFFF:
        raise ValueError("this address is no single destination")
    return name


@cache
def _suffixes(tld: str, *, icann: bool) -> "PublicSuffixList":
    """The list's rules for one top-level domain: the whole list takes 45 ms to read, one domain's rules 5 ms."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(_rules(icann).get(tld, []))


@cache
def _rules(icann: bool) -> dict[str, list[str]]:
    """Rules of the list that the library ships, by top-level domain; no network is used."""
    from pathlib import Path

    from publicsuffixlist import PSLFILE

    rules: dict[str, list[str]] = {}
    for line in Path(PSLFILE).read_text(encoding="utf-8").splitlines():
        if icann and line.startswith("// ===END ICANN DOMAINS==="):
            break
        if line and not line.startswith("//"):
            rule = line.split()[0]
            tld = rule.rpartition(".")[2]
            rules.setdefault(tld if tld.isascii() else tld.encode("idna").decode(), []).append(rule)
    return rules
