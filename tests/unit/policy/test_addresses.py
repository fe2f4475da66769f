"""Ranges and resolvers that a manifest may name."""

import pytest

from bottle_core.policy.addresses import parse_private, parse_resolver


@pytest.mark.parametrize("text", ["10.1.2.0/24", "192.168.1.5", "169.254.169.254", "203.0.113.80/32", "fd00::/64"])
def test_private_ranges(text: str) -> None:
    assert str(parse_private(text)).startswith(text.split("/", maxsplit=1)[0])


@pytest.mark.parametrize(
    "text", ["", "x", "8.8.8.8", "0.0.0.0/0", "127.0.0.1", "::1", "10.1.2.3/24", "224.0.0.1", "10.0.0.0/6"]
)
def test_what_may_not_be_granted(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_private(text)


@pytest.mark.parametrize("text", ["", "127.0.0.1", "::1", "dns.test", "224.0.0.1", "0.0.0.0"])
def test_what_is_no_resolver(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_resolver(text)
