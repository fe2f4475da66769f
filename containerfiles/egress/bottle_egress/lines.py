"""What the sidecar says: one JSON object a line on stdout, of kind ready, event or log."""

import datetime
import itertools
import json
import logging
import sys
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlsplit

_LONGEST = 512
_sequence = itertools.count(1)


def say(kind: str, **content: Any) -> None:
    """Writes one line; text is cut, so that no client can make it long."""
    cut = {key: value[:_LONGEST] if key in _CUT and isinstance(value, str) else value for key, value in content.items()}
    sys.stdout.write(json.dumps({"bottle": kind, **cut}) + "\n")
    sys.stdout.flush()


_CUT = frozenset({"reason", "method", "host", "path", "sni", "message"})


def event(session: str, decision: str, **content: Any) -> None:
    """Writes one decision; the fields are those of bottle_core.egress.base.EgressEvent."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    say("event", time=now, session=session, seq=next(_sequence), decision=decision, **content)


def without_values(path: str) -> str:
    """A path whose query shows names only: values may be secrets."""
    parts = urlsplit(path)
    if not parts.query:
        return parts.path
    names = [quote_plus(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    return f"{parts.path}?{'&'.join(f'{name}=…' for name in names) or '…'}"


class LogLines(logging.Handler):
    """Warnings and errors of the libraries, without traceback and without content."""

    def emit(self, record: logging.LogRecord) -> None:
        say("log", level=record.levelname.lower(), message=record.getMessage().splitlines()[0])
