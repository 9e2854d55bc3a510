"""`vinflow manage ...`: Django's commands, with this site's settings, wherever the package is installed."""

from __future__ import annotations

import os

import click

__all__ = ["manage"]


@click.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": [],
    }
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def manage(arguments: tuple[str, ...]) -> None:
    """Run one of Django's commands on this site: migrate, createsuperuser, shell, help."""
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vinflow.project.settings")
    try:
        execute_from_command_line(["vinflow manage", *(arguments or ("help",))])
    except ImproperlyConfigured as error:
        raise click.ClickException(str(error)) from error
