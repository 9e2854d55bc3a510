"""The transaction object: tolerant of how it is written, strict about what is taken from it.

On the wire fields may be missing, null, or of another type than the document says. Inside there are a
Decimal, aware moments, and text. What must be there and cannot be read (hash, amount, currency) makes
the whole transfer Unreadable; what may be missing and cannot be read is taken for missing, and stays in
`raw` for a person to look at.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

from .results import TrackingStatus, Transfer

__all__ = ["Number", "Unreadable", "plain_decimal", "read_transfer", "text"]

HASH = re.compile(r"[0-9a-f]{64}")
# The grammar of a JSON number. Not Decimal()'s own: that admits "1_000", "NaN" and Khmer digits.
NUMBER = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")
MS_MAX = 32_503_680_000_000  # the year 3000
TRACKING = {status.value: status for status in TrackingStatus}
CURRENCY_LENGTH_MAX = 16


class Number(str):
    """A JSON number with a point or an exponent, in the digits it was sent with: it never was a float.

    Being text it can be stored as JSON by any encoder, and being of this type it is not taken for a string
    of the answer.
    """

    __slots__ = ()


class Unreadable(Exception):
    """A transfer, or the part of an answer where one must be, that cannot be read. Never leaves this room."""


def read_transfer(data: object) -> Transfer:
    """Return the transfer in a transaction object. Raises Unreadable: then money may be there, unseen.

    An amount that is no positive number of at most 30 digits is unreadable, and so is a hash of
    anything but 64 hex digits: it is the key that keeps a credit single.
    """
    if not isinstance(data, dict):
        raise Unreadable("no transaction where one must be")
    digest = data.get("hash")
    if type(digest) is not str or not (HASH.fullmatch(digest) or HASH.fullmatch(digest := digest.lower())):
        raise Unreadable("the hash is not 64 hex digits")
    amount = plain_decimal(data.get("amount"))
    if amount is None or amount <= 0:
        raise Unreadable("the amount is no positive number")
    currency = data.get("currency")
    if type(currency) is not str or not 0 < len(currency) <= CURRENCY_LENGTH_MAX:
        raise Unreadable("the currency is no text")
    status = text(data.get("trackingStatus"))
    return Transfer(
        hash=digest,
        amount=amount,
        currency=currency,
        from_account=text(data.get("fromAccountId")),
        to_account=text(data.get("toAccountId")),
        created_at=moment(data.get("createdDateMs")),
        acknowledged_at=moment(data.get("acknowledgedDateMs")),
        description=text(data.get("description")),
        tracking_status=TRACKING.get(status, status) if status is not None else None,
        receiver_bank=text(data.get("receiverBank")),
        receiver_bank_account=text(data.get("receiverBankAccount")),
        instruction_ref=text(data.get("instructionRef")),
        external_ref=text(data.get("externalRef")),
        raw=data,
    )


def plain_decimal(value: object) -> Decimal | None:
    """Return a JSON number, or text that is written like one, as Decimal; None for anything else."""
    if type(value) is int:
        return Decimal(value) if -(10**30) < value < 10**30 else None
    if not isinstance(value, str):
        return None
    digits = value.strip()  # text may have blanks around it
    if not NUMBER.fullmatch(digits):
        return None
    number = Decimal(digits)
    return number if -30 <= number.adjusted() <= 30 else None


def text(value: object) -> str | None:
    """Return what is text; a number as its digits; None for anything else, and for ""."""
    if value is None:
        return None
    if type(value) is str:
        return value or None
    if isinstance(value, Number):
        return str(value)
    if type(value) is int:
        return str(value) if -(10**60) < value < 10**60 else None
    return None


def moment(value: object) -> datetime | None:
    """Return the aware moment of epoch milliseconds (1605774370608, 1605774370608.0), None otherwise."""
    if type(value) is int:
        return datetime.fromtimestamp(value / 1000, UTC) if 0 < value < MS_MAX else None
    if value is None:
        return None
    ms = plain_decimal(value)
    if ms is None or not 0 < ms < MS_MAX:
        return None
    return datetime.fromtimestamp(float(ms) / 1000, UTC)
