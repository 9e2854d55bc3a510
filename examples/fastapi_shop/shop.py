"""A shop on FastAPI that takes KHQR: the codec and the client, no Django.

    KHQR_API_URL=... KHQR_MERCHANT_ID=name@bank KHQR_API_KEY=... uvicorn shop:app

Orders are kept in memory: put a database in their place, with the transfer's hash unique in it. What
VinFlow's Django apps add to this (a ledger, a watcher, a day's budget of calls) is not here.
"""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from vinflow import khqr
from vinflow.bakong import AsyncClient, CannotTell, Found
from vinflow.money import Currency, Money, MoneyError, parse_amount

ACCOUNT = os.environ["KHQR_MERCHANT_ID"]
LIFETIME_MS = 10 * 60_000
ASK_EVERY_S = 10  # a token may ask a hundred times a day; a page that polls must not spend them


@dataclass
class Order:
    """One order and the QR that was shown for it."""

    number: str
    money: Money
    qr: str
    asked_at: float = 0.0
    paid_by: str = ""  # the hash of the transfer


orders: dict[str, Order] = {}
used: set[str] = set()  # hashes of transfers that have paid for something


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep one client for as long as the shop is open."""
    async with AsyncClient(os.environ["KHQR_API_URL"], os.environ["KHQR_API_KEY"]) as bakong:
        app.state.bakong = bakong
        yield


app = FastAPI(lifespan=lifespan)


class Basket(BaseModel):
    """What is wanted. The amount is text: no float ever holds money."""

    amount: str
    currency: Currency


@app.post("/orders", status_code=201)
async def order(basket: Basket) -> dict[str, str]:
    """Make an order and its KHQR."""
    try:
        money = parse_amount(basket.amount, basket.currency)
    except MoneyError as error:
        raise HTTPException(422, str(error)) from error
    if money.minor <= 0:
        raise HTTPException(422, "an amount above zero, please")
    number, now_ms = uuid4().hex[:20].upper(), int(time.time() * 1000)
    payload = khqr.Individual(
        ACCOUNT,
        "Book Stall",
        currency=money.currency,
        amount=money.plain,
        bill_number=number,
        creation_timestamp=now_ms,
        expiration_timestamp=now_ms + LIFETIME_MS,
    )
    orders[number] = Order(number, money, khqr.encode(payload))
    return {"number": number, "page": f"/orders/{number}", "qr": orders[number].qr}


@app.get("/orders/{number}", response_class=HTMLResponse)
async def page(number: str) -> str:
    """Show the KHQR."""
    wanted = find(number)
    picture = khqr.svg(wanted.qr, title="KHQR")
    return f"<title>Pay {wanted.money}</title><div style='width: 256px'>{picture}</div>"


@app.get("/orders/{number}/status")
async def status(number: str) -> dict[str, Any]:
    """Say whether an order is paid; ask Bakong unless it was asked a moment ago."""
    wanted = find(number)
    if wanted.paid_by:
        return {"status": "paid", "transfer": wanted.paid_by}
    if time.monotonic() - wanted.asked_at < ASK_EVERY_S:
        return {"status": "waiting"}
    wanted.asked_at = time.monotonic()
    answer = await app.state.bakong.check_md5(khqr.md5(wanted.qr))
    match answer:
        case Found(transfer=transfer):
            if pays(transfer, wanted) and transfer.hash not in used:
                used.add(transfer.hash)
                wanted.paid_by = transfer.hash
                return {"status": "paid", "transfer": transfer.hash}
            return {"status": "a person must look", "transfer": transfer.hash}
        case CannotTell(reason=reason):
            return {"status": "unknown", "why": reason}  # unknown is not unpaid
        case _:
            return {"status": "waiting"}


def pays(transfer: Any, wanted: Order) -> bool:
    """Whether a transfer is what an order asked for: amount, currency and receiver."""
    return (
        transfer.amount == wanted.money.decimal
        and transfer.currency == wanted.money.currency
        and transfer.to_account == ACCOUNT
        and transfer.tracking_status not in ("REFUNDED_BY_RECEIVER", "FAILED_AT_ACH")
    )


def find(number: str) -> Order:
    """Return an order; 404 where there is none."""
    if number not in orders:
        raise HTTPException(404, "no such order")
    return orders[number]
