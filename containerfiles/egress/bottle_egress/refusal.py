"""What a client is told: JSON that an honest agent can act on, never 401, never a hang."""

from mitmproxy import http
from mitmproxy.net.http import http1

from bottle_egress.verdicts import Verdict, body

HEADER = "X-Bottle-Decision"


def response(verdict: Verdict, host: str) -> http.Response:
    """An answer of the proxy's own; the connection ends with it, whatever the client still wants to send."""
    headers = {
        "Content-Type": "application/json",
        "Connection": "close",
        HEADER: f"{verdict.decision}; rule={verdict.rule or 'none'}",
    }
    return http.Response.make(verdict.status, body(verdict, host), headers)


def raw(verdict: Verdict) -> bytes:
    """The same for a request without a readable head."""
    return http1.assemble_response(response(verdict, ""))
