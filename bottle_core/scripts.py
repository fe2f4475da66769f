"""The shell programs that travel into the agent's container as arguments."""

from functools import cache

from bottle_core.resources import containerfiles


@cache
def entry() -> str:
    """The first process of every agent; its arguments are the agent's command line."""
    return _read("entry.sh")


@cache
def observe() -> str:
    """Prints what the bottle looks like from inside; its arguments are addresses that must not answer."""
    return _read("observe.sh")


def _read(name: str) -> str:
    """Without comments and blank lines: the text is an argument of the container and shown by the engine."""
    lines = (containerfiles() / "entry" / name).read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("#")) + "\n"
