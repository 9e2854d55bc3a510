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
    operations = [migrations.RunPython(let_in, migrations.RunPython.noop)]
