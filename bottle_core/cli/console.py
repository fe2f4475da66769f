"""Messages and progress on stderr; the only place that imports rich, and only when there is progress to show."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress

Say = Callable[[str], None]


def say(line: str) -> None:
    """One message for the user."""
    click.echo(f"bottle: {line}", err=True)


@contextmanager
def progress() -> Iterator[Say]:
    """A function that shows what is being done: a line each, on a terminal below it a clock that runs."""
    display: Progress | None = None

    def show(line: str) -> None:
        nonlocal display
        if not sys.stderr.isatty():
            say(line)
            return
        if display is None:
            display = _display()
            display.start()
            display.add_task(line)
        else:
            display.console.print(f"bottle: {line}", markup=False, highlight=False)
            display.update(display.task_ids[0], description=line)

    try:
        yield show
    finally:
        if display is not None:
            display.stop()


def _display() -> "Progress":
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    return Progress(*columns, console=Console(stderr=True), transient=True)
