"""A database as it is after the migrations, put back in milliseconds before each run."""

from __future__ import annotations

import sqlite3

from django.core.management import call_command
from django.db import connection

__all__ = ["forget", "restore"]

_kept: sqlite3.Connection | None = None


def restore() -> None:
    """Empty the database to what the migrations made.

    On SQLite the pages of a kept copy are written over it; the first call keeps the copy, so the database
    must be fresh then. On PostgreSQL it is flushed, the guards standing aside as in the tests.
    """
    global _kept
    connection.ensure_connection()
    if connection.vendor != "sqlite":
        call_command("flush", interactive=False, verbosity=0)
        return
    if _kept is None:
        call_command("flush", interactive=False, verbosity=0)
        _kept = sqlite3.connect(":memory:")
        connection.connection.backup(_kept)
    _kept.backup(connection.connection)


def forget() -> None:
    """Forget the copy: another database is used from now on."""
    global _kept
    if _kept is not None:
        _kept.close()
    _kept = None
