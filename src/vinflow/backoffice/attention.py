"""What a person should do something about now; each line names where. Nothing else is listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse

from vinflow.backoffice.figures import Calls, Pulse, Waiting
from vinflow.backoffice.quota import Quota
from vinflow.backoffice.words import say, say_many

__all__ = ["Note", "notes", "token_note"]

TOKEN_SOON = timedelta(days=7)
WATCHER_SILENT = timedelta(minutes=2)
FAILING = 0.20
FAILING_LEAST = 5  # calls; two failures out of three are no trend
QUOTA_HIGH = 80


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to do: which, in words, and the address to do it at."""

    key: str
    text: str
    url: str


def token_note(ends_at: datetime, *, at: datetime, key: str = "token") -> Note:
    """Return what to do about a token that ends soon, or has ended."""
    days = max(0, (ends_at - at).days)
    return Note(
        key,
        say_many("The access token expires in {n} day", "The access token expires in {n} days", days),
        reverse("backoffice:settings"),
    )


def notes(
    *,
    reviews: Counter[str],
    waiting: Waiting,
    recent: Sequence[Calls],
    quota: Quota | None,
    pulse: Pulse,
    token_ends_at: datetime | None,
    at: datetime,
    clock_time: str,
) -> list[Note]:
    """Return what needs attention, the most urgent first. recent: the calls of the last quarter hour.

    clock_time: the watcher's last beat as the page writes times.
    """
    desk, payments = reverse("backoffice:review"), reverse("backoffice:transactions")
    config = reverse("backoffice:settings")
    found: list[Note] = []
    if pulse.spending_stopped_at is not None:
        found.append(
            Note("books", say("The books do not add up: spending is stopped"), reverse("backoffice:ledger"))
        )
    if pulse.failed_proof is not None:
        text = say("The audit of the books failed: {n} problems", n=pulse.problems)
        found.append(Note(f"audit_{pulse.failed_proof}", text, reverse("backoffice:reconciliation")))
    if pulse.beat_at is None or at - pulse.beat_at > WATCHER_SILENT:
        text = (
            say("Background checking has stopped since {time}", time=clock_time)
            if pulse.beat_at
            else say("Background checking has never run")
        )
        found.append(Note("watcher", text, config))
    asked = sum(one.count for one in recent)
    errors = sum(one.errors for one in recent)
    if any(one.refused for one in recent):
        found.append(
            Note(
                "blocked",
                say("The gateway refuses this server (403). Bakong answers only to servers in Cambodia."),
                config,
            )
        )
    elif asked >= FAILING_LEAST and errors / asked >= FAILING:
        found.append(
            Note(
                "gateway",
                say("The gateway is failing ({percent} errors)", percent=f"{errors / asked:.0%}"),
                config,
            )
        )
    if quota is not None and quota.allowed is not None:
        if quota.closed_until is not None and quota.closed_until > at:
            found.append(Note("quota_gone", say("The gateway's daily limit is used up"), config))
        elif quota.percent >= QUOTA_HIGH:
            text = say("Gateway calls today: {used} of {limit}", used=quota.used, limit=quota.allowed)
            found.append(Note("quota", text, config))
    if token_ends_at is not None and token_ends_at - at <= TOKEN_SOON:
        found.append(token_note(token_ends_at, at=at))
    if reviews["mismatch"]:
        text = say_many(
            "{n} payment with a different amount or currency",
            "{n} payments with a different amount or currency",
            reviews["mismatch"],
        )
        found.append(Note("mismatch", text, desk))
    if reviews["late"]:
        found.append(
            Note(
                "late",
                say_many("{n} late payment on hold", "{n} late payments on hold", reviews["late"]),
                desk,
            )
        )
    if reviews["other"]:
        found.append(
            Note(
                "review",
                say_many(
                    "{n} other transfer waits for a decision",
                    "{n} other transfers wait for a decision",
                    reviews["other"],
                ),
                desk,
            )
        )
    if pulse.differences:
        text = say_many(
            "{n} difference between Bakong, the bank and the books",
            "{n} differences between Bakong, the bank and the books",
            pulse.differences,
        )
        key = f"difference_{pulse.newest_difference}"  # a newer one is told anew
        found.append(Note(key, text, reverse("backoffice:reconciliation")))
    if waiting.stuck:
        text = say_many(
            "{n} payment past expiry without an answer",
            "{n} payments past expiry without an answer",
            waiting.stuck,
        )
        found.append(Note("stuck", text, f"{payments}?status=confirming"))
    return found
