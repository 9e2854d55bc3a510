"""The edges of the plain decisions, to the second and to the cent: each was found by a mutant that lived."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from tests.payments.test_matching import ASKED, PAID

from vinflow import khqr
from vinflow.khqr import errors
from vinflow.khqr.decoder import read_fields
from vinflow.money import Currency, Money
from vinflow.payments.errors import IllegalTransition
from vinflow.payments.inspection import Belief, Signal, Watched, belief_of, open_signals, plan
from vinflow.payments.matching import EARLY, Match, Mismatch, Reason, judge, reported_money
from vinflow.payments.prior import Prior
from vinflow.payments.schedule import PRICE_STEP, Pressure, may_ask, price, together, worth
from vinflow.payments.states import TRANSITIONS, Event, Status, after, mermaid

GUESS = Prior.of()

# --- matching -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "currency", "money"),
    [
        (None, "USD", None),
        (Decimal("0.01"), "USD", Money(1, Currency.USD)),
        (Decimal(1), "KHR", Money(1, Currency.KHR)),
        (Decimal(10**13), "USD", Money(10**15, Currency.USD)),
        (Decimal(10**13) + Decimal("0.01"), "USD", None),
        (Decimal(1), "EUR", None),
        (Decimal(0), "USD", None),
    ],
)
def test_the_smallest_and_the_largest_amount_are_money(
    amount: Decimal | None, currency: str, money: Money | None
) -> None:
    assert reported_money(amount, currency) == money


def test_the_last_moment_still_counts_and_the_next_does_not() -> None:
    tick = timedelta(microseconds=1)
    first, last = ASKED.created_at - EARLY, ASKED.watch_until

    assert judge(replace(PAID, created_at=first), ASKED) == Match(late=False)
    assert judge(replace(PAID, created_at=first - tick), ASKED) == Mismatch((Reason.TOO_EARLY,))
    assert judge(replace(PAID, created_at=last), ASKED) == Match(late=True)
    assert judge(replace(PAID, created_at=last + tick), ASKED) == Mismatch((Reason.AFTER_WATCH,))
    undated = replace(PAID, created_at=None, asked_at=ASKED.expires_at)
    assert judge(undated, ASKED) == Match(late=False)
    assert judge(replace(undated, asked_at=ASKED.expires_at + tick), ASKED) == Mismatch(
        (Reason.TIME_UNKNOWN,)
    )


# --- states -------------------------------------------------------------------------------------------------


def test_a_refused_event_names_itself_and_the_state() -> None:
    with pytest.raises(IllegalTransition, match="withdrawn cannot happen to a payment that is completed"):
        after(Status.COMPLETED, Event.WITHDRAWN)


def test_the_diagram_is_the_table_word_for_word() -> None:
    lines = mermaid().split("\n")

    assert lines[:2] == ["stateDiagram-v2", "    [*] --> pending"]
    assert lines[2:] == [
        *(
            f"    {state.value} --> {to.value}: {' '.join(event.value.split('_'))}"
            for state, events in TRANSITIONS.items()
            for event, to in events.items()
        ),
        "",
    ]


# --- the decoder --------------------------------------------------------------------------------------------

PAYEE, MERCHANT = "29170013sok_dara@aclb", "30290013sok_dara@aclb0108MERCH123"
TAIL = "5303840" + "5908Sok Dara" + "63040000"


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (PAYEE + "5303840", errors.Truncated, "a KHQR ends with 6304 and four hex digits"),
        (PAYEE + "530384063040G00", errors.Truncated, "a KHQR ends with 6304 and four hex digits"),
        (PAYEE + MERCHANT + TAIL, errors.Repeated, "both 29 and 30: two payees"),
        (TAIL, errors.MissingField, "neither tag 29 nor tag 30"),
        (PAYEE + "63040000", errors.MissingField, "no currency"),
        (PAYEE + "5303978" + "63040000", errors.UnknownValue, "'978' is neither 116 nor 840"),
        (PAYEE + "5325" + "9" * 25 + "63040000", errors.UnknownValue, f"'{'9' * 20}' is neither"),
    ],
)
def test_a_text_that_is_refused_says_why(text: str, error: type[khqr.KHQRError], words: str) -> None:
    with pytest.raises(error) as caught:
        khqr.decode(text)

    assert words in str(caught.value)


def test_the_field_of_a_missing_or_unknown_currency_is_named() -> None:
    for text in (PAYEE + "63040000", PAYEE + "530397863040000"):
        with pytest.raises(khqr.KHQRError) as caught:
            khqr.decode(text)
        assert (caught.value.path, caught.value.field) == ("53", "currency")  # type: ignore[attr-defined]


def test_only_who_asks_for_it_is_read_leniently() -> None:
    cut = PAYEE + "5303840" + "5908Sok Dara"

    with pytest.raises(errors.Truncated):
        khqr.decode(cut)
    assert khqr.decode(cut, lenient=True).merchant_name == "Sok Dara"


def test_a_lenient_reader_takes_the_last_payee_and_stops_at_a_tag_after_itself() -> None:
    assert read_fields(PAYEE + MERCHANT, lenient=True)["merchant_type"] == "merchant"
    assert read_fields(MERCHANT + PAYEE + TAIL, lenient=True)["merchant_type"] == "merchant"
    assert read_fields(PAYEE + "5903Abc5903Xyz6002PP", lenient=True)["merchant_name"] == "Abc"
    assert read_fields(PAYEE + "5903Abc5903Xyz6002PP", lenient=True)["merchant_city"] is None
    both = read_fields(MERCHANT + "5903Abc" + PAYEE + TAIL, lenient=True)
    assert (both["merchant_type"], both["merchant_id"]) == ("individual", None)


def test_half_a_letter_is_shown_and_does_not_break_the_reader() -> None:
    read = read_fields("5902a\ud83d6002PP", lenient=True)

    assert read["merchant_name"] == "a\ufffd"
    assert read["merchant_city"] == "PP"


def test_what_has_no_field_is_kept_under_its_own_name() -> None:
    rest = "5303840" + "5908Sok Dara" + "62060902zz" + "64060902yy" + "99060902xx" + "63040000"
    person = khqr.decode("29230013sok_dara@aclb0902ww" + rest)
    company = khqr.decode("30230013sok_dara@aclb0902ww" + rest)

    others = (("62.09", "zz"), ("64.09", "yy"), ("99.09", "xx"))
    assert person.extra == (("29.09", "ww"), *others)
    assert company.extra == (("30.09", "ww"), *others)
    assert isinstance(company, khqr.Merchant)
    assert (company.merchant_id, company.acquiring_bank) == ("", "")


def test_what_is_absent_is_empty_and_a_lone_zero_is_a_time() -> None:
    bare = khqr.decode(
        "2906" + "0102ab" + "5303840" + "99050001063040000".replace("990500010", "99050001" + "0")
    )

    assert (bare.bakong_account_id, bare.merchant_city, bare.merchant_category_code) == ("", "", "")
    assert (bare.creation_timestamp, bare.expiration_timestamp) == (0, None)
    assert khqr.decode(PAYEE + "5303840" + "9906000201" + "63040000").creation_timestamp is None


# --- what is believed, and what a look costs ----------------------------------------------------------------


def test_the_debt_is_the_area_under_the_likelihood() -> None:
    """Belief.owed is a formula; here it is summed up second by second."""
    belief = Belief(GUESS, 20.0, 0.3, 7.0, 0.0, 20.0)
    summed = 7.0 + sum(belief.likely(20.0 + (n + 0.5) / 10) / 10 for n in range(3000))

    assert belief.likely(20.0) == pytest.approx(0.3)
    assert belief.owed(20.0) == pytest.approx(7.0)
    assert belief.owed(320.0) == pytest.approx(summed, rel=1e-3)


def test_a_slow_bank_is_believed_for_half_a_minute_and_more() -> None:
    belief = Belief(GUESS, 30.0, 0.2, 0.0, 0.5, 30.0)
    summed = sum(0.5 * 0.8 * belief.visible(30.0 + (n + 0.5) / 10) / 10 for n in range(900))

    assert belief.visible(30.0) == 0.0
    assert belief.visible(60.0) == pytest.approx(0.5)
    assert belief.visible(90.0) == pytest.approx(0.75)
    assert belief.echoed(120.0) == pytest.approx(summed, rel=1e-3)
    assert belief.likely(60.0) > replace(belief, echo=0.0).likely(60.0)


def test_a_signal_is_open_until_a_no_that_came_three_seconds_after_it() -> None:
    watched = Watched(0.0, 600.0, 87_000.0, signals=((100.0, Signal.SAID_PAID), (200.0, Signal.PAGE_SHOWN)))

    assert open_signals(watched, 99.9) == []
    assert open_signals(watched, 100.0) == [(100.0, Signal.SAID_PAID)]
    assert len(open_signals(watched, 250.0)) == 2
    for said, left in ((102.9, 2), (103.0, 1), (202.9, 1), (203.0, 0)):
        assert len(open_signals(replace(watched, last_negative_started_at=said), 250.0)) == left


def test_each_no_to_a_signal_makes_the_next_of_its_kind_worth_a_quarter_of_the_odds() -> None:
    """One who says "I have paid" and is told no, and says it again a moment later."""
    said = [(10.0 + 15 * n, Signal.SAID_PAID) for n in range(3)]
    for nos in range(3):
        denied = said[nos - 1][0] + 5 if nos else None
        watched = Watched(
            0.0, 600.0, 87_000.0, signals=tuple(said[: nos + 1]), last_negative_started_at=denied
        )
        odds = 0.85 / 0.15 * 0.25**nos
        silent = belief_of(replace(watched, signals=tuple(said[:nos])), GUESS, said[nos][0])

        told = belief_of(watched, GUESS, said[nos][0])

        assert told.p == pytest.approx(odds / (1 + odds))
        assert told.p > silent.likely(said[nos][0])


@pytest.mark.parametrize("asking", [5.0, 10.0, 40.0])
def test_the_plan_is_the_cheapest_of_all_plans(asking: float) -> None:
    """Worked forwards here, with memory, where the plan works backwards."""
    made = plan(GUESS, asking, 720.0)
    grid = [5.0 * n for n in range(60)] + [300.0 + 15.0 * n for n in range(28)] + [720.0]
    assert list(made.ages) == [age for age in grid if age < 710.0 or age == 720.0]
    unpaid, area = GUESS.unpaid_at, GUESS.unpaid_area
    least: dict[float, tuple[float, float]] = {720.0: (0.0, 0.0)}
    for here in reversed(made.ages[:-1]):
        ways = [
            (unpaid(here) * (there - here) - (area(there) - area(here)) + least[there][0], there)
            for there in made.ages
            if there > here and (there - here >= 10.0 or there == 720.0)
        ]
        cost, there = min(ways)
        least[here] = (cost + asking * unpaid(here), unpaid(here) + least[there][1])

    for number in (0, 1, 30, 59, 60, len(made.ages) - 2):
        age = made.ages[number]
        assert made.cost[number] == pytest.approx(least[age][0])
        assert made.calls[number] == pytest.approx(least[age][1])
    middle = (made.ages[3] + made.ages[4]) / 2
    assert made.cost_at(middle) == pytest.approx((made.cost[3] + made.cost[4]) / 2)
    assert made.cost_at(-5.0) == pytest.approx(made.cost[0])
    assert made.cost_at(9999.0) == pytest.approx(made.cost[-1])


@pytest.mark.parametrize("free", [0, 5, 40, 150, 1000])
@pytest.mark.parametrize(("waiting", "arrivals"), [(1, 0.0), (10, 20.0), (3, 0.5)])
def test_the_price_is_the_lowest_at_which_the_calls_left_are_enough(
    free: int, waiting: int, arrivals: float
) -> None:
    pressure = Pressure(free_calls=free, arrivals=arrivals, open=waiting)

    def calls_at(step: int) -> float:
        edge = round(math.log(1.25) / math.log(PRICE_STEP))
        spread = [PRICE_STEP ** (step + off) for off in (-edge, 0, edge)]
        return sum(plan(GUESS, float(p), 720.0).calls[0] for p in spread) / 3

    told = price(pressure, prior=GUESS)
    step = round(math.log(told) / math.log(PRICE_STEP))
    supply = round((free + waiting) / (waiting + arrivals), 2)

    assert told == pytest.approx(PRICE_STEP**step)
    lowest = step == round(math.log(price(Pressure(None), prior=GUESS)) / math.log(PRICE_STEP))
    fewest = calls_at(math.ceil(math.log(600.0) / math.log(PRICE_STEP)))  # a dearer call saves nothing
    assert lowest or calls_at(step - 1) > supply
    assert calls_at(step) <= max(supply, fewest + 1e-9)


def test_a_reserve_is_left_and_the_payers_word_may_take_it() -> None:
    silent = Watched(0.0, 600.0, 87_000.0, checks=1)
    said = replace(silent, signals=((90.0, Signal.SAID_PAID),))
    tight = Pressure(free_calls=3, reserve=3)

    assert not may_ask(silent, tight, at=100.0)
    assert may_ask(silent, replace(tight, free_calls=4), at=100.0)
    assert may_ask(said, replace(tight, free_calls=1), at=100.0)
    assert may_ask(replace(silent, checks=0), replace(tight, free_calls=1), at=100.0)
    assert not may_ask(said, replace(tight, free_calls=0), at=100.0)
    assert may_ask(silent, replace(tight, free_calls=0), at=720.0)
    assert price(tight, prior=GUESS) > price(replace(tight, reserve=0), prior=GUESS)


def test_a_full_call_is_worth_the_root_of_its_passengers() -> None:
    alone, two = Pressure(None, batch_open=True, open=1), Pressure(None, batch_open=True, open=2)

    assert (together(alone), together(two), together(replace(two, open=500))) == (1, 2, 50)
    assert together(replace(two, batch_open=False)) == 1
    assert worth(alone, prior=GUESS) == price(alone, prior=GUESS)
    assert worth(two, prior=GUESS) > price(two, prior=GUESS)
