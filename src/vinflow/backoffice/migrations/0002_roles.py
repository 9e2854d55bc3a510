"""The four groups and their rights, from the table in rights.py."""

from __future__ import annotations

from typing import Any

from django.db import migrations

from vinflow.backoffice.roles import install


def make_groups(apps: Any, editor: Any) -> None:
    """Make the groups that are missing."""
    install(apps, editor.connection.alias)


class Migration(migrations.Migration):
    """cashier, accountant, manager, owner."""

    dependencies = [
        ("backoffice", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
