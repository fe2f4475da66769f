"""A manifest's tokens: bounds that hold before anything is parsed, and the words for what is wrong.

The parser's error recovery needs 1.5 s and 360 MB for 1 MiB of brackets, so size, depth, the pairing of brackets
and the spelling of every token are settled here in one linear pass. What a text *means* is the parser's word alone.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from bottle_core.manifest.position import Fault, Source
from bottle_core.manifest.words import printable

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_TOKENS = 200_000

# No possessive quantifiers: Python before 3.11.5 gets them wrong. Each text matches in one way only, so that nothing
# is tried twice.
_BLANKS = re.compile(rb"(?:[ \t\r\n]+|//[^\n]*|/\*[^*]*\*+(?:[^/*][^*]*\*+)*/)*")
_STRING_START = rb'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*'
_SCALAR = rb"(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)(?![\w.+-])"
_TOKEN = re.compile(rb"[{}\[\],:]|" + _STRING_START + rb'"|' + _SCALAR)
_OPEN_STRING = re.compile(_STRING_START)
_WORD = re.compile(rb"[A-Za-z_$][\w$]*")
_CLOSING = {b"{": b"}", b"[": b"]"}

# Control characters, and the ones with which an editor shows another order of text than the parser reads
# (https://trojansource.codes): what a reviewer sees must be what is granted. Escapes in strings remain possible.
_HIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]|\r(?!\n)")


class Token(NamedTuple):
    """One token of the text: a bracket, comma or colon, a string with its quotes, a number, true, false or null."""

    text: bytes
    offset: int


class ScanError(Exception):
    """The text is not acceptable; `fault` is its first reason."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


def decode(data: bytes, file: str) -> Source:
    """The source of these bytes; raises ScanError unless they are readable UTF-8 of at most `MAX_BYTES`.

    The fault's offset belongs to the longest readable part, which `readable_part` returns.
    """
    if len(data) > MAX_BYTES:
        raise ScanError(Fault(0, f"the file is larger than {MAX_BYTES // 1024} KiB"))
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise ScanError(Fault(0, "the file is UTF-16; save it as UTF-8")) from None
        raise ScanError(Fault(error.start, "this is not valid UTF-8; save the file as UTF-8")) from None
    if text.startswith("\ufeff"):
        raise ScanError(Fault(0, "the file starts with a byte order mark; save it as UTF-8 without one"))
    if hidden := _HIDDEN.search(text):
        raise ScanError(Fault(len(text[: hidden.start()].encode()), _hidden(hidden.group())))
    return Source(file, data)


def readable_part(data: bytes, file: str) -> Source:
    """The source up to the first byte that is not UTF-8, to find the place of a fault of `decode` in."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        data = data[: error.start]
    return Source(file, data)


def check_tokens(source: Source) -> None:
    """Raises ScanError for a misspelt token, brackets that don't pair, and more depth or tokens than allowed."""
    open_brackets: list[Token] = []
    count = 0
    for count, token in enumerate(tokens(source), 1):
        if count > MAX_TOKENS:
            raise ScanError(Fault(token.offset, f"the manifest has more than {MAX_TOKENS:,} JSON tokens"))
        if token.text in _CLOSING:
            open_brackets.append(token)
            if len(open_brackets) > MAX_DEPTH:
                raise ScanError(Fault(token.offset, f"the manifest is nested more than {MAX_DEPTH} levels deep"))
        elif token.text in b"]}":
            if not open_brackets:
                raise ScanError(Fault(token.offset, f"this {_quoted(token.text)} closes nothing"))
            opening = open_brackets.pop()
            if _CLOSING[opening.text] != token.text:
                line = source.position(opening.offset).line
                raise ScanError(
                    Fault(
                        token.offset,
                        f"expected {_quoted(_CLOSING[opening.text])}, which closes the"
                        f" {_quoted(opening.text)} in line {line}, not {_quoted(token.text)}",
                    )
                )
    if open_brackets:
        raise ScanError(Fault(open_brackets[-1].offset, f"this {_quoted(open_brackets[-1].text)} is never closed"))
    if not count:
        raise ScanError(Fault(0, "the file is empty; a manifest is an object: { … }"))


def tokens(source: Source) -> Iterator[Token]:
    """The tokens in order; raises ScanError at the first text that is none."""
    data = source.data
    start = _after_blanks(data, 0)
    while found := _TOKEN.match(data, start):
        yield Token(found[0], start)
        start = _after_blanks(data, found.end())
    if start < len(data):
        raise ScanError(_misspelt(data, start))


def _after_blanks(data: bytes, start: int) -> int:
    """Where the next thing that is neither blank nor comment stands."""
    blanks = _BLANKS.match(data, start)
    return blanks.end() if blanks else start


def first_grammar_fault(source: Source) -> Fault | None:
    """Where well-spelt tokens with paired brackets stop being JSON with trailing commas, or None if they don't.

    For messages only: a parser that recovers from errors says that there is one, but rarely where it began.
    """
    open_brackets: list[bytes] = []
    before = b""
    for token in tokens(source):
        fault = _misplaced(token, before, open_brackets)
        if fault:
            return Fault(token.offset, fault)
        if token.text in _CLOSING:
            open_brackets.append(token.text)
        elif token.text in (b"}", b"]"):
            open_brackets.pop()
        before = _role(token.text, before, open_brackets)
    return None


def _role(text: bytes, before: bytes, open_brackets: list[bytes]) -> bytes:
    """What the token was, for the one after it: punctuation is itself, else b"key" or b"value"."""
    if text in (b"{", b"[", b",", b":"):
        return text
    is_key = text.startswith(b'"') and open_brackets[-1:] == [b"{"] and before in (b"{", b",")
    return b"key" if is_key else b"value"


def _misplaced(token: Token, before: bytes, open_brackets: list[bytes]) -> str:
    """Why this token can't follow what `before` names, or the empty string."""
    text = token.text
    if not open_brackets:
        if before:
            return "unexpected text after the end of the manifest's object"
        return "" if text not in (b",", b":") else f"unexpected {_quoted(text)}"
    expected = {
        b"key": (text == b":", 'expected ":" after the key'),
        b":": (text not in b",:}]", "expected a value"),
        b"value": (text in b",}]", 'expected "," between this and what stands before it'),
    }
    if before in expected:
        fits, message = expected[before]
        return "" if fits else message
    return _misplaced_member(text, in_object=open_brackets[-1] == b"{")


def _misplaced_member(text: bytes, *, in_object: bool) -> str:
    """Why this token can't follow an opening bracket or a comma, or the empty string."""
    if text in b",:":
        return f"unexpected {_quoted(text)}; expected {'a key' if in_object else 'a value'}"
    if in_object and text != b"}" and not text.startswith(b'"'):
        return "expected a key, which is a string in double quotes"
    return ""


def _quoted(bracket: bytes) -> str:
    return f'"{bracket.decode()}"'


def _hidden(character: str) -> str:
    if character == "\r":
        return "a carriage return that does not end a line; use line feeds"
    if character == "\0":
        return "a NUL character; is this a text file?"
    code = f"U+{ord(character):04X}"
    return f"the hidden control character {code}; in a string it can be written as \\u{ord(character):04x}"


_FOREIGN_SIGNS = {
    "'": "strings are written in double quotes, not single ones",
    "\u201c": "strings are written in plain double quotes, not typographic ones",
    "\u201d": "strings are written in plain double quotes, not typographic ones",
    "`": "strings are written in double quotes",
    "#": "comments start with // or stand between /* and */",
}
_FOREIGN_WORDS = {b"True": "true", b"False": "false", b"None": "null", b"undefined": "null"}


def _misspelt(data: bytes, start: int) -> Fault:
    """Words for text that is no token. Never shows more of it than one character: it could be part of a secret."""
    first = data[start : start + 4].decode(errors="ignore")[:1]
    if first == '"':
        return _open_string(data, start)
    word = _WORD.match(data, start)
    if word and word.group() in _FOREIGN_WORDS:
        return Fault(start, f"JSON writes {_FOREIGN_WORDS[word.group()]}, not {word.group().decode()}")
    if data.startswith((b"NaN", b"Infinity", b"-Infinity", b"+Infinity"), start):
        message = "NaN and Infinity are not JSON numbers"
    elif data.startswith(b"/*", start):
        message = "this comment is never closed"
    elif first in _FOREIGN_SIGNS:
        message = _FOREIGN_SIGNS[first]
    elif first in "-+.0123456789":
        message = "this is not a JSON number; strings are written in double quotes"
    elif first.isspace():
        message = f"the blank character U+{ord(first):04X}; only space, tab and line feed may stand here"
    elif word or first.isalnum():
        message = "unexpected text; keys and strings are written in double quotes"
    else:
        message = f"unexpected character {printable(first)}"
    return Fault(start, message)


def _open_string(data: bytes, start: int) -> Fault:
    body = _OPEN_STRING.match(data, start)
    end = body.end() if body else start + 1
    match data[end : end + 1]:
        case b"\\":
            return Fault(
                end, 'unknown escape in a string; known are \\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with 4 digits'
            )
        case b"\t":
            return Fault(end, "a tab inside a string is written \\t")
        case b"":
            return Fault(start, "this string is never closed")
        case b"\n" | b"\r":
            return Fault(start, "this string is not closed in its line; a line break inside a string is written \\n")
        case _:
            # The string itself is well-formed, so what follows its closing quote is at fault.
            return Fault(start, "unexpected string")
