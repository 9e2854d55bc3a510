"""The guards are put up after every migration, verified before serving, and stand after a table rebuild."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
from django.db import connection, models
from django.db.migrations import Migration
from django.db.models.signals import pre_migrate

from vinflow.wallet.audit import audit
from vinflow.wallet.errors import GuardsMissing
from vinflow.wallet.guards import install_guards, require_guards, verify_guards
from vinflow.wallet.models import Account, JournalEntry, JournalLine
from vinflow.wallet.testing import remove_guards

pytestmark = [pytest.mark.both, pytest.mark.django_db(transaction=True)]


def test_a_migrated_database_has_all_its_guards():
    assert verify_guards(connection) == []
    require_guards()


def test_a_database_without_guards_is_not_served_and_cannot_post(make_user, top_up):
    user = make_user()
    top_up(user, 5)
    remove_guards(connection)
    try:
        with pytest.raises(GuardsMissing):
            require_guards()
        assert "wallet.W001" in {
            message.id for message in run_checks(tags=["database"], databases=["default"])
        }
        assert len(verify_guards(connection)) > 10
    finally:
        install_guards(connection)
    assert verify_guards(connection) == []


def test_migrating_again_puts_the_guards_back():
    remove_guards(connection)

    call_command("migrate", "wallet", verbosity=0)

    assert verify_guards(connection) == []


def test_installing_twice_changes_nothing():
    install_guards(connection)
    install_guards(connection)

    assert verify_guards(connection) == []


def test_a_table_rebuilt_by_a_migration_keeps_its_rows_and_gets_its_guards_back(make_user, top_up):
    """On SQLite a changed column rebuilds the table, and with it go the triggers."""
    top_up(make_user(), 5)
    wider = {}
    for model, name in ((Account, "key"), (JournalEntry, "memo"), (JournalLine, "side")):
        old = model._meta.get_field(name)
        new = models.CharField(max_length=old.max_length + 1, blank=old.blank)
        new.set_attributes_from_name(name)
        new.model = model
        wider[model] = (old, new)

    migrate_fields(wider)
    try:
        assert verify_guards(connection) == []
        assert audit().problems == []
        assert JournalLine.objects.count() == 2
    finally:
        migrate_fields({model: (new, old) for model, (old, new) in wider.items()})


def migrate_fields(changes):
    """Do what a migration of the wallet would: its signals before and after, and the change between."""
    plan = [(Migration("0002_wider", "wallet"), False)]
    # To every app, as Django tells them: triggers of other rooms name these tables too.
    emit_pre_migrate_signal(0, False, "default", apps=apps, plan=plan)
    for model, (old, new) in changes.items():
        with connection.schema_editor() as editor:
            editor.alter_field(model, old, new, strict=False)
    emit_post_migrate_signal(0, False, "default", apps=apps, plan=plan)


def test_a_migration_of_another_app_leaves_the_guards_standing():
    pre_migrate.send(
        sender=apps.get_app_config("wallet"), using="default", plan=[(Migration("0002_x", "auth"), False)]
    )

    assert verify_guards(connection) == []
