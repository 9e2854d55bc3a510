"""Settings -> Payment: saved, judged, audited; two people at once; secrets never shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vinflow.payments import settings_store
from vinflow.payments.models import SettingsChange

PAGE = "/admin/settings/payments/"


def form_of(client: Any) -> dict[str, str]:
    """What a browser would send back from the page as it stands: hidden fields first, then what is on."""
    from html.parser import HTMLParser

    fields: dict[str, str] = {}

    class Reader(HTMLParser):
        inside = False

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            given = dict(attrs)
            if tag == "form":
                self.inside = "data-settings" in given
            if not self.inside or tag != "input" or not given.get("name"):
                return
            if given.get("type") == "checkbox" and "checked" not in given:
                return
            fields[str(given["name"])] = given.get("value") or ""

    Reader().feed(client.get(PAGE).content.decode())
    return fields


def test_a_switch_turned_off_and_saved_is_off_and_the_trail_says_who(manager: Any) -> None:
    form = form_of(manager)
    assert form["khqr_enabled"] == "on"

    answer = manager.post(PAGE, {**form, "khqr_enabled": "off"}, follow=True)

    assert "Settings saved. 1 changed." in answer.content.decode()
    assert settings_store.current().khqr_enabled is False
    assert form_of(manager)["khqr_enabled"] == "off"
    change = SettingsChange.objects.get()
    assert (change.field, change.old, change.new) == ("khqr_enabled", "True", "False")
    assert change.changed_by.username == "the-manager"


def test_a_browser_sends_the_hidden_off_before_the_on_and_the_last_counts(manager: Any) -> None:
    form = form_of(manager)

    manager.post(PAGE, {**form, "late_credit": ["off", "on"], "disc_enabled": ["off"]})

    assert settings_store.current().late_credit is True
    assert settings_store.current().disc_enabled is False


def test_saving_what_is_shown_changes_nothing(manager: Any) -> None:
    answer = manager.post(PAGE, form_of(manager), follow=True)

    assert "Nothing to save" in answer.content.decode()
    assert SettingsChange.objects.count() == 0
    assert settings_store.current().qr_lifetime_s is None  # a default stays a default


@pytest.mark.both
def test_limits_quick_amounts_and_times_are_saved_in_minor_units_and_seconds(manager: Any) -> None:
    form = form_of(manager) | {
        "usd_min": "1.50",
        "usd_max": "2,000",
        "khr_quick": "50000 4000 4000",
        "qr_lifetime_s": "5",
        "watch_s": "48",
    }

    manager.post(PAGE, form)

    row = settings_store.current()
    assert (row.usd_min, row.usd_max) == (150, 200_000)
    assert row.khr_quick == [4000, 50_000]
    assert (row.qr_lifetime_s, row.watch_s) == (300, 48 * 3600)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"usd_min": "20", "usd_max": "10"}, "The minimum $20.00 is above the maximum $10.00."),
        ({"usd_min": "0"}, "An amount must be more than nothing."),
        ({"usd_min": "-5"}, "Write an amount like 10.50."),
        ({"khr_max": "100.5"}, "Write an amount like 41000."),
        ({"usd_max": "10,50"}, "Write an amount like 10.50."),
        ({"usd_max": "99999999999"}, "A KHQR cannot carry an amount this large."),
        ({"usd_quick": "5 20000"}, "$20,000.00 is not between $0.01 and $10,000.00."),
        ({"usd_quick": "1 2 3 4 5 6 7 8 9"}, "At most 8 quick amounts."),
        ({"qr_lifetime_s": "1"}, "A whole number from 2 to 10."),
        ({"qr_lifetime_s": "១០"}, "A whole number from 2 to 10."),
        ({"watch_s": "721"}, "A whole number from 1 to 720."),
        ({"khqr_enabled": "maybe"}, "A switch is on or off."),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason_and_kept_as_typed(
    manager: Any, typed: dict[str, str], sentence: str
) -> None:
    answer = manager.post(PAGE, form_of(manager) | typed)

    assert answer.status_code == 422
    text = answer.content.decode()
    assert sentence in text
    assert all(f'value="{value}"' in text for name, value in typed.items() if "enabled" not in name)
    assert SettingsChange.objects.count() == 0


@pytest.mark.both
def test_the_second_of_two_people_is_told_what_changed_and_keeps_what_they_typed(
    manager: Any, signed_in: Callable[..., Any]
) -> None:
    other = signed_in("owner")
    mine, theirs = form_of(manager), form_of(other)
    other.post(PAGE, theirs | {"usd_max": "5000", "late_credit": "off"})

    answer = manager.post(PAGE, mine | {"usd_min": "2"})

    text = answer.content.decode()
    assert answer.status_code == 409
    assert "Somebody saved while you were looking" in text
    assert "$10,000.00 → $5,000.00 (the-owner" in text
    assert settings_store.current().usd_min == 1  # nothing of mine is saved yet
    assert 'name="usd_min" value="2"' in text
    assert 'name="usd_max" value="5000.00"' in text  # theirs: I had not touched it

    form = {"seen": str(SettingsChange.objects.latest("pk").pk), "usd_min": "2"}
    manager.post(PAGE, form)

    row = settings_store.current()
    assert (row.usd_min, row.usd_max, row.late_credit) == (200, 500_000, False)


def test_turning_everything_off_is_saved_as_asked_and_said(manager: Any) -> None:
    manager.post(PAGE, form_of(manager) | {"usd_enabled": "off", "khr_enabled": "off"})

    assert "No payment method is on. Customers cannot add funds." in manager.get(PAGE).content.decode()


def test_the_page_says_how_many_waiting_payments_stay_payable(manager: Any, shop: Any) -> None:
    shop.opened()
    shop.opened()

    text = manager.get(PAGE).content.decode()

    assert "2 waiting payments can still be paid" in text


def test_secrets_are_shown_by_their_end_alone(manager: Any, settings: Any) -> None:
    settings.KHQR_API_KEY = "canary-token-that-nobody-may-see-9f2c"
    settings.KHQR_API_EMAIL = "canary@bank.example"
    settings.KHQR_PROXY = "http://canary:secret@proxy.example:3128"

    text = manager.get(PAGE).content.decode()

    assert "Set, ends in 9f2c" in text
    assert "canary" not in text
    assert "vinflow_test" not in text  # the payee, too, by its end
    assert "••••test@devb" in text


def test_a_short_secret_is_not_hinted_at(manager: Any, settings: Any) -> None:
    settings.KHQR_API_KEY = "short9f2c"

    assert "9f2c" not in manager.get(PAGE).content.decode()


def test_the_page_says_how_many_more_qrs_can_be_confirmed(manager: Any, settings: Any) -> None:
    settings.KHQR_DAILY_CALLS = "40"

    assert "Today 38 more QRs can be confirmed." in manager.get(PAGE).content.decode()


def test_the_preview_is_the_densest_qr_and_grows_with_the_names(manager: Any, settings: Any) -> None:
    import re

    def modules() -> int:
        text = manager.get(PAGE).content.decode()
        found = re.search(r'data-modules="(\d+)"', text)
        assert found is not None
        assert f"{found[1]} of 77 modules" in text
        assert ('data-testid="dense"' in text) == (int(found[1]) > 77)
        return int(found[1])

    before = modules()
    settings.KHQR_MERCHANT_ID = "a_rather_long_account_nam@bank"
    settings.KHQR_MERCHANT_NAME, settings.KHQR_MERCHANT_CITY = "Sok Dara Coffee and Books", "Krong Siem Reap"

    assert before < modules() <= 77


def test_an_accountant_sees_and_may_not_save(signed_in: Callable[..., Any]) -> None:
    accountant = signed_in("accountant")
    assert accountant.get(PAGE).status_code == 200

    answer = accountant.post(PAGE, {"khqr_enabled": "off"})

    assert answer.status_code == 403
    assert settings_store.current().khqr_enabled is True


@pytest.mark.both
def test_a_safety_limit_changes_only_by_two_owners(signed_in: Callable[..., Any]) -> None:
    from vinflow.backoffice.models import SafetyProposal
    from vinflow.backoffice.settings_form import SAFETY, texts_of

    first, second = signed_in("owner", "first"), signed_in("owner", "second")
    limits = {name: text for name, text in texts_of(settings_store.current()).items() if name in SAFETY}
    address = f"{PAGE}safety/"

    first.post(
        address, limits | {"act": "propose", "usd_one_person_daily_max": "500", "why": "a bigger shop"}
    )
    proposal = SafetyProposal.objects.get()
    decide = {"act": "approve", "proposal": str(proposal.pk)}
    own = first.post(address, decide, follow=True)

    assert "A second owner must approve what you proposed." in own.content.decode()
    assert settings_store.current().usd_one_person_daily_max == 10_000

    second.post(address, decide)
    assert settings_store.current().usd_one_person_daily_max == 50_000
    assert SettingsChange.objects.get().changed_by.username == "second"
    assert signed_in("manager").post(address, decide).status_code == 403


def test_a_safety_limit_cannot_be_slipped_in_with_the_ordinary_ones(manager: Any) -> None:
    manager.post(
        PAGE, form_of(manager) | {"usd_one_person_daily_max": "99999", "prior": "{}", "version": "7"}
    )

    assert SettingsChange.objects.count() == 0
    assert settings_store.current().usd_one_person_daily_max == 10_000
