"""The manifest's shape. Models are frozen, refuse unknown keys and convert nothing silently.

Validators raise ValueError with a reason for users; `problems.py` finds its place in the text.
"""

import re
from ipaddress import IPv4Address
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator

from bottle_core.manifest.interpolate import MAX_VARIABLE_BYTES, EnvValue, Plain, interpret
from bottle_core.manifest.variables import refusal
from bottle_core.policy.addresses import Network, parse_private, parse_resolver
from bottle_core.policy.egress import DEFAULT_PORTS, HostRule
from bottle_core.policy.hosts import parse_pattern

MAX_RESOLVERS = 3
"""As many as the C library reads (MAXNS, resolv.conf(5)); a fourth would be ignored."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_PLUGIN_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class ExpectedTypeError(ValueError):
    """The value has another JSON type than the one named here."""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ExpectedTypeError("a string")
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("a name has lower-case letters, digits and hyphens only, no hyphen first, at most 40 of them")
    return value


def _plugin_name(value: str) -> str:
    if not _PLUGIN_NAME.fullmatch(value):
        raise ValueError("this is not the name of a plug-in: lower-case letters, digits, - and _, at most 40")
    return value


def _variable(value: str) -> str:
    if reason := refusal(value):
        raise ValueError(reason)
    return value


def _env_value(value: Any) -> EnvValue:
    if value is None:
        raise ValueError("null removes an inherited variable, and this version inherits none; leave the line out")
    if not isinstance(value, str):
        raise ExpectedTypeError("a string")
    meaning = interpret(value)
    if isinstance(meaning, Plain):
        _argument(meaning.value)
    return meaning


def _argument(value: str) -> str:
    if len(value.encode()) >= MAX_VARIABLE_BYTES - 256:
        raise ValueError("this text is longer than Linux passes to a program in one piece (128 KiB)")
    return value


def _host_rule(value: Any) -> HostRule:
    pattern, ports = parse_pattern(_text(value))
    return HostRule(pattern=pattern, ports=ports or DEFAULT_PORTS, origin="manifest")


def _private(value: Any) -> Network:
    return parse_private(_text(value))


def _resolver(value: Any) -> IPv4Address:
    return parse_resolver(_text(value))


def _resolvers(value: tuple[IPv4Address, ...]) -> tuple[IPv4Address, ...]:
    if len(value) > MAX_RESOLVERS:
        raise ValueError(f"at most {MAX_RESOLVERS} resolvers are asked")
    return value


def _command(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not value[0]:
        raise ValueError("a command starts with the name of a program")
    return value


Name = Annotated[str, AfterValidator(_name)]
PluginName = Annotated[str, AfterValidator(_plugin_name)]
Variable = Annotated[str, AfterValidator(_variable)]
Argument = Annotated[str, AfterValidator(_argument)]
Value = Annotated[EnvValue, PlainValidator(_env_value)]
Rule = Annotated[HostRule, PlainValidator(_host_rule)]
PrivateRange = Annotated[Network, PlainValidator(_private)]
Resolver = Annotated[IPv4Address, PlainValidator(_resolver)]
AsTuple = Field(strict=False)


class Model(BaseModel):
    """Immutable, strict about types and unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class EgressModel(Model):
    """What may leave a bottle, beside the agent kind's default hosts.

    `proxy` is "auto" or the name of an egress plug-in; `defaults` False drops the kind's hosts;
    `private` and `resolvers` are as in `EgressPolicy`.
    """

    allowlist: Annotated[tuple[Rule, ...], AsTuple] = ()
    proxy: PluginName = "auto"
    defaults: bool = True
    private: Annotated[tuple[PrivateRange, ...], AsTuple] = ()
    resolvers: Annotated[tuple[Resolver, ...], AsTuple, AfterValidator(_resolvers)] = ()


class BottleModel(Model):
    """What agents in this bottle get."""

    env: dict[Variable, Value] = {}
    egress: EgressModel = EgressModel()


class AgentModel(Model):
    """Which agent runs, in which bottle. `command` is argv; empty leaves it to the kind."""

    bottle: str
    prompt: Argument = ""
    agent: PluginName = "claude"
    command: Annotated[tuple[Argument, ...], AsTuple, AfterValidator(_command)] = ()


class ManifestModel(Model):
    """The whole file. `schema_` is "$schema", for editors only."""

    schema_: str = Field(default="", alias="$schema")
    bottles: dict[Name, BottleModel] = {}
    agents: dict[Name, AgentModel] = {}


KEYS: dict[str, tuple[str, ...]] = {
    "manifest": ("$schema", "bottles", "agents"),
    "bottle": tuple(BottleModel.model_fields),
    "egress": tuple(EgressModel.model_fields),
    "agent": tuple(AgentModel.model_fields),
}
"""The keys of each object."""

LATER: dict[str, tuple[str, ...]] = {
    "manifest": (),
    "bottle": ("credentials", "extends", "limits", "runtime", "ssh"),
    "egress": ("credentials", "rules"),
    "agent": ("credentials", "extends", "limits", "runtime", "skills", "ssh"),
}
"""Keys of the format that this version refuses: a grant or limit that is ignored is a lie."""
