"""The two buttons beside the connection: look at the way to Bakong, look the receiving account up.

A look is an act of a person: kept with who and when before anything is sent, what was found kept beside it
as codes, so that whoever opens the settings reads the newest one in their own language. It is paid from
the staff's purse, three calls at most, and not repeated within a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from vinflow import bakong
from vinflow.backoffice import acts
from vinflow.backoffice.models import StaffAct
from vinflow.backoffice.words import say
from vinflow.bakong import AccountState, BakongError, CannotTell, Diagnosis, Reason
from vinflow.bakong.advice import CLOCK_OFF_S, CLOCK_WRONG_S, DAYS_SOON
from vinflow.payments import conf
from vinflow.payments.budgeting import Asking, Pool, asking
from vinflow.payments.errors import NotConfigured
from vinflow.payments.gateways import looking
from vinflow.payments.models import PaymentSettings

__all__ = ["KINDS", "Looked", "TooSoon", "knows_accounts", "look", "newest"]

KINDS = {StaffAct.What.CONNECTION: "Test connection", StaffAct.What.ACCOUNT: "Verify account"}
COOL_DOWN = timedelta(minutes=1)
ASKED, TOLD = "asked", "told"

# code: (tone, what it means). A code may carry a value after a colon, which fills {n}.
MEANINGS: dict[str, tuple[str, str]] = {
    "settings": ("danger", "A setting is missing or cannot be meant: {n}"),
    "reachable": ("success", "Bakong answers at this address and lets this server in."),
    "refused": ("danger", "Bakong refuses this server (403). It answers only to servers in Cambodia."),
    "network": ("danger", "Nothing answers at this address. Check the address, the network and the proxy."),
    "timeout": ("danger", "Bakong does not answer in time. Try again; if it stays so, check the proxy."),
    "upstream": ("danger", "Bakong is out of order at the moment. Nothing is wrong on this side."),
    "throttled": ("warn", "Bakong asks us to slow down. Try again in a minute."),
    "strange": ("danger", "Something answers at this address, but not as Bakong does. Check the address."),
    "clock": ("success", "This server's clock agrees with Bakong's."),
    "clock_off": ("warn", "This server's clock is {n} s off. Switch time synchronisation on."),
    "clock_wrong": ("danger", "This server's clock is {n} s off: no unpaid payment can expire."),
    "no_token": ("danger", "No access token is set."),
    "token_refused": ("danger", "Bakong refuses the access token."),
    "token": ("success", "Bakong takes the access token."),
    "token_days": ("success", "Bakong takes the access token; it lasts {n} more days."),
    "token_soon": ("warn", "Bakong takes the access token, but it lasts only {n} more days."),
    "token_unclear": ("warn", "Whether Bakong takes the access token could not be told."),
    "account_exists": ("success", "The receiving account exists at Bakong."),
    "account_unknown": ("danger", "Bakong knows no such receiving account: nobody can pay its QRs."),
    "account_invalid": ("danger", "The receiving account is not one Bakong could have."),
    "account_unclear": ("warn", "What Bakong says of the account could not be told ({n})."),
    "list_open": ("success", "Many QRs can be asked about with one call."),
    "list_closed": ("info", "Each QR costs a call of its own: Bakong's list is closed to this token."),
    "quota_gone": ("danger", "The gateway's daily limit is used up"),
    "spared": ("warn", "No call was free, so some questions were not asked."),
    "calls": ("info", "This cost at most {n} calls of today."),
}
DOORS = {
    Reason.NETWORK: "network",
    Reason.TIMEOUT: "timeout",
    Reason.UPSTREAM: "upstream",
    Reason.THROTTLED: "throttled",
}
ACCOUNTS = {
    AccountState.EXISTS: "account_exists",
    AccountState.UNKNOWN: "account_unknown",
    AccountState.INVALID: "account_invalid",
}


class TooSoon(Exception):
    """Somebody looked less than a minute ago; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look found. lines: (tone, sentence), the most basic first."""

    kind: str
    word: str
    by: str
    at: datetime
    lines: tuple[tuple[str, str], ...]


def knows_accounts() -> bool:
    """Return whether the dialect that is spoken can be asked about an account at all."""
    try:
        return conf.protocol() is conf.Protocol.OPEN_API
    except NotConfigured:
        return False


def look(kind: StaffAct.What, *, by: Any, at: datetime) -> None:
    """Look now, and keep what was found. Raises TooSoon, with nothing sent."""
    _begin(kind, by=by, at=at)
    try:
        with asking(Asking(Pool.STAFF)):
            codes = _account() if kind is StaffAct.What.ACCOUNT else _connection()
    except NotConfigured as fault:
        codes = [f"settings:{fault.setting}"]
    except BakongError:
        codes = ["settings:KHQR_MERCHANT_ID"]
    acts.keep(kind, by=by, at=at, result=TOLD, note="\n".join(codes))


@transaction.atomic
def _begin(kind: StaffAct.What, *, by: Any, at: datetime) -> None:
    """Keep that somebody looks, one at a time: two presses in one moment are one look."""
    PaymentSettings.objects.get_or_create(singleton=1)
    PaymentSettings.objects.select_for_update().get(singleton=1)
    if StaffAct.objects.filter(what=kind, at__gt=at - COOL_DOWN).exists():
        raise TooSoon
    acts.keep(kind, by=by, at=at, result=ASKED)


def _connection() -> list[str]:
    found, spared = bakong.examine(looking.way())
    return list(_codes(found, spared=spared))


def _account() -> list[str]:
    told = bakong.look_up_account(looking.way())
    if isinstance(told, CannotTell):
        if told.reason is Reason.BUDGET:
            return ["spared"]
        return [f"account_unclear:{told.reason}", "calls:1"]
    return [ACCOUNTS[told.state], "calls:1"]


def _codes(found: Diagnosis, *, spared: bool) -> Iterator[str]:
    """Yield what a diagnosis says, as codes of MEANINGS."""
    if not found.reachable:
        reason = found.door.reason if found.door is not None else None
        yield "refused" if found.refused else DOORS.get(reason, "strange") if reason else "strange"
        return
    yield "reachable"
    behind = abs(found.clock_behind_s) if found.clock_behind_s is not None else None
    if behind is not None:
        wrong = "clock_wrong" if behind > CLOCK_WRONG_S else "clock_off"
        yield "clock" if behind <= CLOCK_OFF_S else f"{wrong}:{behind:.0f}"
    days = found.token_days_left
    if found.token is None and found.token_accepted is None:
        yield "no_token"
    elif found.token_accepted is False:
        yield "token_refused"
    elif found.token_accepted is None:
        yield "token_unclear"
    elif days is None:
        yield "token"
    else:
        yield f"{'token_soon' if days <= DAYS_SOON else 'token_days'}:{max(0.0, days):.0f}"
    if found.account is not None:
        yield ACCOUNTS[found.account]
    if found.md5_list_open is not None:
        yield "list_open" if found.md5_list_open else "list_closed"
    if found.quota_gone:
        yield "quota_gone"
    if spared:
        yield "spared"
    yield f"calls:{found.metered_calls}"


def newest() -> list[Looked]:
    """Return the newest look of each kind, in one query."""
    rows = (
        StaffAct.objects.filter(what__in=list(KINDS), result=TOLD)
        .select_related("actor")
        .order_by("-at", "-pk")
    )
    by_kind: dict[str, StaffAct] = {}
    for row in rows[:20]:
        by_kind.setdefault(row.what, row)
    acts_of = [(kind, by_kind[kind]) for kind in KINDS if kind in by_kind]
    return [
        Looked(kind, say(KINDS[kind]), act.actor.get_username(), act.at, tuple(_lines(act.note)))
        for kind, act in acts_of
    ]


def _lines(note: str) -> Iterator[tuple[str, str]]:
    for line in note.splitlines():
        code, _colon, value = line.partition(":")
        if code in MEANINGS:
            tone, text = MEANINGS[code]
            yield tone, say(text, n=value) if value else say(text)
