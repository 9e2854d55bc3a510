"""What a server looks at before its first request: a site that would go wrong does not start."""

from __future__ import annotations

from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from vinflow.wallet.errors import GuardsMissing
from vinflow.wallet.guards import require_guards

__all__ = ["refuse_a_bad_start"]


def refuse_a_bad_start() -> None:
    """Return when the settings can be meant, the database is up to date, and its guards stand.

    Raises ImproperlyConfigured with a sentence for each fault. The management commands check by themselves;
    a server that only imports the application would otherwise learn of a fault from its first payer.
    """
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise ImproperlyConfigured("The database is not up to date: run `vinflow manage migrate`.")
    found = checks.run_checks(databases=["default"])
    serious = [message for message in found if message.is_serious() and not message.is_silenced()]
    if serious:
        raise ImproperlyConfigured("\n".join(f"{each.msg} {each.hint or ''}".strip() for each in serious))
    try:
        require_guards()
    except GuardsMissing as error:
        raise ImproperlyConfigured(f"{error} Run `vinflow manage migrate`: it puts them back.") from error
