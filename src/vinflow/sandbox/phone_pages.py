"""The bank app's screens as HTML, a function each. Nothing here decides anything."""

# ruff: noqa: E501 - an element of HTML stays on one line

from __future__ import annotations

from collections.abc import Sequence
from html import escape as e
from typing import Any

from vinflow.money import Currency, Money, format_money
from vinflow.sandbox.phone_frame import View, facts, framed, moment, money
from vinflow.sandbox.records import Transfer
from vinflow.sandbox.words import say

__all__ = ["choose_page", "error_page", "home_page", "receipt_page", "review_page"]


def home_page(view: View) -> str:
    """The first screen: balances, and the ways in: picture by file, camera, drop or paste; or a text."""
    cards = "".join(
        f'<li class="account {code.lower()}"><span>{view.say("c." + code.lower())}</span>'
        f'<strong data-testid="phone-balance-{code.lower()}">{money(Money(minor, Currency(code)).decimal, code)}</strong></li>'
        for code, minor in view.balances.items()
    )
    screen = f"""<h1 class="hello">{view.say("sb.hello", name=view.holder)}</h1>
<h2 class="quiet">{view.say("sb.balance")}</h2>
<ul class="accounts">{cards}</ul>
<form class="ways" method="post" action="/phone/read" enctype="multipart/form-data" data-picture>
<div class="viewer" hidden><video playsinline muted></video><span class="frame" aria-hidden="true"></span></div>
<p class="state" role="status" data-reading="{view.say("sb.reading")}" data-none="{view.say("sb.e_none")}" data-camera="{view.say("sb.e_camera")}"></p>
<button type="button" class="wide primary" data-scan hidden data-stop="{view.say("sb.stop_scan")}">{view.say("sb.scan")}</button>
<div class="pair">
<label class="way"><input class="file" type="file" name="picture" accept="image/*" capture="environment" data-testid="phone-photo"><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M9 4 7.2 6H4a2 2 0 0 0-2 2v10a2 2 0 0 0 2 2h16a2 2 0 0 0 2-2V8a2 2 0 0 0-2-2h-3.2L15 4zm3 4.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9"/></svg><span>{view.say("sb.photo")}</span></label>
<label class="way"><input class="file" type="file" name="picture" accept="image/png,image/jpeg,image/webp,image/*" data-testid="phone-file"><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 4h16a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V6c0-1.100.9-2 2-2m1 13h14l-4.500-6-3.500 4.500L8.500 13zM8 7.500A1.500 1.500 0 1 0 8 10.500 1.500 1.500 0 0 0 8 7.500"/></svg><span>{view.say("sb.pick")}</span></label>
</div>
<p class="drop" data-drop>{view.say("sb.drop")}</p>
<noscript><button class="wide primary">{view.say("sb.send_picture")}</button></noscript>
</form>
<details class="text"><summary>{view.say("sb.paste")}</summary>
<form method="post" action="/phone/text">
<label class="field"><span>{view.say("sb.paste")}</span><textarea name="text" rows="4" autocomplete="off" spellcheck="false" data-testid="phone-text"></textarea></label>
<button class="wide plain">{view.say("sb.send_text")}</button>
</form></details>"""
    return framed(view, say(view.language, "sb.title"), screen, name="home")


def choose_page(view: View, choices: Sequence[tuple[str, str]]) -> str:
    """Several QR codes in one picture. choices: (address of its review, what it says)."""
    rows = "".join(
        f'<li><a class="choice" href="{e(address)}"><span>{e(label)}</span><b>{view.say("sb.choose")}</b></a></li>'
        for address, label in choices
    )
    screen = (
        f'<h1>{view.say("sb.review")}</h1><p class="error" data-testid="phone-error" data-code="e_many">'
        f'{view.say("sb.e_many")}</p><ul class="choices">{rows}</ul>'
        f'<p><a class="wide plain button" href="/phone">{view.say("c.back")}</a></p>'
    )
    return framed(view, say(view.language, "sb.e_many"), screen)


def error_page(view: View, code: str, *, back: str = "/phone") -> str:
    """Say what is wrong. code: "e_none", "e_crc", ...; the balance has not changed."""
    screen = (
        f'<div class="verdict bad"><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 2a10 10 0 1 0 0 20 '
        f"10 10 0 0 0 0-20m4.200 12.800-1.400 1.400L12 13.400l-2.800 2.800-1.400-1.400L10.600 12 7.800 9.200l1.400-1.400"
        f'L12 10.600l2.800-2.800 1.400 1.400L13.400 12z"/></svg><h1>{view.say("sb.title_error")}</h1>'
        f'<p class="error" role="alert" data-testid="phone-error" data-code="{e(code)}">{view.say("sb." + code)}</p></div>'
        f'<p><a class="wide primary button" href="{e(back)}">{view.say("c.retry")}</a></p>'
        f'<p><a class="wide plain button" href="/phone">{view.say("sb.home")}</a></p>'
    )
    return framed(view, say(view.language, "sb.title_error"), screen, name="result")


def review_page(
    view: View,
    *,
    scan: str,
    name: str,
    city: str,
    account: str,
    bank: str,
    amount: Any,
    currency: str,
    bill: str,
    expires_ms: int | None,
    remaining_ms: int | None,
    ask_pin: bool,
    error: str = "",
    typed: str = "",
) -> str:
    """What a bank shows before money moves. amount None: the payer writes one."""
    left = ""
    if expires_ms is not None and remaining_ms is not None:
        seconds = max(0, remaining_ms // 1000)
        digits = f"{seconds // 60:02d}:{seconds % 60:02d}"
        left = (
            f'<span role="timer" data-left="{remaining_ms}">{digits}</span> '
            f"<small>({view.say('sb.valid_until', time='')} {moment(expires_ms, view.language)})</small>"
        )
    if amount is None:
        symbol = "$" if currency == "USD" else "៛"
        entry = (
            f'<label class="field"><span>{view.say("sb.enter_amount")} ({symbol})</span><input name="amount" '
            f'inputmode="decimal" required autocomplete="off" value="{e(typed)}" data-testid="phone-amount"></label>'
        )
        shown, pay = "", view.say("sb.pay", amount="")
    else:
        text = money(amount, currency)
        entry = ""
        shown = (
            f'<p class="amount" data-testid="phone-amount">{text}</p><p class="lock"><svg viewBox="0 0 24 24" '
            f'aria-hidden="true"><path d="M12 2a5 5 0 0 0-5 5v3H5v12h14V10h-2V7a5 5 0 0 0-5-5m-3 8V7a3 3 0 0 1 6 0v3z"/>'
            f"</svg>{view.say('sb.locked')}</p>"
        )
        pay = view.say("sb.pay", amount=format_money(Money.from_decimal(amount, Currency(currency))))
    held = view.balances.get(currency, 0)
    source = (
        f"{view.say('c.' + currency.lower())} · {money(Money(held, Currency(currency)).decimal, currency)}"
    )
    rows = facts(
        [
            (view.say("sb.receiver"), f"<strong>{e(name)}</strong>", "phone-receiver"),
            (view.say("sb.account"), e(account), "phone-account"),
            (view.say("sb.bank"), e(bank), ""),
            (view.say("sb.city"), e(city), ""),
            (view.say("sb.bill"), e(bill), "phone-bill"),
            (view.say("sb.time"), left, ""),
            (view.say("sb.from"), source, ""),
        ]
    )
    pin = ""
    if ask_pin:
        erase = f' aria-label="{view.say("sb.pin_del")}"'
        keys = "".join(
            f'<button type="button" data-key="{key}"{erase if key == "<" else ""}>{"⌫" if key == "<" else key}</button>'
            for key in (*"1234567890", "<")
        )
        pin = (
            f'<label class="field pin"><span>{view.say("sb.pin")}</span><input type="password" name="pin" required '
            f'inputmode="numeric" pattern="[0-9]{{4}}" maxlength="4" autocomplete="off" data-testid="phone-pin"></label>'
            f'<div class="keys" hidden data-keys>{keys}</div>'
        )
    wrong = (
        f'<p class="error" role="alert" data-testid="phone-error" data-code="{e(error)}">{view.say("sb." + error)}</p>'
        if error
        else ""
    )
    screen = f"""<section data-testid="phone-review"><h1>{view.say("sb.review")}</h1>
{wrong}{shown}
<dl class="facts">{rows}</dl>
<form method="post" action="/phone/pay" data-pay data-paying="{view.say("sb.paying")}">
<input type="hidden" name="scan" value="{e(scan)}">
{entry}{pin}
<button class="wide primary" data-testid="phone-pay">{pay}</button>
<a class="wide plain button" href="/phone">{view.say("c.back")}</a>
</form></section>"""
    return framed(view, say(view.language, "sb.review"), screen, name="review")


def receipt_page(
    view: View,
    transfer: Transfer,
    *,
    merchant: str,
    bill: str,
    callback: str | None,
    app: str | None,
    wait_s: int,
) -> str:
    """What the payer keeps: amount, receiver, hash, short hash, bank reference, and the way back to the shop."""
    amount = money(transfer.amount, transfer.currency)
    back = ""
    if callback:
        extra = f" · {e(app)}" if app else ""
        back = (
            f'<a class="wide primary button" rel="noreferrer" href="{e(callback)}" data-testid="phone-back-to-shop">'
            f"{view.say('sb.to_shop')}{extra}</a>"
        )
    if transfer.failed:
        mark, title, line = "wait", view.say("sb.r_failed"), view.say("sb.failed_sent")
    else:
        mark, title = "good", view.say("sb.paid")
        line = view.say("sb.paid_to", amount="{amount}", merchant="{merchant}")
        line = line.replace("{amount}", f"<strong>{amount}</strong>").replace("{merchant}", e(merchant))
    later = f'<p class="muted">{view.say("sb.not_yet", seconds=wait_s)}</p>' if wait_s > 0 else ""
    rows = facts(
        [
            (view.say("sb.short_hash"), f'<b class="code">{transfer.short_hash}</b>', "phone-short-hash"),
            (view.say("sb.hash"), f'<span class="code">{transfer.hash}</span>', "phone-hash"),
            (
                view.say("sb.ext_ref"),
                f'<span class="code">{e(transfer.external_ref or "")}</span>',
                "phone-external-ref",
            ),
            (view.say("sb.account"), e(transfer.to_account), ""),
            (view.say("sb.bill"), e(bill), "phone-bill"),
            (view.say("sb.when"), moment(transfer.created_ms, view.language), ""),
        ]
    )
    tick = '<path d="M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20m-1.500 14.600-4.200-4.200 1.500-1.500 2.700 2.700 5.700-5.700 1.500 1.500z"/>'
    screen = f"""<section data-testid="phone-receipt" data-hash="{transfer.hash}">
<div class="verdict {mark}"><svg viewBox="0 0 24 24" aria-hidden="true">{tick}</svg><h1>{title}</h1>
<p class="amount">{amount}</p><p>{line}</p>{later}</div>
<dl class="facts">{rows}</dl>
{back}
<a class="wide {"plain" if back else "primary"} button" href="/phone" data-testid="phone-another">{view.say("sb.another")}</a>
</section>"""
    return framed(view, say(view.language, "sb.paid"), screen, name="result")
