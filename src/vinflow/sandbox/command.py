"""`vinflow sandbox`, or `python -m vinflow.sandbox`: the stand-in as a program, for any language."""

from __future__ import annotations

import os
import secrets
import signal
import sqlite3
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import click

from vinflow.sandbox.bank import TEST_ACCOUNT, Sandbox
from vinflow.sandbox.errors import UnsafeControl, WrongSwitch
from vinflow.sandbox.server import SandboxServer
from vinflow.sandbox.switches import Switches

__all__ = ["run", "sandbox"]

TLS_FOLDER = Path("var/sandbox-tls")


def _switches(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Return NAME=VALUE pairs as typed values: true, false and none are words, whole numbers are numbers."""
    words: dict[str, Any] = {"true": True, "false": False, "none": None}
    changes: dict[str, Any] = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        value = words.get(text.lower(), text)
        changes[name.replace("-", "_")] = int(text) if text.isascii() and text.isdigit() else value
    return changes


@click.command(name="sandbox", help="Run a Bakong of your own on this machine: no money, no network.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8900, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one."
)
@click.option(
    "--database", default=":memory:", show_default=True, help="A SQLite file that outlives the process."
)
@click.option("--seed", default=None, help="Number or text: all that looks random follows from it.")
@click.option("--account", "accounts", multiple=True, help="The shop's Bakong account; more may follow.")
@click.option("--name", default="VinFlow Test Shop", show_default=True, help="Merchant name of hosted QRs.")
@click.option(
    "--switch", "pairs", multiple=True, metavar="NAME=VALUE", help="Set a switch, as often as needed."
)
@click.option(
    "--clock-now", is_flag=True, help="Begin at this machine's time, wherever an earlier run left it."
)
@click.option("--own-links", is_flag=True, help="Deeplinks open this stand-in's phone.")
@click.option("--tls", is_flag=True, help="Serve HTTPS from a local authority made here.")
@click.option("--tls-folder", default=TLS_FOLDER, show_default=True, type=click.Path(path_type=Path))
@click.option("--control", is_flag=True, help="Open the control interface under /_control/.")
@click.option("--control-secret", envvar="SANDBOX_CONTROL_SECRET", help="What its callers must show.")
@click.option("--phone/--no-phone", default=True, show_default=True, help="Serve the bank app under /phone.")
def run(
    host: str,
    port: int,
    database: str,
    seed: str | None,
    accounts: tuple[str, ...],
    name: str,
    pairs: tuple[str, ...],
    clock_now: bool,
    own_links: bool,
    tls: bool,
    tls_folder: Path,
    control: bool,
    control_secret: str | None,
    phone: bool,
) -> None:
    """Serve until SIGINT or SIGTERM. SANDBOX_SECRET in the environment is the key of the tokens."""
    try:
        changes = _switches(pairs) | ({"short_link": "own"} if own_links else {})
        Switches().change(**changes)  # a slip of the pen is told before a file is opened
        bank = Sandbox(
            # Without a seed every run draws other hashes, as a shop that outlives this process expects.
            seed if seed is not None else secrets.token_hex(16),
            database,
            secret=os.environ.get("SANDBOX_SECRET") or None,
            account=accounts[0] if accounts else TEST_ACCOUNT,
            more_accounts=accounts[1:],
            name=name,
        )
        bank.switch(**changes)
        if clock_now:
            bank.clock.run()
            bank.clock.offset_ms = 0
            bank.keep_clock()
        server = SandboxServer(
            bank, host, port, tls, control=control, secret=control_secret, tls_folder=tls_folder, phone=phone
        )
        stop = threading.Event()

        def halt(number: int, frame: FrameType | None) -> None:
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, halt)
        server.start()
    except (WrongSwitch, UnsafeControl) as error:
        raise click.UsageError(str(error)) from None
    except sqlite3.Error as error:
        raise click.ClickException(f"cannot use {database} as database: {error}") from None
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    _introduce(bank, server, control=control, phone=phone)
    stop.wait()
    server.stop()
    bank.close()


def _introduce(bank: Sandbox, server: SandboxServer, *, control: bool, phone: bool) -> None:
    lines = [
        ("Address", server.url),
        ("Account", bank.account),
        ("E-mail", bank.email),
        ("Token", bank.token),
        ("Merchant id", f"{bank.merchant_md5} (hosted dialect)"),
        ("Merchant token", bank.hosted_token),
    ]
    if phone:
        lines.append(("Phone", f"{server.url}/phone"))
    if control:
        lines.append(("Control", f"{server.url}/_control/"))
    if phone and server.host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        from vinflow.sandbox.tls import local_addresses

        scheme = "https" if server.tls else "http"
        lines += [
            ("On the network", f"{scheme}://{text}:{server.port}/phone") for text in local_addresses()[:1]
        ]
    if server.ca_path is not None:
        lines.append(("Trust", str(server.ca_path)))
    click.echo("SANDBOX: a stand-in for Bakong. No real money moves here.")
    for name, value in lines:
        click.echo(f"{name + ':':16}{value}")  # echo flushes: a pipe sees the address at once


sandbox = run
