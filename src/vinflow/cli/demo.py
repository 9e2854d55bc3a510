"""`vinflow demo`: the whole path on this machine, with a Bakong that runs offline and a phone that pays."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from vinflow.cli import ports
from vinflow.cli.demo_home import DemoHome
from vinflow.cli.demo_parts import Demo, running_demo

__all__ = ["demo"]

SITE_PORT, SANDBOX_PORT = 8000, 9000
LOOK_EVERY_S = 0.5


@click.command()
@click.option("--protocol", type=click.Choice(["open-api", "hosted"]), default="open-api", show_default=True,
              help="The bank's own API, or the hosted gateway's.")  # fmt: skip
@click.option("--database-url", help="A database in place of the SQLite file (postgres://user@host/name).")
@click.option("--once", is_flag=True, help="Go the payer's whole way with nobody at the keyboard, then end.")
@click.option(
    "--json", "as_json", is_flag=True, help="With --once: the summary as one JSON object, last line."
)
@click.option("--currency", type=click.Choice(["USD", "KHR"]), default="USD", help="With --once.")
@click.option("--amount", help="With --once: as a payer would write it.  [default: 1.00 USD, 4000 KHR]")
@click.option("--page-closed", is_flag=True, help="With --once: nobody comes back to the page after paying.")
def demo(
    protocol: str,
    database_url: str | None,
    once: bool,
    as_json: bool,
    currency: str,
    amount: str | None,
    page_closed: bool,
) -> None:
    """Start the site, a stand-in Bakong and its phone; Ctrl-C stops them all.

    Ports come from VINFLOW_PORT (8000) and SANDBOX_PORT (9000), files go to VINFLOW_HOME (var). A second run
    finds the users, passwords and money of the first.
    """
    _read_env_file()
    if once:
        from vinflow.cli.once import go_once

        raise SystemExit(
            go_once(
                protocol=protocol,
                currency=currency,
                amount=amount or {"USD": "1.00", "KHR": "4000"}[currency],
                as_json=as_json,
                page_closed=page_closed,
                database_url=database_url,
            )
        )
    if as_json:
        raise click.UsageError("--json goes with --once")
    home = DemoHome(Path(os.environ.get("VINFLOW_HOME") or "var"))
    with home.held():
        _run(home, protocol, database_url)


def _run(home: DemoHome, protocol: str, database_url: str | None) -> None:
    """Run the demonstration until a signal stops it."""
    site_port = ports.from_environment("VINFLOW_PORT", SITE_PORT)
    sandbox_port = ports.from_environment("SANDBOX_PORT", SANDBOX_PORT)
    if site_port == sandbox_port:
        raise click.ClickException("VINFLOW_PORT and SANDBOX_PORT are the same: two servers need two ports.")
    console = Console()
    stop_on_signals()
    try:
        with running_demo(
            home,
            site_port=site_port,
            sandbox_port=sandbox_port,
            protocol=protocol,
            database_url=database_url,
            say=lambda line: console.print(f"[dim]{line} ...[/dim]"),
        ) as running:
            console.print(_welcome(running))
            _stay(running)
    except KeyboardInterrupt:
        console.print("[dim]stopped[/dim]")


def _stay(running: Demo) -> NoReturn:
    """Stay until a signal interrupts. Raises ClickException when a part ends by itself."""
    while True:
        time.sleep(LOOK_EVERY_S)
        if dead := running.dead_part():
            raise click.ClickException(f"{dead.name} ended by itself ({dead.log}):\n{dead.last_words()}")


def stop_on_signals() -> None:
    """Make Ctrl-C and SIGTERM raise KeyboardInterrupt, once: the parts are then stopped undisturbed."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, interrupt)


def _read_env_file() -> None:
    """Take over what .env says where the environment says nothing: ports, the merchant's name, words."""
    import environ

    file = os.environ.get("VINFLOW_ENV_FILE", ".env")
    if file and Path(file).is_file():
        environ.Env.read_env(file)


def _welcome(running: Demo) -> Panel:
    facts = Table.grid(padding=(0, 2))
    facts.add_row("Site", f"[bold]{running.site_url}[/bold]")
    facts.add_row("Phone", f"[bold]{running.sandbox_url}/phone[/bold]")
    facts.add_row("Stand-in Bakong", running.sandbox_url)
    for name, password in running.home.passwords.items():
        facts.add_row(f"User [bold]{name}[/bold]", f"password [bold]{password}[/bold]")
    facts.add_row("Logs", f"{running.site.log}\n{running.sandbox.log}")
    facts.add_row("", "")
    facts.add_row("What to do", "1  open the site, sign in as payer, choose Add funds, write an amount")
    facts.add_row("", "2  take a picture of the QR: a screenshot, or Save QR image")
    facts.add_row("", "3  open the phone, drop the picture there, press Pay")
    facts.add_row(
        "", "4  look at the site again: the money is in the wallet, within a minute even with the page closed"
    )
    facts.add_row(
        "", "5  sign in as staff and open Staff: what came, what was asked, what is left of the day"
    )
    return Panel(
        facts, title="VinFlow demo", subtitle="Ctrl-C stops everything", expand=False, padding=(1, 2)
    )
