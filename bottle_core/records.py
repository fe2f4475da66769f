"""What is kept of a session: one folder under the user's state folder, readable by the user only, without secrets."""

import json
import os
import threading
from pathlib import Path

from pydantic import BaseModel

from bottle_core.egress.base import EgressEvent
from bottle_core.errors import UsageError


def state_home(environment: dict[str, str] | os._Environ[str]) -> Path:
    """`$XDG_STATE_HOME/bottle`, by default `~/.local/state/bottle`."""
    base = environment.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / "bottle"


class Record:
    """`plan.json`, `observation.json`, `egress.jsonl` and `outcome.json` of one session.

    Making it raises UsageError if the folder can't be made, so that a start that can't be recorded doesn't
    happen. Later writes that fail are kept in `failure` and never stop the end of a session.
    """

    def __init__(self, home: Path, session: str) -> None:
        self.folder = home / "sessions" / session
        self.failure = ""
        self._lock = threading.Lock()
        try:
            self.folder.mkdir(parents=True, mode=0o700)
        except OSError as error:
            raise UsageError(
                "keep the session's record",
                f"{self.folder}: {error.strerror}",
                "set XDG_STATE_HOME to a writable folder",
            ) from error

    def write(self, name: str, content: BaseModel | dict[str, object]) -> None:
        """Writes `name`.json, readable by the user only."""
        data = content.model_dump(mode="json") if isinstance(content, BaseModel) else content
        self._put(f"{name}.json", json.dumps(data, indent=2, sort_keys=True) + "\n", os.O_TRUNC)

    def event(self, event: EgressEvent) -> None:
        """Appends one decision of the egress proxy."""
        self._put("egress.jsonl", event.model_dump_json() + "\n", os.O_APPEND)

    def discard(self) -> None:
        """Takes the record back, for a start of which nothing is worth keeping; idempotent."""
        for file in self.folder.glob("*"):
            file.unlink(missing_ok=True)
        if self.folder.is_dir():
            self.folder.rmdir()

    def _put(self, name: str, text: str, how: int) -> None:
        try:
            with self._lock:
                descriptor = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | how, 0o600)
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
        except OSError as error:
            self.failure = f"{self.folder / name}: {error.strerror}"
