"""What pydantic found wrong, in our words and at its place in the text."""

from difflib import get_close_matches
from typing import TYPE_CHECKING

from bottle_core.manifest.position import Fault
from bottle_core.manifest.schema import KEYS, LATER, ExpectedTypeError
from bottle_core.manifest.tree import Key, Tree
from bottle_core.manifest.words import kind, printable, shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails, ValidationError

_EXPECTED = {
    "string_type": "a string",
    "bool_type": "true or false",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "tuple_type": "a list",
    "list_type": "a list",
}


def faults(error: "ValidationError", tree: Tree) -> list[Fault]:
    """One fault for each of pydantic's errors."""
    details = error.errors(include_url=False, include_input=False)
    return [_fault(detail, tree) for detail in details]


def where(path: tuple[Key, ...]) -> str:
    """A path for messages: `bottles.default.egress.allowlist[2]`."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{printable(key[:60])}"
    return text.removeprefix(".")


def nearest(word: str, known: "list[str] | tuple[str, ...]") -> str:
    """ " Did you mean …" for the nearest known word, or the empty string."""
    close = get_close_matches(word[:60], known, 1, 0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


def _fault(detail: "ErrorDetails", tree: Tree) -> Fault:
    *_, last = path = detail["loc"] or ("",)
    of_key = last == "[key]"
    if of_key:
        path = path[:-1]
    place = tuple(path)
    if detail["type"] == "extra_forbidden":
        return Fault(tree.offset(place, of_key=True), _unknown(place))
    if detail["type"] == "missing":
        message = f'{where(place[:-1])}: "{place[-1]}" is missing'
        return Fault(tree.offset(place), message)
    return Fault(tree.offset(place, of_key=of_key), f"{where(place)}: {_reason(detail, place, tree)}")


def _reason(detail: "ErrorDetails", place: tuple[Key, ...], tree: Tree) -> str:
    node, _ = tree.node(place)
    cause = detail.get("ctx", {}).get("error")
    expected = str(cause) if isinstance(cause, ExpectedTypeError) else _EXPECTED.get(detail["type"], "")
    if expected:
        hint = '; write ["sh", "-c", "…"] for a shell command' if place[-1:] == ("command",) else ""
        return f"expected {expected}, not {kind(node.value)}{hint}"
    return str(cause) if isinstance(cause, ValueError) else detail["msg"]


def _unknown(path: tuple[Key, ...]) -> str:
    *parents, key = (str(part) for part in path)
    object_ = _object(path[:-1])
    prefix = f"{where(path[:-1])}: " if parents else ""
    if key in LATER[object_]:
        return f"{prefix}this version does not support {shown(key)} yet, and ignores no grant or limit"
    return f"{prefix}unknown key {shown(key)}{nearest(key, KEYS[object_])}"


def _object(path: tuple[Key, ...]) -> str:
    """Which of the schema's objects stands at the path."""
    match path:
        case ():
            return "manifest"
        case ("bottles", _):
            return "bottle"
        case ("bottles", _, "egress"):
            return "egress"
        case _:
            return "agent"
