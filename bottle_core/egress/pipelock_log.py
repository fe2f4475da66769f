"""pipelock's audit log, one JSON object a line, as our events. Pure.

Its events and fields: pipelock 2.3.0, internal/audit. Not all decisions are logged in one way: a scanner's block is
`blocked`, a credential found is `header_dlp` or `body_dlp` with an action, a name that rebinds is an `error`.
"""

import json
import re
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qsl, quote_plus, urlsplit

from pydantic import ValidationError

from bottle_core.egress.base import EgressEvent
from bottle_core.egress.pipelock_config import ANSWER_MIB

Decision = Literal["allowed", "blocked", "flagged", "error"]

_LONGEST = 512
_RULES = {"allowlist": "NET-006", "blocklist": "NET-006", "ssrf": "NET-007", "core_ssrf": "NET-007"}
_UNRESOLVED = "DNS resolution error"
_INTERNAL = "SSRF blocked"
# Only its start is decided by the policy; a redirect's reason or an error quotes whole addresses.
_ADDRESS = re.compile(r"([a-z]{2,5}://[^\s/?#\"']+)[^\s\"']*")
_REQUEST = re.compile(r"req-([0-9]{1,18})")


def parse(line: bytes) -> dict[str, Any] | None:
    """The fields of a line of the log, or None for any other line."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or entry.get("component") != "pipelock":
        return None
    return entry


def event(entry: dict[str, Any], session: str) -> EgressEvent | None:
    """The decision that the line reports, or None if it reports none.

    `seq` is the number of pipelock's request, 0 if it has none. A tunnel is reported when it opens: at its end only
    the sum of both directions is known.
    """
    judged = _judge(entry)
    target = _target(entry)
    if judged is None or target is None:
        return None
    decision, rule, reason = judged
    tunnel, parts = target
    request = _REQUEST.fullmatch(_text(entry, "request_id"))
    try:
        return EgressEvent(
            time=_text(entry, "time"),
            session=session,
            seq=int(request[1]) if request else 0,
            decision=decision,
            rule=rule,
            reason=_ADDRESS.sub(r"\1/…", reason)[:_LONGEST],
            method="CONNECT" if tunnel else _text(entry, "method"),
            scheme="" if tunnel else parts.scheme,
            host=(parts.hostname or "")[:_LONGEST],
            port=parts.port or (443 if tunnel or parts.scheme == "https" else 80),
            path="" if tunnel else _path(parts)[:_LONGEST],
            sni=_text(entry, "sni_host")[:_LONGEST],
            status=_number(entry, "status_code"),
            bytes_down=_number(entry, "size_bytes"),
            ms=_number(entry, "duration_ms"),
        )
    except (ValueError, ValidationError):
        return None


def _judge(entry: dict[str, Any]) -> tuple[Decision, str, str] | None:
    """Decision, requirement and reason."""
    match entry.get("event"):
        case "tunnel_open" | "forward_http" | "allowed":
            return _passed(entry)
        case "blocked" | "error":
            return _failed(entry)
        case "header_dlp" | "body_dlp" | "response_scan":
            return _found(entry)
        case "sni_mismatch":
            return "blocked", "NET-006", f"TLS does not name the host that CONNECT named: {_text(entry, 'category')}"
        case "anomaly":
            return "flagged", "", _text(entry, "reason")
    return None


def _passed(entry: dict[str, Any]) -> tuple[Decision, str, str]:
    if _number(entry, "size_bytes") >= ANSWER_MIB * 1024**2:
        return "flagged", "", f"the answer was cut at {ANSWER_MIB} MiB; only TLS carries more"
    return "allowed", "", ""


def _found(entry: dict[str, Any]) -> tuple[Decision, str, str]:
    """A finding in the content, with the names of the patterns that matched, each once."""
    names = entry.get("patterns")
    found = ", ".join(sorted({str(name) for name in names})) if isinstance(names, list) else ""
    answer = entry["event"] == "response_scan"
    what = "the answer reads like orders to an agent" if answer else "a credential in the request"
    return "blocked" if entry.get("action") == "block" else "flagged", "", f"{what}: {found}"


def _failed(entry: dict[str, Any]) -> tuple[Decision, str, str]:
    """A refusal, or a failure on the way: a name without an address is logged as one, a rebound name as the other."""
    reason = _text(entry, "reason") or _text(entry, "error")
    if entry["event"] == "blocked":
        rule = _RULES.get(_text(entry, "scanner"), "")
        return ("error", "", reason) if _UNRESOLVED in reason else ("blocked", rule, reason)
    return ("blocked", "NET-007", reason) if _INTERNAL in reason else ("error", "", reason)


def _target(entry: dict[str, Any]) -> tuple[bool, SplitResult] | None:
    """Whether it is a tunnel, and where the request goes; None for lines that are not about a request."""
    name = _text(entry, "target") or _text(entry, "connect_host")
    try:
        if name:
            # A CONNECT whose target it has hidden looks like a URL.
            return True, urlsplit(name if "://" in name else f"//{name}")
        url = _text(entry, "url")
        return (False, urlsplit(url)) if url else None
    except ValueError:
        return None


def _path(parts: SplitResult) -> str:
    """The path, with the query's names but not its values, which may be secrets."""
    if not parts.query:
        return parts.path
    names = [quote_plus(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    return f"{parts.path}?{'&'.join(f'{name}=…' for name in names) or '…'}"


def _text(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def _number(entry: dict[str, Any], name: str) -> int:
    value = entry.get(name)
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**63 else 0
