"""Host patterns: what may be granted, and what a pattern covers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bottle_core.policy.hosts import matches, parse_pattern
from bottle_egress.rules import matches as sidecar_matches

_LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
_NAME = st.lists(_LABEL, min_size=1, max_size=4).map(".".join)


@pytest.mark.parametrize(
    ("text", "pattern", "ports"),
    [
        ("example.org", "example.org", None),
        ("EXAMPLE.org", "example.org", None),
        ("*.example.org", "*.example.org", None),
        ("example.org:8443", "example.org", (8443,)),
        ("bücher.example", "xn--bcher-kva.example", None),
        ("192.0.2.1", "192.0.2.1", None),
        ("localhost", "localhost", None),
    ],
)
def test_good_patterns(text: str, pattern: str, ports: tuple[int, ...] | None) -> None:
    assert parse_pattern(text) == (pattern, ports)


@pytest.mark.parametrize(
    "text",
    [
        *("", "*", "*.", "*.com", "*.co.uk", "*.192.0.2.1", "a.*.org", "**.org", "https://x.org", "x.org/", "x.org?q"),
        *("u@x.org", "u:p@x.org", "x.org:0", "x.org:65536", "x.org:80:80", "x.org:", "x.org:080", ".x.org", "x..org"),
        *("x.org.", "x y.org", "x\n.org", "x\u202e.org", "[::1]", "::1", "1.2.3", "1.2.3.4.5", "0x7f.1", "127.1"),
        *("01.2.3.4", "256.1.1.1", "224.0.0.1", "0.0.0.0", "-x.org", "x-.org", "x_y.org", "xn--\u00fc.org", "a" * 64),
        *("xn--a.org", "a." * 130 + "org", "x" * 2000),
    ],
)
def test_bad_patterns_are_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        parse_pattern(text)
    if "p@" in text:
        assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "host", "covered"),
    [
        ("a.test", "a.test", True),
        ("a.test", "A.TEST", True),
        ("a.test", "a.test.", False),
        ("a.test", "b.a.test", False),
        ("*.a.test", "b.a.test", True),
        ("*.a.test", "c.b.a.test", True),
        ("*.a.test", "a.test", False),
        ("*.a.test", ".a.test", False),
        ("*.a.test", "b..a.test", False),
        ("*.a.test", "xa.test", False),
        ("*.a.test", "b.a.test.evil.test", False),
        ("*.a.test", "*.a.test", False),
    ],
)
def test_what_a_pattern_covers(pattern: str, host: str, covered: bool) -> None:
    assert matches(pattern, host) is covered
    assert sidecar_matches(pattern, host.lower()) is covered


@given(_NAME, _NAME)
def test_the_sidecar_decides_as_the_core_does(name: str, other: str) -> None:
    for pattern in (name, f"*.{name}"):
        for host in (name, other, f"{other}.{name}", f"{name}.{other}", f"{name}.", f"x{name}"):
            assert matches(pattern, host) is sidecar_matches(pattern, host)


@given(st.text(max_size=40))
def test_any_text_is_a_pattern_or_a_reason(text: str) -> None:
    try:
        pattern, _ = parse_pattern(text)
    except ValueError as error:
        assert str(error)
    else:
        assert parse_pattern(pattern)[0] == pattern
