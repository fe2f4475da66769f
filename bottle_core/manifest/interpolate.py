"""What the value of a variable in a manifest means: a text, a host variable, or a question."""

import re
from dataclasses import dataclass

MAX_VARIABLE_BYTES = 131_072
"""Linux' limit for one `NAME=value` and its NUL (MAX_ARG_STRLEN, execve(2))."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


@dataclass(frozen=True, slots=True)
class Plain:
    """The value as it stands in the manifest; not a secret, shown in the plan."""

    value: str


@dataclass(frozen=True, slots=True)
class FromHost:
    """The value of the host variable `variable`; a secret."""

    variable: str


@dataclass(frozen=True, slots=True)
class Ask:
    """The answer to `question` on the terminal at start; a secret."""

    question: str


EnvValue = Plain | FromHost | Ask


def is_variable_name(text: str) -> bool:
    """Whether the text is a name that POSIX shells accept (XBD 3.216: letters, digits, underscore; no digit first)."""
    return _NAME.fullmatch(text) is not None


def interpret(text: str) -> EnvValue:
    """What a value means; raises ValueError with a reason for users, which never repeats the value."""
    if text.startswith("${") and text.endswith("}"):
        variable = text[2:-1]
        if not is_variable_name(variable):
            raise ValueError("between ${ and } stands the name of one host variable, and nothing else")
        return FromHost(variable)
    if text.startswith("?"):
        question = text[1:].strip()
        if not question:
            raise ValueError('after the "?" stands the question to ask on the terminal')
        if not question.isprintable():
            raise ValueError("a question is one line of printable characters")
        return Ask(question)
    return Plain(text)


def looks_like_reference(text: str) -> bool:
    """Whether a plain value has `${NAME}` inside, which is not replaced there and hardly meant literally."""
    return _REFERENCE.search(text) is not None
