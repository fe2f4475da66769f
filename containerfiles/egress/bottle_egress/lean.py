"""Keeps the package mitmproxy.addons from importing every add-on that mitmproxy has: half of a bottle's start.

Import this before anything of mitmproxy.
"""

import importlib.util
import sys
import types


def _bare_package(name: str) -> None:
    """Puts an empty package of this name in place; its modules are found where they are, one by one."""
    parent, _, last = name.rpartition(".")
    spec = importlib.util.find_spec(parent)
    assert spec is not None
    package = types.ModuleType(name)
    package.__path__ = [f"{folder}/{last}" for folder in spec.submodule_search_locations or ()]
    sys.modules[name] = package


if "mitmproxy.addons" not in sys.modules:
    _bare_package("mitmproxy.addons")
