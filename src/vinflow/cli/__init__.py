"""The `vinflow` command. Each subcommand is imported only when it is asked for.

So `vinflow khqr decode` starts without Django, and a subcommand that cannot be imported (an extra that is not
installed) says so by itself and leaves the others alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

import click

import vinflow

__all__ = ["main"]


class _Place(NamedTuple):
    module: str
    name: str
    help: str


# Stated here, so that `vinflow --help` imports nothing.
COMMANDS = {
    "demo": _Place("vinflow.cli.demo", "demo", "The site, a stand-in Bakong and its phone, ready to try."),
    "sandbox": _Place(
        "vinflow.sandbox.command", "sandbox", "The stand-in Bakong alone: a server that runs offline."
    ),
    "khqr": _Place("vinflow.cli.khqr", "khqr", "Make, read, check and draw KHQR texts."),
    "watch": _Place("vinflow.cli.watch", "watch", "Look for transfers and credit them, until stopped."),
    "balance": _Place(
        "vinflow.cli.balance", "balance", "What a payer's wallet holds, and whether the books balance."
    ),
    "doctor": _Place(
        "vinflow.cli.doctor", "doctor", "Look at the settings, the token and the way to Bakong."
    ),
    "manage": _Place(
        "vinflow.cli.manage", "manage", "Django's own commands on this site (migrate, shell, ...)."
    ),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name, None if there is none. Raises ClickException when it is broken."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        try:
            found = getattr(import_module(place.module), place.name)
        except ImportError as error:
            raise click.ClickException(f"`vinflow {cmd_name}` cannot be loaded: {error}") from error
        if not isinstance(found, click.Command):
            raise TypeError(f"{place.module}.{place.name} is not a click command")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.help) for name, place in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(vinflow.__version__, prog_name="vinflow")
def main() -> None:
    """Take money by KHQR: a payer scans, Bakong is asked, the wallet grows, once.

    Start with `vinflow demo`.
    """
