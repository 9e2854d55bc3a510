"""The buttons beside the connection: a press looks, once, from the staff's calls; what was found is kept."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

SETTINGS = "/admin/settings/payments/"
LOOK = f"{SETTINGS}connection/"


def found(client: Any, kind: str, language: str = "en") -> list[str]:
    """The sentences of the newest look on the page."""
    text = client.get(SETTINGS, headers={"accept-language": language}).content.decode()
    part = text.split(f'data-testid="look-{kind}"')
    return re.findall(r"<span>([^<]+)</span></li>", part[1].split("</ul>")[0]) if len(part) > 1 else []


def test_opening_the_settings_asks_nobody_and_a_press_asks_once(bank: Any, desk: Any) -> None:
    from vinflow.backoffice.models import StaffAct
    from vinflow.payments.models import Exchange

    desk.get(SETTINGS)
    desk.get(LOOK)  # a form only
    assert list(bank.calls()) == []

    desk.post(LOOK, {"look": "connection"})
    after_one = len(list(bank.calls()))
    again = desk.post(LOOK, {"look": "connection"}, follow=True)

    assert 0 < after_one == len(list(bank.calls()))
    assert "less than a minute ago" in again.content.decode()
    assert Exchange.objects.count() <= 3
    assert set(Exchange.objects.values_list("pool", "stage")) == {("staff", "done")}
    acts = list(StaffAct.objects.order_by("pk").values_list("what", "actor__username", "result"))
    assert acts == [("connection", "the-manager", "asked"), ("connection", "the-manager", "told")]
    lines = found(desk, "connection")
    assert "Bakong answers at this address and lets this server in." in lines
    assert any(line.startswith("Bakong takes the access token") for line in lines)
    assert "The receiving account exists at Bakong." in lines
    assert "This cost at most 3 calls of today." in lines
    khmer = found(desk, "connection", "km")
    assert len(khmer) == len(lines)
    assert not any(re.search(r"[A-Za-z]{3,}", line.replace("Bakong", "")) for line in khmer)


def test_an_account_that_bakong_does_not_know_is_said_by_one_call(
    bank: Any, desk: Any, settings: Any
) -> None:
    from vinflow.payments.models import Exchange

    desk.post(LOOK, {"look": "account"})
    assert found(desk, "account")[0] == "The receiving account exists at Bakong."

    bank.advance(61)
    settings.KHQR_MERCHANT_ID = "nobody_at_all@devb"
    desk.post(LOOK, {"look": "account"})

    assert found(desk, "account")[0].startswith("Bakong knows no such receiving account")
    assert list(Exchange.objects.values_list("operation", flat=True)) == ["check_bakong_account"] * 2


def test_a_refused_token_and_a_dead_address_are_said_in_words_and_the_token_nowhere(
    bank: Any, desk: Any, settings: Any
) -> None:
    from vinflow.backoffice.models import StaffAct

    settings.KHQR_API_KEY = "canary-token-0123456789-abcdefghij"
    desk.post(LOOK, {"look": "connection"})
    assert "Bakong refuses the access token." in found(desk, "connection")

    bank.advance(61)
    settings.KHQR_API_URL = "http://127.0.0.1:9"
    desk.post(LOOK, {"look": "connection"})
    assert found(desk, "connection") == [
        "Nothing answers at this address. Check the address, the network and the proxy."
    ]
    page = desk.get(SETTINGS).content.decode()
    kept = " ".join(StaffAct.objects.values_list("note", flat=True))
    assert "canary-token" not in page + kept


def test_a_look_spends_no_more_than_the_day_has(bank: Any, desk: Any, settings: Any) -> None:
    from vinflow.payments.models import CallBudget, Exchange

    settings.KHQR_DAILY_CALLS = "1"
    desk.post(LOOK, {"look": "connection"})
    desk.post(LOOK, {"look": "account"})

    assert Exchange.objects.count() == 1
    assert {row.used for row in CallBudget.objects.all()} == {1}
    assert "No call was free, so some questions were not asked." in found(desk, "connection")
    assert found(desk, "account") == ["No call was free, so some questions were not asked."]


def test_a_missing_setting_is_named_and_nothing_is_sent(bank: Any, desk: Any, settings: Any) -> None:
    settings.KHQR_API_KEY = ""

    desk.post(LOOK, {"look": "connection"})

    assert found(desk, "connection") == ["A setting is missing or cannot be meant: KHQR_API_KEY"]
    assert list(bank.calls()) == []


@pytest.mark.parametrize("look", ["connection", "account"])
def test_the_hosted_dialect_is_looked_at_too_and_has_no_accounts(
    look: str, bank: Any, desk: Any, settings: Any
) -> None:
    settings.KHQR_PROTOCOL = "hosted"
    settings.KHQR_MERCHANT_ID = "0" * 32

    desk.post(LOOK, {"look": look})

    text = desk.get(SETTINGS).content.decode()
    assert 'data-testid="verify-account"' not in text
    assert bool(found(desk, "connection")) == (look == "connection")
    assert not found(desk, "account")


@pytest.mark.postgres
def test_two_presses_in_one_moment_are_one_look(bank: Any, shop_class: Any) -> None:
    import threading

    from django.db import connection

    from vinflow.backoffice import connection as looks
    from vinflow.backoffice.models import StaffAct
    from vinflow.payments import clock

    by, at = shop_class().staff("manager"), clock.now()
    refused: list[Exception] = []
    barrier = threading.Barrier(4)

    def press() -> None:
        barrier.wait()
        try:
            looks.look(StaffAct.What.CONNECTION, by=by, at=at + timedelta(milliseconds=1))
        except looks.TooSoon as too_soon:
            refused.append(too_soon)
        finally:
            connection.close()

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 3
    assert StaffAct.objects.filter(result="told").count() == 1
