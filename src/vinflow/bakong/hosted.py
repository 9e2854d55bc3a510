"""The guide's dialect: a gateway that makes the QR and answers with `paid`.

Two calls on the paths of the Open API, told apart by their token. The answers carry no envelope, so the
rows of reading.py about statuses and codes come first, and then:

    404 or 200 with JSON null, or {"error": "not_found"}    NotFound: the guide's "not paid yet"
    404 with anything else                                  CannotTell(CONFIG): a wrong address
    200, paid true, status "completed", the same hash       Found
    200, paid false, status one of UNPAID                   NotFound
    200, paid false, status "failed"                        Failed
    anything else                                           CannotTell: paid and pending at once is no answer
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from vinflow.money import Currency, Money, MoneyError

from .endpoints import HASH, MD5, is_web_link, matched, one, positive, printable
from .reading import answered_at, brief, decode, envelope
from .results import CannotTell, Failed, Found, HostedQr, NotFound, Outcome, Reason, Transfer
from .transfers import plain_decimal, text
from .wire import Call, Flow, Operation, Reply

__all__ = ["check", "create", "merchant_of"]

UNPAID = frozenset({"pending", "created", "unpaid", "waiting", "expired", "canceled", "cancelled"})
BROKEN = frozenset({"failed", "declined", "rejected"})
SCHEME = "khqr://"
# What may stand in a URL as it is; the rest (blanks, quotes, Khmer letters of a name) is escaped.
URL_SAFE = ":/?#[]@!$&()*+,;=%~"
APP_SCHEME = "bakong:"
BILL_LENGTH_MAX = 25
INFO_LENGTH_MAX = 255


def merchant_of(value: object) -> str:
    """Return the merchant's MD5 in lower case. Raises WrongArgument unless it is 32 hex digits."""
    return matched("merchant_id", MD5, value, "the merchant's MD5: 32 hex digits")


def create(
    merchant_id: str, amount: Money, info: str, bill_number: str, base_url: str
) -> Flow[HostedQr | CannotTell]:
    """Ask the gateway for a QR. The answer must be about this amount and this bill, or it is none."""
    money = positive(amount)
    bill = printable("bill_number", bill_number, BILL_LENGTH_MAX)
    body = {
        "md5": merchant_id,
        "amount": money.decimal,
        "currency": money.currency.value,
        "info": printable("info", info, INFO_LENGTH_MAX),
        "bill_number": bill,
    }
    reader = partial(read_qr, money=money, bill=bill, base_url=base_url)
    return one(Call(Operation.HOSTED_CREATE, body, reader))


def check(qr_hash: str) -> Flow[Outcome]:
    """Ask whether the QR with this hash was paid."""
    digest = matched("hash", HASH, qr_hash, "64 hex digits")
    return one(Call(Operation.HOSTED_CHECK, {"hash": digest}, partial(read_paid, digest=digest)))


def refusal(reply: Reply) -> CannotTell | None:
    """Return what the rows about statuses and codes make of an answer, None where they are silent."""
    told = envelope(reply)
    if not isinstance(told, CannotTell):
        # An envelope where none belongs: the other dialect answered, with something we did not ask.
        detail = f"an Open API answer (errorCode {told.error_code}) from a hosted gateway: {told.message}"
        return CannotTell(Reason.UNKNOWN_CODE, detail, told.error_code, None, told.answered_at, reply.status)
    if reply.status == 200 and told.reason is Reason.MALFORMED and isinstance(decode(reply.body), dict):
        return None  # only the envelope was missed
    return told


def read_qr(reply: Reply, *, money: Money, bill: str, base_url: str) -> HostedQr | CannotTell:
    """Return the QR of an answer."""
    told = refusal(reply)
    if told is not None:
        return told
    answer: dict[str, Any] = decode(reply.body)
    at = answered_at(reply.date)

    def cannot(why: str) -> CannotTell:
        return CannotTell(Reason.MALFORMED, why, None, None, at, reply.status)

    if "hash" not in answer and ("error" in answer or "message" in answer):
        said = brief(answer.get("message") or answer.get("error"))
        return CannotTell(Reason.BAD_REQUEST, f"the gateway refuses: {said}", None, None, at, reply.status)
    digest, qr, link = answer.get("hash"), answer.get("qr_string"), answer.get("deeplink")
    if not isinstance(digest, str) or not HASH.fullmatch(digest):
        return cannot("the hash is not 64 hex digits")
    if not isinstance(qr, str):
        return cannot("no qr_string")
    qr = qr.strip()
    if qr[: len(SCHEME)].lower() == SCHEME:
        qr = qr[len(SCHEME) :]  # a scheme, not part of the QR: the picture is of what follows
    if not qr or len(qr) > 4096 or not qr.isprintable() or "\ufffd" in qr:
        return cannot("no qr_string that could be drawn")
    amount = plain_decimal(answer.get("amount"))
    if amount is None or answer.get("currency") != money.currency.value or not same(amount, money):
        return cannot("the gateway made a QR for another amount than was asked for")
    if text(answer.get("bill_number", bill)) != bill:
        return cannot("the gateway made a QR for another bill than was asked for")
    return HostedQr(
        hash=digest.lower(),
        qr_string=qr,
        deeplink=page_link(link, base_url),
        amount=money.decimal,
        currency=money.currency,
        merchant_id=text(answer.get("merchant_id")),
        bill_number=bill,
        raw=answer,
        answered_at=at,
    )


def same(amount: Any, money: Money) -> bool:
    """Is an amount on the wire this money? More digits than the currency has is another amount."""
    try:
        return Money.from_decimal(amount, Currency(money.currency)) == money
    except MoneyError:
        return False


def page_link(link: object, base_url: str) -> str | None:
    """Return a link of the gateway as it may stand on our page, None when it may not.

    A web link, or the Bakong app's own scheme; the guide's form holds a whole KHQR, blanks and all, so
    what no URL may hold is escaped.
    """
    if not isinstance(link, str) or not link.isprintable() or len(link) > 4096:
        return None
    if link.startswith(APP_SCHEME) and len(link) > len(APP_SCHEME):
        return quote(link, safe=URL_SAFE)
    return link if is_web_link(link, base_url) else None


def read_paid(reply: Reply, *, digest: str) -> Outcome:
    """Return what an answer to a check means, by the table above."""
    document = decode(reply.body)
    at = answered_at(reply.date)
    if reply.status in (200, 404) and says_not_found(document):
        return NotFound(at)
    told = refusal(reply)
    if told is not None:
        return told

    def cannot(why: str) -> CannotTell:
        return CannotTell(Reason.MALFORMED, why, None, None, at, reply.status)

    paid, status = document.get("paid"), document.get("status")
    if type(paid) is not bool:
        return cannot("neither paid nor not paid")
    state = status.lower() if isinstance(status, str) else None
    if str(document.get("hash")).lower() != digest:
        return cannot("an answer about another QR than was asked for")
    if not paid:
        if state in UNPAID:
            return NotFound(at)
        if state in BROKEN:
            return Failed(at)
        return cannot(f"not paid, with the status {brief(status)[:40]!r}")
    if state != "completed":
        return cannot(f"paid, with the status {brief(status)[:40]!r}")
    return read_payment(document, digest=digest, at=at) or cannot("paid, but no readable amount and currency")


def says_not_found(document: Any) -> bool:
    """Is this the guide's "not paid": null, or an object whose error is not_found?"""
    return document is None or (isinstance(document, dict) and document.get("error") == "not_found")


def read_payment(document: dict[str, Any], *, digest: str, at: datetime | None) -> Found | None:
    """Return the payment in an answer. Who paid and to whom is not stated in this dialect."""
    amount, currency = plain_decimal(document.get("amount")), document.get("currency")
    if amount is None or amount <= 0 or type(currency) is not str or not 0 < len(currency) <= 16:
        return None
    transfer = Transfer(
        hash=digest,
        amount=amount,
        currency=currency,
        created_at=iso_moment(document.get("paid_at")),
        external_ref=text(document.get("transaction_id")),
        raw=document,
    )
    return Found(transfer, document, at)


def iso_moment(value: object) -> datetime | None:
    """Return the aware moment of ISO 8601 text ("2024-12-02T10:30:45Z"); None without a zone."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
