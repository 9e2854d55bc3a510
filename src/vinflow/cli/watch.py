"""`vinflow watch`: the watcher as a process of its own, as many side by side as one likes."""

from __future__ import annotations

import click

from vinflow.cli.site import setup_site

__all__ = ["watch"]


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def watch(arguments: tuple[str, ...]) -> None:
    """Look for transfers and credit them, until stopped by Ctrl-C or SIGTERM.

    Run it where the web processes have VINFLOW_WATCHER=none, or beside them for speed: each QR is leased to
    one watcher at a time and the day's calls are counted in the database, so more of them make no more calls.
    """
    setup_site()
    from django.core.management import call_command  # only after setup_site

    call_command("watch", *arguments)
