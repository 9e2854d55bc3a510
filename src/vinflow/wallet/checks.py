"""System check: the guards stand. A warning, for `migrate` itself runs the check and is the cure.

What refuses to serve without guards is `guards.require_guards`, called when the site starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connections

from vinflow.wallet.guards import tables_exist, verify_guards


@register(Tags.database)
def guards_stand(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Return a warning for each guard that is missing or changed in the databases asked about."""
    messages: list[CheckMessage] = []
    for alias in databases or []:
        connection = connections[alias]
        if tables_exist(connection):
            messages += [
                Warning(f"{problem} ({alias})", hint="run `manage.py migrate`", id="wallet.W001")
                for problem in verify_guards(connection)
            ]
    return messages
