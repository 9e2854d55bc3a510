"""Indexes that only the staff's lists need, on tables of other rooms; made after every migration.

They are no part of those rooms' models, and a shop without the staff's pages has none of them. Making one
on a large live table keeps its writers waiting for some seconds, once.
"""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth import get_user_model
from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["after_migrate"]

log = logging.getLogger(__name__)

# name: (table, what follows ON table). Written for both databases.
INDEXES = {
    "staff_payment_late": (
        "payments_payment",
        "(environment, created_at DESC, id) WHERE completed_late AND status = 'completed'",
    ),
    "staff_payment_manual": (
        "payments_payment",
        "(environment, created_at DESC, id) WHERE method = 'manual'",
    ),
    "staff_payment_amount": ("payments_payment", "(currency, amount_minor)"),
    # A list of keys is counted and sorted from this alone, without reading the payments.
    "staff_payment_keys": ("payments_payment", "(id, environment, created_at)"),
    "staff_payment_status": ("payments_payment", "(environment, status, created_at DESC, id)"),
    "staff_payment_paid": ("payments_payment", "(completed_at DESC) WHERE completed_at IS NOT NULL"),
    "staff_transfer_extra": (
        "payments_transfer",
        "(environment, currency, amount_minor) WHERE fate = 'extra'",
    ),
    "staff_review_decided": ("payments_reviewitem", "(decided_at, payment_id) WHERE decision > ''"),
}


def after_migrate(*, using: str, **_rest: Any) -> None:
    """Make the indexes that are missing; connected to post_migrate. Safe to repeat."""
    connection = connections[using]
    there = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for name, (table, rest) in INDEXES.items():
            if table in there:
                cursor.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {table} {rest}")
    users = get_user_model()
    if connection.vendor == "postgresql" and users._meta.db_table in there:
        _names_of_people(connection, users)


def _names_of_people(connection: BaseDatabaseWrapper, users: Any) -> None:
    """Index every three letters of names and e-mail addresses, so that any part of one finds a payer.

    pg_trgm comes with PostgreSQL, and the owner of a database may switch it on; where neither helps, the
    search reads every user, and works.
    """
    fields = {field.name: field.column for field in users._meta.concrete_fields}
    columns = {fields[name] for name in (users.USERNAME_FIELD, "email") if name in fields}
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            for column in sorted(columns):
                cursor.execute(
                    f"CREATE INDEX IF NOT EXISTS staff_user_{column} ON {users._meta.db_table} "
                    f'USING gin (UPPER("{column}"::text) gin_trgm_ops)'
                )
    except DatabaseError as refused:
        log.warning("payers are found without an index, pg_trgm cannot be used: %s", refused)
