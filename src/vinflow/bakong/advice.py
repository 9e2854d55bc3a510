"""A diagnosis in plain words, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from .diagnosis import Diagnosis
from .results import AccountState, Reason

__all__ = ["Finding", "Level", "advise"]

DAYS_SOON = 7  # when a token is renewed
DAYS_ALARM = 3  # when NBC itself writes to the token's e-mail
CLOCK_OFF_S = 30.0
CLOCK_WRONG_S = 120.0  # beyond this a "not found" may not expire a payment


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    LOOK = "look"  # works today; somebody should look
    BAD = "bad"  # payments cannot be confirmed, or soon cannot
    UNKNOWN = "unknown"  # could not be found out


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. topic: a fixed word; says: what is; do: what to do, "" for nothing."""

    level: Level
    topic: str
    says: str
    do: str = ""


DOOR: dict[Reason, tuple[str, str]] = {
    Reason.NETWORK: (
        "Nothing answers at this address, or its certificate is not to be trusted.",
        "Check the address, this machine's DNS and firewall, and the proxy if one is set.",
    ),
    Reason.TIMEOUT: (
        "Something is there, but does not answer in time.",
        "Try again; if it stays so, check the proxy, or raise the time limit.",
    ),
    Reason.CONFIG: (
        "A web server answers, but not Bakong: it knows no such call.",
        "Check the address: only the host stands in it, without /v1.",
    ),
    Reason.REDIRECT: (
        "The address sends us elsewhere; redirects are never followed.",
        "Put the final https address in the settings.",
    ),
    Reason.UPSTREAM: ("Bakong is out of order at the moment.", "Wait; nothing is wrong on this side."),
    Reason.THROTTLED: ("Bakong asks us to slow down.", "Wait a minute and try again."),
    Reason.BLOCKED: (
        "Bakong refuses this machine (HTTP 403). It does so to most addresses outside Cambodia.",
        "Run from Cambodia, or send the calls through a proxy of your own there. The token is not the cause.",
    ),
}


def advise(
    found: Diagnosis, *, renewable: bool, calls_left: int | None = None, refused_by_budget: bool = False
) -> list[Finding]:
    """Return what a diagnosis means, the most basic thing first.

    renewable: an e-mail is set. calls_left: of the day, by the caller's own ledger; None when it keeps none.
    refused_by_budget: the caller's own budget let some of the questions not pass.
    """
    findings = [*door(found), *clock(found)]
    if found.reachable:
        findings += [*token(found, renewable), *account(found), *lists(found)]
    findings += quota(found, calls_left)
    if refused_by_budget:
        findings.append(
            Finding(
                Level.LOOK,
                "budget",
                "Our own ledger had no call to spare, so some questions were not asked.",
                "Ask again tomorrow, or raise the number of daily calls if NBC gives you more.",
            )
        )
    return findings


def door(found: Diagnosis) -> Iterator[Finding]:
    """Is the address right, and are we let in?"""
    if found.reachable:
        yield Finding(Level.OK, "address", "Bakong answers at this address and lets this machine in.")
        return
    told = found.door
    reason = told.reason if told is not None else Reason.MALFORMED
    says, do = DOOR.get(
        reason,
        (
            "Something answers at this address, but not as Bakong does.",
            "Check the address and the proxy; a login page or a firewall may stand in between.",
        ),
    )
    detail = f" ({told.detail})" if told is not None and told.detail else ""
    yield Finding(Level.BAD, "refused" if found.refused else "address", says + detail, do)


def clock(found: Diagnosis) -> Iterator[Finding]:
    """Is our clock right?"""
    behind = found.clock_behind_s
    if behind is None:
        yield Finding(Level.UNKNOWN, "clock", "The answer carried no time to compare our clock with.")
        return
    way = "behind" if behind > 0 else "ahead of"
    says = f"This machine's clock is {abs(behind):.0f} s {way} Bakong's."
    if abs(behind) <= CLOCK_OFF_S:
        yield Finding(Level.OK, "clock", "This machine's clock agrees with Bakong's.")
    elif abs(behind) <= CLOCK_WRONG_S:
        yield Finding(Level.LOOK, "clock", says, "Switch time synchronisation (NTP) on.")
    else:
        yield Finding(
            Level.BAD,
            "clock",
            says,
            "Switch time synchronisation (NTP) on: QRs carry wrong times, and no unpaid payment can expire.",
        )


def token(found: Diagnosis, renewable: bool) -> Iterator[Finding]:
    """Is the token right, and for how long?"""
    if found.token is None and found.token_accepted is None:
        yield Finding(
            Level.BAD,
            "token",
            "No token is set.",
            "Register at /register of the bank's address and put the token into the settings.",
        )
        return
    if found.token_accepted is False:
        told = found.token_answer
        yield Finding(
            Level.BAD,
            "token",
            f"Bakong refuses the token ({told.detail if told is not None else 'no reason given'}).",
            "Check that it is whole, not over 90 days old, and of this environment (SIT is not production). "
            + ("Check the e-mail it is renewed by." if renewable else "Set the e-mail it can be renewed by."),
        )
        return
    days = found.token_days_left
    left = "does not say when it ends" if days is None else f"lasts {days:.0f} more days"
    if found.token_accepted is None:
        yield Finding(Level.UNKNOWN, "token", f"The token {left}; whether Bakong takes it could not be told.")
    elif days is not None and days <= DAYS_ALARM:
        yield Finding(
            Level.BAD if not renewable else Level.LOOK,
            "token",
            f"Bakong takes the token, but it {left}.",
            "It should have been renewed by itself: see the log."
            if renewable
            else "Renew it now, by its e-mail.",
        )
    elif days is not None and days <= DAYS_SOON:
        do = "It will be renewed by itself." if renewable else "Renew it, or set the e-mail it is renewed by."
        yield Finding(Level.LOOK, "token", f"Bakong takes the token; it {left}.", do)
    else:
        do = "" if renewable else "Set its e-mail, and it is renewed by itself."
        yield Finding(Level.OK, "token", f"Bakong takes the token; it {left}.", do)


def account(found: Diagnosis) -> Iterator[Finding]:
    """Does the receiving account exist?"""
    match found.account:
        case AccountState.EXISTS:
            yield Finding(Level.OK, "account", "The receiving account exists.")
        case AccountState.UNKNOWN:
            yield Finding(
                Level.BAD,
                "account",
                "Bakong knows no such receiving account.",
                "Check the merchant id letter by letter: nobody could pay its QRs.",
            )
        case AccountState.INVALID:
            yield Finding(
                Level.BAD,
                "account",
                "The receiving account is not one Bakong could have.",
                "It reads name@bank.",
            )


def lists(found: Diagnosis) -> Iterator[Finding]:
    """Which batch calls are open?"""
    words = {True: "open", False: "closed to this token", None: "unknown"}
    if found.md5_list_open is None and found.hash_list_open is None:
        return
    yield Finding(
        Level.OK,
        "batches",
        f"The md5 list is {words[found.md5_list_open]}, the hash list {words[found.hash_list_open]}.",
        ""
        if found.md5_list_open
        else "Nothing to do: payments are asked after one by one, which costs more calls.",
    )


def quota(found: Diagnosis, calls_left: int | None) -> Iterator[Finding]:
    """How much of the day is left?"""
    if found.quota_gone:
        yield Finding(
            Level.BAD,
            "quota",
            "The day's calls are spent; confirmations come late, and nothing is lost.",
            "Wait for midnight in Phnom Penh. Ask NBC for more, and look who else uses this token.",
        )
    elif calls_left is not None:
        level = Level.OK if calls_left > 0 else Level.LOOK
        yield Finding(level, "quota", f"By our own ledger {calls_left} calls are left today.")
    elif found.quota_gone is False:
        yield Finding(
            Level.OK, "quota", "The day's calls are not spent; Bakong does not say how many are left."
        )
