"""JSON with comments and trailing commas -> plain values, each with its place in the text."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from bottle_core.manifest.position import Fault, Position, Source
from bottle_core.manifest.scan import ScanError, check_tokens, first_grammar_fault
from bottle_core.manifest.words import shown

if TYPE_CHECKING:
    from tree_sitter import Node as SyntaxNode
    from tree_sitter import Parser

Json = Any
"""dict, list, str, int, float, bool or None, nested at most `MAX_DEPTH` deep."""

Key = str | int


@dataclass(slots=True)
class Node:
    """A value and the byte offset where it starts; objects and lists know their children."""

    value: Json
    offset: int
    children: "dict[Key, Node]" = field(default_factory=dict)
    keys: dict[Key, int] = field(default_factory=dict)


@dataclass(slots=True)
class Tree:
    """A parsed manifest. `faults` holds what is wrong with single values; the rest of the tree is still good."""

    source: Source
    root: Node
    faults: list[Fault]

    def node(self, path: Iterable[Key]) -> tuple[Node, bool]:
        """The node at the path and True, or its nearest ancestor and False."""
        node = self.root
        for key in path:
            child = node.children.get(key)
            if child is None:
                return node, False
            node = child
        return node, True

    def offset(self, path: tuple[Key, ...], *, of_key: bool = False) -> int:
        """Where the value at the path starts, or its key; for a path that is not there, the nearest ancestor."""
        if of_key and path:
            parent, found = self.node(path[:-1])
            if found and path[-1] in parent.keys:
                return parent.keys[path[-1]]
        return self.node(path)[0].offset

    def position(self, path: tuple[Key, ...]) -> Position:
        """Line and column of `offset`."""
        return self.source.position(self.offset(path))


def parse(source: Source) -> Tree:
    """The tree of a text; raises ScanError with the first fault if it isn't JSON with comments, or not an object."""
    check_tokens(source)
    root = _parser().parse(source.data).root_node
    values = [child for child in root.children if child.type != "comment"]
    if len(values) != 1 or values[0].is_error or values[0].is_missing:
        raise _grammar_error(source, values[-1] if values else root)
    tree = Tree(source, Node(None, values[0].start_byte), [])
    tree.root = _build(tree, values[0], root.has_error)
    if not isinstance(tree.root.value, dict):
        raise ScanError(Fault(tree.root.offset, "a manifest is an object: { … }"))
    return tree


@cache
def _parser() -> "Parser":
    import tree_sitter_json
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_json.language()))


def _build(tree: Tree, top: "SyntaxNode", has_error: bool) -> Node:
    """Iterative, so that no depth of the text is a depth of the Python stack."""
    root = _leaf(tree, top)
    open_nodes = [(top, root)]
    while open_nodes:
        syntax, node = open_nodes.pop()
        if syntax.type not in ("object", "array"):
            continue
        parts = [part for part in syntax.children if part.type != "comment"]
        if has_error:
            parts = _without_trailing_comma(tree.source, parts)
        inner = [part for part in parts[1:-1] if part.type != ","]
        for index, part in enumerate(inner):
            key, value = _member(tree, part, has_error) if syntax.type == "object" else (index, part)
            child = _leaf(tree, value)
            if key in node.children:
                first = tree.source.position(node.keys[key])
                fault = f"the key {shown(str(key))} is already in line {first.line}, column {first.column}"
                tree.faults.append(Fault(part.start_byte, fault))
                continue
            node.children[key] = child
            node.keys[key] = part.start_byte
            if isinstance(node.value, dict):
                node.value[key] = child.value
            else:
                node.value.append(child.value)
            open_nodes.append((value, child))
    return root


def _member(tree: Tree, pair: "SyntaxNode", has_error: bool) -> tuple[str, "SyntaxNode"]:
    parts = [part for part in pair.children if part.type != "comment"]
    if has_error and any(part.is_error or part.is_missing for part in parts):
        raise _grammar_error(tree.source, pair)
    if pair.type != "pair" or len(parts) != 3 or parts[0].type != "string":
        raise _grammar_error(tree.source, pair)
    return _leaf(tree, parts[0]).value, parts[2]


def _without_trailing_comma(source: Source, parts: "list[SyntaxNode]") -> "list[SyntaxNode]":
    """The parts of an object or list without a comma after the last element; raises ScanError for any other error.

    The parser reports that comma as an ERROR node, or, in a list, as a comma and a missing number. What stands
    before it must be a value, not the opening bracket or a comma.
    """
    inner, last = parts[1:-1], parts[-1:]
    if len(inner) > 2 and inner[-1].is_missing and inner[-2].type == "," and inner[-3].type != ",":
        inner = inner[:-2]
    elif len(inner) > 1 and inner[-1].is_error and inner[-2].type != ",":
        error = inner[-1]
        inner = inner[:-1] if source.data[error.start_byte : error.end_byte] == b"," else inner
    kept = [*parts[:1], *inner, *last]
    for part in kept:
        if part.is_error or part.is_missing:
            raise _grammar_error(source, part)
    return kept


def _leaf(tree: Tree, syntax: "SyntaxNode") -> Node:
    offset = syntax.start_byte
    text = tree.source.data[offset : syntax.end_byte]
    match syntax.type:
        case "object":
            return Node({}, offset)
        case "array":
            return Node([], offset)
        case "string":
            return Node(_string(tree, text, offset), offset)
        case "number":
            return Node(_number(tree, text, offset), offset)
        case "true" | "false" | "null":
            return Node({"true": True, "false": False, "null": None}[syntax.type], offset)
        case _:
            raise _grammar_error(tree.source, syntax)


def _string(tree: Tree, text: bytes, offset: int) -> str:
    if b"\\" not in text:
        return text[1:-1].decode()
    value: str = json.loads(text)
    if "\0" in value:
        tree.faults.append(Fault(offset, "a string can't hold a NUL character"))
        return "\ufffd"
    try:
        value.encode()
    except UnicodeEncodeError:
        tree.faults.append(Fault(offset, "this string holds half of a surrogate pair, which is no character"))
        return "\ufffd"
    return value


def _number(tree: Tree, text: bytes, offset: int) -> int | float:
    # 4,300 digits are Python's limit for integers; nothing in a manifest needs more than 64 bits.
    value: int | float = json.loads(text) if len(text) <= 64 else math.inf
    if not math.isfinite(value) or abs(value) >= 1 << 63:
        tree.faults.append(Fault(offset, "this number is too large"))
        return 0
    return value


def _grammar_error(source: Source, syntax: "SyntaxNode") -> ScanError:
    fault = first_grammar_fault(source)
    return ScanError(fault or Fault(syntax.start_byte, "this is not JSON"))
