"""The pipelock sidecar: a published image, configured from our policy. What it can't do is declared (docs/egress.md).

Configuration keys: pipelock 2.3.0, docs/configuration.md. JSON is YAML, so the document needs no YAML library.
"""

import json
import os
from typing import Any
from urllib.parse import urlsplit

from bottle_core.capabilities import EgressCapability
from bottle_core.egress.base import EgressEvent, EgressProxy, ProxyProgram, ProxyRequest
from bottle_core.errors import PolicyError
from bottle_core.policy.egress import EgressPolicy
from bottle_core.spec import ImageSource, Tmpfs

PORT = 8888
IMAGE_VARIABLE = "BOTTLE_PIPELOCK_IMAGE"
_PUBLISHED = "ghcr.io/luckypipewrench/pipelock@sha256:42b58a428defca8f57d74b005e865898deb9568c9d742e46b32c80b0d2b011f7"
_DAY = 24 * 3600
_MIB = 1024**2

# Everything that is not globally reachable (RFC 6890 and its registries); pipelock's own list has fewer.
_INTERNAL = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4", "::1/128", "::ffff:0:0/96", "64:ff9b::/96", "2001:db8::/32"),
    *("fc00::/7", "fe80::/10", "ff00::/8"),
)
_RULES = {"allowlist": "NET-006", "blocklist": "NET-006", "ssrf": "NET-007", "core_ssrf": "NET-007"}
_ALLOWED_EVENTS = frozenset({"tunnel_close", "forward_http", "allowed"})


class PipelockEgress(EgressProxy):
    """Reads its configuration from stdin, which the engine hands to it as /dev/stdin."""

    name = "pipelock"
    summary = "pipelock, a published image; looks for secrets in what it can read"
    capabilities = frozenset({EgressCapability.RESOLVE_ONCE})

    @property
    def image(self) -> ImageSource:  # type: ignore[override]
        """The published image by digest, or the one that the user names in BOTTLE_PIPELOCK_IMAGE."""
        return ImageSource(reference=os.environ.get(IMAGE_VARIABLE) or _PUBLISHED)

    def program(self, request: ProxyRequest) -> ProxyProgram:
        listen = f"{request.listen}:{PORT}"
        return ProxyProgram(
            argv=("/pipelock", "run", "--listen", listen, "--config", "/dev/stdin"),
            env={"PIPELOCK_HOME": "/tmp"},  # noqa: S108  a tmpfs of its own
            tmpfs=(Tmpfs(path="/tmp", size=16 * _MIB),),  # noqa: S108
            config=json.dumps(configuration(request.policy)).encode(),
            port=PORT,
            health=("/pipelock", "healthcheck", "--addr", listen),
        )

    def event(self, line: bytes, session: str) -> EgressEvent | None:
        """Its audit log, one JSON object a line; `seq` is not known to it and stays 0."""
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(entry, dict) or entry.get("event") not in (*_ALLOWED_EVENTS, "blocked", "error"):
            return None
        try:
            return _event(entry, session)
        except (ValueError, TypeError):
            return None


def _event(entry: dict[str, Any], session: str) -> EgressEvent:
    kind = str(entry["event"])
    target = str(entry.get("target") or entry.get("url") or "")
    tunnel = "://" not in target
    parts = urlsplit(f"//{target}" if tunnel else target)
    scanner = str(entry.get("scanner") or "")
    return EgressEvent(
        time=str(entry.get("time") or ""),
        session=session,
        seq=0,
        decision="allowed" if kind in _ALLOWED_EVENTS else "blocked" if kind == "blocked" else "error",
        rule=_RULES.get(scanner, ""),
        reason=str(entry.get("reason") or entry.get("error") or scanner),
        method=str(entry.get("method") or ("CONNECT" if tunnel else "")),
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or (443 if tunnel or parts.scheme == "https" else 80),
        # Query values may be secrets.
        path=parts.path + ("?…" if parts.query else ""),
        status=int(entry.get("status_code") or 0),
        bytes_down=int(entry.get("size_bytes") or entry.get("total_bytes") or 0),
        ms=int(float(entry.get("duration_ms") or 0)),
    )


def configuration(policy: EgressPolicy) -> dict[str, Any]:
    """The policy in pipelock's words; raises PolicyError for what it has no words for."""
    if relayed := [rule.pattern for rule in policy.hosts if any(port not in (80, 443) for port in rule.ports)]:
        raise PolicyError(
            "configure pipelock",
            f"it can't limit a host to ports, and {relayed[0]} is granted with ports of its own",
            'use the other proxy: "egress": {"proxy": "mitmproxy"}',
            requirement="NET-008",
        )
    patterns = [rule.pattern for rule in policy.hosts]
    # Its `*.x` covers the apex as well, ours doesn't.
    apexes = [p.removeprefix("*.") for p in patterns if p.startswith("*.") and p.removeprefix("*.") not in patterns]
    return {
        "version": 1,
        "mode": "strict",
        "enforce": True,
        "explain_blocks": True,
        # An empty list would mean its own default list.
        "api_allowlist": patterns or ["nothing.invalid"],
        "internal": list(_INTERNAL),
        "ssrf": {"ip_allowlist": [str(grant) for grant in policy.private_grants]},
        "forward_proxy": {
            "enabled": True,
            "max_tunnel_seconds": 7 * _DAY,
            "idle_timeout_seconds": _DAY,
            "sni_verification": True,
        },
        "fetch_proxy": {
            "timeout_seconds": 3600,
            # Package managers ask one host for many things; what limits an agent is the list of hosts.
            "monitoring": {"blocklist": apexes, "max_requests_per_minute": 100_000},
        },
        "dlp": {"include_defaults": True, "scan_env": False},
        "request_body_scanning": {"enabled": True, "action": "block", "scan_headers": True},
        # On the sidecar's own loopback, where the agent can't ask (NET-009).
        "metrics_listen": "127.0.0.1:9090",
        "logging": {"format": "json", "output": "stdout", "include_allowed": True, "include_blocked": True},
    }
