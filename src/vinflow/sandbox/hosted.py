"""The guide's dialect: a gateway that makes the QR itself and is asked by the hash it gave.

Spoken to callers whose token names a merchant. The token, the quota and the edge are Bakong's in both
dialects: a refusal there looks the same.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from vinflow.khqr import Individual, KHQRError, encode
from vinflow.money import Currency, Money, MoneyError
from vinflow.sandbox.answers import Answer, failure, json_answer
from vinflow.sandbox.bank import Sandbox
from vinflow.sandbox.records import Merchant, Order

__all__ = ["check_transaction_by_hash", "generate_deeplink_by_qr"]

NOT_FOUND = {"message": "Transaction not found", "error": "not_found"}


def _invalid(message: str) -> Answer:
    return json_answer({"message": message, "error": "invalid_request"}, 400)


def generate_deeplink_by_qr(sandbox: Sandbox, body: Any, merchant_md5: str, base: str) -> Answer:
    """{"md5", "amount", "currency", "info", "bill_number"} -> {"hash", "qr_string", "deeplink", ...}."""
    if not isinstance(body, dict):
        return _invalid("The body must be a JSON object")
    md5, bill = body.get("md5"), body.get("bill_number")
    info = body.get("info", "")
    if not isinstance(md5, str) or not md5:
        return _invalid("md5 is required")
    merchant = sandbox.merchants.get(md5.lower())
    if merchant is None or merchant.md5 != merchant_md5.lower():
        return failure(6, status=sandbox.switches.unauthorized_status)  # another merchant's token
    if not isinstance(bill, str) or not 1 <= len(bill) <= 25:
        return _invalid("bill_number must be a text of 1 to 25 characters")
    if not isinstance(info, str) or len(info) > 255:
        return _invalid("info must be a text of at most 255 characters")
    if body.get("currency") not in ("USD", "KHR"):
        return _invalid("currency must be USD or KHR")
    currency, amount = Currency(body["currency"]), body.get("amount")
    if not isinstance(amount, (int, Decimal)) or isinstance(amount, bool):
        return _invalid("amount must be a number")
    try:
        money = Money.from_decimal(Decimal(amount), currency)
    except MoneyError:
        return _invalid(f"amount has too many decimals for {currency}")
    if money.minor <= 0:
        return _invalid("amount must be above zero")
    try:
        order = _order(sandbox, merchant, money, bill, info)
    except KHQRError as error:
        return _invalid(f"no KHQR can be made of this: {error.message}")
    sandbox.add_order(order)
    deeplink = f"bakong://qr?qr=khqr://{order.qr}"
    if sandbox.switches.short_link == "own":
        deeplink = f"{base}/d/{sandbox.add_link(order.qr).id}"
    return json_answer(
        {
            "hash": order.hash,
            "qr_string": f"khqr://{order.qr}",
            "deeplink": deeplink,
            "amount": order.amount,
            "currency": order.currency,
            "merchant_id": merchant.merchant_id,
            "bill_number": order.bill_number,
        }
    )


def _order(sandbox: Sandbox, merchant: Merchant, money: Money, bill: str, info: str) -> Order:
    now_ms = sandbox.clock.now_ms()
    qr = encode(
        Individual(
            bakong_account_id=merchant.account,
            merchant_name=merchant.name,
            merchant_city=merchant.city,
            currency=money.currency,
            amount=money.plain,
            creation_timestamp=now_ms,
            expiration_timestamp=now_ms + sandbox.switches.hosted_lifetime_s * 1000,
            bill_number=bill,
        )
    )
    return Order(
        hash=sandbox.draw("order").hex(),
        merchant=merchant.md5,
        qr=qr,
        md5=hashlib.md5(qr.encode(), usedforsecurity=False).hexdigest(),
        amount=Decimal(money.plain),
        currency=money.currency.value,
        bill_number=bill,
        info=info,
        created_ms=now_ms,
        transaction_id="BAK" + sandbox.digits("bak", 9),
    )


def check_transaction_by_hash(sandbox: Sandbox, body: Any, merchant_md5: str) -> Answer:
    """{"hash"} -> {"paid": true, "status": "completed", ...}, or the not-found answer the switch chooses."""
    hash_ = body.get("hash") if isinstance(body, dict) else None
    if not isinstance(hash_, str) or not 1 <= len(hash_) <= 255:
        return _invalid("hash must be a text of 1 to 255 characters")
    order = sandbox.orders.get(hash_.lower())
    if order is None or order.merchant != merchant_md5.lower():
        return _not_paid(sandbox, None)
    transfer = sandbox.by_md5(order.md5)
    if transfer is None:
        return _not_paid(sandbox, order)
    if transfer.failed:
        return json_answer(
            {
                "hash": order.hash,
                "paid": False,
                "status": "failed",
                "amount": order.amount,
                "currency": order.currency,
                "bill_number": order.bill_number,
            }
        )
    paid_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=transfer.created_ms // 1000)
    answer: dict[str, Any] = {
        "hash": order.hash,
        "paid": True,
        "status": "completed",
        "amount": _same_digits(transfer.amount, transfer.currency),
        "currency": transfer.currency,
        "paid_at": paid_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "transaction_id": order.transaction_id,
        "bill_number": order.bill_number,
    }
    answer |= transfer.overrides
    for name in transfer.drop:
        answer.pop(name, None)
    return json_answer(answer)


def _same_digits(amount: Decimal, currency: str) -> Decimal:
    """Return an amount with its currency's own decimals, as the guide prints 10.50; odd ones as they are."""
    try:
        return Decimal(Money.from_decimal(amount, Currency(currency)).plain)
    except MoneyError:
        return amount


def _not_paid(sandbox: Sandbox, order: Order | None) -> Answer:
    match sandbox.switches.hosted_not_paid:
        case "null_404":
            return json_answer(None, 404)
        case "null_200":
            return json_answer(None, 200)
        case "not_found_200":
            return json_answer(NOT_FOUND, 200)
        case "pending_200" if order is not None:
            return json_answer(
                {
                    "hash": order.hash,
                    "paid": False,
                    "status": "pending",
                    "amount": order.amount,
                    "currency": order.currency,
                    "bill_number": order.bill_number,
                }
            )
        case _:
            return json_answer(NOT_FOUND, 404)
