"""(manifest, agent kind, egress proxy, engine, host) → Plan. Pure: nothing is asked, read or created here."""

from collections.abc import Mapping, Set
from typing import NamedTuple

from bottle_core.agents.base import HOME, AgentKind, AgentRequest
from bottle_core.capabilities import Capability, EgressCapability
from bottle_core.contract import EngineInfo
from bottle_core.egress.base import EgressProxy
from bottle_core.errors import ManifestError, PolicyError, Problem
from bottle_core.manifest.interpolate import Ask, EnvValue, FromHost
from bottle_core.manifest.load import Manifest
from bottle_core.manifest.schema import AgentModel, BottleModel
from bottle_core.plan import EngineFacts, EnvGrant, HostVariable, Literally, Plan, ProxyChoice, Question
from bottle_core.policy.egress import EgressPolicy, HostRule
from bottle_core.spec import Limits, Tmpfs

DEFAULT_PIDS = 2048
_GIB = 1024**3

_LIMIT_CAPABILITIES = {
    "memory": Capability.MEMORY_LIMIT,
    "cpus": Capability.CPU_LIMIT,
    "pids": Capability.PIDS_LIMIT,
}


class Host(NamedTuple):
    """What the host says about one start: its variables' names, and whether there is a terminal."""

    variables: Set[str]
    terminal: bool


class Chosen(NamedTuple):
    """The parts that the manifest's names stand for, with the images as they will be asked for."""

    kind: AgentKind
    proxy: EgressProxy
    why: str
    image: str
    proxy_image: str


def resolve(manifest: Manifest, agent_name: str, chosen: Chosen, backend: str, engine: EngineInfo, host: Host) -> Plan:
    """The plan of one start; raises ManifestError, PolicyError."""
    agent = manifest.agents[agent_name]
    bottle = manifest.bottles[agent.bottle]
    env = _env(manifest, agent.bottle, bottle, chosen.kind, host)
    _require(Capability.READ_ONLY_ROOT, engine)
    request = AgentRequest(prompt=agent.prompt, command=agent.command, tty=host.terminal)
    limits, unenforced = _limits(chosen.kind, engine)
    return Plan(
        agent=agent_name,
        bottle=agent.bottle,
        kind=chosen.kind.name,
        manifest=manifest.file,
        engine=EngineFacts(backend=backend, name=engine.name, version=engine.version),
        image=chosen.image,
        image_source=chosen.kind.image,
        proxy=ProxyChoice(name=chosen.proxy.name, why=chosen.why, lacks=_lacks(chosen.proxy)),
        proxy_image=chosen.proxy_image,
        proxy_image_source=chosen.proxy.image,
        env=env,
        kind_env=chosen.kind.env(),
        prompt=agent.prompt,
        argv=chosen.kind.argv(request),
        files=chosen.kind.files(request),
        tmpfs=_tmpfs(chosen.kind),
        policy=policy(bottle, chosen.kind),
        limits=limits,
        unenforced=unenforced,
        warnings=_warnings(manifest, agent, chosen.kind, env),
        tty=host.terminal,
    )


def policy(bottle: BottleModel, kind: AgentKind) -> EgressPolicy:
    """The bottle's grants and, unless it drops them, the kind's default hosts; a host granted twice is one rule."""
    rules: dict[str, HostRule] = {}
    for rule in (*(kind.hosts() if bottle.egress.defaults else ()), *bottle.egress.allowlist):
        earlier = rules.get(rule.pattern)
        ports = tuple(sorted({*(earlier.ports if earlier else ()), *rule.ports}))
        rules[rule.pattern] = (earlier or rule).model_copy(update={"ports": ports})
    defaults = kind.private_grants() if bottle.egress.defaults else ()
    return EgressPolicy(
        hosts=tuple(rules.values()),
        private_grants=tuple(dict.fromkeys((*defaults, *bottle.egress.private))),
        resolvers=bottle.egress.resolvers,
    )


def _env(
    manifest: Manifest, bottle_name: str, bottle: BottleModel, kind: AgentKind, host: Host
) -> tuple[EnvGrant, ...]:
    problems = []
    grants: dict[str, EnvGrant] = {}
    for credential in kind.credentials():
        if credential.host_name in host.variables:
            source = HostVariable(variable=credential.host_name)
            grants[credential.name] = EnvGrant(name=credential.name, source=source)
    for name, value in bottle.env.items():
        if isinstance(value, FromHost) and value.variable not in host.variables:
            where = manifest.position("bottles", bottle_name, "env", name)
            message = f"{name} needs the host variable {value.variable}, which is not set"
            problems.append(Problem(where.file, where.line, where.column, message))
            continue
        grants[name] = EnvGrant(name=name, source=_source(value))
    if problems:
        raise ManifestError(problems, "export the variable, or take the entry out of the manifest")
    return tuple(grants.values())


def _source(value: EnvValue) -> HostVariable | Question | Literally:
    if isinstance(value, FromHost):
        return HostVariable(variable=value.variable)
    if isinstance(value, Ask):
        return Question(question=value.question)
    return Literally(value=value.value)


def _require(capability: Capability, engine: EngineInfo) -> None:
    if capability not in engine.capabilities:
        raise PolicyError(
            "plan the bottle",
            f"it needs {capability.value}, and {engine.name} {engine.version} doesn't offer it",
            "use another engine: bottle --backend NAME start AGENT",
        )


def _limits(kind: AgentKind, engine: EngineInfo) -> tuple[Limits, tuple[str, ...]]:
    """The kind's limits, or the default one; what the engine can't enforce is left out and named."""
    wanted = kind.limits().model_dump()
    if wanted["pids"] is None:
        wanted["pids"] = DEFAULT_PIDS
    lacking = [
        name
        for name, capability in _LIMIT_CAPABILITIES.items()
        if wanted[name] is not None and capability not in engine.capabilities
    ]
    return Limits(**{**wanted, **dict.fromkeys(lacking)}), tuple(lacking)


def _tmpfs(kind: AgentKind) -> tuple[Tmpfs, ...]:
    return (
        Tmpfs(path="/run/bottle", size=16 * 1024**2),
        Tmpfs(path="/tmp", size=1 * _GIB, mode=0o1777, executable=True),  # noqa: S108  the container's own
        Tmpfs(path=HOME, size=2 * _GIB, executable=True),
        *kind.tmpfs(),
    )


def _lacks(proxy: EgressProxy) -> tuple[str, ...]:
    missing = [capability for capability in EgressCapability if capability not in proxy.capabilities]
    return tuple(capability.sentence.replace("the proxy can", "it can't", 1) for capability in missing)


def _warnings(manifest: Manifest, agent: AgentModel, kind: AgentKind, env: tuple[EnvGrant, ...]) -> tuple[str, ...]:
    found = [str(problem) for problem in manifest.warnings]
    if agent.prompt and not kind.takes_prompt:
        found.append(f"the kind {kind.name} takes no prompt; this agent's prompt is not used")
    granted = {grant.name for grant in env}
    for credential in kind.credentials():
        if credential.name not in granted:
            found.append(f"{credential.host_name} is not set, so {credential.name} is not granted: {credential.hint}")
    return tuple(found)


def secrets_of(plan: Plan, variables: Mapping[bytes, bytes], answers: Mapping[str, bytes]) -> dict[str, bytes]:
    """Every granted variable's value at delivery; `answers` are those of the questions, by name."""
    values = {}
    for grant in plan.env:
        match grant.source:
            case HostVariable(variable=variable):
                values[grant.name] = variables[variable.encode()]
            case Question():
                values[grant.name] = answers[grant.name]
            case Literally(value=value):
                values[grant.name] = value.encode()
    return values
