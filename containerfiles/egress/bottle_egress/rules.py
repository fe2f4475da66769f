"""Which host and port the policy grants (NET-006, NET-008). Pure."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from bottle_egress.config import Rule

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST = 253


class Verdict(NamedTuple):
    """`rule` is the policy's that grants the destination, or None; then `requirement` and `reason` say why not."""

    rule: Rule | None
    requirement: str = ""
    reason: str = ""


def matches(pattern: str, host: str) -> bool:
    """Whether a pattern covers a lower-case host: itself, or for `*.x` every name below x, but not x."""
    if not pattern.startswith("*."):
        return host == pattern
    below = host.removesuffix(pattern[1:])
    return below != host and all(_LABEL.fullmatch(label) for label in below.split("."))


def judge(rules: Iterable[Rule], host: str, port: int) -> Verdict:
    """The verdict on a destination as the client wrote it."""
    name = host.lower()
    if not name or len(name) > _LONGEST or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        return Verdict(None, "NET-006", "this is no plain host name or IPv4 address")
    granted = [rule for rule in rules if matches(rule.pattern, name)]
    if not granted:
        return Verdict(None, "NET-006", "this host is not in the bottle's allowlist")
    for rule in granted:
        if port in rule.ports:
            return Verdict(rule)
    ports = ", ".join(str(port) for port in sorted({port for rule in granted for port in rule.ports}))
    return Verdict(None, "NET-008", f"of this host only these ports are granted: {ports}")
