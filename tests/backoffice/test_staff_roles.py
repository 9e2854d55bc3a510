"""The grid: every address, every role, and nobody; the table in rights.py is the law."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vinflow.backoffice import urls
from vinflow.backoffice.rights import ADDRESSES, RIGHTS, ROLES
from vinflow.money import Currency, Money

PEOPLE = ("anonymous", "payer", "nobody", "cashier", "accountant", "manager", "owner", "admin")
WRITES = {
    *("recheck", "note", "decide", "approve", "withdraw", "proposal", "resume", "role", "look_up_return"),
    *("deposit_new", "deposit_decide"),
}
WRITES |= {
    "export_new",
    "run",
    "explain",
    "closing",
    "link",
    "check_books",
    "connection",
    "recheck_many",
    "receiver",
}

# Who comes in where, written out by hand; the code's own table must say the same.
MAY = {
    "cashier": {"overview", "payments", "metrics", "transactions", "payment", "refunds", "clawbacks"},
    "accountant": {
        *("overview", "payments", "metrics", "transactions", "payment", "export_csv", "export_xlsx", "note"),
        *("export", "export_file", "export_new"),
        *("review", "refunds", "clawbacks", "ledger", "entries", "check_books", "settings_home", "settings"),
        *("reconciliation", "report", "report_csv", "run", "explain", "closing", "statement"),
        *("deposits", "deposit_new", "deposit_evidence", "refund_evidence"),
    },
}
MAY["manager"] = MAY["accountant"] | {"recheck", "decide", "approve", "withdraw", "look_up_return", "link"}
MAY["manager"] |= {"deposit_decide", "connection", "recheck_many"}
ASKS = {"refund", "refund_sent", "refund_look_up", "refund_give_up", "refund_take_back"}
APPROVES = {"refund_approve", "refund_reject", "refund_vouch"}
ASKS |= {"clawback", "clawback_withdraw", "clawback_repay", "repayment_drop"}
APPROVES |= {"clawback_approve", "clawback_reject", "repayment_book"}
WRITES |= ASKS | APPROVES
MAY["manager"] |= ASKS
MAY["owner"] = MAY["admin"] = MAY["manager"] | {"proposal", "receiver", "resume", "people", "role"} | APPROVES
MAY["anonymous"] = MAY["payer"] = MAY["nobody"] = set()
OPEN = {"health", "ready"}


@pytest.fixture
def people(shop: Any, signed_in: Callable[..., Any]) -> dict[str, Any]:
    from django.test import Client

    payer = Client()
    payer.force_login(shop.payer())
    made = {"anonymous": Client(), "payer": payer}
    return made | {role: signed_in("" if role == "nobody" else role) for role in PEOPLE[2:]}


def asked_refund(shop: Any) -> Any:
    """A refund that waits for a second person; nobody's own."""
    from vinflow.payments.refunding import ask_refund

    paid = shop.at_state("completed", user=shop.payer("a-third"), money=Money(20_000, Currency.USD))
    by = shop.staff("manager", "asker")
    return ask_refund(payment=paid, money=paid.money, why="sent twice", by=by, key="grid", at=shop.at)


def deposited(shop: Any, pk: int, folder: Any) -> Any:
    """A deposit under the number of the grid, brought in by somebody who is nobody of the grid."""
    from vinflow.payments.models import ManualDeposit

    name = "0" * 32
    folder.mkdir()
    (folder / name).write_bytes(b"%PDF-")
    return ManualDeposit.objects.create(
        pk=pk,
        key="grid",
        payer=shop.payer("another"),
        environment="sandbox",
        amount_minor=100,
        currency="USD",
        kind="cash",
        note="of the grid",
        evidence_name=name,
        evidence_type="application/pdf",
        evidence_size=5,
        evidence_sha256="0" * 64,
        opened_by=shop.staff("manager", "somebody-else"),
        opened_at=shop.at,
        needs_two=True,
    )


def taken_back(shop: Any) -> tuple[Any, Any]:
    """A claw-back of which everything is owed, and a repayment of it that waits for a second person."""
    from vinflow.payments import clawing_back
    from vinflow.wallet.entries import external_ref, user_ref
    from vinflow.wallet.posting import spend

    paid = shop.at_state("completed", user=shop.payer("a-fourth"), money=Money(20_000, Currency.USD))
    wallet, outside = user_ref(paid.user_id, "sandbox"), external_ref("sandbox", "shop")
    spend(wallet=wallet, to=outside, money=paid.money, source="grid", purpose="paid", at=shop.at)
    asker, second = shop.staff("manager", "asker"), shop.staff("owner", "another-owner")
    taken = clawing_back.claw_back(
        payment=paid, money=paid.money, bank_reference="REV-1", why="reversed", by=asker, at=shop.at
    )
    taken = clawing_back.approve(clawback=taken, by=second, at=shop.at)
    part = clawing_back.propose_repayment(
        clawback=taken, money=Money(100, Currency.USD), how="paid", why="in cash", by=asker, at=shop.at
    )
    return taken, part


def addresses(payment: Any, item: Any, **others: Any) -> Iterator[tuple[str, str]]:
    from django.urls import reverse

    for pattern in urls.urlpatterns:
        named = others.get(pattern.name.partition("_")[0], item)
        given = {"reference": payment.transaction_id, "pk": named.pk}
        needed = {name: given[name] for name in pattern.pattern.converters}
        yield pattern.name, reverse(f"backoffice:{pattern.name}", kwargs=needed)


def reconciled(pk: int) -> None:
    """A run and a difference under the number that every address is asked with."""
    from vinflow.payments import clock
    from vinflow.payments.models import Difference, Reconciliation

    at = clock.now()
    Reconciliation.objects.create(pk=pk, environment="sandbox", since=at, until=at, begun_at=at)
    Difference.objects.create(
        pk=pk, name="a", environment="sandbox", kind="stuck_pending", subject="s", found_at=at
    )


def test_every_address_is_in_the_table_and_the_table_has_no_other() -> None:
    assert {pattern.name for pattern in urls.urlpatterns} == set(ADDRESSES)
    assert {right for right in ADDRESSES.values() if right} <= set(RIGHTS)


def test_every_address_lets_in_exactly_whom_the_table_says(
    people: dict[str, Any], shop: Any, settings: Any, tmp_path: Any
) -> None:
    settings.VINFLOW_EVIDENCE_FOLDER = str(tmp_path / "evidence")
    payment = shop.at_state("review", user=shop.payer("another"))  # nobody's own
    item = shop.item(payment)
    reconciled(item.pk)
    refund = asked_refund(shop)
    taken, part = taken_back(shop)
    deposit = deposited(shop, item.pk, tmp_path / "evidence")
    seen = 0
    for name, address in addresses(payment, item, refund=refund, clawback=taken, repayment=part):
        for person, client in people.items():
            # An empty form: let in, it is refused for what it lacks; nothing must change by the grid itself.
            if name in ("recheck", "run", "connection"):
                continue  # it asks the gateway: below, without coming that far
            if name == "export_new":
                continue  # it begins a thread: test_staff_exports.py
            answer = client.post(address) if name in WRITES else client.get(address)
            if name in OPEN:
                wanted = (200, 503)
            elif name in ("export", "export_file") and name in MAY[person]:
                wanted = (404,)  # nobody's own: it does not exist for them
            elif name in MAY[person]:
                # Nothing lies under this number: test_staff_deposits_back.py opens a paper that is there.
                others = {"deposit_new": (200, 302, 422), "refund_evidence": (404,)}
                wanted = others.get(name, (200, 302))
            elif name == "metrics":
                wanted = (404,)
            else:
                wanted = (302,) if person == "anonymous" else (403,)
            if answer.streaming:
                list(answer.streaming_content)  # read to its end, it closes its file
            assert answer.status_code in wanted, (name, person, answer.status_code)
            if person == "anonymous" and name not in OPEN and name != "metrics":
                assert answer["Location"].startswith("/accounts/login/?next="), name
            seen += 1
    assert seen == (len(ADDRESSES) - 4) * len(PEOPLE)
    payment.refresh_from_db()
    item.refresh_from_db()
    refund.refresh_from_db()
    deposit.refresh_from_db()
    taken.refresh_from_db()
    assert (payment.status, item.decision, item.proposed) == ("pending", "", "")
    assert (refund.state, refund.version, payment.refunds.count()) == ("asked", 0, 0)
    assert (taken.repaid_minor, type(taken).objects.count(), taken.repayments.get().decision) == (0, 1, "")
    assert (deposit.decision, type(deposit).objects.count()) == ("", 1)


@pytest.mark.parametrize("person", PEOPLE)
def test_asking_the_gateway_is_for_those_who_may(person: str, people: dict[str, Any], shop: Any) -> None:
    payment = shop.at_state("completed", user=shop.payer("another"))  # paid: the gateway is not asked

    answer = people[person].post(f"/admin/transactions/{payment.transaction_id}/recheck/")

    let_in = "recheck" in MAY[person]
    assert answer.status_code == (302 if let_in or person == "anonymous" else 403)
    assert ("/accounts/login/" in answer.get("Location", "")) == (person == "anonymous")


@pytest.mark.parametrize("person", PEOPLE)
def test_looking_at_the_connection_is_for_those_who_may(
    person: str, people: dict[str, Any], shop: Any, settings: Any
) -> None:
    from vinflow.backoffice.models import StaffAct

    settings.KHQR_API_KEY = ""  # nothing is sent: the look says which setting is missing

    answer = people[person].post("/admin/settings/payments/connection/", {"look": "connection"})

    let_in = "connection" in MAY[person]
    assert answer.status_code == (302 if let_in or person == "anonymous" else 403)
    assert StaffAct.objects.filter(what="connection").exists() == let_in


@pytest.mark.parametrize("person", PEOPLE)
def test_saving_settings_asks_for_its_own_right(person: str, people: dict[str, Any]) -> None:
    from vinflow.payments import settings_store

    answer = people[person].post("/admin/settings/payments/", {"disc_enabled": "off", "seen": "0"})

    saved = settings_store.current().disc_enabled is False
    assert saved == (person in ("manager", "owner", "admin"))
    assert saved or answer.status_code in (302, 403)


def test_writing_addresses_refuse_to_be_read(people: dict[str, Any], shop: Any) -> None:
    payment = shop.at_state("review", user=shop.payer("another"))

    taken, part = taken_back(shop)
    others = {"refund": asked_refund(shop), "clawback": taken, "repayment": part}
    for name, address in addresses(payment, shop.item(payment), **others):
        if name in WRITES:
            refused = people["admin"].get(address)
            assert (refused.status_code, refused["Allow"]) == (405, "POST")
            assert "only takes forms" in refused.content.decode()  # a page with a way on, not an empty one
            assert 'href="/admin/' in refused.content.decode()
            assert people["payer"].get(address).status_code == 403  # the right comes first


def test_a_form_from_another_site_is_refused(shop: Any) -> None:
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(shop.staff("manager"))

    assert client.post("/admin/settings/payments/", {"khqr_enabled": "off"}).status_code == 403


@pytest.mark.both
def test_the_groups_have_the_rights_of_the_table(db: None) -> None:
    from django.contrib.auth.models import Group

    for role, rights in ROLES.items():
        codes = Group.objects.get(name=role).permissions.values_list("codename", flat=True)
        assert set(codes) == set(rights)


def test_a_role_that_an_owner_changed_is_not_put_back_by_a_migration(db: None) -> None:
    from django.apps import apps
    from django.contrib.auth.models import Group, Permission

    from vinflow.backoffice import roles

    Group.objects.get(name="cashier").permissions.set([Permission.objects.get(codename="write_note")])
    Group.objects.get(name="manager").delete()

    roles.install(apps, "default")

    assert [p.codename for p in Group.objects.get(name="cashier").permissions.all()] == ["write_note"]
    assert Group.objects.get(name="manager").permissions.count() == len(ROLES["manager"])


def test_whoever_is_no_longer_staff_has_no_rights_left(shop: Any, signed_in: Callable[..., Any]) -> None:
    client = signed_in("owner")
    user = shop.staff("owner")
    assert client.get("/admin/").status_code == 200

    user.is_staff = False
    user.save()
    assert client.get("/admin/").status_code == 403

    user.is_staff, user.is_active = True, False
    user.save()
    assert client.get("/admin/").status_code == 302


def test_no_row_of_money_can_be_edited_in_djangos_own_admin(db: None) -> None:
    from django.contrib import admin

    registered = {model._meta.app_label for model in admin.site._registry}

    assert registered.isdisjoint({"payments", "wallet", "backoffice"})
    assert "auth" in registered


def test_the_navigation_shows_only_the_rooms_one_may_enter(people: dict[str, Any]) -> None:
    text = people["cashier"].get("/admin/").content.decode()

    assert 'href="/admin/transactions/"' in text
    assert 'href="/admin/settings/"' not in text
    assert 'href="/admin/review/"' not in text.split("<main")[0]
