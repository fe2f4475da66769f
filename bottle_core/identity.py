"""Names of sessions and who owns them."""

import os
import secrets
import string
from datetime import UTC, datetime
from pathlib import Path

from bottle_core.assemble import Identity

_ALPHABET = string.ascii_lowercase + string.digits
_LENGTH = 5


def new(agent: str) -> Identity:
    """`<agent>-<5 random characters>`, owned by this user on this boot of this machine."""
    suffix = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    created = datetime.now(UTC).isoformat(timespec="seconds")
    owner = f"{os.getuid()}@{_boot()}"
    return Identity(session=f"{agent}-{suffix}", start=secrets.token_hex(16), owner=owner, created=created)


def _boot() -> str:
    """The kernel's boot id, so that objects of an earlier boot can be told apart; elsewhere "unknown"."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"
