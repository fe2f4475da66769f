"""What a manifest may say but hardly should."""

from collections.abc import Iterator

from bottle_core.manifest.credentials import looks_like_credential
from bottle_core.manifest.interpolate import Plain, looks_like_reference
from bottle_core.manifest.position import Fault
from bottle_core.manifest.problems import where
from bottle_core.manifest.schema import AgentModel, BottleModel, EgressModel, ManifestModel
from bottle_core.manifest.tree import Key, Tree
from bottle_core.policy.addresses import is_private
from bottle_core.policy.hosts import is_address, is_shared_suffix


def warnings(model: ManifestModel, tree: Tree) -> list[Fault]:
    """The manifest's warnings; their texts never repeat a value."""
    found: list[tuple[tuple[Key, ...], str]] = []
    for name, bottle in model.bottles.items():
        found += _env(("bottles", name, "env"), bottle)
        found += _egress(("bottles", name, "egress"), bottle.egress)
    for name, agent in model.agents.items():
        found += _agent(("agents", name), agent)
    return [Fault(tree.offset(path), f"{where(path)}: {message}") for path, message in found]


def _env(path: tuple[Key, ...], bottle: BottleModel) -> Iterator[tuple[tuple[Key, ...], str]]:
    for name, value in bottle.env.items():
        if not isinstance(value, Plain):
            continue
        if credential := looks_like_credential(value.value):
            advice = f'keep it out of the file: "${{{name}}}" takes it from the host, "?…" asks for it'
            yield (*path, name), f"this looks like {credential}; {advice}"
        elif looks_like_reference(value.value):
            yield (*path, name), "${…} is replaced only where it is the whole value; here it is literal text"


def _egress(path: tuple[Key, ...], egress: EgressModel) -> Iterator[tuple[tuple[Key, ...], str]]:
    for index, rule in enumerate(egress.allowlist):
        place = (*path, "allowlist", index)
        if rule.pattern.startswith("*.") and is_shared_suffix(rule.pattern[2:]):
            yield place, "unrelated people own names below this one, and each of them can receive what the agent sends"
        if is_address(rule.pattern) and not _dialled(rule.pattern, egress):
            yield place, "this address is not globally reachable, and refused unless `private` grants it too"


def _dialled(address: str, egress: EgressModel) -> bool:
    from ipaddress import IPv4Network

    network = IPv4Network(address)
    return not is_private(network) or any(
        isinstance(granted, IPv4Network) and network.subnet_of(granted) for granted in egress.private
    )


def _agent(path: tuple[Key, ...], agent: AgentModel) -> Iterator[tuple[tuple[Key, ...], str]]:
    texts: list[tuple[tuple[Key, ...], str]] = [((*path, "prompt"), agent.prompt)]
    texts += [((*path, "command", index), text) for index, text in enumerate(agent.command)]
    for place, text in texts:
        if credential := looks_like_credential(text):
            yield place, f"this looks like {credential}; give it to the bottle as a variable that is a secret"
