"""The right to reconcile, for the groups that keep the books."""

from __future__ import annotations

from typing import Any

from django.db import migrations

from vinflow.backoffice.roles import give


def let_in(apps: Any, editor: Any) -> None:
    """Give it to accountants, managers and owners; a group that is gone stays gone."""
    give(apps, editor.connection.alias, "reconcile", ("accountant", "manager", "owner"))


class Migration(migrations.Migration):
    """accountant, manager, owner may reconcile."""

    dependencies = [("backoffice", "0005_role_proposals")]
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
                    ("see_ledger", "Can see the books"),
                    ("reconcile", "Can reconcile, enter closing balances and import statements"),
                    ("see_settings", "Can see payment settings"),
                    ("change_settings", "Can change payment settings"),
                    ("change_safety", "Can propose and approve safety limits"),
                    ("change_roles", "Can propose and approve roles"),
                ],
            },
        ),
        migrations.RunPython(let_in, migrations.RunPython.noop),
    ]
