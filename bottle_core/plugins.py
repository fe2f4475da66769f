"""Plug-ins as plain typed look-ups; nobody else touches pluggy.

Plug-ins come from the entry-point group `bottle.plugins` of the Python environment that bottle runs in:
never from the workspace, and never because a manifest names one. Each is loaded on its own; a broken one is
a row with its error, fatal only when what it should have brought is asked for.
"""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol

import pluggy

from bottle_core import hookspecs
from bottle_core.agents.base import AgentKind
from bottle_core.contract import CONTRACT_VERSION, Backend
from bottle_core.egress.base import EgressProxy
from bottle_core.errors import PluginError, UsageError
from bottle_core.hookspecs import BackendRegistration
from bottle_core.spec import BottleSpec

GROUP = "bottle.plugins"


class _Named(Protocol):
    name: str


@dataclass(frozen=True)
class BrokenPlugin:
    """A plug-in that could not be loaded, and why."""

    name: str
    error: str


class Plugins:
    """All registered backends, egress proxies and agent kinds."""

    def __init__(self, found: Iterable[EntryPoint] | None = None) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._manager.register(import_module("bottle_core.builtin"), "builtin")
        self.broken: list[BrokenPlugin] = []
        for entry in entry_points(group=GROUP) if found is None else found:
            try:
                self._manager.register(entry.load(), entry.name)
                self._manager.check_pending()
            except Exception as error:
                if (half := self._manager.get_plugin(entry.name)) is not None:
                    self._manager.unregister(half)
                self.broken.append(BrokenPlugin(entry.name, f"{type(error).__name__}: {error}"))

    def _collect(self, hook: Callable[[Any], Any], what: str) -> dict[str, Any]:
        """What every plug-in registers, by name; the same name twice is an error that names both plug-ins."""
        found: dict[str, tuple[str, Any]] = {}
        for name, plugin in self._manager.list_name_plugin():
            if plugin is None:
                continue
            try:
                items: list[_Named] = [item for part in hook(self._subset(plugin)) for item in part]
            except Exception as error:
                self.broken.append(BrokenPlugin(name, f"{type(error).__name__}: {error}"))
                continue
            for item in items:
                if item.name in found:
                    raise PluginError(
                        f"register the {what} {item.name!r}",
                        f"both plug-ins {found[item.name][0]!r} and {name!r} bring one of that name",
                        "uninstall one of them",
                    )
                found[item.name] = (name, item)
        return {name: item for name, (_, item) in found.items()}

    def _subset(self, only: object) -> Any:
        others = [plugin for plugin in self._manager.get_plugins() if plugin is not only]
        return _Hooks(self._manager, others)

    @cached_property
    def backends(self) -> dict[str, BackendRegistration]:
        """Registered backends by name."""
        return self._collect(lambda hooks: hooks.call("bottle_register_backends"), "backend")

    @cached_property
    def egress(self) -> dict[str, EgressProxy]:
        """Registered egress proxies by name."""
        return self._collect(lambda hooks: hooks.call("bottle_register_egress"), "egress proxy")

    @cached_property
    def agents(self) -> dict[str, AgentKind]:
        """Registered agent kinds by name."""
        return self._collect(lambda hooks: hooks.call("bottle_register_agents"), "agent kind")

    def backend(self, name: str) -> Backend:
        """Imports and makes the backend; raises UsageError for an unknown name, PluginError for one we can't use."""
        registration = self.backends.get(name)
        if registration is None:
            raise self._unknown("backend", name, self.backends)
        major, minor = registration.contract
        if major != CONTRACT_VERSION[0] or minor > CONTRACT_VERSION[1]:
            raise PluginError(
                f"use the backend {name!r}",
                f"it is written for contract {major}.{minor}, and this is {CONTRACT_VERSION[0]}.{CONTRACT_VERSION[1]}",
                "install a version of the plug-in, or of bottle-core, that fits the other",
            )
        module, _, attribute = registration.factory.partition(":")
        try:
            factory: Callable[[], Backend] = getattr(import_module(module), attribute)
        except Exception as error:
            raise PluginError(f"load the backend {name!r}", f"{type(error).__name__}: {error}") from error
        return factory()

    def proxy(self, name: str) -> EgressProxy:
        """The egress proxy of that name; raises UsageError."""
        if name not in self.egress:
            raise self._unknown("egress proxy", name, self.egress)
        return self.egress[name]

    def agent(self, name: str) -> AgentKind:
        """The agent kind of that name; raises UsageError."""
        if name not in self.agents:
            raise self._unknown("agent kind", name, self.agents)
        return self.agents[name]

    def _unknown(self, what: str, name: str, known: Iterable[str]) -> UsageError | PluginError:
        if broken := next((plugin for plugin in self.broken if plugin.name == name), None):
            return PluginError(f"use the {what} {name!r}", f"its plug-in is broken: {broken.error}")
        near = difflib.get_close_matches(name, list(known), 1)
        hint = f"{near[0]!r}" if near else ""
        return UsageError(f"use the {what} {name!r}", f"only these are installed: {', '.join(sorted(known))}", hint)

    def review(self, spec: BottleSpec) -> None:
        """Lets every plug-in look at the spec; raises the first PolicyError."""
        self._manager.hook.bottle_review_spec(spec=spec)

    def event(self, session: str, name: str, detail: dict[str, str]) -> list[str]:
        """Tells every plug-in of a step; returns the failures as sentences, none of which stops the session."""
        failures = []
        for plugin_name, plugin in self._manager.list_name_plugin():
            if plugin is None:
                continue
            try:
                self._subset(plugin).call("bottle_event", session=session, name=name, detail=dict(detail))
            except Exception as error:
                failures.append(f"plug-in {plugin_name!r} failed on {name!r}: {type(error).__name__}: {error}")
        return failures


class _Hooks:
    """The hooks of one plug-in alone, so that each one's failure can be told apart."""

    def __init__(self, manager: pluggy.PluginManager, others: list[object]) -> None:
        self._manager = manager
        self._others = others

    def call(self, hook: str, /, **arguments: object) -> list[Any]:
        caller = self._manager.subset_hook_caller(hook, remove_plugins=self._others)
        results: list[Any] = caller(**arguments)
        return results
