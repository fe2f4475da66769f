"""A manifest's tokens: bounds that hold before anything is parsed, and the words for what is wrong.

The parser's error recovery needs 1.5 s and 360 MB for 1 MiB of brackets, so size, depth, brackets and
the spelling of every token are settled here, in one linear pass. What a text *means* is the parser's word alone.
"""

import re
from collections.abc import Iterator
from typing import NoReturn

from bottle_core.errors import ManifestError
from bottle_core.manifest.position import Fault, Source

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_TOKENS = 200_000

_STRING_BODY = rb'(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+'
_BLANK = rb"(?:[ \t\r\n]++|//[^\n]*+|/\*[^*]*+(?:\*(?!/)[^*]*+)*+\*/)*+"
_TOKEN = re.compile(
    _BLANK
    + rb"""(?:
    (?P<open>[{\[]) | (?P<close>[}\]]) | (?P<comma>,) | (?P<colon>:)
  | (?P<string>"""
    + b'"'
    + _STRING_BODY
    + b'"'
    + rb""")
  | (?P<scalar>(?:-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|true|false|null)(?![\w.+-]))
)""".replace(b"\n", b"")
    .replace(b"  ", b"")
    .replace(b" ", b"")
)
_BLANK_ONLY = re.compile(_BLANK)
_STRING_START = re.compile(b'"' + _STRING_BODY)
_WORD = re.compile(rb"[A-Za-z_$][\w$]*")

# What a text file must not hold outside of JSON's own escapes: control characters, and the characters that
# reorder what an editor shows (https://trojansource.codes), so that a reviewer sees what the parser sees.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\r(?!\n)".encode()
    if False
    else b"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)"
    b"|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\xef\xbb\xbf"
)
