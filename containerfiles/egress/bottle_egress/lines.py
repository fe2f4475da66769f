"""What the sidecar says: one JSON object a line on stdout, of kind ready, event or log."""

import datetime
import itertools
import json
import logging
import re
import sys
from typing import Any

_LONGEST = 512
_CUT = frozenset({"reason", "method", "scheme", "host", "path", "sni", "message"})
_sequence = itertools.count(1)


def say(kind: str, **content: Any) -> None:
    """Writes one line; text is cut, so that no client can make it long."""
    cut = {key: value[:_LONGEST] if key in _CUT and isinstance(value, str) else value for key, value in content.items()}
    sys.stdout.write(json.dumps({"bottle": kind, **cut}) + "\n")
    sys.stdout.flush()


def event(session: str, decision: str, **content: Any) -> None:
    """Writes one decision; the fields are those of bottle_core.egress.base.EgressEvent."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    say("event", time=now, session=session, seq=next(_sequence), decision=decision, **content)


def without_values(path: str) -> str:
    """A request's path whose query shows names only: values may be secrets, and so may a query without names.

    Takes any text at all: what a client writes there must not be able to keep a request out of the record.
    """
    bare, mark, query = path.partition("#")[0].partition("?")
    if not mark or not query:
        return bare
    # Names are kept as they are written; ";" separates for some servers.
    names = [name + "=" if equals else "" for name, equals, _ in (p.partition("=") for p in re.split("[&;]", query))]
    return f"{bare}?{'&'.join(f'{name}…' for name in names)}"


class LogLines(logging.Handler):
    """Warnings and errors of the libraries, in one line, without traceback and without content."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage().partition("\n")[0]
        if record.exc_info and record.exc_info[0]:
            message = f"{message} {record.exc_info[0].__name__}"
        say("log", level=record.levelname.lower(), message=re.sub(r"""b['"].*""", "…", message))
