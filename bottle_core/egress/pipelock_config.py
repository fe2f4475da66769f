"""Our policy in pipelock's words. Pure.

The keys are those of pipelock 2.3.0, docs/configuration.md; it refuses unknown ones. JSON is YAML, so that the
document needs no YAML library, and one that arrives cut short can't be read as a smaller one.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Any

from bottle_core.egress.base import ProxyRequest
from bottle_core.errors import PolicyError
from bottle_core.policy.egress import DEFAULT_PORTS, EgressPolicy
from bottle_core.policy.hosts import matches

PORT = 8888

# RFC 6761: a name that never resolves. An empty list of hosts is one that pipelock does not start with.
_NOBODY = "nothing.invalid"

# What is not globally reachable, after RFC 6890 and its registries; pipelock's own list has less. No IPv4-mapped
# IPv6 range may stand here: pipelock reads ::ffff:0:0/96 as 0.0.0.0/0, and would refuse every host.
INTERNAL = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4"),
    *("::/128", "::1/128", "2001:db8::/32", "fc00::/7", "fe80::/10", "ff00::/8"),
)

# The idle time counts in each direction by itself: a long download would lose its other half after it. TCP's own
# keep-alive finds the dead, so both are as long as any session.
_TUNNEL_SECONDS = 30 * 24 * 3600
_REQUEST_SECONDS = 24 * 3600
_MANY = 1_000_000
# Bits a character; no string of ASCII reaches it.
_NEVER = 8.0
_BODY_BYTES = 32 * 1024**2

ANSWER_MIB = 16
"""An answer over plain HTTP is cut here. Pipelock holds it whole, in twenty times its size, to look through it."""


def configuration(request: ProxyRequest) -> dict[str, Any]:
    """The document for this start; raises PolicyError for what pipelock has no words for."""
    policy = request.policy
    _refuse_own_ports(policy)
    own = [network for network in (request.internal_subnet, request.egress_subnet) if network]
    grants = [grant for grant in policy.private_grants if isinstance(grant, IPv4Network)]
    return {
        "version": 1,
        "mode": "strict",
        "enforce": True,
        "explain_blocks": True,
        "api_allowlist": [rule.pattern for rule in policy.hosts] or [_NOBODY],
        "internal": [*INTERNAL, *map(str, own)],
        "ssrf": {"ip_allowlist": [str(network) for network in _without(grants, own)]},
        "forward_proxy": {
            "enabled": True,
            "max_tunnel_seconds": _TUNNEL_SECONDS,
            "idle_timeout_seconds": _TUNNEL_SECONDS,
            "sni_verification": True,
        },
        "websocket_proxy": {"enabled": False},
        "tls_interception": {"enabled": False},
        "fetch_proxy": {
            # Only the internal network is listened on.
            "listen": f"{request.listen}:{PORT}",
            "timeout_seconds": _REQUEST_SECONDS,
            "max_response_mb": ANSWER_MIB,
            # What limits an agent is the list of hosts; its lengths, rates and guesses at randomness are not policy.
            "monitoring": {
                "blocklist": _apexes(policy),
                "max_url_length": _MANY,
                "max_requests_per_minute": _MANY,
                "entropy_threshold": _NEVER,
                "subdomain_entropy_threshold": _NEVER,
            },
        },
        # On loopback, where the agent can't ask (NET-009).
        "metrics_listen": "127.0.0.1:9090",
        **_CONTENT,
        "logging": {"format": "json", "output": "stdout", "include_allowed": True, "include_blocked": True},
        "sentry": {"enabled": False},
    }


# What pipelock reads is plain HTTP alone. There it stops credentials on their way out. Some judgements of answers can't
# be switched off: switched off, they block ("provide a password" is one), so they are on and only warn. What judges
# prose or pictures is off.
_CONTENT: dict[str, Any] = {
    "dlp": {"include_defaults": True, "scan_env": False},
    "request_body_scanning": {
        "enabled": True,
        "action": "block",
        "max_body_bytes": _BODY_BYTES,
        "scan_headers": True,
        "header_mode": "sensitive",
    },
    "seed_phrase_detection": {"enabled": False},
    "response_scanning": {
        "enabled": True,
        "action": "warn",
        "include_defaults": False,
        "sse_streaming": {"enabled": False},
    },
    "media_policy": {"enabled": False},
    "browser_shield": {"enabled": False},
    "taint": {"enabled": False},
}


def _refuse_own_ports(policy: EgressPolicy) -> None:
    for rule in policy.hosts:
        if others := [port for port in rule.ports if port not in DEFAULT_PORTS]:
            raise PolicyError(
                "configure pipelock",
                f"it can't limit a host to ports, and {rule.pattern} is granted with port {others[0]}",
                'use the other proxy: "egress": {"proxy": "mitmproxy"}',
                requirement="NET-008",
            )


def _apexes(policy: EgressPolicy) -> list[str]:
    """Names that pipelock's `*.x` covers and ours doesn't: each x that no rule grants."""
    patterns = [rule.pattern for rule in policy.hosts]
    apexes = {pattern[2:] for pattern in patterns if pattern.startswith("*.")}
    return sorted(apex for apex in apexes if not any(matches(pattern, apex) for pattern in patterns))


def _without(grants: Iterable[IPv4Network], own: Iterable[IPv4Network]) -> list[IPv4Network]:
    """The grants but for the sidecar's own networks, on which the engine's host has an address (NET-002)."""
    left = list(grants)
    for network in own:
        left = [part for grant in left for part in _minus(grant, network)]
    return left


def _minus(grant: IPv4Network, network: IPv4Network) -> Iterable[IPv4Network]:
    if not grant.overlaps(network):
        return (grant,)
    return () if grant.subnet_of(network) else grant.address_exclude(network)
