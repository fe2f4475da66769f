"""Every error a user can meet: what couldn't be done, because of what, and what to try."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from bottle_core.exitcodes import ExitCode


class BottleError(Exception):
    """Couldn't `action`, because `because`; `hint` is a command or change to try.

    `requirement` is the id of docs/contract.md that failed, where one did.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(self, action: str, because: str, hint: str = "", *, requirement: str = "") -> None:
        super().__init__(action, because, hint)
        self.action = action
        self.because = because
        self.hint = hint
        self.requirement = requirement

    def __str__(self) -> str:
        name = f" [{self.requirement}]" if self.requirement else ""
        text = f"couldn't {self.action}, because{name}: {self.because}"
        return f"{text}\n  try: {self.hint}" if self.hint else text


class UsageError(BottleError):
    """The command line asks for something that doesn't exist or can't be combined."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, order=True)
class Problem:
    """One fault in a manifest; `line` and `column` count from 1, 0 means the whole file."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.message}"


class ManifestError(BottleError):
    """One or more faults in the manifest, all of them reported together."""

    exit_code = ExitCode.MANIFEST

    def __init__(self, problems: Sequence[Problem], hint: str = "") -> None:
        self.problems = tuple(sorted(problems))
        count = len(self.problems)
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__("use the manifest", f"{count} error{'s' if count != 1 else ''}:{lines}", hint)


class EngineError(BottleError):
    """The engine refused or failed a call."""

    exit_code = ExitCode.ENGINE


class EngineUnavailableError(EngineError):
    """The engine can't be reached, or this user may not use it."""


class ImageMissingError(EngineError):
    """The image is neither present nor obtainable."""


class ImageBuildError(EngineError):
    """A build step failed; the message names the step and ends with its last lines."""


class NameTakenError(EngineError):
    """Another object of the engine already has this name."""


class SubnetTakenError(EngineError):
    """The subnet overlaps one that is in use; another may be tried."""


class NoSubnetError(EngineError):
    """Every subnet of the configured pool is in use or routed elsewhere."""


class NotFoundError(EngineError):
    """The named container, network or image doesn't exist."""


class ContainerError(BottleError):
    """The engine could not start the container's process."""

    exit_code = ExitCode.CONTAINER


class OutputError(BottleError):
    """The agent's output could not be written to where the user sent it."""

    exit_code = ExitCode.CONTAINER


class SealError(BottleError):
    """The bottle as observed from inside differs from its spec; nothing was granted."""

    exit_code = ExitCode.SEAL


class PolicyError(BottleError):
    """A policy or an undeclared capability forbids the start."""

    exit_code = ExitCode.SEAL


class StepTimeoutError(BottleError):
    """A step did not finish within its time."""

    exit_code = ExitCode.TIMEOUT


class PluginError(BottleError):
    """A plug-in is missing, broken, or speaks another contract version."""

    exit_code = ExitCode.PLUGIN


class TerminatedError(BaseException):
    """SIGTERM arrived. Not an Exception, so that no handler on the way swallows it."""
