"""The `bottle` command's way in; what it does is in command.py."""

import signal
import sys


def main() -> None:
    """The console script. Every error becomes one message and its documented exit code."""
    # Until the command runs there is nothing to remove, and Ctrl-C ends the process as it ends any other.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from bottle_core.cli.command import cli
    from bottle_core.cli.outcome import run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = run(cli)
    # Everything is done but the interpreter's own end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)
