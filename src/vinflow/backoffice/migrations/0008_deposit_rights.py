"""The rights to see, to bring in and to decide about deposits, for the groups that are there already."""

from __future__ import annotations

from typing import Any

from django.db import migrations

from vinflow.backoffice.rights import ROLES
from vinflow.backoffice.roles import give


def let_in(apps: Any, editor: Any) -> None:
    """Give each to the groups of the table; a group that is gone stays gone."""
    for right in ("see_deposits", "open_deposit", "decide_deposit"):
        give(apps, editor.connection.alias, right, tuple(role for role in ROLES if right in ROLES[role]))


class Migration(migrations.Migration):
    """Accountants bring in, managers and owners decide."""

    dependencies = [
        ("backoffice", "0007_refund_rights"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="staffact",
            options={
                "default_permissions": (),
                "permissions": [
                    ("see_overview", "Can see the figures"),
                    ("see_transactions", "Can see payments and what was asked about them"),
                    ("export_transactions", "Can download payments"),
                    ("recheck_payment", "Can ask the gateway about a payment"),
                    ("write_note", "Can write notes on payments"),
                    ("see_review", "Can see the review desk"),
                    ("decide_review", "Can decide about odd transfers"),
                    ("see_refunds", "Can see refunds"),
                    ("ask_refund", "Can ask for refunds and record them as sent"),
                    ("approve_refund", "Can approve and reject refunds of others"),
                    ("see_ledger", "Can see the books"),
                    ("reconcile", "Can reconcile, enter closing balances and import statements"),
                    ("see_settings", "Can see payment settings"),
                    ("change_settings", "Can change payment settings"),
                    ("see_deposits", "Can see manual deposits and their evidence"),
                    ("open_deposit", "Can bring in a manual deposit"),
                    ("decide_deposit", "Can approve and turn down manual deposits"),
                    ("change_safety", "Can propose and approve safety limits"),
                    ("change_roles", "Can propose and approve roles"),
                ],
            },
        ),
        migrations.RunPython(let_in, migrations.RunPython.noop),
    ]
