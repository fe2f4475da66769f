"""The egress proxies and agent kinds that come with bottle, registered as any plug-in's would be."""

from collections.abc import Iterable

from bottle_core.agents.base import AgentKind
from bottle_core.agents.claude import ClaudeAgent
from bottle_core.agents.demo import DemoAgent
from bottle_core.agents.shell import ShellAgent
from bottle_core.egress.base import EgressProxy
from bottle_core.egress.mitmproxy import MitmproxyEgress
from bottle_core.egress.pipelock import PipelockEgress
from bottle_core.hookspecs import hookimpl


@hookimpl
def bottle_register_egress() -> Iterable[EgressProxy]:
    return (MitmproxyEgress(), PipelockEgress())


@hookimpl
def bottle_register_agents() -> Iterable[AgentKind]:
    return (ClaudeAgent(), ShellAgent(), DemoAgent())
