"""The application's role adds to the books and owns none of them."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from vinflow.money import Currency, Money
from vinflow.wallet.audit import audit
from vinflow.wallet.entries import external_ref, user_ref
from vinflow.wallet.holds import capture, hold, release
from vinflow.wallet.roles import owned_by_us, role_statements
from vinflow.wallet.sealing import seal_blocks


@pytest.fixture
def as_application(transactional_db):
    """Both roles, and this connection as the application's; everything is given back afterwards."""
    owner, app = "vinflow_test_owner", "vinflow_test_app"
    call_command("wallet_roles", owner=owner, app=app, apply=True, stdout=StringIO())
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        before = cursor.fetchone()[0]
        cursor.execute(f"SET ROLE {app}")
        yield
        cursor.execute("RESET ROLE")
        cursor.execute(f'REASSIGN OWNED BY {owner}, {app} TO "{before}"')
        cursor.execute(f"DROP OWNED BY {owner}, {app}")
        cursor.execute(f"DROP ROLE {owner}, {app}")


def run(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.postgres
def test_the_application_does_its_work_under_its_own_role(as_application, make_user, top_up, spend_some, now):
    user = make_user()
    top_up(user, 100)
    spend_some(user, 10)
    with transaction.atomic():
        wallet = user_ref(user.pk, "sandbox")
        held = [
            hold(wallet=wallet, money=Money(5, Currency.USD), source="r", purpose=str(n), at=now)
            for n in (1, 2)
        ]
        capture(held[0].pk, to=external_ref("sandbox"), at=now)
        release(held[1].pk, at=now)
    seal_blocks(at=now)

    assert audit().problems == []
    assert owned_by_us(connection) == []
    call_command("wallet_roles", check=True, stdout=StringIO())


FORBIDDEN = [
    "DROP TRIGGER wallet_guard_seal_insert ON wallet_seal",
    "ALTER TABLE wallet_journalline DISABLE TRIGGER ALL",
    "ALTER TABLE wallet_journalline DROP CONSTRAINT wallet_line_amount_positive",
    "DROP TABLE wallet_journalline CASCADE",
    "UPDATE wallet_journalline SET amount_minor = 1",
    "DELETE FROM wallet_journalentry",
    "TRUNCATE wallet_block",
    "UPDATE wallet_account SET balance_minor = 1",
    "UPDATE wallet_account SET held_minor = 0",
    "UPDATE wallet_hold SET amount_minor = 1",
    "CREATE OR REPLACE FUNCTION wallet_guard_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
    "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "SET session_replication_role = replica",
]


@pytest.mark.postgres
def test_the_application_may_not_bend_the_books(as_application, subtests):
    for sql in FORBIDDEN:
        with subtests.test(sql), pytest.raises(DatabaseError, match=r"permission denied|must be owner"):
            run(sql)


@pytest.mark.postgres
@pytest.mark.django_db
def test_an_application_that_owns_the_books_is_told_so():
    with pytest.raises(CommandError, match="wallet_journalline"):
        call_command("wallet_roles", check=True)


@pytest.mark.postgres
@pytest.mark.django_db
def test_the_command_prints_sql_unless_told_to_apply_it():
    out = StringIO()

    call_command("wallet_roles", stdout=out)

    assert "ALTER TABLE public.wallet_journalline OWNER TO vinflow_owner;" in out.getvalue()
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM pg_roles WHERE rolname = 'vinflow_owner'")
        assert cursor.fetchone()[0] == 0


@pytest.mark.django_db
def test_sqlite_has_no_roles():
    with pytest.raises(CommandError, match="SQLite has no roles"):
        call_command("wallet_roles")
    assert owned_by_us(connection) == []


@pytest.mark.parametrize(
    ("owner", "app"), [("a; DROP TABLE x", "b"), ("A", "b"), ("same", "same"), ("", "b")]
)
def test_only_plain_names_of_two_roles_are_taken(owner, app):
    with pytest.raises(ValueError):
        role_statements(owner=owner, app=app)
