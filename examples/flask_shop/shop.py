"""A shop on Flask that takes KHQR: the codec and the blocking client, no Django.

    KHQR_API_URL=... KHQR_MERCHANT_ID=name@bank KHQR_API_KEY=... flask --app shop run

Orders are kept in memory: put a database in their place, with the transfer's hash unique in it.
"""

import os
import threading
import time
from uuid import uuid4

from flask import Flask, abort, jsonify, request

from vinflow import khqr
from vinflow.bakong import CannotTell, Client, Found
from vinflow.money import Currency, MoneyError, parse_amount

ACCOUNT = os.environ["KHQR_MERCHANT_ID"]
LIFETIME_MS = 10 * 60_000
ASK_EVERY_S = 10  # a token may ask a hundred times a day; a page that polls must not spend them

app = Flask(__name__)
bakong = Client(os.environ["KHQR_API_URL"], os.environ["KHQR_API_KEY"])  # threads may share it
orders, used, lock = {}, set(), threading.Lock()


@app.post("/orders")
def order():
    """Make an order and its KHQR. The amount is text: no float ever holds money."""
    given = request.get_json()
    try:
        money = parse_amount(str(given["amount"]), Currency(given["currency"]))
    except (KeyError, MoneyError, ValueError) as error:
        return jsonify(error=str(error)), 422
    if money.minor <= 0:
        return jsonify(error="an amount above zero, please"), 422
    number, now_ms = uuid4().hex[:20].upper(), int(time.time() * 1000)
    qr = khqr.encode(
        khqr.Individual(
            ACCOUNT,
            "Book Stall",
            currency=money.currency,
            amount=money.plain,
            bill_number=number,
            creation_timestamp=now_ms,
            expiration_timestamp=now_ms + LIFETIME_MS,
        )
    )
    orders[number] = {"money": money, "qr": qr, "asked_at": 0.0, "paid_by": ""}
    return jsonify(number=number, page=f"/orders/{number}", qr=qr), 201


@app.get("/orders/<number>")
def page(number):
    """Show the KHQR."""
    wanted = orders.get(number) or abort(404)
    picture = khqr.svg(wanted["qr"], title="KHQR")
    return f"<title>Pay {wanted['money']}</title><div style='width: 256px'>{picture}</div>"


@app.get("/orders/<number>/status")
def status(number):
    """Say whether an order is paid; ask Bakong unless it was asked a moment ago."""
    wanted = orders.get(number) or abort(404)
    with lock:  # two threads must not both find it unasked
        if wanted["paid_by"]:
            return jsonify(status="paid", transfer=wanted["paid_by"])
        if time.monotonic() - wanted["asked_at"] < ASK_EVERY_S:
            return jsonify(status="waiting")
        wanted["asked_at"] = time.monotonic()
    answer = bakong.check_md5(khqr.md5(wanted["qr"]))  # no lock is held while the network answers
    if isinstance(answer, CannotTell):
        return jsonify(status="unknown", why=answer.reason)  # unknown is not unpaid
    if not isinstance(answer, Found):
        return jsonify(status="waiting")
    transfer = answer.transfer
    with lock:
        if pays(transfer, wanted["money"]) and transfer.hash not in used:
            used.add(transfer.hash)
            wanted["paid_by"] = transfer.hash
            return jsonify(status="paid", transfer=transfer.hash)
    return jsonify(status="a person must look", transfer=transfer.hash)


def pays(transfer, money):
    """Whether a transfer is what an order asked for: amount, currency and receiver."""
    return (
        transfer.amount == money.decimal
        and transfer.currency == money.currency
        and transfer.to_account == ACCOUNT
        and transfer.tracking_status not in ("REFUNDED_BY_RECEIVER", "FAILED_AT_ACH")
    )
