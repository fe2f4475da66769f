"""How pieces of a manifest are shown in messages."""

_LONGEST = 60


def printable(text: str) -> str:
    """The text with everything that could steer a terminal or reorder a line written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(text: str) -> str:
    """A name as it may stand in a message: quoted, printable, at most 60 characters of it."""
    short = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return f'"{printable(short)}"'


def kind(value: object) -> str:
    """What a JSON value is, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case _:
            return "an object"
