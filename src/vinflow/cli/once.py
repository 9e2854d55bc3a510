"""`vinflow demo --once`: the payer's whole way with nobody at the keyboard, and nothing faked.

The forms are fetched and filled in over HTTP, the QR goes from the page to the phone as pixels, the money
comes by the watcher inside the site's own process, and the balance is read by another process at the end.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import httpx2
import resvg_py
from rich.console import Console
from rich.table import Table

from vinflow.cli.demo import stop_on_signals
from vinflow.cli.demo_home import DemoHome
from vinflow.cli.demo_parts import Demo, running_demo
from vinflow.cli.pages import Form, forms, svg_inside
from vinflow.cli.ports import free_port
from vinflow.money import Currency, Money, MoneyError, parse_amount

__all__ = ["go_once"]

CREDIT_S_MAX = 120.0
LOOK_EVERY_S = 0.2
PIXELS_A_SIDE = 768  # the QR as a sharp screen shows it: three device pixels for each of its 256


class Stopped(Exception):
    """The walk ended before the money arrived: at which step, and why."""

    def __init__(self, step: str, why: str) -> None:
        super().__init__(f"{step}: {why}")
        self.step = step
        self.why = why


def go_once(
    *,
    protocol: str,
    currency: str,
    amount: str,
    as_json: bool,
    page_closed: bool = False,
    database_url: str | None = None,
) -> int:
    """Walk the whole path in a folder of its own and return the exit status: 0 when the money arrived.

    amount: as a payer would write it. page_closed: nobody comes back to the checkout after paying.
    as_json: progress goes to standard error, the last line of standard output is one JSON object; when the
    walk stops early it holds "status": "stopped", the step and the reason.
    """
    console = Console(stderr=as_json)
    stop_on_signals()

    def say(line: str) -> None:
        console.print(f"[dim]{line} ...[/dim]")

    try:
        money = parse_amount(amount, Currency(currency))
    except MoneyError as error:
        raise click.BadParameter(str(error), param_hint="--amount") from error
    with tempfile.TemporaryDirectory(prefix="vinflow-once-") as folder:
        try:
            facts = _walk(DemoHome(Path(folder)), protocol, money, database_url, say, page_closed=page_closed)
        except (Stopped, click.ClickException) as error:
            step = error.step if isinstance(error, Stopped) else "starting the demonstration"
            why = error.why if isinstance(error, Stopped) else error.message
            console.print(f"Stopped at: {step}", style="bold red")
            console.print(why, markup=False, highlight=False, soft_wrap=True)
            if as_json:
                click.echo(json.dumps({"status": "stopped", "step": step, "why": why}))
            return 1
        except KeyboardInterrupt:
            return 130
    console.print(_summary(facts))
    if as_json:
        click.echo(json.dumps(facts))
    return 0


def _walk(
    home: DemoHome,
    protocol: str,
    money: Money,
    database_url: str | None,
    say: Callable[[str], None],
    *,
    page_closed: bool,
) -> dict[str, Any]:
    """Return the summary of a payment that arrived. Raises Stopped at the step where it did not."""
    with (
        running_demo(
            home,
            site_port=free_port(),
            sandbox_port=free_port(),
            protocol=protocol,
            database_url=database_url,
            say=say,
        ) as demo,
        httpx2.Client(base_url=demo.site_url, follow_redirects=True, timeout=30, trust_env=False) as shop,
        httpx2.Client(base_url=demo.sandbox_url, follow_redirects=True, timeout=30, trust_env=False) as phone,
    ):
        try:
            return _pay_once(demo, shop, phone, money, say, page_closed=page_closed)
        except Stopped as stopped:
            # by the time anybody reads this, the folder with the logs is gone
            words = demo.site.last_words()
            raise Stopped(stopped.step, f"{stopped.why}\n{words}" if words else stopped.why) from None


def _pay_once(
    demo: Demo,
    shop: httpx2.Client,
    phone: httpx2.Client,
    money: Money,
    say: Callable[[str], None],
    *,
    page_closed: bool,
) -> dict[str, Any]:
    before = _books(demo)
    say("signing in as payer")
    _sign_in(shop, demo.home.passwords["payer"])
    say(f"adding {money.plain} {money.currency}")
    address, page = _add_funds(shop, money)
    say("drawing the QR of the page to pixels")
    pixels = _draw(page)
    say("showing the pixels to the phone, and paying there")
    paid_at = _pay(phone, pixels)
    if not page_closed:
        say("coming back to the checkout page")
        _come_back(shop, address, page)
    say("waiting for the watcher to credit the money")
    _wait_for_credit(shop, address, demo)
    say("reading the balance in a fresh process")
    after = _books(demo, address.strip("/").split("/")[-1])
    return _judge(money, before, after, paid_at)


def _sign_in(shop: httpx2.Client, password: str) -> None:
    step = "signing in"
    form = _form(step, _page(step, shop.get("/accounts/login/")), "login", "password")
    answer = shop.post(form.action or "/accounts/login/", data=form.filled(login="payer", password=password))
    _page(step, answer)
    if "/accounts/login" in str(answer.url):
        raise Stopped(step, "the site did not accept the payer's password")


def _add_funds(shop: httpx2.Client, money: Money) -> tuple[str, str]:
    """Return the checkout's address and its page."""
    step = "adding funds"
    form = _form(step, _page(step, shop.get("/add-funds/")), "amount", "currency")
    values = form.filled(amount=money.plain, currency=str(money.currency))
    answer = shop.post(form.action or "/add-funds/", data=values)
    page = _page(step, answer)
    if not re.fullmatch(r"/payment/[A-Za-z0-9]+/", answer.url.path):
        raise Stopped(step, f"no payment was opened; the site stayed at {answer.url.path}")
    return answer.url.path, page


def _draw(page: str) -> bytes:
    svg = svg_inside(page, "khqr-qr")
    if svg is None:
        raise Stopped("drawing the QR", "the checkout page holds no QR")
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, width=PIXELS_A_SIDE, background="white"))


def _pay(phone: httpx2.Client, pixels: bytes) -> datetime:
    """Give the picture to the phone page and press Pay; return the moment before the press."""
    step = "reading the picture on the phone"
    picture = {"picture": ("qr.png", pixels, "image/png")}
    start = _form(step, _page(step, phone.get("/phone")), action="/phone/read")
    review = _page(step, phone.post(start.action, data=start.fields, files=picture))
    step = "paying on the phone"
    form = _form(step, review, action="/phone/pay")
    values = dict(form.fields)
    if "pin" in form.fields or "pin" in form.choices:
        values["pin"] = "1234"
    paid_at = datetime.now().astimezone()
    done = _page(step, phone.post(form.action, data=values))
    if not re.search(r"\b[0-9a-f]{64}\b", done):
        raise Stopped(step, "the phone shows no transaction hash")
    return paid_at


def _come_back(shop: httpx2.Client, address: str, page: str) -> None:
    """Tell the site what the page's own script tells it when a payer looks at it again.

    That raises the turn of this QR with the watcher; it makes no call to Bakong by itself.
    """
    step = "coming back to the checkout page"
    token = _form(step, page, "csrfmiddlewaretoken").fields["csrfmiddlewaretoken"]
    answer = shop.post(f"{address}signal/", data={"csrfmiddlewaretoken": token, "kind": "shown"})
    if answer.status_code != 204:
        raise Stopped(step, f"the site answered {answer.status_code}")


def _wait_for_credit(shop: httpx2.Client, address: str, demo: Demo) -> None:
    """Return when the site's own status says completed. Asking it makes no call to Bakong."""
    step = "waiting for the credit"
    deadline = time.monotonic() + CREDIT_S_MAX
    state = "unknown"
    while time.monotonic() < deadline:
        answer = shop.get(f"{address}status/", headers={"Accept": "application/json"})
        state = answer.json()["state"] if answer.status_code == 200 else f"HTTP {answer.status_code}"
        if state == "completed":
            return
        if dead := demo.dead_part():
            raise Stopped(step, f"{dead.name} ended by itself")
        time.sleep(LOOK_EVERY_S)
    raise Stopped(step, f"after {CREDIT_S_MAX:.0f} s the payment is still {state}")


def _books(demo: Demo, reference: str | None = None) -> dict[str, Any]:
    """Return what `vinflow balance` says, run as a process of its own."""
    command = [sys.executable, "-m", "vinflow.cli", "balance", "payer", "--json"]
    command += ["--transaction", reference] if reference else []
    told = subprocess.run(command, env=demo.environment, capture_output=True, text=True, check=False)
    if told.returncode:
        raise Stopped("reading the balance", told.stderr.strip() or told.stdout.strip())
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return found


def _judge(money: Money, before: dict[str, Any], after: dict[str, Any], paid_at: datetime) -> dict[str, Any]:
    """Return the summary. Raises Stopped when the books do not say what the page said."""
    step = "judging the books"
    payment, currency = after["payment"], str(money.currency)
    was, now = (Decimal(books["balances"][currency]) for books in (before, after))
    if payment["status"] != "completed":
        raise Stopped(step, f"the page said completed, the database says {payment['status']}")
    if now - was != money.decimal:
        raise Stopped(step, f"the balance moved from {was} to {now}, not by {money.plain}")
    unbalanced = [each for each, row in after["trial_balance"].items() if not row["balanced"]]
    if unbalanced:
        raise Stopped(step, f"the books do not balance in {', '.join(unbalanced)}")
    waited = datetime.fromisoformat(payment["completed_at"]) - paid_at
    return {
        "transaction_id": payment["transaction_id"],
        "md5": payment["md5"],
        "qr_string": payment["qr_string"],
        "amount": payment["amount"],
        "currency": payment["currency"],
        "bakong_calls": payment["bakong_calls"],
        "paid_to_credited_s": round(waited.total_seconds(), 3),
        "balance_before": before["balances"][currency],
        "balance_after": after["balances"][currency],
        "trial_balance": after["trial_balance"],
        "status": payment["status"],
    }


def _page(step: str, answer: httpx2.Response) -> str:
    if answer.status_code != 200:
        raise Stopped(
            step, f"{answer.request.method} {answer.url.path} was answered with {answer.status_code}"
        )
    return answer.text


def _form(step: str, page: str, *fields: str, action: str | None = None) -> Form:
    """Return the form of a page that has these fields, or that goes to this address."""
    for form in forms(page):
        has_fields = all(name in form.fields or name in form.choices for name in fields)
        if has_fields and (action is None or form.action.split("?")[0] == action):
            return form
    wanted = f"to {action}" if action else f"with {' and '.join(fields)}"
    raise Stopped(step, f"the page has no form {wanted}")


def _summary(facts: dict[str, Any]) -> Table:
    table = Table(title="The money arrived", show_header=False, title_justify="left")
    for name, value in facts.items():
        if name == "trial_balance":
            value = ", ".join(f"{each} {row['debit']} = {row['credit']}" for each, row in value.items())
        table.add_row(name, str(value), style="bold" if name == "balance_after" else None)
    return table
