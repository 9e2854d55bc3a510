"""A manual deposit that goes back, on the staff's pages: held, a paper attached, looked at by another."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .test_staff_deposits import PNG, bring, lawful, switched_on, wallet
from .test_staff_refunds import act, ask, form_of, page_of

__all__ = ["bring", "switched_on"]

pytestmark = pytest.mark.both


def hand_over(client: Any, payment: Any, *, body: bytes = PNG + b"signed", number: str = "OUT-17") -> str:
    """Attach the paper of a refund on the payment's page; return the page that follows."""
    from django.core.files.uploadedfile import SimpleUploadedFile

    page = page_of(client, payment)
    address = re.search(r'action="(/admin/refunds/\d+/sent/)"', page.split('data-testid="refund-sent"')[1])
    assert address is not None
    form: dict[str, Any] = form_of(page, "refund-sent") | {"bank_reference": number}
    if body:
        form["evidence"] = SimpleUploadedFile("slip.html", body, "text/html")
    return str(client.post(address[1], form, follow=True).content.decode())


def test_cash_goes_back_with_a_paper_and_an_owner_looks_at_it(shop: Any, signed_in: Any, bring: Any) -> None:
    from django.conf import settings

    from vinflow.money import Currency, Money
    from vinflow.payments.models import Refund, Sending

    payment = bring(signed_in("accountant"), "40").payment
    manager, owner = signed_in("manager"), signed_in("owner")
    assert "It goes back the way it came" in page_of(manager, payment)
    assert 'data-testid="ask-clawback"' not in page_of(manager, payment)  # no bank can take cash back
    assert "That is more than is left" in ask(manager, payment, "41")
    assert "May be sent at the bank" in ask(manager, payment, "15")

    for body, number, says in (
        (b"", "OUT-17", "attach the receipt"),
        (b"GIF89a", "OUT-17", "no PNG, JPEG or PDF"),
        (PNG + b"signed", " ", "4 to 100 letters"),
    ):
        assert says in hand_over(manager, payment, body=body, number=number)
    told = hand_over(manager, payment)
    assert "a second person must look at it" in told
    assert 'data-testid="refund-look_up"' not in told
    assert 'data-testid="refund-vouch"' not in told

    owner.cookies[settings.LANGUAGE_COOKIE_NAME] = "km"
    page = page_of(owner, payment)
    assert "ខ្ញុំបានពិនិត្យបង្កាន់ដៃហើយ" in page
    paper = re.search(r'href="(/admin/refunds/evidence/\d+/)"', page)
    assert paper is not None
    download = owner.get(paper[1])
    assert b"".join(download.streaming_content) == PNG + b"signed"
    assert "attachment" in download["Content-Disposition"]
    assert signed_in("cashier").get(paper[1]).status_code == 403
    act(owner, payment, "vouch", why="signed by the payer")

    refund = Refund.objects.get()
    assert (refund.state, Sending.objects.get().vouched_by.username) == ("done", "the-owner")
    assert Money(2500, Currency.USD) in wallet()
    timeline = page_of(manager, payment).split('data-testid="timeline"')[1].split("</ol>")[0]
    assert "Refund given back by hand: OUT-17" in timeline
    assert "$15.00 refunded" in timeline
    assert "$25.00 left" in page_of(manager, payment)
    assert lawful()


def test_a_bank_deposit_goes_to_a_named_account_and_that_takes_a_second_person(
    shop: Any, signed_in: Any, bring: Any
) -> None:
    payment = bring(signed_in("accountant"), "40", kind="bank").payment
    manager = signed_in("manager")

    assert "Name the account it goes to" in ask(manager, payment, "40")
    assert "Waits for a second person" in ask(manager, payment, "40", to_account="ABA 001 234 567")
    assert lawful()
