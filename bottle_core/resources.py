"""Where the recipes and scripts of containerfiles/ are: inside the installed package, or beside it in a checkout."""

from functools import cache
from pathlib import Path

from bottle_core.errors import BottleError


@cache
def containerfiles() -> Path:
    """The folder; raises BottleError if the installation is incomplete."""
    package = Path(__file__).resolve().parent
    for folder in (package / "_containerfiles", package.parent / "containerfiles"):
        if (folder / "entry" / "entry.sh").is_file():
            return folder
    raise BottleError("find the container recipes", f"{package} is incomplete", "reinstall bottle-core")
