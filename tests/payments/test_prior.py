"""The prior of paying time: a curve that is a probability, and that follows the shop's own payers."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vinflow.payments.prior import EDGES, HALF_LIFE, NEVER_LEAST, START_PAYERS, Prior, PriorUnreadable

ages = st.floats(min_value=-1e6, max_value=1e6)


def learned(*, low: float, high: float, never: float, count: int, seed: int = 7) -> Prior:
    """Return the guess after so many QRs paid evenly between two ages."""
    chance, prior = random.Random(seed), Prior.of()
    for _ in range(count):
        paid = chance.random() >= never
        prior = prior.observe_paid(chance.uniform(low, high)) if paid else prior.observe_unpaid()
    return prior


@settings(deadline=None)
@given(ages, ages, st.lists(st.one_of(st.none(), ages), max_size=40))
def test_unpaid_is_a_probability_that_only_falls(one, other, seen):
    prior = Prior.of()
    for age in seen:
        prior = prior.observe_unpaid() if age is None else prior.observe_paid(age)
    early, late = sorted((one, other))

    assert 1 >= prior.unpaid_at(early) >= prior.unpaid_at(late) >= NEVER_LEAST - 1e-9
    assert prior.unpaid_at(0) == 1


@settings(deadline=None)
@given(st.floats(min_value=0, max_value=900), st.floats(min_value=0, max_value=900))
def test_the_area_is_the_integral_of_the_curve(one, other):
    prior = learned(low=10, high=240, never=0.2, count=50)
    low, high = sorted((one, other))
    steps = 2000
    width = (high - low) / steps

    summed = sum(prior.unpaid_at(low + (i + 0.5) * width) for i in range(steps)) * width

    assert prior.unpaid_area(high) - prior.unpaid_area(low) == pytest.approx(summed, abs=0.05)


def test_a_given_shape_is_met_at_every_edge():
    prior = Prior.of(lambda age: min(age / 300, 1.0), never=0.3)

    for edge in EDGES:
        assert prior.unpaid_at(edge) == pytest.approx(1 - 0.7 * min(edge / 300, 1.0))
    assert prior.never_share == pytest.approx(0.3)


def test_one_odd_payer_moves_the_curve_by_a_twentieth_at_most():
    before = Prior.of()

    after = before.observe_paid(590.0)

    assert max(abs(before.unpaid_at(e) - after.unpaid_at(e)) for e in EDGES) < 1 / START_PAYERS
    assert before.unpaid_at(300) < after.unpaid_at(300)


def test_a_few_hundred_payers_outweigh_the_guess():
    prior = learned(low=200, high=260, never=0.1, count=400)

    assert prior.unpaid_at(180) > 0.9
    assert prior.unpaid_at(300) < 0.2
    assert prior.never_share == pytest.approx(0.1, abs=0.05)


def test_a_shop_whose_payers_change_is_followed_within_three_half_lives():
    chance, prior = random.Random(3), learned(low=10, high=40, never=0.2, count=1000)
    assert prior.unpaid_at(60) < 0.3
    for _ in range(int(3 * HALF_LIFE)):
        prior = prior.observe_paid(chance.uniform(120, 240))

    assert prior.unpaid_at(60) > 0.75


def test_two_kinds_of_payers_leave_two_steps_in_the_curve():
    chance, prior = random.Random(5), Prior.of()
    for _ in range(400):
        prior = prior.observe_paid(
            chance.uniform(12, 40) if chance.random() < 0.5 else chance.uniform(200, 300)
        )

    first = prior.unpaid_at(10) - prior.unpaid_at(50)
    between = prior.unpaid_at(75) - prior.unpaid_at(180)
    second = prior.unpaid_at(180) - prior.unpaid_at(330)
    assert first > 5 * between
    assert second > 5 * between


def test_what_is_seen_never_grows_without_end():
    prior = learned(low=10, high=240, never=0.2, count=3000)

    assert prior.seen < 1.5 * HALF_LIFE


@pytest.mark.parametrize("age", [-30.0, 0.0, 5000.0, float("inf"), float("nan")])
def test_an_age_that_cannot_be_counts_for_an_end_of_the_curve(age):
    prior = Prior.of().observe_paid(age)

    assert prior.seen == pytest.approx(1.0)


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(min_value=0, max_value=800)), max_size=60))
def test_what_is_kept_as_json_comes_back(seen):
    prior = Prior.of()
    for age in seen:
        prior = prior.observe_unpaid() if age is None else prior.observe_paid(age)

    again = Prior.from_json(prior.to_json())

    assert all(again.unpaid_at(e) == pytest.approx(prior.unpaid_at(e), abs=1e-5) for e in EDGES)
    assert Prior.from_dict(json.loads(again.to_json())) == again
    assert hash(Prior.from_json(again.to_json())) == hash(again)


def test_the_json_stays_about_a_kilobyte():
    assert len(learned(low=10, high=240, never=0.2, count=1000).to_json()) < 1200


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 2}, "version"),
        ({"paid": [0.0] * 3}, "bins"),
        ({"paid": "0000000000000000000000000"}, "not a list"),
        ({"paid": [-1.0] + [0.0] * 24}, "negative"),
        ({"never": None}, "not a number"),
        ({"never": True}, "not a number"),
        ({"start_never": float("nan")}, "not a number"),
        ({"start": [0.0] * 25}, "no payer"),
    ],
)
def test_a_prior_that_cannot_be_is_refused_and_says_why(change, says):
    kept = {**Prior.of().to_dict(), **change}

    with pytest.raises(PriorUnreadable, match=says):
        Prior.from_dict(kept)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '"start"'])
def test_text_that_is_no_prior_is_refused(text):
    with pytest.raises(PriorUnreadable):
        Prior.from_json(text)
