"""Places in a manifest's text."""

from dataclasses import dataclass

from bottle_core.errors import Problem


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; `line` and `column` count from 1, `column` in characters (code points), as editors do."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault at a byte offset of the text; becomes a `Problem` once its line and column are wanted."""

    offset: int
    message: str


@dataclass(frozen=True, slots=True)
class Source:
    """A manifest's text as valid UTF-8, and the name of its file for messages."""

    file: str
    data: bytes

    def position(self, offset: int) -> Position:
        """Line and column of a byte offset, which must be at the start of a character."""
        line_start = self.data.rfind(b"\n", 0, offset) + 1
        column = len(self.data[line_start:offset].decode()) + 1
        return Position(self.file, self.data.count(b"\n", 0, offset) + 1, column)

    def problem(self, fault: Fault) -> Problem:
        """The fault with its line and column."""
        position = self.position(fault.offset)
        return Problem(position.file, position.line, position.column, fault.message)
