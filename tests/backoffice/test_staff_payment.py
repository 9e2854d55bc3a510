"""One payment's page, and what may be done there: ask again, note, decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vinflow.money import Currency, Money


def page_of(client: Any, payment: Any) -> str:
    answer = client.get(f"/admin/transactions/{payment.transaction_id}/")
    assert answer.status_code == 200
    return str(answer.content.decode())


@pytest.mark.both
def test_the_page_has_the_qr_its_tags_its_md5_and_the_lines_of_the_books(manager: Any, shop: Any) -> None:
    payment = shop.at_state("late")
    attempt, transfer = payment.attempts.get(), payment.transfers.get()

    text = page_of(manager, payment)

    assert 'data-state="late"' in text
    assert f'data-md5="{attempt.md5}"' in text
    assert attempt.qr_string in text
    assert "<svg" in text.split('data-testid="qr"')[1]
    assert "Bill number" in text
    assert "matches" in text  # the checksum
    assert transfer.hash in text
    lines = text.split('data-testid="lines"')[1].split("</table>")[0]
    assert lines.count("$10.00") == 2  # debit the bank, credit the wallet
    assert "dara_sok4321" not in text
    assert "••••4321@aclb" in text


@pytest.mark.both
def test_every_call_is_listed_with_its_milliseconds_codes_and_masked_answer(manager: Any, shop: Any) -> None:
    payment = shop.opened(shop.payer("sok-dara"))
    answer = {
        "data": {"fromAccountId": "dara_sok4321@aclb", "memo": "token of sok-dara", "amount": "10.00"},
        "accessToken": "canary",
    }
    exchange = shop.exchange(None, milliseconds=217, code=6, answer=answer, request={"md5": "0" * 32})
    exchange.attempts.add(payment.attempts.get())  # asked in a list, for nobody in particular
    shop.exchange(
        payment, outcome="cannot_tell", reason="upstream", http_status=500, code=None, answer="<html>"
    )

    text = page_of(manager, payment)

    assert text.count('data-testid="call"') == 2
    assert "217 ms" in text
    assert "No usable answer: gateway error" in text
    assert ">500<" in text
    assert "canary" not in text
    assert "••••4321@aclb" in text
    assert "token of sok-dara" in text  # shown as it was typed
    assert "&lt;html&gt;" in text


def test_the_timeline_is_in_order_and_names_people(manager: Any, shop: Any) -> None:
    payment = shop.at_state("review")
    shop.exchange(payment, started_at=shop.at)
    manager.post(f"/admin/transactions/{payment.transaction_id}/note/", {"note": "called the payer"})

    timeline = page_of(manager, payment).split('data-testid="timeline"')[1].split("</ol>")[0]

    order = ["Payment created", "QR shown", "The payer sent it", "Waits for staff", "called the payer"]
    places = [timeline.index(text) for text in order]
    assert places == sorted(places)
    assert "By the-manager" in timeline


def test_a_reference_that_is_none_is_missing(manager: Any) -> None:
    assert manager.get("/admin/transactions/TXN0000/").status_code == 404


@pytest.mark.both
def test_the_page_takes_at_most_twelve_queries(
    manager: Any, shop: Any, django_assert_max_num_queries: Any
) -> None:
    payment = shop.at_state("review")
    for _ in range(3):
        shop.exchange(payment)

    with django_assert_max_num_queries(12):
        page_of(manager, payment)


def wallet_of(payment: Any) -> str:
    from vinflow.money import format_money
    from vinflow.wallet import queries

    return format_money(queries.balances(payment.user, "sandbox")[0])


@pytest.mark.both
def test_a_review_is_credited_once_with_its_reason(manager: Any, shop: Any) -> None:
    payment = shop.at_state("review", money=Money(1000, Currency.USD))
    item = shop.item(payment)
    text = page_of(manager, payment)
    assert "Add the received amount ($15.00)" in text
    assert "Another amount came" in text
    address = f"/admin/review/{item.pk}/decide/"
    form = {"decision": "credited", "why": "the payer confirmed by telephone", "back": "payment"}

    refused = manager.post(address, form | {"why": ""}, follow=True)
    assert "the reason is kept" in refused.content.decode()
    done = manager.post(address, form, follow=True)
    again = manager.post(address, form, follow=True)

    item.refresh_from_db()
    assert (item.decision, item.decided_by.username, item.why) == ("credited", "the-manager", form["why"])
    assert wallet_of(payment) == "$15.00"
    assert "Credited by hand" in done.content.decode()
    assert "credited already" in again.content.decode()
    assert text_of_lines(done.content.decode()).count("$15.00") == 4  # into suspense, and out of it


def text_of_lines(text: str) -> str:
    return text.split('data-testid="lines"')[1].split("</table>")[0]


def test_what_is_above_ones_own_limit_needs_a_second_person(shop: Any, signed_in: Callable[..., Any]) -> None:
    payment = shop.at_state("review", money=Money(20_000, Currency.USD))
    item = shop.item(payment)
    first, second = signed_in("manager", "first"), signed_in("manager", "second")
    assert "Crediting this needs a second person." in page_of(first, payment)
    decide, approve = f"/admin/review/{item.pk}/decide/", f"/admin/review/{item.pk}/approve/"

    first.post(decide, {"decision": "credited", "why": "looks right"})
    own = first.post(approve, {"proposed": "credited"}, follow=True)
    assert wallet_of(payment) == "$0.00"
    assert "a second person must approve" in own.content.decode()

    stale = second.post(approve, {"proposed": "dismissed"}, follow=True)
    assert "The proposal has changed" in stale.content.decode()
    second.post(approve, {"proposed": "credited"})

    item.refresh_from_db()
    assert wallet_of(payment) == "$205.00"
    assert (item.proposed_by.username, item.decided_by.username) == ("first", "second")


def test_a_pair_of_staff_in_league_cannot_pay_one_of_themselves(
    shop: Any, signed_in: Callable[..., Any]
) -> None:
    beneficiary = shop.staff("manager", "greedy")
    payment = shop.at_state("review", user=beneficiary, money=Money(20_000, Currency.USD))
    item = shop.item(payment)
    own, friend = signed_in("manager", "greedy"), signed_in("manager", "friend")
    decide, approve = f"/admin/review/{item.pk}/decide/", f"/admin/review/{item.pk}/approve/"

    assert "This is your own money" in page_of(own, payment)
    own.post(decide, {"decision": "credited", "why": "mine, all mine"})
    friend.post(decide, {"decision": "credited", "why": "as agreed"})
    own.post(approve, {"proposed": "credited"})

    payment.refresh_from_db()
    assert payment.status == "pending"
    assert shop.item(payment).decision == ""


def test_a_proposal_may_be_taken_back(shop: Any, signed_in: Callable[..., Any]) -> None:
    payment = shop.at_state("review", money=Money(20_000, Currency.USD))
    item = shop.item(payment)
    first, second = signed_in("manager", "first"), signed_in("manager", "second")
    first.post(f"/admin/review/{item.pk}/decide/", {"decision": "credited", "why": "looks right"})

    first.post(f"/admin/review/{item.pk}/withdraw/")
    second.post(f"/admin/review/{item.pk}/approve/", {"proposed": "credited"})

    item.refresh_from_db()
    assert (item.proposed, item.decision) == ("", "")
    assert wallet_of(payment) == "$0.00"


class TestAskingTheGateway:
    """Against the stand-in, on its own clock, outside any transaction."""

    @pytest.fixture
    def payment(self, bank: Any) -> Any:
        from django.contrib.auth import get_user_model

        from vinflow.payments import clock
        from vinflow.payments.opening import open_payment

        user = get_user_model().objects.create_user("sok-dara")
        return open_payment(user=user, money=Money(100, Currency.USD), key="k", at=clock.now())

    def ask(self, desk: Any, payment: Any) -> str:
        answer = desk.post(f"/admin/transactions/{payment.transaction_id}/recheck/", follow=True)
        payment.refresh_from_db()
        return str(answer.content.decode())

    def test_expired_but_paid_is_credited_once_and_written_down(
        self, bank: Any, desk: Any, payment: Any
    ) -> None:
        from vinflow.backoffice.models import StaffAct
        from vinflow.bakong import NotFound
        from vinflow.payments import answering, clock, gateways

        attempt = payment.attempts.get()
        bank.pay(attempt.qr_string)
        bank.advance(1200)
        answering.take_answer(attempt, NotFound(), started_at=clock.now(), gateway=gateways.current())
        payment.refresh_from_db()
        assert payment.status == "expired"
        bank.advance(20)

        told = self.ask(desk, payment)
        again = self.ask(desk, payment)

        assert payment.status == "completed"
        assert "Paid. $1.00 was added to sok-dara." in told
        assert "Already completed. Nothing changed." in again
        assert payment.transfers.filter(fate="credited").count() == 1
        assert StaffAct.objects.filter(what="recheck", payment=payment).count() == 1
        assert "Asked the gateway" in told

    def test_nothing_there_is_said_and_a_second_press_waits(self, desk: Any, payment: Any) -> None:
        first, second = self.ask(desk, payment), self.ask(desk, payment)

        assert "The gateway has no payment for this QR." in first
        assert "Checked 0 seconds ago. Wait a moment." in second
        assert payment.status == "pending"

    def test_an_error_of_the_gateway_changes_nothing(
        self, bank: Any, desk: Any, payment: Any, settings: Any
    ) -> None:
        from vinflow.payments import gateways

        gateways.close_all()
        settings.KHQR_API_URL = "http://127.0.0.1:9"

        told = self.ask(desk, payment)

        assert "The gateway did not answer (no connection). Nothing changed." in told
        assert payment.status == "pending"
        assert "no connection" in page_of(desk, payment).split('data-testid="calls"')[1]

    def test_sent_back_wants_a_transfer_that_was_seen_or_a_second_person(
        self, bank: Any, desk: Any, payment: Any, shop_class: Any
    ) -> None:
        from django.test import Client

        bank.pay(payment.attempts.get().qr_string, amount="1.05")
        bank.advance(20)
        self.ask(desk, payment)
        item = payment.reviews.get()
        address = f"/admin/review/{item.pk}/"
        form = {"decision": "returned", "why": "payer asked", "back": "payment"}

        none = desk.post(address + "decide/", form, follow=True)
        came = payment.transfers.get().hash
        incoming = desk.post(address + "decide/", form | {"returned_hash": came}, follow=True)
        assert "name the transfer that sent the money back" in none.content.decode()
        assert "this hash is known already" in incoming.content.decode()

        waits = desk.post(address + "decide/", form | {"returned_hash": "AB" * 32}, follow=True)
        assert "Sent, not yet seen: the gateway does not know" in waits.content.decode()
        assert "does not know" in desk.post(address + "look-up/", follow=True).content.decode()
        second = Client()
        second.force_login(shop_class().staff("manager", "second"))
        assert "Where in the bank" in page_of(second, payment)
        unsaid = second.post(address + "approve/", {"proposed": "returned"}, follow=True)
        assert "the transfer was not seen yet" in unsaid.content.decode()
        second.post(address + "approve/", {"proposed": "returned", "vouch": "statement, line 4"})

        item.refresh_from_db()
        assert (item.decision, item.returned_hash) == ("returned", "ab" * 32)

    def test_money_the_bank_took_back_is_told_by_one_and_approved_by_another(
        self, bank: Any, desk: Any, payment: Any, shop_class: Any
    ) -> None:
        from django.conf import settings
        from django.test import Client

        from vinflow.wallet.models import JournalEntry

        bank.pay(payment.attempts.get().qr_string, amount="1.05")
        bank.advance(20)
        assert "The bank took it back itself" in self.ask(desk, payment)
        item = payment.reviews.get()
        address = f"/admin/review/{item.pk}/"
        form = {"decision": "taken_back", "why": "a stolen phone", "back": "payment"}

        unnamed = desk.post(address + "decide/", form, follow=True).content.decode()
        assert "name the bank" in unnamed
        waits = desk.post(address + "decide/", form | {"bank_reference": "REV-1"}, follow=True)
        assert "Proposed. Another person must approve it." in waits.content.decode()
        second = Client()
        second.force_login(shop_class().staff("manager", "second"))
        second.cookies[settings.LANGUAGE_COOKIE_NAME] = "km"
        assert "REV-1" in page_of(second, payment)
        told = second.post(
            address + "approve/", {"proposed": "taken_back", "back": "payment"}, follow=True
        ).content.decode()

        item.refresh_from_db()
        assert (item.decision, item.decided_by.username) == ("taken_back", "second")
        assert "ធនាគារបានដកទៅវិញ" in told.split('data-testid="timeline"')[1].split("</ol>")[0]
        assert JournalEntry.objects.filter(source__startswith="transfer:", purpose="return").count() == 1
