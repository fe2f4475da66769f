"""Finds the manifest that a command means, and holds back what a project's file may not grant by itself."""

import difflib
import os
from pathlib import Path
from typing import NamedTuple

from bottle_core.errors import PolicyError, UsageError
from bottle_core.manifest.load import Manifest, find, load, loads
from bottle_core.plan import Plan

_BUILT_IN_NAME = "built-in"
_BUILT_IN = """{
  // The proxy that is built here, so that the demo shows the same everywhere.
  "bottles": {"demo": {"egress": {"proxy": "mitmproxy"}}},
  "agents": {"demo": {"bottle": "demo", "agent": "demo"}}
}"""


class Found(NamedTuple):
    """A manifest; `named` when the user pointed at it or wrote it in their own configuration."""

    manifest: Manifest
    named: bool


def locate(path: Path | None, agent: str) -> Found:
    """The manifest that has `agent`; raises ManifestError for a bad file, UsageError if there is none."""
    if path is not None:
        return _with_agent(Found(load(path), named=True), agent)
    xdg = os.environ.get("XDG_CONFIG_HOME", "")
    candidates = find(Path.cwd(), Path.home(), Path(xdg) if xdg.startswith("/") else None)
    if candidates:
        first = candidates[0]
        found = Found(load(first.path), named=not first.project)
        if agent in found.manifest.agents or agent != "demo":
            return _with_agent(found, agent)
    if agent == "demo":
        return Found(loads(_BUILT_IN, _BUILT_IN_NAME), named=True)
    raise UsageError(
        f"start {agent!r}", "there is no manifest here, above, or in your configuration", "bottle start --manifest FILE"
    )


def _with_agent(found: Found, agent: str) -> Found:
    known = found.manifest.agents
    if agent in known:
        return found
    near = difflib.get_close_matches(agent, list(known), 1)
    listing = f"its agents are: {', '.join(sorted(known))}" if known else "it has no agents"
    raise UsageError(
        f"start {agent!r}",
        f"{found.manifest.file} has no such agent; {listing}",
        f"bottle start {near[0]}" if near else "",
    )


def require_trust(found: Found, plan: Plan, *, asked: bool) -> None:
    """A project's own file may not grant what is the user's without the user's yes; raises PolicyError.

    The question at the terminal, under the full preflight, is such a yes; `--yes` alone isn't, because the
    file came with the folder.
    """
    if found.named or asked:
        return
    grants = [f"the secret {grant.name}" for grant in plan.env if grant.secret]
    grants += [f"the host {rule.pattern}" for rule in plan.policy.hosts if rule.origin == "manifest"]
    grants += [f"the private address {network}" for network in plan.policy.private_grants]
    grants += [f"the resolver {address}" for address in plan.policy.resolvers]
    if grants:
        raise PolicyError(
            "start without a question",
            f"{plan.manifest} came with this folder and grants {', '.join(grants)}",
            f"bottle start --yes --manifest {plan.manifest} {plan.agent}",
        )
