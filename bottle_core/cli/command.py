"""The `bottle` command: one verb a file, imported only when it is used.

`bottle --help` imports neither an engine library nor pydantic; tests/architecture holds it to that.
"""

from importlib import import_module

import click

from bottle_core import __version__
from bottle_core.cli import engine

_VERBS = {
    "image": ("bottle_core.cli.image:image", "Build and list the images that bottles run in."),
    "start": ("bottle_core.cli.start:start", "Start an agent in a sealed bottle."),
}


class LazyGroup(click.Group):
    """A group whose verbs are imported when called; their help lines stand in the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _VERBS:
            return None
        module, _, attribute = _VERBS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, _VERBS[name][1]) for name in sorted(_VERBS)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@engine.option
@click.version_option(__version__, prog_name="bottle")
@click.pass_context
def cli(ctx: click.Context, backend: str | None) -> None:
    """Run coding agents with full powers, each in a sealed bottle of its own."""
    ctx.obj = {"backend": backend}
