"""Runs a command line and turns whatever happens into an exit code: never a traceback (docs/exit-codes.md)."""

import os
import sys
import tempfile
import traceback
from contextlib import suppress

import click

from bottle_core.errors import BottleError, TerminatedError
from bottle_core.exitcodes import ExitCode


def run(command: click.Command) -> int:  # noqa: PLR0911  one way out for each kind of end
    """The exit code of `command` run on the process's arguments; messages go to stderr."""
    try:
        result = command.main(standalone_mode=False, prog_name="bottle")
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except click.Abort:
        return ExitCode.INTERRUPTED
    except BottleError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except TerminatedError:
        return ExitCode.TERMINATED
    except BrokenPipeError:
        # Nobody reads our output any more; keep the interpreter from failing on its own flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:
        return _bug(error)
    return result if isinstance(result, int) else ExitCode.OK


def _bug(error: Exception) -> int:
    """A bug of ours: the traceback goes to a file that the user can attach to a report."""
    where = ""
    with suppress(OSError):
        descriptor, where = tempfile.mkstemp(prefix="bottle-bug-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            traceback.print_exception(error, file=file)
    _say(f"a bug in bottle: {type(error).__name__}" + (f"; the details are in {where}" if where else ""))
    return ExitCode.BUG


def _say(text: str) -> None:
    with suppress(OSError):
        click.echo(f"bottle: {text}", err=True)
