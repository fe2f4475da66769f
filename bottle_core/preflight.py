"""The plan as people read it before they say yes. Names and origins, never a secret's value."""

from collections.abc import Iterator

from bottle_core.plan import EnvGrant, HostVariable, Literally, Plan
from bottle_core.policy.egress import DEFAULT_PORTS, HostRule

_ORIGINS = {"default": "default of the agent kind", "manifest": "manifest", "ssh": "ssh", "approved": "approved"}
_WIDTH = 10


def render(plan: Plan) -> str:
    """The preflight, a section a line or more; ends without a newline."""
    return "\n".join(_lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    yield _row("agent", f"{plan.agent} ({plan.kind}), bottle {plan.bottle}, from {plan.manifest}")
    yield _row("engine", f"{plan.engine.backend}: {plan.engine.name} {plan.engine.version}")
    yield _row("image", plan.image)
    yield from _section("env", [_env(grant) for grant in plan.env])
    yield _row("skills", "none")
    yield _row("ssh", "none")
    yield _row("prompt", f"{len(plan.prompt)} characters" if plan.prompt else "none")
    yield from _section("egress", [_host(rule) for rule in plan.policy.hosts])
    yield from _section("private", [str(network) for network in plan.policy.private_grants], skip_empty=True)
    yield from _section("resolvers", [str(address) for address in plan.policy.resolvers], skip_empty=True)
    yield from _section("proxy", [f"{plan.proxy.name}: {plan.proxy.why}", *plan.proxy.lacks])
    yield _row("limits", _limits(plan))
    yield _row("workspace", plan.workspace)
    yield from _section("warning", list(plan.warnings), skip_empty=True)
    yield _row("policy", plan.policy.policy_hash)


def _row(title: str, text: str) -> str:
    return f"  {title:<{_WIDTH}} {printable(text)}"


def _section(title: str, texts: list[str], *, skip_empty: bool = False) -> Iterator[str]:
    if not texts and not skip_empty:
        yield _row(title, "none")
    for index, text in enumerate(texts):
        yield _row("" if index else title, text)


def printable(text: str) -> str:
    """Nothing from a manifest may steer the terminal or hide a line of the question that follows."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _env(grant: EnvGrant) -> str:
    match grant.source:
        case HostVariable(variable=variable):
            return f"{grant.name}  secret, from the host's {variable}"
        case Literally(value=value):
            return f"{grant.name}  {value}"
        case _:
            return f"{grant.name}  secret, asked at start"


def _host(rule: HostRule) -> str:
    ports = "" if rule.ports == DEFAULT_PORTS else ":" + ",".join(map(str, rule.ports))
    reason = f": {rule.reason}" if rule.reason else ""
    relayed = "" if rule.inspect else ", relayed without inspection"
    return f"{rule.pattern}{ports}  ({_ORIGINS[rule.origin]}{relayed}{reason})"


def _limits(plan: Plan) -> str:
    limits = plan.limits
    parts = []
    if limits.memory is not None:
        parts.append(f"memory {limits.memory // 1024**2} MiB")
    if limits.cpus is not None:
        parts.append(f"{limits.cpus:g} processors")
    if limits.pids is not None:
        parts.append(f"{limits.pids} processes")
    parts += [f"{name} can't be enforced by this engine" for name in plan.unenforced]
    return ", ".join(parts) or "none"
