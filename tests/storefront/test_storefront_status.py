"""The status address: two queries, the same answers as the long way, and nobody's but the owner's."""

from __future__ import annotations

from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from vinflow.payments import clock, queries
from vinflow.storefront.links import address_of

JSON = {"Accept": "application/json"}
STATES = ("pending", "confirming", "expired", "failed", "canceled", "delayed", "try_failed")
ENDED = ("completed", "late", "review")

pytestmark = pytest.mark.both


def asked(client: Any, payment: Any) -> Any:
    return client.get(f"/payment/{payment.transaction_id}/status/", headers=JSON)


@pytest.mark.parametrize("state", STATES)
def test_a_waiting_page_costs_two_queries(page: Any, house: Any, payer: Any, state: str) -> None:
    from django.db import connection

    payment = house.at_state(state, payer)
    clock.aligned()  # the database's clock is read once a minute, by whoever comes then

    with CaptureQueriesContext(connection) as seen:
        answer = asked(page, payment)

    assert answer.status_code == 200
    assert len(seen) <= 2, [each["sql"][:80] for each in seen]


@pytest.mark.parametrize("state", STATES + ENDED)
def test_the_short_way_says_what_the_long_way_says(house: Any, payer: Any, state: str) -> None:
    payment = house.at_state(state, payer)
    at = clock.now()
    short, long = (
        queries.standing(payment.transaction_id, at=at),
        queries.payment_for(payer, payment.transaction_id),
    )
    assert short is not None
    assert long is not None

    assert short.shown(at=at) == queries.checkout(long, at=at)
    assert short.payment.user_id == payer.pk


def test_an_unknown_reference_has_no_standing(house: Any) -> None:
    assert queries.standing("TXN00000000000000000000", at=clock.now()) is None


def test_the_session_must_fit_its_owner_as_it_is_now(client: Any, house: Any, payer: Any) -> None:
    payment = house.opened(payer)
    said = {"nobody": asked(client, payment).status_code}

    client.force_login(house.payer("stranger"))
    said["stranger"] = asked(client, payment).status_code
    client.force_login(payer)
    said["owner"] = asked(client, payment).status_code
    payer.is_active = False
    payer.save()
    said["closed account"] = asked(client, payment).status_code
    payer.is_active = True
    payer.save()
    client.force_login(payer)
    payer.set_password("another long password")
    payer.save()
    said["password changed elsewhere"] = asked(client, payment).status_code

    assert said == {
        "nobody": 401,
        "stranger": 404,
        "owner": 200,
        "closed account": 401,
        "password changed elsewhere": 401,
    }


def test_a_session_that_has_run_out_or_was_forged_is_none(client: Any, house: Any, payer: Any) -> None:
    from datetime import timedelta

    from django.conf import settings
    from django.contrib.sessions.models import Session

    payment = house.opened(payer)
    client.force_login(payer)
    Session.objects.update(expire_date=clock.now() - timedelta(seconds=1))
    late = asked(client, payment).status_code
    client.cookies[settings.SESSION_COOKIE_NAME] = "nonsense"

    assert (late, asked(client, payment).status_code) == (401, 401)


def test_sessions_kept_elsewhere_are_asked_where_they_are(
    client: Any, house: Any, payer: Any, settings: Any
) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    payment = house.opened(payer)
    client.force_login(payer)

    assert asked(client, payment).json()["state"] == "pending"
    assert asked(client, house.opened(house.payer("stranger"))).status_code == 404


def test_who_holds_a_link_may_ask_about_that_payment_alone(client: Any, house: Any, payer: Any) -> None:
    mine, other, owned = house.opened(None), house.opened(None), house.opened(payer)
    client.get(address_of(mine))

    assert [asked(client, each).status_code for each in (mine, other, owned)] == [200, 401, 401]
    client.force_login(payer)
    assert [asked(client, each).status_code for each in (mine, other, owned)] == [200, 404, 200]
