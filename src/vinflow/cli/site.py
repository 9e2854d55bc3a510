"""The site inside this process, for commands that read or write its rows."""

from __future__ import annotations

import os

import click

__all__ = ["setup_site"]


def setup_site() -> None:
    """Load the site's settings and applications. Raises ClickException with the sentence of a bad setting."""
    import django  # the other commands start without it
    from django.core.exceptions import ImproperlyConfigured

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vinflow.project.settings")
    try:
        django.setup()
    except ImproperlyConfigured as error:
        raise click.ClickException(str(error)) from error
