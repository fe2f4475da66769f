"""A manifest's file -> validated values, each with its place; all faults at once.

manifest = load(Path("bottle.jsonc"))
manifest.bottles["default"].env["TOKEN"]    -> FromHost(variable="GITEA_TOKEN")
manifest.position("bottles", "default", "env", "TOKEN")    -> bottle.jsonc:5:16
"""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bottle_core.errors import ManifestError, Problem
from bottle_core.manifest.find import Candidate, find
from bottle_core.manifest.position import Fault, Position, Source
from bottle_core.manifest.problems import faults, nearest, where
from bottle_core.manifest.scan import MAX_BYTES, ScanError, decode, readable_part
from bottle_core.manifest.schema import AgentModel, BottleModel, ManifestModel
from bottle_core.manifest.tree import Key, Tree, parse
from bottle_core.manifest.warn import warnings
from bottle_core.manifest.words import printable, shown

__all__ = ["Candidate", "Manifest", "find", "load", "loads"]

MAX_PROBLEMS = 100
"""How many faults of one file are reported; the rest is only counted."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest without faults. `warnings` are for the user to see before the start; they forbid nothing."""

    file: str
    bottles: dict[str, BottleModel]
    agents: dict[str, AgentModel]
    warnings: tuple[Problem, ...]
    _tree: Tree = field(repr=False, compare=False)

    def position(self, *path: Key) -> Position:
        """Where the value at this path stands, or the nearest object around it if the manifest leaves it out."""
        return self._tree.position(path)


def load(path: Path) -> Manifest:
    """The manifest in a regular file; raises ManifestError with every fault."""
    file = printable(os.fsencode(path).decode(errors="backslashreplace"))
    try:
        data = _read(path)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else "") or "its name is not valid"
        raise ManifestError([Problem(file, 0, 0, f"the file can't be read: {reason}")]) from None
    if data is None:
        raise ManifestError([Problem(file, 0, 0, "this is not a regular file")])
    return loads(data, file)


def loads(text: str | bytes, file: str) -> Manifest:
    """The manifest in a text; `file` is its name in messages. Raises ManifestError with every fault."""
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    try:
        tree = parse(decode(data, file))
    except ScanError as error:
        # The text is no manifest at all; nothing that follows its first fault means anything.
        raise ManifestError([readable_part(data, file).problem(error.fault)]) from None
    found = list(tree.faults)
    model = None
    try:
        model = ManifestModel.model_validate(tree.root.value)
    except ValidationError as error:
        found += faults(error, tree)
    found += _missing_bottles(tree)
    if found or model is None:
        raise ManifestError(_reported(found, tree.source)) from None
    warned = _reported(warnings(model, tree), tree.source)
    return Manifest(file, model.bottles, model.agents, tuple(warned), tree)


def _read(path: Path) -> bytes | None:
    """The file's bytes, at most one more than allowed; None if it is no regular file: others block or have effects."""
    if not stat.S_ISREG(path.stat().st_mode):
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return opened.read(MAX_BYTES + 1)


def _missing_bottles(tree: Tree) -> list[Fault]:
    """Faults for agents whose bottle is not in the manifest; works on a tree that has other faults too."""
    bottles = _members(tree.root.value.get("bottles"))
    missing = []
    for name, agent in _members(tree.root.value.get("agents")).items():
        bottle = _members(agent).get("bottle")
        if isinstance(bottle, str) and bottle not in bottles:
            path = ("agents", name, "bottle")
            hint = nearest(bottle, list(bottles)[:1000])
            missing.append(Fault(tree.offset(path), f"{where(path)}: there is no bottle {shown(bottle)}{hint}"))
    return missing


def _members(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _reported(found: list[Fault], source: Source) -> list[Problem]:
    """The faults in the order of the text, one for each place, and a note if there are too many to show."""
    by_offset: dict[int, Fault] = {}
    for fault in found:
        by_offset.setdefault(fault.offset, fault)
    ordered = [by_offset[offset] for offset in sorted(by_offset)]
    problems = [source.problem(fault) for fault in ordered[:MAX_PROBLEMS]]
    if len(ordered) > MAX_PROBLEMS:
        problems.insert(0, Problem(source.file, 0, 0, f"the first {MAX_PROBLEMS} of {len(ordered):,} are shown"))
    return problems
