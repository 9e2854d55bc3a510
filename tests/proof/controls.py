"""Guards, how each is taken away, the test that must go red then, and for which reason.

A test that stays green without its guard proves nothing; one that goes red for another reason proves
something else. Each is removed alone: where a second guard stands behind it, the reason is that one's words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest import mock

from django.db import connection
from tests.payments import (
    test_guards,
    test_holes,
    test_opening,
    test_quota,
    test_reviewing,
    test_the_thin_line,
)
from tests.proof import scenarios, test_races

from vinflow.payments import (
    answering,
    budgeting,
    claiming,
    conf,
    confirming,
    crediting,
    matching,
    opening,
    reviewing,
    schedule,
    watching,
)
from vinflow.payments.guards import drop_guards
from vinflow.payments.guards import install_guards as install_payment_guards
from vinflow.payments.matching import Match
from vinflow.payments.models import Attempt, Payment, Transfer
from vinflow.payments.states import Status, after
from vinflow.wallet import laws
from vinflow.wallet.guards import install_guards as install_wallet_guards

__all__ = ["CONTROLS", "Control"]

Removal = Callable[[], AbstractContextManager[Any]]
BOTH, SQLITE, POSTGRES = ("sqlite", "postgresql"), ("sqlite",), ("postgresql",)


@dataclass(frozen=True, slots=True)
class Control:
    """One guard. reason: the failure's words, a regular expression.

    rule: its number in the rules of money. triggers: the database's own, on each in its own words.
    """

    guard: str
    rule: str
    test: Callable[..., None]
    removed: Removal
    reason: str
    where: tuple[str, ...] = BOTH
    triggers: bool = False


def patched(target: Any, name: str, value: Any) -> Removal:
    """Return a removal that puts something else in a guard's place."""
    return lambda: mock.patch.object(target, name, value)


@contextmanager
def all_of(*parts: AbstractContextManager[Any]) -> Iterator[None]:
    """Remove several things that are one guard."""
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(part)
        yield


# --- the locks and states -----------------------------------------------------------------------------------


def unlocked(transfer_id: int) -> tuple[Payment, Attempt, Transfer]:
    transfer = Transfer.objects.select_related("attempt", "payment").get(pk=transfer_id)
    return transfer.payment, transfer.attempt, transfer


def no_row_lock() -> AbstractContextManager[Any]:
    rooms = (crediting, confirming, reviewing)
    return all_of(*(mock.patch.object(room, "lock_for_transfer", unlocked) for room in rooms))


def unguarded_advance(self: Payment, event: Any, *, at: Any, late: bool = False) -> None:
    new = after(Status(self.status), event)
    Payment.objects.filter(pk=self.pk).update(status=new.value, ended_at=at)
    self.status = new.value


@contextmanager
def no_lease() -> Iterator[None]:
    """The claim's statement without the words that pass over what another has leased."""
    cast = "::timestamptz" if connection.vendor == "postgresql" else ""

    def strip(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        told = "(leased_until IS NULL OR leased_until <= %s)"
        return execute(sql.replace(told, f"(%s{cast} IS NOT NULL)"), params, many, context)

    with connection.execute_wrapper(strip):
        yield


# --- what the database refuses ------------------------------------------------------------------------------


def run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def no_trigger(sqlite: tuple[str, ...], postgres: tuple[tuple[str, str], ...]) -> Removal:
    """Return a removal that drops triggers, and puts all of them back. postgres: (table, trigger) pairs."""

    @contextmanager
    def remove() -> Iterator[None]:
        if connection.vendor == "sqlite":
            run(*(f"DROP TRIGGER {name}" for name in sqlite))
        else:
            run(*(f"DROP TRIGGER {name} ON {table}" for table, name in postgres))
        try:
            yield
        finally:
            install_payment_guards(connection)
            install_wallet_guards(connection)

    return remove


@contextmanager
def no_unique_hash() -> Iterator[None]:
    (name,) = (
        name
        for name, one in connection.introspection.get_constraints(
            connection.cursor(), "payments_transfer"
        ).items()
        if one["unique"] and one["columns"] == ["hash"] and not one["primary_key"]
    )
    run(f'ALTER TABLE payments_transfer DROP CONSTRAINT "{name}"')
    try:
        yield
    finally:
        drop_guards(connection)
        run(
            "UPDATE payments_transfer SET hash = lpad(id::text, 64, '0')",
            f'ALTER TABLE payments_transfer ADD CONSTRAINT "{name}" UNIQUE (hash)',
        )
        install_payment_guards(connection)


# --- what is asked, and when --------------------------------------------------------------------------------


def no_old_watch() -> AbstractContextManager[Any]:
    adding = opening._add_attempt

    def add(payment: Payment, *rest: Any, **more: Any) -> Attempt:
        attempt = adding(payment, *rest, **more)
        Attempt.objects.filter(payment=payment).exclude(pk=attempt.pk).update(next_check_at=None)
        return attempt

    return mock.patch.object(opening, "_add_attempt", add)


class Blind:
    """A connection that is never inside a transaction, for the reservation's own question."""

    in_atomic_block = False

    def __getattr__(self, name: str) -> Any:
        return getattr(connection, name)


def credit_whoever_names_it(*, payment: Payment, found: Any, named: str, at: Any) -> None:
    """What the rule about claims forbids: the receipt is enough."""
    attempt = payment.attempts.get()
    with mock.patch.object(confirming.transaction, "atomic", return_value=nullcontext()):
        transfer = confirming.store_found(attempt=attempt, found=found, asked_at=at, at=at)
    if transfer is not None:
        confirming.settle(transfer_id=transfer.pk, at=at)


class AnyEnvironment:
    """Settings that call every gateway the real one."""

    def environment(self) -> str:
        return "production"

    def __getattr__(self, name: str) -> Any:
        return getattr(conf, name)


CONTROLS: tuple[Control, ...] = (
    Control(
        "the payment's row lock",
        "lock order",
        scenarios.two_transfers_credited_in_one_moment,
        no_row_lock,
        r"was told (IntegrityError|IllegalTransition)",
        POSTGRES,
    ),
    Control(
        "the guarded update of a state",
        "4",
        scenarios.a_stale_row_cannot_move_a_state,
        patched(Payment, "advance", unguarded_advance),
        r"DID NOT RAISE",
    ),
    Control(
        "one row for one hash",
        "17",
        test_races.test_staff_who_credit_a_claim_are_told_that_it_was_found_meanwhile,
        no_unique_hash,
        r"EntryDiffers|ReviewRefused",
        POSTGRES,
    ),
    Control(
        "the triggers of the seal: an entry balances",
        "7",
        scenarios.an_unbalanced_entry_is_refused,
        no_trigger(
            ("wallet_guard_seal_before_insert",),
            (
                ("wallet_seal", "wallet_guard_seal_insert"),
                ("wallet_journalentry", "wallet_guard_journalentry_commit"),
            ),
        ),
        r"DID NOT RAISE",
        triggers=True,
    ),
    Control(
        "a balance moves by its next line",
        "9",
        scenarios.a_balance_cannot_be_edited,
        no_trigger(
            ("wallet_guard_account_before_update",), (("wallet_account", "wallet_guard_account_change"),)
        ),
        r"DID NOT RAISE",
        triggers=True,
    ),
    Control(
        "completed on the evidence of a credit",
        "1",
        test_guards.test_a_payment_is_not_completed_without_a_credited_transfer,
        no_trigger(("payments_payment_evidence",), (("payments_payment", "payments_payment_evidence"),)),
        r"DID NOT RAISE",
        triggers=True,
    ),
    Control(
        "the match of amount and currency",
        "2",
        test_the_thin_line.test_another_amount_goes_to_review_and_to_suspense,
        patched(confirming, "judge", lambda *_: Match(late=False)),
        r"ReviewItem matching query does not exist",
    ),
    Control(
        "the receiver is ours",
        "2",
        test_the_thin_line.test_a_foreign_receiver_opens_an_item_and_books_nothing,
        patched(matching, "receiver_accepted", lambda *_: True),
        r"'credited'",
    ),
    Control(
        "grace after expiry",
        "4",
        scenarios.nothing_expires_before_the_grace_is_over,
        patched(conf, "grace", lambda: timedelta(0)),
        r"expired before the grace was over",
    ),
    Control(
        "the bank's clock agrees",
        "14",
        test_holes.test_a_clock_three_minutes_off_does_not_drain_the_day,
        patched(answering, "CLOCKS_AGREE", timedelta(days=1)),
        r"'expired' == 'pending'",
    ),
    Control("the lease", "6", scenarios.one_attempt_is_leased_once, no_lease, r"leased twice"),
    Control(
        "an old QR stays watched",
        "4",
        test_the_thin_line.test_an_old_qr_paid_after_a_new_one_completes_the_payment_once,
        no_old_watch,
        r"'(pending|expired)' == 'completed'",
    ),
    Control(
        "the budget's reserve",
        "13",
        test_quota.test_i_have_paid_has_a_purse_of_its_own_when_the_day_is_spent,
        patched(budgeting, "_may_spend", lambda *_, **__: True),
        r"\['found'\] == \['cannot_tell'\]",
    ),
    Control(
        "the budget's end",
        "13",
        scenarios.the_day_is_never_overspent,
        patched(budgeting, "_may_spend", lambda *_, **__: True),
        r"budget_never_passed",
    ),
    Control(
        "the cool-down of one QR",
        "3",
        test_quota.test_two_tabs_and_a_button_cost_one_call_inside_the_cool_down,
        patched(schedule, "COOL_DOWN_S", 0.0),
        r"At index 1 diff: 'none' != 'wait'",
    ),
    Control(
        "the inbox",
        "4",
        scenarios.a_stored_answer_is_decided_by_the_next_worker,
        patched(watching, "process_inbox", lambda **_: 0),
        r"stored and never decided",
    ),
    Control(
        "a call is reserved durably, outside any transaction",
        "5, 6",
        test_opening.test_no_call_is_made_inside_a_transaction,
        patched(budgeting, "connection", Blind()),
        r"RuntimeError: A durable atomic block cannot be nested",
    ),
    Control(
        "a claim credits by the payer's own QR alone",
        "1",
        test_reviewing.test_a_strangers_receipt_credits_nobody_by_itself,
        patched(claiming, "file_claim", credit_whoever_names_it),
        r"'credited' == 'review'",
    ),
    Control(
        "two people for money that is dismissed",
        "2",
        test_reviewing.test_dismissing_booked_money_takes_two_people,
        patched(reviewing, "needs_two", lambda *_, **__: False),
        r"'dismissed'",
    ),
    Control(
        "the law's brake",
        "1",
        test_reviewing.test_a_broken_law_stops_spending_and_never_receiving,
        patched(laws, "_brakes", {}),
        r"DID NOT RAISE.*SpendingStopped",
    ),
    Control(
        "the hourly cap of what no person saw",
        "22",
        test_reviewing.test_automatic_credit_is_capped_by_the_hour,
        patched(confirming, "_held_back", lambda *_, **__: None),
        r"200|2\.00",
    ),
    Control(
        "play money stays out of real wallets",
        "18",
        scenarios.play_money_is_no_answer_about_a_real_qr,
        patched(confirming, "conf", AnyEnvironment()),
        r"DID NOT RAISE",
    ),
)
