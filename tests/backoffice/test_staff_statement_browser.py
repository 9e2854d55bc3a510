"""A journey in Chromium: the bank's statement reveals that a QR was paid twice; two people put it right."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from vinflow.money import Currency, Money

from .test_staff_browser import PHONE, faults_of, open_shop, visit

__all__ = ["open_shop", "visit"]  # the fixtures of the other journeys

pytestmark = pytest.mark.browser


def test_a_statement_reveals_a_qr_paid_twice(visit: Any, open_shop: Any, tmp_path: Path) -> None:
    from vinflow.payments.models import Transfer
    from vinflow.wallet.queries import balances

    payment = open_shop.at_state("completed", money=Money(1000, Currency.USD))
    transfer = payment.transfers.get()
    day = (open_shop.at + timedelta(hours=7)).strftime("%d/%m/%Y %H:%M")
    file = tmp_path / "november.csv"
    rows = [f"{day},{ref},10.00," for ref in (transfer.external_ref, "100FT-AGAIN")]
    file.write_text("\n".join(["កាលបរិច្ឆេទ,លេខយោង,ប្រាក់ចូល,ប្រាក់ចេញ", *rows]), encoding="utf-8-sig")

    desk = visit("/admin/reconciliation/", open_shop.staff("accountant"))
    desk.get_by_test_id("to-statement").click()
    desk.get_by_test_id("file").set_input_files(file)
    desk.locator("#first-unit").select_option("USD")
    desk.get_by_test_id("preview").click()
    desk.get_by_test_id("plan").wait_for()
    desk.locator("#order").select_option("dmy")
    desk.get_by_test_id("again").click()
    assert desk.get_by_test_id("unknown-count").inner_text().startswith("1 came")
    assert faults_of(desk) == []
    desk.get_by_test_id("import").click()
    desk.get_by_text("2 new lines imported, 1 wait for review.").wait_for()
    assert faults_of(desk) == []
    assert desk.faults == []

    one = visit("/admin/review/", open_shop.staff("manager"), language="km", viewport=PHONE)
    one.locator("[id^=reference-]").fill(payment.transaction_id)
    one.get_by_test_id("link").click()
    one.get_by_test_id("notice").wait_for()
    way = one.get_by_test_id("way-credited")
    way.locator("summary").click()
    way.locator("textarea").fill("the payer sent it twice")
    way.locator("button[type=submit]").click()
    one.get_by_test_id("proposed").wait_for()
    assert faults_of(one) == []
    payer = open_shop.payer()
    assert balances(payer, "sandbox")[0] == Money(1000, Currency.USD)

    two = visit("/admin/review/", open_shop.staff("manager", "another-manager"))
    two.get_by_test_id("approve").click()
    two.get_by_test_id("notice").wait_for()
    assert balances(payer, "sandbox")[0] == Money(2000, Currency.USD)
    assert Transfer.objects.filter(payment=payment, fate="extra").count() == 1
