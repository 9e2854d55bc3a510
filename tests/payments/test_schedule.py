"""When is the next check of a QR worth a call? Pure functions, tried on made-up days."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vinflow.payments.inspection import belief_of, plan
from vinflow.payments.prior import Prior
from vinflow.payments.schedule import (
    COOL_DOWN_S,
    SETTLE_S,
    Look,
    Pressure,
    Signal,
    Watched,
    confirmable,
    debt,
    due_kind,
    may_ask,
    next_call,
    next_look,
    pick,
    price,
    tail_affordable,
    worth,
)

BORN = 1_800_000_000.0
GUESS = Prior.of()
EVEN = Prior.of(lambda age: min(max((age - 10) / 230, 0.0), 1.0), never=0.2, payers=1e6)
PLENTY = Pressure(free_calls=None)


def shown(at: float = BORN, **known: object) -> Watched:
    """Return a QR shown at this moment, with ten minutes to live."""
    return Watched(shown_at=at, expires_at=at + 600, watch_until=at + 600 + 86400, **known)  # type: ignore[arg-type]


def denied(at: float, **known: object) -> Watched:
    """Return a QR that Bakong knew nothing of at this age."""
    return shown(last_negative_started_at=BORN + at, last_asked_at=BORN + at, checks=1, **known)


def looks(prior: Prior, pressure: Pressure) -> list[float]:
    """Return the ages of all looks at a QR that is never paid."""
    one, at, ages = shown(), BORN, []
    while (moment := next_look(one, prior=prior, pressure=pressure, at=at)) is not None:
        ages.append(moment - BORN)
        one = denied(moment - BORN, tail_done=due_kind(one, at=moment) is Look.TAIL)
        at = moment
    return ages


known_signals = st.lists(
    st.tuples(st.floats(min_value=BORN, max_value=BORN + 900), st.sampled_from(list(Signal))), max_size=6
).map(lambda found: tuple(sorted(found)))
negatives = st.none() | st.floats(min_value=BORN, max_value=BORN + 900)
pressures = st.builds(
    Pressure,
    free_calls=st.none() | st.integers(min_value=0, max_value=200),
    arrivals=st.floats(min_value=0, max_value=200),
    batch_open=st.booleans(),
    open=st.integers(min_value=0, max_value=300),
)


# ---- debt --------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(known_signals, negatives, st.floats(min_value=0, max_value=900), st.floats(min_value=0, max_value=900))
def test_debt_is_never_negative_and_only_grows_until_something_is_heard(signals, said, one, other):
    one, other = sorted((one, other))
    watched = shown(signals=signals, last_negative_started_at=said)
    begin = max((said or BORN) - BORN, *(s - BORN for s, _ in signals), 0.0)
    early, late = (debt(watched, prior=GUESS, at=BORN + begin + x) for x in (one, other))

    assert 0 <= early <= late + 1e-6
    assert late - early <= other - one + 1e-6


def test_debt_of_a_silent_payer_is_the_area_under_the_chance_that_he_paid():
    summed = sum((1 - EVEN.unpaid_at(i + 0.5)) for i in range(150))

    assert debt(shown(), prior=EVEN, at=BORN + 150) == pytest.approx(summed, rel=1e-3)


def test_a_not_found_clears_the_debt():
    assert debt(denied(150), prior=EVEN, at=BORN + 150) == 0
    assert debt(denied(150), prior=EVEN, at=BORN + 151) < 0.02


def test_a_signal_speaks_of_the_time_before_it_too():
    said = shown(signals=((BORN + 100, Signal.SAID_PAID),))
    before, after = (debt(said, prior=EVEN, at=BORN + t) for t in (99.9, 100))

    # Paid with 0.85, on average half-way between the first possible moment (10 s) and now.
    assert before == pytest.approx(0.8 * 90 / 230 * 45, rel=0.02)
    assert after == pytest.approx(0.85 * 45, rel=0.02)


def test_signals_weigh_by_what_they_say():
    owed = [debt(shown(signals=((BORN + 60, s),)), prior=EVEN, at=BORN + 63) for s in Signal]

    assert owed == sorted(owed, reverse=True)
    assert owed[-1] > debt(shown(), prior=EVEN, at=BORN + 63)


def test_a_signal_that_was_denied_before_counts_for_less_each_time():
    chances = []
    for nos in range(5):
        old = tuple((BORN + 20 * i, Signal.SAID_PAID) for i in range(nos))
        now = (BORN + 110, Signal.SAID_PAID)
        watched = shown(signals=(*old, now), last_negative_started_at=BORN + 100 if nos else None)
        chances.append(belief_of(watched, Prior.of(never=0.98), BORN + 110).likely(110))

    assert chances == sorted(chances, reverse=True)
    assert chances[0] == pytest.approx(0.85)
    assert chances[4] < 0.06


# ---- the next look -----------------------------------------------------------------------------------------


def test_looks_come_where_payers_are_and_stop_where_they_are_not():
    ages = looks(EVEN, PLENTY)

    *ordinary, last, tail = ages
    assert last == 720
    assert tail == 600 + 86400
    assert 3 <= len(ordinary) <= 4
    assert all(50 < age <= 245 for age in ordinary)
    gaps = [b - a for a, b in itertools.pairwise(ordinary)]
    assert gaps == sorted(gaps, reverse=True)  # the longer nobody paid, the likelier he is just about to


def test_the_plan_costs_no_more_than_any_evenly_spaced_one():
    best = plan(EVEN, 15.0, 720.0)

    def cost(ages: list[float]) -> float:
        total, before = 0.0, 0.0
        for age in ages:
            left = EVEN.unpaid_at(before)
            total += left * (age - before) - (EVEN.unpaid_area(age) - EVEN.unpaid_area(before)) + 15.0 * left
            before = age
        return total

    planned, age = [], 0.0
    while age < 720:
        age = best.following[best.ages.index(age)]
        planned.append(age)
    assert cost(planned) == pytest.approx(best.cost[0])
    for gap in range(20, 240, 5):
        assert best.cost[0] <= cost([*(float(a) for a in range(gap, 300, gap)), 720.0]) + 1e-6


def test_the_last_check_is_always_ahead_and_comes_at_expiry_plus_grace():
    watched = denied(710)

    assert next_look(watched, prior=EVEN, pressure=PLENTY, at=BORN + 710) == BORN + 720
    assert due_kind(watched, at=BORN + 720) is Look.LAST


def test_only_a_no_that_started_after_the_grace_ends_the_wait():
    assert not denied(719.9).last_look_done
    assert denied(720).last_look_done


def test_after_the_tail_check_there_is_nothing_left_to_ask():
    watched = denied(90_000, tail_done=True)

    assert next_look(watched, prior=EVEN, pressure=PLENTY, at=BORN + 90_000) is None


@pytest.mark.parametrize("signal", list(Signal))
def test_a_signal_is_followed_after_three_seconds_where_calls_are_plenty(signal):
    watched = shown(signals=((BORN + 60, signal),))

    assert next_look(watched, prior=EVEN, pressure=PLENTY, at=BORN + 60) == BORN + 60 + SETTLE_S


def test_a_weak_signal_waits_and_a_strong_one_does_not_where_calls_are_dear():
    dear = Pressure(free_calls=60, arrivals=55)
    weak = shown(signals=((BORN + 150, Signal.PAGE_SHOWN),))
    strong = shown(signals=((BORN + 150, Signal.SAID_PAID),))

    assert next_look(weak, prior=EVEN, pressure=dear, at=BORN + 150) > BORN + 180
    assert next_look(strong, prior=EVEN, pressure=dear, at=BORN + 150) == BORN + 153


def test_i_have_paid_after_a_no_is_asked_again_sooner_than_silence_would_be():
    """The payer insists, and a bank may be slow."""
    silent = next_look(denied(64), prior=EVEN, pressure=PLENTY, at=BORN + 64)
    insists = denied(64, signals=((BORN + 60, Signal.SAID_PAID),))

    assert next_look(insists, prior=EVEN, pressure=PLENTY, at=BORN + 64) < silent - 10


def test_a_payer_who_speaks_hours_later_is_still_heard():
    watched = denied(721, signals=((BORN + 9000, Signal.SAID_PAID),))

    assert next_look(watched, prior=EVEN, pressure=PLENTY, at=BORN + 9000) == BORN + 9003


def test_a_page_shown_without_end_neither_puts_a_look_off_nor_spends_the_day():
    flicker = tuple((BORN + 60 + i, Signal.PAGE_SHOWN) for i in range(30))
    first = next_look(shown(signals=flicker), prior=EVEN, pressure=PLENTY, at=BORN + 89)
    assert first <= BORN + 60 + COOL_DOWN_S + 20

    asked, at, heard = 0, BORN + 730, ()
    one = denied(725)
    for i in range(200):  # every 20 s for more than an hour, after the last check
        at = BORN + 730 + 20 * i
        heard = (*heard, (at, Signal.PAGE_SHOWN))
        one = shown(
            signals=heard,
            last_negative_started_at=one.last_negative_started_at,
            last_asked_at=one.last_asked_at,
        )
        moment = next_look(one, prior=EVEN, pressure=PLENTY, at=at)
        if moment is not None and moment < at + 20:
            asked += 1
            one = shown(signals=heard, last_negative_started_at=moment, last_asked_at=moment)
    assert asked <= 4


@pytest.mark.parametrize("pressure", [PLENTY, Pressure(None, batch_open=True, open=9)])
def test_after_everything_is_done_only_a_word_not_yet_answered_is_worth_a_look(pressure):
    heard = ((BORN + 100_000, Signal.SAID_PAID),)
    fresh, stale = (
        denied(90_000, tail_done=True, signals=heard),
        denied(100_100, tail_done=True, signals=heard),
    )

    look = next_look(fresh, prior=EVEN, pressure=pressure, at=BORN + 100_000)
    assert BORN + 100_003 <= look < BORN + 100_060
    assert next_look(stale, prior=EVEN, pressure=pressure, at=BORN + 100_200) is None


def test_an_outage_doubles_the_cool_down_up_to_five_times():
    waits = []
    for unanswered in range(8):
        watched = shown(last_asked_at=BORN + 300, unanswered=unanswered)
        waits.append(next_look(watched, prior=EVEN, pressure=PLENTY, at=BORN + 300) - BORN - 300)

    assert waits == [10, 20, 40, 80, 160, 320, 320, 320]


@settings(deadline=None)
@given(known_signals, negatives, pressures, st.floats(min_value=0, max_value=100_000), st.booleans())
def test_a_look_never_lies_in_the_past_nor_inside_the_cool_down(signals, said, pressure, age, tail_done):
    at = BORN + age
    said = said if said is None or said <= at else None
    watched = shown(signals=signals, last_negative_started_at=said, last_asked_at=said, tail_done=tail_done)

    moment = next_look(watched, prior=GUESS, pressure=pressure, at=at)

    if moment is None:
        assert watched.last_look_done
        assert tail_done
    else:
        assert moment >= at
        assert said is None or moment >= said + COOL_DOWN_S
        if not watched.last_look_done:
            assert moment <= max(at, watched.last_look_at) + 70


@settings(deadline=None)
@given(known_signals, st.floats(min_value=0, max_value=600))
def test_the_same_knowledge_gives_the_same_moment_whenever_it_is_asked_for(signals, age):
    heard = tuple(s for s in signals if s[0] <= BORN + age)
    watched = shown(signals=heard)
    now = next_look(watched, prior=GUESS, pressure=PLENTY, at=BORN + age)

    again = next_look(watched, prior=GUESS, pressure=PLENTY, at=(BORN + age + now) / 2)

    assert again == pytest.approx(now, abs=15.0)  # looks stand on a grid of 5 s, late ones of 15 s


# ---- the price ---------------------------------------------------------------------------------------------


def test_without_a_quota_the_price_stays_at_its_floor():
    assert price(Pressure(None, arrivals=1e6), prior=EVEN) == price(Pressure(10_000, arrivals=1), prior=EVEN)


def test_the_price_rises_as_calls_grow_scarce_and_never_beyond_use():
    prices = [price(Pressure(free, arrivals=40), prior=GUESS) for free in (400, 200, 120, 90, 70, 50, 20, 0)]

    assert prices == sorted(prices)
    assert prices[0] < prices[3] < prices[5]
    assert prices[-1] <= 650


def test_at_the_price_the_looks_planned_fit_the_calls_left():
    for free in (75, 90, 100, 120, 150):
        cost = price(Pressure(free, arrivals=50, open=0), prior=GUESS)
        assert plan(GUESS, cost, 720.0).calls[0] <= free / 50 + 0.1


def test_no_price_is_charged_that_saves_no_call():
    lacking, none = (price(Pressure(free, arrivals=80, open=0), prior=EVEN) for free in (80, 0))

    assert lacking == none
    assert plan(EVEN, lacking, 720.0).calls[0] == pytest.approx(1.2, abs=0.05)


def test_a_reserve_is_left_to_last_checks_first_looks_and_the_payers_word():
    low = Pressure(free_calls=10, arrivals=5, reserve=15)

    assert not may_ask(denied(100), low, at=BORN + 200)
    assert may_ask(shown(), low, at=BORN + 200)
    assert may_ask(denied(100, signals=((BORN + 190, Signal.SAID_PAID),)), low, at=BORN + 200)
    assert may_ask(denied(100), Pressure(free_calls=0), at=BORN + 720)
    assert not may_ask(shown(), Pressure(free_calls=0), at=BORN + 200)


def test_tail_checks_wait_until_nobody_goes_short_for_them():
    assert tail_affordable(Pressure(free_calls=None), prior=GUESS)
    assert tail_affordable(Pressure(free_calls=30, arrivals=0, open=0), prior=GUESS)
    assert not tail_affordable(Pressure(free_calls=30, arrivals=30), prior=GUESS)
    assert not tail_affordable(Pressure(free_calls=0, arrivals=0, open=0), prior=GUESS)


def test_each_qr_takes_one_call_from_what_can_still_be_confirmed():
    assert confirmable(Pressure(free_calls=31)) == 31
    assert confirmable(Pressure(free_calls=-2)) == 0
    assert confirmable(Pressure(free_calls=None)) is None


# ---- whom to ask -------------------------------------------------------------------------------------------


def test_single_calls_go_to_last_checks_first_then_to_the_largest_debt():
    at = BORN + 1000
    ending = Watched(
        at - 720, at - 120, at + 86_280, last_negative_started_at=at - 300, last_asked_at=at - 300
    )
    long_due, due = shown(at - 200), shown(at - 120)
    paid = shown(at - 100, signals=((at - 4, Signal.SAID_PAID),))
    young = shown(at - 5)
    left = [young, due, ending, long_due, paid]
    order = []
    while places := pick(left, prior=EVEN, pressure=PLENTY, at=at):
        assert len(places) == 1
        order.append(left.pop(places[0]))

    assert order == [ending, long_due, paid, due]
    assert left == [young]


def test_a_list_call_goes_when_the_debts_together_are_worth_it():
    crowd = [shown() for _ in range(200)]
    pressure = Pressure(None, batch_open=True, open=200)
    moment = next_call(crowd, prior=EVEN, pressure=pressure, at=BORN)
    alone = next_look(shown(), prior=EVEN, pressure=PLENTY, at=BORN)

    assert BORN + 15 < moment < BORN + 45 < alone
    assert pick(crowd, prior=EVEN, pressure=pressure, at=moment - 1) == []
    chosen = pick(crowd, prior=EVEN, pressure=pressure, at=moment)
    assert len(chosen) == len(set(chosen)) == 50
    owed = sum(debt(crowd[i], prior=EVEN, at=moment) for i in chosen)
    assert owed == pytest.approx(worth(pressure, prior=EVEN), rel=0.1)


def test_a_list_call_takes_those_who_owe_most():
    at = BORN + 200
    crowd = [shown(at - 40 - i) for i in range(120)]
    chosen = pick(crowd, prior=EVEN, pressure=Pressure(None, batch_open=True, open=120), at=at)

    assert sorted(chosen) == list(range(70, 120))


def test_one_who_speaks_in_a_crowd_comes_sooner_but_does_not_get_a_call_to_himself():
    company = Pressure(None, batch_open=True, open=50)
    at = BORN + 20
    silent = next_look(shown(), prior=EVEN, pressure=company, at=at)
    spoken = shown(signals=((at, Signal.SAID_PAID),))

    assert at + SETTLE_S < next_look(spoken, prior=EVEN, pressure=company, at=at) <= silent
    assert next_look(spoken, prior=EVEN, pressure=PLENTY, at=at) == at + SETTLE_S


def test_a_last_check_waits_a_minute_for_company_and_no_longer():
    watched = denied(600)
    company = Pressure(None, batch_open=True, open=5)

    assert pick([watched], prior=EVEN, pressure=company, at=BORN + 750) == []
    assert pick([watched], prior=EVEN, pressure=company, at=BORN + 780) == [0]
    assert pick([watched], prior=EVEN, pressure=Pressure(None, batch_open=True, open=1), at=BORN + 720) == [0]


def test_tail_checks_ride_along_at_the_end_of_the_rank():
    at = BORN + 600 + 86_400
    tail = denied(721)
    crowd = [shown(at - 60 - i) for i in range(49)]
    pressure = Pressure(None, batch_open=True, open=49)
    assert pick([tail, *crowd], prior=EVEN, pressure=pressure, at=at)[-1] == 0

    fuller = [tail, *crowd, shown(at - 61.5), shown(at - 62.5)]
    assert 0 not in pick(fuller, prior=EVEN, pressure=pressure, at=at)


@settings(deadline=None)
@given(st.lists(st.floats(min_value=0, max_value=800), min_size=1, max_size=60), pressures)
def test_the_next_call_names_somebody_and_a_little_earlier_it_does_not(ages, pressure):
    at = BORN + 800
    crowd = [shown(at - age) for age in ages]
    moment = next_call(crowd, prior=EVEN, pressure=pressure, at=at)

    assert moment >= at
    assert pick(crowd, prior=EVEN, pressure=pressure, at=moment + 0.01)
    early = 0.5 if pressure.batch_open and pressure.open > 1 else 15.1  # single looks stand on a grid
    if moment > at + early:
        assert not pick(crowd, prior=EVEN, pressure=pressure, at=moment - early)


def test_a_plan_is_made_once_and_a_decision_reads_it():
    pressure = Pressure(80, arrivals=20)
    plan.cache_clear()

    def plans_made(signal_s: float) -> int:
        before = plan.cache_info().misses
        watched = denied(64, signals=((BORN + signal_s, Signal.SAID_PAID),))
        next_look(watched, prior=GUESS, pressure=pressure, at=BORN + 70)
        return int(plan.cache_info().misses - before)

    assert plans_made(60) > 0
    assert plans_made(59) == 0
