"""A journey in Chromium: the bank takes money back that was spent; two people book it, on a phone in Khmer.

PICTURES=folder keeps the pictures of docs/guides/refunds.md.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from vinflow.money import Currency, Money

from .test_staff_browser import PHONE, faults_of, open_shop, visit
from .test_staff_clawbacks import spend

__all__ = ["open_shop", "visit"]  # the fixtures of the other journeys

pytestmark = pytest.mark.browser


def picture(page: Any, name: str) -> None:
    """Keep a picture of the panel of claw-backs, where pictures are wanted."""
    if folder := os.environ.get("PICTURES"):
        panel = page.locator("section:has(> [data-testid=clawback])").first
        panel.screenshot(path=Path(folder) / f"{name}.png", scale="css")


def test_a_claw_back_of_spent_money(bank: Any, visit: Any, open_shop: Any) -> None:
    payment = open_shop.at_state("completed", money=Money(20_000, Currency.USD))
    spend(payment, 15_000)

    one = visit(f"/admin/transactions/{payment.transaction_id}/", open_shop.staff("manager"))
    one.get_by_test_id("ask-clawback").locator("summary").click()
    one.locator("#taken-reference").fill("REV-2026-0117")
    one.locator("#taken-why").fill("the payer's bank reported a stolen phone")
    one.get_by_role("button", name="Propose this claw-back").click()
    one.get_by_text("Another person must approve it.").wait_for()
    assert one.get_by_test_id("clawback").get_attribute("data-state") == "open"
    assert one.get_by_test_id("clawback-approve").count() == 0
    assert faults_of(one) == []

    two = visit("/admin/claw-backs/", open_shop.staff("owner"), language="km", viewport=PHONE)
    assert two.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert faults_of(two) == []
    picture(two, "staff-clawback-km-390")
    two.get_by_test_id("clawback-approve").locator("summary").click()
    two.get_by_test_id("clawback-approve").locator("button").click()
    two.get_by_test_id("notice").wait_for()
    assert two.get_by_test_id("clawback").get_attribute("data-state") == "booked"
    assert "$150.00" in two.get_by_test_id("owed").inner_text()
    assert two.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert faults_of(two) == []

    one.goto(one.url)
    one.get_by_test_id("clawback-repay").locator("summary").click()
    one.get_by_test_id("clawback-repay").locator("textarea").fill("paid in cash at the counter")
    picture(one, "staff-clawback-en")
    one.get_by_test_id("clawback-repay").locator("button").click()
    one.get_by_test_id("repayment").wait_for()
    two.goto(two.url)
    two.get_by_test_id("repayment-book").click()
    two.get_by_test_id("notice").wait_for()
    assert two.get_by_test_id("clawback").count() == 0  # nothing is owed any more: it has ended
    one.goto(one.url)
    assert "$0.00 of it still" in one.get_by_test_id("owed").inner_text()
    assert faults_of(one) == []
    assert one.faults == two.faults == []
