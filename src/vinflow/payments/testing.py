"""For tests only: the guards stand aside while a test database is flushed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from vinflow.payments.guards import drop_guards, install_guards

__all__ = ["allow_flush"]


@contextmanager
def allow_flush() -> Iterator[None]:
    """Drop the guards for the body and install them again after it."""
    drop_guards(connection)
    try:
        yield
    finally:
        install_guards(connection)
