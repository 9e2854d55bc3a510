"""Manual deposits through their page: evidence, two people, one entry, and no way around any of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vinflow.money import Currency, Money

PAGE = "/admin/deposits/"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def switched_on(shop: Any, settings: Any, tmp_path: Path) -> Path:
    """Manual deposits are on; their files lie in a folder of this test. One person may decide $100 a day."""
    from vinflow.payments import settings_store

    settings.VINFLOW_EVIDENCE_FOLDER = str(tmp_path / "evidence")
    settings_store.save({"manual_enabled": True}, by=None, at=shop.at)
    return tmp_path / "evidence"


@pytest.fixture
def bring(shop: Any) -> Callable[..., Any]:
    """bring(client, amount, ...) posts the form of the page; the newest deposit comes back."""

    def send(client: Any, amount: str, *, slip: bytes | None = None, **change: str) -> Any:
        from django.core.files.uploadedfile import SimpleUploadedFile

        from vinflow.payments.models import ManualDeposit

        shop.payer("dara")
        page = client.get(PAGE).content.decode()
        found = re.search(r'name="key" value="(\w+)"', page)
        form: dict[str, Any] = {
            "key": found[1] if found else "a-key",
            "payer": "dara",
            "amount": amount,
            "currency": "USD",
            "kind": "cash",
            "reference": "No. 17",
            "note": "paid at the counter",
        } | change
        if slip != b"none":
            body = slip if slip is not None else PNG + form["key"].encode()
            form["evidence"] = SimpleUploadedFile("../../etc/slip.html", body, "text/html")
        send.answer = client.post(f"{PAGE}new/", form)  # type: ignore[attr-defined]
        return ManualDeposit.objects.order_by("-pk").first()

    return send


def wallet(name: str = "dara") -> list[Money]:
    from django.contrib.auth import get_user_model

    from vinflow.wallet import queries

    return list(queries.balances(get_user_model().objects.get(username=name), "sandbox"))


def lawful() -> bool:
    from vinflow.payments import law

    return law.check("sandbox") == []


@pytest.mark.both
def test_a_small_deposit_is_credited_at_once_and_the_law_holds(shop: Any, signed_in: Any, bring: Any) -> None:
    deposit = bring(signed_in("accountant"), "40")

    assert (deposit.decision, deposit.needs_two, deposit.reference) == ("credited", False, "No. 17")
    payment = deposit.payment
    assert (payment.method, payment.status, payment.money) == (
        "manual",
        "completed",
        Money(4000, Currency.USD),
    )
    assert Money(4000, Currency.USD) in wallet()
    assert lawful()
    from vinflow.wallet.models import JournalLine

    lines = JournalLine.objects.filter(entry__source=f"deposit:{payment.transaction_id}")
    assert {(line.side, line.account.kind, line.account.key) for line in lines} == {
        ("D", "external", "cash"),
        ("C", "user", str(payment.user_id)),
    }


@pytest.mark.both
def test_above_the_limit_two_people_are_needed_and_deposits_of_a_day_add_up(
    shop: Any, signed_in: Any, bring: Any
) -> None:
    first, second = signed_in("manager", "first"), signed_in("manager", "second")
    assert bring(first, "60").decision == "credited"
    waits = bring(second, "60")  # 60 and 60 pass what one person may decide in a day, whoever it is
    assert (waits.decision, waits.needs_two) == ("", True)
    assert Money(6000, Currency.USD) in wallet()

    second.post(f"{PAGE}{waits.pk}/decide/", {"act": "credit"})
    waits.refresh_from_db()
    assert waits.decision == ""
    first.post(f"{PAGE}{waits.pk}/decide/", {"act": "credit"})
    waits.refresh_from_db()

    assert (waits.decision, waits.decided_by.username) == ("credited", "first")
    assert Money(12_000, Currency.USD) in wallet()
    first.post(f"{PAGE}{waits.pk}/decide/", {"act": "credit"})
    assert Money(12_000, Currency.USD) in wallet()
    assert lawful()


@pytest.mark.both
def test_a_deposit_counts_against_what_one_person_may_decide_at_the_review_desk(
    shop: Any, signed_in: Any, bring: Any
) -> None:
    from vinflow.payments import four_eyes

    fifty = Money(5000, Currency.USD)
    assert four_eyes.alone_may(fifty, at=shop.at, deciding=False)
    bring(signed_in("manager"), "60")

    assert not four_eyes.alone_may(fifty, at=shop.at, deciding=False)


def test_a_pair_in_league_cannot_pay_itself(shop: Any, signed_in: Any, bring: Any) -> None:
    first, second = signed_in("manager", "first"), signed_in("manager", "second")
    assert bring(first, "500", payer="first") is None
    assert "គ្មាន" not in bring.answer.content.decode()
    assert "nobody decides about money of their own" in bring.answer.content.decode()
    for_second = bring(first, "500", payer="second")

    second.post(f"{PAGE}{for_second.pk}/decide/", {"act": "credit"})
    first.post(f"{PAGE}{for_second.pk}/decide/", {"act": "credit"})
    for_second.refresh_from_db()

    assert for_second.decision == ""
    page = second.get(PAGE).content.decode()
    assert 'data-testid="deposit-credit"' not in page
    assert 'data-testid="deposit-refuse"' not in page


@pytest.mark.both
def test_one_receipt_pays_once_and_may_come_again_after_a_refusal(
    shop: Any, signed_in: Any, bring: Any, switched_on: Path
) -> None:
    manager, slip = signed_in("manager"), PNG + b"one slip"
    first = bring(manager, "500", slip=slip)
    assert bring(manager, "20", slip=slip).pk == first.pk
    assert "one receipt pays once" in bring.answer.content.decode()
    assert len(list(switched_on.iterdir())) == 1  # what was refused leaves no file behind

    manager.post(f"{PAGE}{first.pk}/decide/", {"act": "refuse", "why": "the wrong payer"})
    first.refresh_from_db()
    assert (first.decision, first.why) == ("refused", "the wrong payer")
    again = bring(manager, "50", slip=slip)

    assert (again.pk != first.pk, again.decision) == (True, "credited")
    assert Money(5000, Currency.USD) in wallet()


def test_the_same_form_twice_is_one_deposit(shop: Any, signed_in: Any, bring: Any) -> None:
    client = signed_in("manager")
    first = bring(client, "40", key="pressed-twice", slip=PNG + b"1")
    second = bring(client, "40", key="pressed-twice", slip=PNG + b"1")
    other = bring(client, "41", key="pressed-twice", slip=PNG + b"1")

    assert first.pk == second.pk == other.pk
    assert "sent before with other values" in bring.answer.content.decode()
    assert Money(4000, Currency.USD) in wallet()


def test_what_is_no_deposit_is_refused_in_words_and_nothing_is_kept(
    shop: Any, signed_in: Any, bring: Any, switched_on: Path
) -> None:
    client = signed_in("manager")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"slip": b"none"}, "attach the receipt"),
        ({"slip": b""}, "attach the receipt"),
        ({"slip": b"<html><script>alert(1)</script>"}, "no PNG, JPEG or PDF"),
        ({"slip": b"PK\x03\x04 an office file"}, "no PNG, JPEG or PDF"),
        ({"slip": PNG + b"x" * (5 * 1024 * 1024)}, "5 MB is the most"),
        ({"payer": "nobody-of-this-name"}, "There is no one person of this name."),
        ({"payer": ""}, "There is no one person of this name."),
        ({"amount": "ten"}, "Write an amount like 10.50."),
        ({"amount": "-5"}, ""),
        ({"amount": "99999999"}, "outside the limits"),
        ({"currency": "EUR"}, "choose dollars or riel"),
        ({"kind": "gold"}, "cash or bank transfer"),
        ({"note": "x"}, "say why"),
        ({"key": ""}, "a key of 1 to 80"),
    ]
    for change, sentence in wrong:
        amount = change.pop("amount", "40")
        assert bring(client, amount, **change) is None, change
        assert bring.answer.status_code == 422, change
        text = bring.answer.content.decode()
        assert sentence in text, (change, sentence)
        assert "alert(1)" not in text
    assert not switched_on.exists() or list(switched_on.iterdir()) == []
    assert lawful()


def test_switched_off_means_no_form_and_no_deposit(shop: Any, signed_in: Any, bring: Any) -> None:
    from vinflow.payments import settings_store

    settings_store.save({"manual_enabled": False}, by=None, at=shop.at)
    client = signed_in("manager")

    assert bring(client, "40") is None
    assert 'data-testid="deposits-off"' in client.get(PAGE).content.decode()


def test_evidence_is_a_download_for_those_who_may_see_it(
    shop: Any, signed_in: Any, bring: Any, switched_on: Path
) -> None:
    slip = PNG + b"the slip itself"
    deposit = bring(signed_in("manager"), "500", slip=slip)
    address = f"{PAGE}{deposit.pk}/evidence/"

    answer = signed_in("accountant").get(address)
    assert b"".join(answer.streaming_content) == slip
    assert answer["Content-Disposition"] == f'attachment; filename="deposit-{deposit.pk}.png"'
    assert answer["Content-Type"] == "image/png"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert signed_in("cashier").get(address).status_code == 403

    (stored,) = switched_on.iterdir()
    assert re.fullmatch("[0-9a-f]{32}", stored.name)
    assert stored.stat().st_mode & 0o077 == 0
    stored.unlink()
    assert signed_in("accountant").get(address).status_code == 404


@pytest.mark.both
def test_the_database_itself_refuses_what_the_rules_refuse(shop: Any, signed_in: Any, bring: Any) -> None:
    from django.db import DatabaseError, transaction

    from vinflow.payments.models import ManualDeposit, Payment

    deposit = bring(signed_in("manager", "first"), "500")
    row = ManualDeposit.objects.filter(pk=deposit.pk)
    other = shop.opened(shop.payer("dara"))

    def refused(change: Callable[[], Any]) -> None:
        with pytest.raises(DatabaseError), transaction.atomic():
            change()

    done = {"decision": "credited", "decided_at": shop.at, "payment": other}
    refused(lambda: row.update(decided_by=deposit.opened_by, **done))
    refused(lambda: row.update(decided_by=deposit.payer, **done))
    refused(lambda: row.update(opened_by=deposit.payer))
    refused(lambda: row.update(amount_minor=1))
    refused(lambda: row.update(needs_two=False))
    refused(lambda: row.update(decision="credited"))
    refused(lambda: row.delete())
    refused(lambda: Payment.objects.filter(pk=other.pk).update(method="manual"))
    manual = Payment.objects.create(
        user=other.user,
        amount_minor=100,
        currency="USD",
        method="manual",
        environment="sandbox",
        principal="x",
        idempotency_key="by-hand",
        body_digest="",
        created_at=shop.at,
    )
    refused(lambda: Payment.objects.filter(pk=manual.pk).update(status="completed", completed_at=shop.at))


@pytest.mark.both
def test_the_law_names_a_deposit_whose_entry_is_missing(shop: Any, signed_in: Any, bring: Any) -> None:
    from django.db import connection

    from vinflow.payments import guards, law
    from vinflow.payments.models import ManualDeposit

    deposit = bring(signed_in("manager"), "40")
    guards.drop_guards(connection)
    try:
        ManualDeposit.objects.filter(pk=deposit.pk).update(amount_minor=3999)
        breaches = law.check("sandbox")
    finally:
        ManualDeposit.objects.filter(pk=deposit.pk).update(amount_minor=4000)
        guards.install_guards(connection)

    assert {breach.rule for breach in breaches} == {"deposit"}
    assert lawful()


def test_the_payer_sees_it_in_the_wallet_with_its_receipt(shop: Any, signed_in: Any, bring: Any) -> None:
    from django.test import Client

    deposit = bring(signed_in("manager"), "40")
    payer = Client()
    payer.force_login(deposit.payer)

    page = payer.get("/wallet/").content.decode()
    assert f'data-ref="{deposit.payment.transaction_id}"' in page
    assert "+$40.00" in page
    assert page.count("$40.00") >= 3  # the balance, the row, the balance after it
    found = re.search(r'href="([^"]*receipt[^"]*)"', page)
    assert found is not None
    receipt = payer.get(found[1]).content.decode()
    assert "By hand" in receipt
    assert "$40.00" in receipt


def test_staff_see_it_in_the_list_by_its_method(shop: Any, signed_in: Any, bring: Any) -> None:
    client = signed_in("manager")
    deposit = bring(client, "40")
    shop.at_state("completed")

    text = client.get("/admin/transactions/?method=manual").content.decode()
    assert re.findall(r'data-testid="row" data-ref="(TXN\w+)"', text) == [deposit.payment.transaction_id]
    assert client.get(f"/admin/transactions/{deposit.payment.transaction_id}/").status_code == 200


def test_the_page_takes_at_most_twelve_queries(
    shop: Any, signed_in: Any, bring: Any, django_assert_max_num_queries: Any
) -> None:
    client = signed_in("manager")
    for n in range(8):
        bring(client, "40", slip=PNG + bytes([n]))

    with django_assert_max_num_queries(12):
        assert client.get(PAGE).content.decode().count('data-testid="deposit"') == 8
