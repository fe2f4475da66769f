"""What becomes of a request, and how it is told. Pure."""

import json
import re
from typing import NamedTuple

_REQUEST = "http://bottle.internal/v1/requests"

_GUARDED = re.compile(r"Connection killed: (NET-\d{3}) (.*)", re.DOTALL)
# The library quotes what it could not read, and that may hold anything.
_QUOTED = re.compile(r"""[:,]? *\(?(?:bytearray\()?b['"].*""", re.DOTALL)


class Verdict(NamedTuple):
    """What becomes of a request: an HTTP status, our decision, the rule it rests on ("" if none), and why."""

    status: int
    decision: str
    rule: str
    reason: str


MALFORMED = Verdict(400, "blocked", "NET-006", "the request can't be read; it was not sent on")
TOO_LONG = Verdict(431, "blocked", "NET-006", "the request's head is too long")
BROKEN = Verdict(502, "error", "", "the proxy failed, and let nothing through")


def of_upstream(message: str) -> Verdict:
    """The verdict on a request that could not be carried out, from what the library says about it."""
    if guarded := _GUARDED.match(message):
        return Verdict(403, "blocked", guarded[1], guarded[2])
    reason = without_content(message).removeprefix("Connection killed: ")
    return Verdict(504 if "in time" in reason else 502, "error", "", reason)


def without_content(message: str) -> str:
    """A library's message without the bytes it quotes."""
    return _QUOTED.sub("", message).strip() or "the other side can't be understood"


def body(verdict: Verdict, host: str) -> bytes:
    """The JSON object of docs/egress.md, "A refusal"."""
    content = {
        "decision": verdict.decision,
        "rule": verdict.rule,
        "host": host[:253],
        "reason": verdict.reason,
        "request": _REQUEST,
    }
    return json.dumps(content).encode() + b"\n"
