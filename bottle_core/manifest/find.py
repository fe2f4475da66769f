"""Where a manifest is looked for."""

import os
from pathlib import Path
from typing import NamedTuple

PROJECT_NAMES = ("bottle.jsonc", "bottle.json", "claude-bottle.json")


class Candidate(NamedTuple):
    """A manifest's file; `project` if it could have come with a folder, so that its grants need approval first."""

    path: Path
    project: bool


def find(start: Path, home: Path, xdg_config: Path | None) -> list[Candidate]:
    """The manifests that exist, the one to use first: the project's, from `start` upwards, then the user's.

    Upwards ends at the repository's root (the folder with `.git`); outside of a repository only `start` counts,
    since folders above it may be anybody's. `xdg_config` is $XDG_CONFIG_HOME, ignored unless absolute (as the
    XDG base directory specification says). Whatever has the name is found, a broken link too: `load` says what is
    wrong. The user's own file is the user's, also when it is met on the way upwards.
    """
    project = [folder / name for folder in _project_folders(start.resolve()) for name in PROJECT_NAMES]
    users = _user_files(home.resolve(), xdg_config)
    ordered = dict.fromkeys(project + users)
    return [Candidate(path, path not in users) for path in ordered if os.path.lexists(path)]


def _project_folders(start: Path) -> list[Path]:
    folders = []
    for folder in (start, *start.parents):
        folders.append(folder)
        if os.path.lexists(folder / ".git"):
            return folders
    return [start]


def _user_files(home: Path, xdg_config: Path | None) -> list[Path]:
    config = xdg_config if xdg_config and xdg_config.is_absolute() else home / ".config"
    return [config.resolve() / "bottle" / "bottle.jsonc", home / "claude-bottle.json"]
