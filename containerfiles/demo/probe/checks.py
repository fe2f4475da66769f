"""What a check is: a requirement's id, what is tried, and what came of it."""

from collections.abc import Callable
from typing import NamedTuple


class Result(NamedTuple):
    """`ok` if it went as promised; `detail` says in a few words what happened."""

    ok: bool
    detail: str


class Check(NamedTuple):
    """One row of the scoreboard; `group` is `attack` or `work`."""

    group: str
    requirement: str
    title: str
    run: Callable[[], Result]


def all_refused(tries: dict[str, str | None]) -> Result:
    """Good if nothing got through; `tries` maps what was tried to what came back, None for nothing."""
    through = {name: what for name, what in tries.items() if what is not None}
    if through:
        name, what = next(iter(through.items()))
        return Result(False, f"{name}: {what}" + (f" (and {len(through) - 1} more)" if len(through) > 1 else ""))
    return Result(True, f"{len(tries)} tried, none got through")


def run(check: Check) -> Result:
    """The result; a check that fails by itself is not as promised."""
    try:
        return check.run()
    except Exception as error:
        return Result(False, f"the check failed: {type(error).__name__}: {error}")
