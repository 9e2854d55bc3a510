"""News from other processes, on PostgreSQL: NOTIFY, sent inside a transaction, delivered at its commit.

One connection and one coroutine for a whole process, however many pages are open, and only while one is.
Whatever goes wrong here costs a second: the poll of storefront.events goes on beside it, and finds what was
told while nobody listened. A pooler that hands connections out by transaction (PgBouncer) hears nothing;
there the poll does it alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, Final

from django.db import connections

from vinflow.payments.announcing import CHANNEL

__all__ = ["can_listen", "listen"]

log = logging.getLogger(__name__)

AGAIN_S: Final = 5.0
# What Django keeps for itself among the parameters of a connection; the rest is libpq's.
OWN = ("cursor_factory", "context", "isolation_level", "pool", "assume_role", "server_side_binding")


def can_listen() -> bool:
    """Return whether the site's database tells of changes."""
    return connections["default"].vendor == "postgresql"


async def listen(heard: Callable[[str], None], *, ready: Callable[[], None] = lambda: None) -> None:
    """Call heard(reference) for every payment that is told of, until this coroutine is canceled.

    ready: called each time that listening has begun. A lost connection is made anew, after a few seconds.
    """
    while True:
        try:
            await _listen_once(heard, ready)
        except Exception as error:
            log.warning("news from other processes are not heard for a while: %s", type(error).__name__)
        await asyncio.sleep(AGAIN_S)


async def _listen_once(heard: Callable[[str], None], ready: Callable[[], None]) -> None:
    import psycopg
    from psycopg import sql

    given: dict[str, Any] = connections["default"].get_connection_params()
    for name in OWN:
        given.pop(name, None)
    given |= {"autocommit": True, "application_name": "vinflow pages"}
    connection = await psycopg.AsyncConnection.connect(**given)
    try:
        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
        ready()
        async for notice in connection.notifies():
            heard(notice.payload)
    finally:
        with contextlib.suppress(Exception):
            await connection.close()
