"""The pipelock sidecar: a published image, configured from our policy. What it can't do: docs/egress.md."""

import hashlib
import json
import os

from bottle_core.capabilities import EgressCapability
from bottle_core.egress import pipelock_log
from bottle_core.egress.base import EgressEvent, EgressProxy, ProxyProgram, ProxyRequest, Ready
from bottle_core.egress.pipelock_config import PORT, configuration
from bottle_core.spec import ImageSource

IMAGE_VARIABLE = "BOTTLE_PIPELOCK_IMAGE"
PUBLISHED = "ghcr.io/luckypipewrench/pipelock@sha256:49b6ee229941d0d7d0c7431949edeeb878f3bfa6f092f36abff8eed09ac7836b"
"""Release 3.0.0. The configuration was tried with 2.3.0; one that a release doesn't know makes it refuse to start."""

# The engine hands the document to it as this file, which exists in an image that holds nothing but the program.
_STDIN = "/dev/stdin"


class PipelockEgress(EgressProxy):
    """Configured by one JSON document on stdin; what it decides stands in its audit log on stdout."""

    name = "pipelock"
    summary = "pipelock, a published image; relays TLS unread"
    capabilities: frozenset[EgressCapability] = frozenset()

    def __init__(self) -> None:
        self._sent: dict[str, str] = {}

    @property
    def image(self) -> ImageSource:  # type: ignore[override]
        """The published image, or the one that the user names in BOTTLE_PIPELOCK_IMAGE."""
        return ImageSource(reference=os.environ.get(IMAGE_VARIABLE) or PUBLISHED)

    def program(self, request: ProxyRequest) -> ProxyProgram:
        config = json.dumps(configuration(request)).encode()
        self._sent[hashlib.sha256(config).hexdigest()] = request.policy.policy_hash
        return ProxyProgram(
            # With an empty document it would start all the same and fetch what it is asked for; not in strict mode.
            argv=("/pipelock", "run", "--mode", "strict", "--config", _STDIN),
            env={},
            tmpfs=(),
            config=config,
            port=PORT,
        )

    def ready(self, line: bytes) -> Ready | None:
        """Its start is logged with the hash of the document as it has read it (NET-013); it listens right after."""
        entry = pipelock_log.parse(line)
        if entry is None or entry.get("event") != "startup":
            return None
        return Ready(policy_hash=self._sent.get(str(entry.get("config_hash")), "an unknown configuration"))

    def event(self, line: bytes, session: str) -> EgressEvent | None:
        entry = pipelock_log.parse(line)
        return None if entry is None else pipelock_log.event(entry, session)
