"""Recipes: folders of containerfiles/, and the tags that follow from their content. Pure but for reading them."""

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bottle_core.errors import UsageError
from bottle_core.resources import containerfiles

BASE = "base"
COMMON = "common"
RECIPES = ("claude", "shell", "demo", "egress")
CONTAINERFILE = "Containerfile"

_REPOSITORY = "bottle/"
_DIGITS = 12
_IGNORED = ("__pycache__", ".pyc", ".md")


def folder(name: str) -> Path:
    """The recipe's folder; raises UsageError for a name without one."""
    path = containerfiles() / name
    if name not in (*RECIPES, BASE) or not path.is_dir():
        raise UsageError(f"build the image {name!r}", f"the recipes are: {', '.join(RECIPES)}")
    return path


def files(root: Path) -> Iterator[tuple[str, Path]]:
    """(relative name, path) of everything that counts in a folder, in a fixed order."""
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not any(part.endswith(_IGNORED) for part in path.relative_to(root).parts):
            yield name, path


@cache
def digest(*names: str) -> str:
    """SHA-256 over names, execute bits and bytes of the files of these folders of containerfiles/."""
    total = hashlib.sha256()
    for name in names:
        for relative, path in files(containerfiles() / name):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{name}/{relative}\0{path.stat().st_mode & 0o100:o}\0{content}\n".encode())
    return total.hexdigest()


def tag(name: str) -> str:
    """`bottle/NAME:<hash>`: the same inputs have the same tag, on every machine.

    The host's CA and proxy settings serve a build and are not part of it, so they are not in the hash.
    """
    folder(name)
    inputs = (BASE,) if name == BASE else (BASE, COMMON, name)
    return f"{_REPOSITORY}{name}:{digest(*inputs)[:_DIGITS]}"
