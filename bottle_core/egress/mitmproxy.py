"""The mitmproxy sidecar: our own rules on mitmproxy's proxy core; its program is containerfiles/egress."""

import json
from typing import Any, TypeVar

from pydantic import ValidationError

from bottle_core.capabilities import EgressCapability
from bottle_core.egress.base import EgressEvent, EgressProxy, ProxyProgram, ProxyRequest, Ready
from bottle_core.spec import ImageSource, Tmpfs

PORT = 3128
_ARGV = ("/opt/bottle/bin/python", "-m", "bottle_egress")
_MIB = 1024**2

M = TypeVar("M", Ready, EgressEvent)


class MitmproxyEgress(EgressProxy):
    """Configured by one JSON document on stdin; says what it does in lines of JSON on stdout."""

    name = "mitmproxy"
    summary = "mitmproxy, built from packages; looks into TLS"
    image = ImageSource(recipe="egress")
    capabilities = frozenset(EgressCapability)

    def program(self, request: ProxyRequest) -> ProxyProgram:
        document = {
            "session": request.session,
            # The very text that the hash is made of: the sidecar hashes what it enforces (NET-013).
            "policy": request.policy.model_dump_json(),
            "listen": str(request.listen),
            "port": PORT,
            "internal_subnet": str(request.internal_subnet),
            "extra_ca": request.extra_ca,
        }
        return ProxyProgram(
            argv=_ARGV,
            env={"PYTHONDONTWRITEBYTECODE": "1", "HOME": "/tmp"},  # noqa: S108  a tmpfs of its own
            tmpfs=(Tmpfs(path="/run/bottle", size=8 * _MIB), Tmpfs(path="/tmp", size=16 * _MIB)),  # noqa: S108
            config=json.dumps(document).encode(),
            port=PORT,
        )

    def ready(self, line: bytes) -> Ready | None:
        content = _content(line, "ready")
        return None if content is None else _model(Ready, content)

    def event(self, line: bytes, session: str) -> EgressEvent | None:
        content = _content(line, "event")
        return None if content is None else _model(EgressEvent, {**content, "session": session})


def _content(line: bytes, kind: str) -> dict[str, Any] | None:
    """The fields of a line of that kind, or None for any other line."""
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict) or parsed.pop("bottle", None) != kind:
        return None
    return parsed


def _model(model: type[M], content: dict[str, Any]) -> M | None:
    try:
        return model.model_validate(content)
    except ValidationError:
        return None
