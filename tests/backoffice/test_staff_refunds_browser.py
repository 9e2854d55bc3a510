"""A journey in Chromium: a refund with two people, sent at the bank, seen, and told to the payer.

PICTURES=folder keeps the pictures of docs/guides/refunds.md.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from vinflow.money import Currency, Money

from .test_staff_browser import PHONE, faults_of, open_shop, visit

__all__ = ["open_shop", "visit"]  # the fixtures of the other journeys

pytestmark = pytest.mark.browser


def picture(page: Any, name: str) -> None:
    """Keep a picture of the panel of refunds, where pictures are wanted."""
    if folder := os.environ.get("PICTURES"):
        page.locator("section:has(> [data-testid=refund])").first.screenshot(
            path=Path(folder) / f"{name}.png", scale="css"
        )


def test_a_refund_with_two_people(bank: Any, visit: Any, open_shop: Any) -> None:
    from vinflow.wallet.queries import balances

    payment = open_shop.at_state("completed", money=Money(20_000, Currency.USD))
    payer, account = open_shop.payer(), payment.transfers.get().from_account
    bank.add_account(account, name="Dara", bank="ACLEDA")
    address = f"/admin/transactions/{payment.transaction_id}/"

    one = visit(address, open_shop.staff("manager"))
    one.get_by_test_id("ask-refund").locator("summary").click()
    one.locator("#refund-amount").fill("150")
    one.locator("#refund-why").fill("sent twice")
    one.get_by_role("button", name="Ask for this refund").click()
    one.get_by_text("The money is held.").wait_for()
    assert one.get_by_test_id("refund").get_attribute("data-state") == "asked"
    assert one.get_by_test_id("refund-approve").count() == 0
    assert faults_of(one) == []

    two = visit("/admin/refunds/", open_shop.staff("owner"), language="km", viewport=PHONE)
    assert two.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert faults_of(two) == []
    picture(two, "staff-refund-km-390")
    two.get_by_test_id("refund-approve").locator("summary").click()
    two.get_by_test_id("refund-approve").locator("button").click()
    two.get_by_test_id("notice").wait_for()
    assert two.get_by_test_id("refund").get_attribute("data-state") == "approved"

    sent = bank.pay(bank.qr("150.00", account=account), payer=bank.account).hash
    one.goto(one.url)
    one.get_by_test_id("refund-sent").locator("summary").click()
    assert one.get_by_test_id("send-to").inner_text() == account  # in full: somebody has to send it there
    one.get_by_label("Hash of the transfer").fill(sent)
    picture(one, "staff-refund-en")
    one.get_by_test_id("refund-sent").locator("button").click()
    one.get_by_test_id("notice").wait_for()
    assert one.get_by_test_id("refund").get_attribute("data-state") == "done"
    assert "$150.00 refunded" in one.get_by_test_id("timeline").inner_text()
    assert faults_of(one) == []
    assert one.faults == two.faults == []

    assert balances(payer, "sandbox")[0] == Money(5_000, Currency.USD)
    wallet = visit("/wallet/", payer)
    assert "$50.00" in wallet.get_by_test_id("wallet-balance").inner_text()
    assert "Refund" in wallet.locator("main").inner_text()
    checkout = visit(f"/payment/{payment.transaction_id}/", payer, language="km")
    assert "បានផ្ញើប្រាក់សងវិញ" in checkout.content()  # its timeline: the refund was sent
    assert checkout.faults == []
