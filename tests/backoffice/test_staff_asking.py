"""Asking about many payments at once: few calls, from the staff's purse, and each told what came of it."""

from __future__ import annotations

import re
from typing import Any

from vinflow.money import Currency, Money

ASK = "/admin/transactions/ask/"


def opened(bank: Any, shop_class: Any, count: int) -> list[Any]:
    """Payments whose QRs were shown a minute ago, by payers of their own."""
    from vinflow.payments import clock
    from vinflow.payments.opening import open_payment

    shop = shop_class()
    made = [
        open_payment(
            user=shop.payer(f"payer-{n}"),
            money=Money(100 * (n + 1), Currency.USD),
            key=str(n),
            at=clock.now(),
        )
        for n in range(count)
    ]
    bank.advance(60)
    return made


def told(answer: Any, which: str) -> dict[str, str]:
    """{reference: sentence} of one part of the page."""
    row = rf'data-testid="{which}" data-ref="(TXN\w+)">.*?<span data-said>([^<]*)</span></li>'
    found = re.findall(row, answer.content.decode(), re.DOTALL)
    return dict(found)


def asked_at_the_bank(bank: Any) -> list[str]:
    return [record.call for record in bank.calls()]


def test_many_are_asked_about_by_one_call_and_each_is_told_of(bank: Any, desk: Any, shop_class: Any) -> None:
    from vinflow.backoffice.models import StaffAct
    from vinflow.payments.models import Exchange

    bank.switch(md5_list="open")
    payments = opened(bank, shop_class, 4)
    bank.pay(payments[1].attempts.get().qr_string)

    answer = desk.post(ASK, {"ref": [p.transaction_id for p in payments], "why": "the phone rang"})

    assert asked_at_the_bank(bank) == ["check_transaction_by_md5_list"]
    assert Exchange.objects.get().pool == "staff"
    asked = told(answer, "asked")
    assert set(asked) == {p.transaction_id for p in payments}
    assert asked[payments[1].transaction_id] == "Paid: the money was added."
    assert asked[payments[0].transaction_id] == "The gateway has no payment for this QR."
    payments[1].refresh_from_db()
    assert payments[1].status == "completed"
    acts = list(StaffAct.objects.values_list("what", "note", "actor__username"))
    assert acts == [("recheck", "the phone rang", "the-manager")] * 4

    again = desk.post(ASK, {"ref": [p.transaction_id for p in payments], "why": "once more"})
    left = told(again, "left")
    assert left[payments[0].transaction_id] == "It was asked about a moment ago."
    assert left[payments[1].transaction_id] == "It had been completed before."
    assert len(asked_at_the_bank(bank)) == 1


def test_where_the_list_is_closed_each_costs_a_call_and_the_reserve_ends_it(
    bank: Any, desk: Any, shop_class: Any, settings: Any
) -> None:
    from vinflow.payments.models import CallBudget, Exchange

    payments = opened(bank, shop_class, 5)
    settings.KHQR_DAILY_CALLS = "8"  # five are promised to the QRs; the list's own try takes one of the rest

    answer = desk.post(ASK, {"ref": [p.transaction_id for p in payments], "why": "the phone rang"})

    asked, left = told(answer, "asked"), told(answer, "left")
    assert len(asked) + len(left) == 5
    assert 1 <= len(asked) <= 2
    assert set(left.values()) == {"No call went out: no call free"}
    assert Exchange.objects.count() == 3
    assert all(row.used <= 3 for row in CallBudget.objects.all())


def test_a_gateway_that_does_not_answer_is_asked_once_and_said(
    bank: Any, desk: Any, shop_class: Any, settings: Any
) -> None:
    from vinflow.payments import gateways

    payments = opened(bank, shop_class, 3)
    settings.KHQR_API_URL = "http://127.0.0.1:9"
    gateways.close_all()

    answer = desk.post(ASK, {"ref": [p.transaction_id for p in payments], "why": "the phone rang"})

    text = answer.content.decode()
    assert "no connection" in text
    for payment in payments:
        payment.refresh_from_db()
        assert payment.status == "pending"


def test_nothing_is_asked_without_a_reason_a_choice_or_more_than_fifty(
    bank: Any, desk: Any, shop_class: Any
) -> None:
    (payment,) = opened(bank, shop_class, 1)
    for form, said in (
        ({"ref": [payment.transaction_id], "why": " "}, "the reason is kept"),
        ({"why": "the phone rang"}, "Choose from 1 to 50 payments."),
        ({"ref": [f"TXN{n}" for n in range(51)], "why": "the phone rang"}, "Choose from 1 to 50 payments."),
    ):
        answer = desk.post(ASK, form | {"query": "?currency=USD"}, follow=True)

        assert answer.redirect_chain == [("/admin/transactions/?currency=USD", 302)]
        assert said in answer.content.decode()
    assert asked_at_the_bank(bank) == []


def test_the_list_offers_what_can_be_asked_about_to_those_who_may(
    bank: Any, desk: Any, shop_class: Any
) -> None:
    from django.test import Client

    first, second = opened(bank, shop_class, 2)
    bank.pay(first.attempts.get().qr_string)
    desk.post(f"/admin/transactions/{first.transaction_id}/recheck/")

    text = desk.get("/admin/transactions/").content.decode()
    assert re.findall(r'name="ref" value="(TXN\w+)"', text) == [second.transaction_id]
    accountant = Client()
    accountant.force_login(shop_class().staff("accountant"))
    assert 'name="ref"' not in accountant.get("/admin/transactions/").content.decode()
