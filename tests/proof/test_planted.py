"""Can the checkers fail? Each test plants one mistake in the product; a run of the simulator finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.proof import pristine
from tests.proof.simulator import Outcome, Simulator

from vinflow.payments import answering, budgeting, conf, confirming, crediting, expiring
from vinflow.payments.gateways import recording
from vinflow.payments.matching import Match
from vinflow.payments.models import Payment, Sending

pytestmark = pytest.mark.django_db(transaction=True)

Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def own_copy() -> Iterator[None]:
    """The database of this test run, not of another."""
    pristine.forget()
    yield
    pristine.forget()


def found(seed: int, *faults: str) -> Outcome:
    """Run a seed in which a mistake was planted."""
    outcome = Simulator(seed, faults=faults).run()
    assert outcome.payments > 10
    return outcome


def says(outcome: Outcome, words: str) -> bool:
    """Whether one of the broken rules is worded so."""
    return any(words in what for what in outcome.violations)


def test_nothing_is_found_where_nothing_was_planted() -> None:
    outcome = found(3, "amount_more", "hash_reused", "slow")

    assert outcome.violations == []
    assert outcome.met["amount_more"] > 0


def test_another_amount_taken_for_a_match_is_found(monkeypatch: Patch) -> None:
    monkeypatch.setattr(confirming, "judge", lambda reported, asked: Match(late=False))

    outcome = found(3, "amount_more", "amount_less", "receiver_other")

    assert says(outcome, "the law") or says(outcome, "Bakong tells otherwise")


def test_a_payment_ended_without_the_banks_word_is_found(monkeypatch: Patch) -> None:
    monkeypatch.setattr(expiring, "not_settled", lambda attempt: False)
    monkeypatch.setattr(answering, "not_settled", lambda attempt: False)

    assert says(found(5, "slow"), "Bakong never said so")


def test_a_grace_that_is_no_grace_is_found(monkeypatch: Patch) -> None:
    def early(attempt: Any) -> bool:
        return attempt.last_negative_at is None or attempt.last_negative_at < attempt.created_at

    monkeypatch.setattr(expiring, "not_settled", early)
    monkeypatch.setattr(answering, "not_settled", early)

    assert says(found(5, "indexed_late"), "Bakong never said so")


def test_a_forgotten_answer_is_found(monkeypatch: Patch) -> None:
    take: Callable[..., None] = answering._take_found
    forgotten: list[str] = []

    def forgetful(attempt: Any, told: Any, *, started_at: Any) -> None:
        if not forgotten or attempt.md5 in forgotten:
            forgotten.append(attempt.md5)
            type(attempt).objects.filter(pk=attempt.pk).update(next_check_at=None, leased_until=None)
            return
        take(attempt, told, started_at=started_at)

    monkeypatch.setattr(answering, "_take_found", forgetful)
    monkeypatch.setattr("tests.proof.simulator.CALM_DAYS", 2)

    outcome = found(3, "indexed_late")

    assert forgotten
    assert says(outcome, "is forgotten")


def test_a_second_sighting_without_an_item_is_found(monkeypatch: Patch) -> None:
    opened: Callable[..., Any] = confirming._open_item

    def careless(**what: Any) -> Any:
        return None if what["subject"].startswith("sighting") else opened(**what)

    monkeypatch.setattr(confirming, "_open_item", careless)

    assert says(found(3, "hash_reused"), "there is no item")


def test_a_credit_to_somebody_else_is_found(monkeypatch: Patch) -> None:
    give: Callable[..., None] = crediting.give

    def generous(payment: Payment, *rest: Any, **more: Any) -> None:
        other = Payment.objects.exclude(user_id=payment.user_id).first()
        if other is not None:
            payment.user_id = other.user_id
        give(payment, *rest, **more)

    monkeypatch.setattr(crediting, "give", generous)

    assert says(found(3, "slow"), "and the payment is user")


def test_calls_beyond_the_budget_are_found(monkeypatch: Patch) -> None:
    monkeypatch.setattr(budgeting, "_may_spend", lambda *_a, **_k: True)
    monkeypatch.setattr(budgeting, "_fair", lambda *_a, **_k: True)

    outcome = found(5, "small_quota", "drain", "outage", "empty")

    assert says(outcome, "budget") or says(outcome, "are allowed")


def test_a_call_without_a_row_is_found(monkeypatch: Patch) -> None:
    reserve: Callable[..., Any] = budgeting.reserve

    def free_of_charge(**what: Any) -> Any:
        row = reserve(**what)
        if row is not None:
            row.delete()
        return row

    monkeypatch.setattr(budgeting, "reserve", free_of_charge)

    assert says(found(3, "slow"), "calls were made, rows say")


def test_a_token_in_a_row_is_found(monkeypatch: Patch) -> None:
    monkeypatch.setattr(recording, "request_of", lambda call: {"key": conf.api_key()})
    monkeypatch.setattr("vinflow.bakong.core.clean_request", lambda body: {"key": conf.api_key()})

    assert says(found(3, "slow"), "a secret stands in a row of payments_exchange")


def test_a_payment_left_pending_for_ever_is_found(monkeypatch: Patch) -> None:
    monkeypatch.setattr(expiring, "expire_if_over", lambda **_what: None)
    monkeypatch.setattr(answering, "expire_if_over", lambda **_what: None)
    monkeypatch.setattr("tests.proof.simulator.CALM_DAYS", 3)

    assert says(found(5, "slow"), "pending after the calm")


def test_a_refund_booked_without_the_banks_word_is_found(monkeypatch: Patch) -> None:
    def believing(stands: Sending, _answer: Any, *, at: Any) -> bool:
        # The database refuses what is marked as seen alone: the mistake names the bank's word as well.
        Sending.objects.filter(pk=stands.pk).update(seen_at=at, looked_up_at=at, last_outcome="found")
        return True

    monkeypatch.setattr("vinflow.payments.sending.note", believing)
    monkeypatch.setattr("tests.proof.cashiers.CLUMSY", 1.0)

    # Not in every run does somebody name a transfer wrongly and nobody take it back.
    outcomes = (found(seed, "slow") for seed in (4, 7, 1))

    assert any(
        says(outcome, "the bank knows of no such transfer") or says(outcome, "and the bank sent")
        for outcome in outcomes
    )


def test_the_same_seed_gives_the_same_trace() -> None:
    first, second = Simulator(12).run(), Simulator(12).run()

    assert first.trace == second.trace
    untimed = {"seconds": 0.0, "processor_s": 0.0}
    assert replace(first, **untimed) == replace(second, **untimed)
