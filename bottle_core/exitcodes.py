"""The exit codes of the `bottle` command; docs/exit-codes.md is tested against this enum."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the command ends with when it is not the agent's own exit code."""

    OK = 0
    USAGE = 2
    MANIFEST = 65
    ENGINE = 69
    BUG = 70
    TIMEOUT = 75
    SEAL = 77
    PLUGIN = 78
    CONTAINER = 125
    NOT_EXECUTABLE = 126
    NOT_FOUND = 127
    INTERRUPTED = 130
    TERMINATED = 143

    @property
    def meaning(self) -> str:
        """One sentence for users; the text of the table in docs/exit-codes.md."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.OK: "The agent exited with 0, or the start was declined at the question.",
    ExitCode.USAGE: "The command line is wrong, or a question could not be asked because there is no terminal.",
    ExitCode.MANIFEST: "The manifest has errors, or it needs a host variable that is not set.",
    ExitCode.ENGINE: "The container engine or an image could not do what was asked of it.",
    ExitCode.BUG: "A bug in bottle; a report path is printed.",
    ExitCode.TIMEOUT: "A step did not finish in its time.",
    ExitCode.SEAL: "The bottle was not seen to be sealed, or a policy forbids the start; nothing was granted.",
    ExitCode.PLUGIN: "A plug-in is missing, broken or written for another contract.",
    ExitCode.CONTAINER: "The engine could not run the agent's container, or its output could not be written.",
    ExitCode.NOT_EXECUTABLE: "The agent's command was found but could not be executed.",
    ExitCode.NOT_FOUND: "The agent's command was not found in its image.",
    ExitCode.INTERRUPTED: "Ctrl-C; everything was removed first.",
    ExitCode.TERMINATED: "SIGTERM; everything was removed first.",
}
