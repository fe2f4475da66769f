"""What a client is told: JSON that an honest agent can act on, never 401, never a hang."""

import json

from mitmproxy import http

_REQUEST = "http://bottle.internal/v1/requests"
HEADER = "X-Bottle-Decision"


def body(decision: str, rule: str, host: str, reason: str) -> bytes:
    """The JSON object of docs/egress.md, "A refusal"."""
    content = {"decision": decision, "rule": rule, "host": host[:253], "reason": reason, "request": _REQUEST}
    return json.dumps(content).encode() + b"\n"


def response(status: int, decision: str, rule: str, host: str, reason: str) -> http.Response:
    """An answer of the proxy's own; the connection ends with it, whatever the client still wants to send."""
    headers = {
        "Content-Type": "application/json",
        "Connection": "close",
        HEADER: f"{decision}; rule={rule or 'none'}",
    }
    return http.Response.make(status, body(decision, rule, host, reason), headers)


def error_page(status_code: int, message: str) -> bytes:  # noqa: ARG001  mitmproxy's signature
    """What mitmproxy says by itself, when a request can't be read or an upstream not be reached."""
    return body("error", "", "", message)
