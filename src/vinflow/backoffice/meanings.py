"""What codes mean, in words for staff: outcomes of calls, reasons of the review desk, what happened."""

from __future__ import annotations

from vinflow.backoffice.words import say
from vinflow.payments.differences import Kind
from vinflow.payments.errors import MoneyBackRefused
from vinflow.payments.matching import Reason
from vinflow.payments.models import Sending

__all__ = ["FATES", "OUTCOMES", "REASONS", "WHY_NOT", "fate", "outcome", "reason", "sent", "short"]

OUTCOMES = {
    "found": "Paid",
    "not_found": "No payment yet",
    "failed": "The bank reports a failed try",
    "static_qr": "The gateway calls this QR static",
    "link": "App link made",
    "hosted_qr": "QR made by the gateway",
    "account": "Account answered",
    "token": "Token renewed",
    "cannot_tell": "No usable answer",
    "started": "Not answered yet",
    "lost": "The answer was lost; the call counts",
    "": "Not answered yet",
}
WHY_NOT = {
    "network": "no connection",
    "timeout": "no answer in time",
    "redirect": "sent elsewhere",
    "auth": "token refused",
    "quota": "daily limit used up",
    "throttled": "asked to wait",
    "blocked": "server refused (403)",
    "upstream": "gateway error",
    "config": "settings wrong",
    "bad_request": "request refused",
    "unexpected": "unexpected answer",
    "malformed": "unreadable answer",
    "unknown_code": "unknown code",
    "budget": "no call free",
    "too_large": "answer too large",
}
REASONS = {
    Reason.HASH_MALFORMED: "The transfer's hash is no hash",
    Reason.CURRENCY_DIFFERS: "Another currency came",
    Reason.AMOUNT_DIFFERS: "Another amount came",
    Reason.RECEIVER_UNKNOWN: "It went to an account that is not ours",
    Reason.BILL_DIFFERS: "It names another bill number",
    Reason.TOO_EARLY: "It was sent before the QR was made",
    Reason.TIME_UNKNOWN: "Nobody knows when it was sent",
    Reason.SENT_BACK: "The bank reports it as sent back",
    Reason.AFTER_WATCH: "It came after the QR was no longer watched",
    Reason.LATE_HELD: "It came late, and late payments wait for staff",
    Reason.ALREADY_PAID: "The payment was paid already",
    Reason.HASH_SEEN: "The same transfer answers for another QR",
    Reason.OVER_CAP: "More came than may be added without a person",
    Reason.STATEMENT_LINE: "On the bank's statement, and no transfer that we know",
    Reason.LINKED_BY_HAND: "A person linked a line of the bank's statement to this payment",
    Reason.NO_WORD: "For a day no answer about this QR could be read: look at the bank whether it was paid",
    Reason.CLAIMED_BY_HASH: "The payer named it; no QR of theirs brought it",
    Reason.NOT_CREDITABLE: "It could not be credited: a closed wallet, or the shop's own program refused it",
}


FATES = {
    "": "Not decided yet",
    "credited": "Credited",
    "extra": "Credited besides",
    "in_review": "In review",
    "returned": "Sent back",
    "written_off": "Set aside as unclaimed",
    "dismissed": "Not ours",
    "taken_back": "Taken back by the bank",
    "overtaken": "Its own QR has brought it: nothing is left to decide",
}


# What the gateway said of a transfer that a person sent, and in what it differs from what was to be sent.
SENT = {
    "": "The gateway was not asked yet",
    "found": "The gateway has shown this transfer",
    "not_found": "Sent, not yet seen: the gateway does not know this transfer yet",
    "cannot_tell": "Sent, not yet seen: the gateway gave no usable answer",
    "no_such_call": "Sent, not yet seen: this gateway cannot show it, a second person must",
    "differs": "The gateway knows this hash as another transfer",
}
DIFFERENCES = {
    "hash": "another hash",
    "money": "another amount or currency",
    "from_account": "not from our account",
    "from_unstated": "the sender is not named",
    "to_account": "to another account",
    "too_early": "sent before it was asked for",
    "sent_back": "it came back",
}


PAPER = "Given back with a receipt: a second person must look at it"


def sent(sending: Sending) -> str:
    """Return where a transfer that a person sent stands, in words."""
    if not sending.hash:
        seen = sending.seen_at is not None
        return say("A second person has looked at the receipt") if seen else say(PAPER)
    text = say(SENT.get(sending.last_outcome, sending.last_outcome))
    told = [say(DIFFERENCES.get(name, name)) for name in sending.differs]
    if sending.last_reason:
        told.append(say(WHY_NOT.get(sending.last_reason, sending.last_reason)))
    return f"{text} ({', '.join(told)})" if told else text


KINDS = {
    Kind.PAID_NOT_BOOKED: "Paid, and not in the books",
    Kind.UNKNOWN_TO_BAKONG: "In the books, and Bakong does not know it",
    Kind.OTHER_AMOUNT: "Bakong names another amount",
    Kind.OTHER_CURRENCY: "Bakong names another currency",
    Kind.OTHER_RECEIVER: "Bakong names another receiver",
    Kind.REFUNDED_SINCE: "Sent back by the bank since",
    Kind.STUCK_PENDING: "Waiting long after its end",
    Kind.SUSPENSE_WITHOUT_ITEM: "In suspense, and nobody is asked about it",
    Kind.CLOSING_BALANCE: "The bank shows another balance",
}


def difference(kind: str) -> str:
    """Return a kind of difference in words."""
    known = {str(key): text for key, text in KINDS.items()}
    return say(known[kind]) if kind in known else kind


# Why money is not sent back, by the code of the rule.
MONEY_BACK = {
    "over_rest": "That is more than is left of the money that came in.",
    "over_owed": "That is more than is owed.",
    "reference": "Name the entry of the bank's statement by which it took the money; each is named once.",
    "how": "Say how it was repaid.",
    "spent": "The payer has not that much left to spend.",
    "frozen": "The payer's wallet is frozen or closed.",
    "nothing_came": "No money was credited for this payment: nothing can go back.",
    "own_money": "Nobody decides about money of their own.",
    "same_person": "A second person must decide about what you asked for.",
    "currency": "Another currency came in: it goes back in the currency it came in.",
    "amount": "Enter an amount above zero.",
    "why": "Say why: the reason is kept for good.",
    "host": "The shop's own program keeps this balance and does not say how to take from it.",
    "account": "Name the account it goes to: nobody knows the sender's.",
    "stopped": "Refunds are stopped: the books do not add up.",
    "state": "It has moved on meanwhile. Look again.",
    "key": "This form was used before. Look again.",
}


def money_back_refused(refused: MoneyBackRefused) -> str:
    """Return why money is not sent back, in words."""
    return say(MONEY_BACK[refused.code]) if refused.code in MONEY_BACK else str(refused)


def fate(name: str) -> str:
    """Return what became of a transfer, or what was decided about it, in words."""
    return say(FATES[name]) if name in FATES else name


def short(name: str) -> str:
    """Return an outcome, or why there was none, in a few words."""
    return say(WHY_NOT.get(name) or OUTCOMES.get(name, name))


def outcome(name: str, why: str = "", stage: str = "") -> str:
    """Return an outcome in words, with why where it told nothing; a lost call says so."""
    if stage == "lost":
        return say("The answer was lost; the call counts")
    text = say(OUTCOMES[name]) if name in OUTCOMES else name
    return f"{text}: {say(WHY_NOT.get(why, why))}" if why else text


def reason(name: str) -> str:
    """Return a reason of the review desk in words."""
    known = {str(key): text for key, text in REASONS.items()}
    return say(known[name]) if name in known else name
