"""Hostile answers through the whole of it: client, gateway, budget, rows, and what is done about the answer.

Long after the QR has run out, so that one answer taken for "not found" would end the payment at once.
"""

from __future__ import annotations

import json
import os
import random
import time
from datetime import timedelta
from functools import partial
from typing import Any

import httpx2
import pytest
from tests.bakong.test_hostile_answers import SEED, SPOILERS, whole_answers
from tests.proof.figures import hand_over

from vinflow.bakong import CannotTell, Client, HostedClient
from vinflow.money import Currency, Money
from vinflow.payments import answering, clock, gateways
from vinflow.payments.models import Exchange, Payment, ReviewItem, Transfer
from vinflow.payments.opening import open_payment
from vinflow.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)

PROVE = os.environ.get("PROVE") == "1"
COUNT = 4000 if PROVE else 120


class Hostile(httpx2.BaseTransport):
    """Answers every request with something meant to fool or break its reader."""

    def __init__(self) -> None:
        self.rng = random.Random(SEED + 2)
        self.bodies = [json.dumps(value).encode() for value in whole_answers()]
        self.sent = 0
        self.kinds: set[str] = set()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return one of nine kinds of spoilt answers."""
        spoil = SPOILERS[self.sent % len(SPOILERS)]
        self.sent += 1
        self.kinds.add(spoil.__name__)
        status, body = spoil(self.rng, self.rng.choice(self.bodies))
        headers = {"Date": "garbage", "Retry-After": "garbage", "Content-Type": "text/html"}
        return httpx2.Response(status, content=body, headers=headers, request=request)


@pytest.mark.parametrize("dialect", ["open_api", "hosted"])
def test_no_hostile_answer_moves_a_payment(
    bank: Sandbox, payer: Any, settings: Any, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    if dialect == "hosted":
        settings.KHQR_MERCHANT_ID, settings.KHQR_API_KEY = bank.merchant_md5, bank.hosted_token
    settings.KHQR_DAILY_CALLS = "none"
    payment = open_payment(user=payer, money=Money(1050, Currency.USD), key="k", at=clock.now())
    gateways.close_all()
    hostile = Hostile()
    made = {"open_api": Client, "hosted": HostedClient}[dialect]
    monkeypatch.setattr(
        f"vinflow.payments.gateways.{dialect}.{made.__name__}", partial(made, transport=hostile)
    )
    gateway, attempt = gateways.current(), payment.attempts.get()
    bank.advance(3600)
    began, told, tries = time.monotonic(), 0, 0

    while told < COUNT:
        tries += 1
        assert tries < 3 * COUNT
        before = hostile.sent
        outcome = gateway.check([attempt.handle])[attempt.handle]
        assert isinstance(outcome, CannotTell), (hostile.sent, outcome)
        told += hostile.sent > before
        answering.take_answer(attempt, outcome, started_at=clock.now(), gateway=gateway)
        bank.advance(timedelta(hours=2).total_seconds() if outcome.reason in ("budget", "quota") else 61)

    payment.refresh_from_db()
    attempt.refresh_from_db()
    assert (payment.status, attempt.last_negative_at, attempt.last_outcome) == (
        "pending",
        None,
        "cannot_tell",
    )
    assert not Transfer.objects.exists()
    # After a day in which no answer said anything a person is told so, once; nothing else lies at the desk.
    told_people = [item.subject.partition(":")[0] for item in ReviewItem.objects.all()]
    assert told_people == ["silence"] * PROVE
    assert Payment.objects.count() == 1
    assert Exchange.objects.filter(stage="done", outcome="cannot_tell").count() >= COUNT
    assert len(hostile.kinds) == len(SPOILERS)
    if PROVE:
        hand_over(
            f"hostile_{dialect}",
            title=f"Hostile answers, through to the rows ({dialect.replace('_', ' ')})",
            head=["what", "how many"],
            rows=[
                ["answers meant to fool or break", f"{told:,}"],
                ["kinds", len(hostile.kinds)],
                ["taken for Found, NotFound or Failed", 0],
                ["crashes", 0],
                ["payments moved", 0],
            ],
            seed=SEED + 2,
            count=told,
            duration_s=time.monotonic() - began,
        )
