"""The bank app's pages as HTML: a frame, and one function a screen. Nothing here decides anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape as e
from typing import Any

from vinflow.money import Currency, Money, format_money
from vinflow.sandbox.records import CallRecord, Transfer
from vinflow.sandbox.switches import CHOICES, Switches
from vinflow.sandbox.words import say

__all__ = ["GATEWAY_WORDS", "RESULT_WORDS", "View", "choose_page", "error_page", "home_page", "moment"]

PHNOM_PENH = timedelta(hours=7)
MONTHS = {
    "en": ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    "km": ["មករា", "កុម្ភៈ", "មីនា", "មេសា", "ឧសភា", "មិថុនា", "កក្កដា", "សីហា", "កញ្ញា", "តុលា", "វិច្ឆិកា", "ធ្នូ"],
}
# Value in the form, key of its words.
RESULT_WORDS = {
    "ok": "sb.r_ok",
    "refuse": "sb.r_refuse",
    "failed": "sb.r_failed",
    "silent": "sb.r_silent",
    "late": "sb.r_late",
    "amount": "sb.r_amount",
    "currency": "sb.r_currency",
    "twice": "sb.r_twice",
}
GATEWAY_WORDS = {
    "normal": "sb.g_normal",
    "slow": "sb.g_slow",
    "500": "sb.g_500",
    "timeout": "sb.g_timeout",
    "401": "sb.g_401",
    "403": "sb.g_403",
    "429": "sb.g_429",
    "quota": "sb.g_quota",
}


@dataclass(frozen=True, slots=True)
class View:
    """What every page needs to know: language, path, the controls as they stand, and what is active."""

    language: str
    path: str
    query: str = ""
    balances: dict[str, int] = field(default_factory=dict)
    holder: str = ""
    result: str = "ok"
    delay_s: int = 30
    other_amount: str = ""
    gateway: str = "normal"
    chips: tuple[str, ...] = ()
    needs_secret: bool = False
    notice: str = ""

    def say(self, key: str, **values: object) -> str:
        """Return a sentence, escaped for HTML."""
        return e(say(self.language, key, **values))


def moment(moment_ms: int, language: str) -> str:
    """Return a <time> of a moment, as people in Phnom Penh read it: "1 Dec 2025, 14:05"."""
    utc = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=moment_ms)
    local = utc + PHNOM_PENH
    month = MONTHS[language][local.month - 1]
    text = f"{local.day} {month} {local.year}, {local:%H:%M:%S}"
    return f'<time datetime="{utc:%Y-%m-%dT%H:%M:%SZ}">{text}</time>'


def money(amount: Any, currency: str) -> str:
    """Return an amount for people; one with odd decimals as it stands, with the code after it."""
    try:
        return e(format_money(Money.from_decimal(amount, Currency(currency))))
    except ValueError:
        return e(f"{amount} {currency}")


def _page(view: View, title: str, screen: str, *, aside: bool = True, name: str = "") -> str:
    """Return a whole page: banner, phone frame with the screen inside, test controls beside it."""
    km = ' lang="km"' if view.language != "km" else ""
    en = ' lang="en"' if view.language != "en" else ""
    here = {"en": "", "km": "", view.language: ' aria-current="true"'}
    rest = e(f"&{view.query}") if view.query else ""
    side = f'<aside class="bench">{_controls(view)}</aside>' if aside else ""
    notice = f'<p class="notice" role="status">{e(view.notice)}</p>' if view.notice else ""
    return f"""<!doctype html>
<html lang="{view.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{e(title)} · {view.say("sb.title")}</title>
<link rel="icon" href="/phone/static/icon.svg">
<link rel="stylesheet" href="/phone/static/phone.css">
<script src="/phone/static/phone.js" type="module"></script>
</head>
<body>
<a class="skip" href="#screen">{view.say("c.skip")}</a>
<div class="banner" data-testid="sandbox-banner">{view.say("c.sandbox")}</div>
{_chips(view)}
<div class="table">
<div class="phone {e(name)}">
<header class="top">
<a class="brand" href="/phone"><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 2 3 7v2h18V7zM5 11v7H3v3h18v-3h-2v-7h-3v7h-2.5v-7h-3v7H8v-7z"/></svg>{view.say("sb.title")}</a>
<nav aria-label="{view.say("c.lang_label")}">
<a href="{e(view.path)}?lang=en{rest}"{here["en"]}{en} hreflang="en">English</a>
<a href="{e(view.path)}?lang=km{rest}"{here["km"]}{km} hreflang="km">ខ្មែរ</a>
</nav>
</header>
<main id="screen" tabindex="-1">
{notice}{screen}
</main>
</div>
{side}
</div>
</body>
</html>
"""


def _chips(view: View) -> str:
    if not view.chips and view.result == "ok":
        return ""
    names = list(view.chips)
    if view.result != "ok":
        names.append(say(view.language, RESULT_WORDS[view.result], seconds=view.delay_s))
    inner = "".join(f'<span class="chip">{view.say("sb.active", name=name)}</span>' for name in names)
    return (
        f'<form class="chips" method="post" action="/phone/faults/clear" data-testid="phone-faults">{inner}'
        f'<input type="hidden" name="back" value="{e(view.path)}">'
        f'{_secret(view)}<button class="small">{view.say("sb.clear")}</button></form>'
    )


def _secret(view: View) -> str:
    if not view.needs_secret:
        return ""
    label = view.say("sb.secret")
    return f'<label class="field"><span>{label}</span><input type="password" name="secret" autocomplete="off"></label>'


def _options(view: View, words: dict[str, str], chosen: str) -> str:
    return "".join(
        f'<option value="{value}"{" selected" if value == chosen else ""}>'
        f"{view.say(key, seconds=view.delay_s)}</option>"
        for value, key in words.items()
    )


def _controls(view: View) -> str:
    active = view.result != "ok" or view.gateway != "normal"
    return f"""<details class="card" data-testid="phone-controls"{" open" if active else ""}>
<summary>{view.say("sb.controls")}</summary>
<form method="post" action="/phone/controls">
<fieldset><legend class="quiet">{view.say("sb.controls")}</legend>
<label class="field"><span>{view.say("sb.result")}</span><select name="result">{_options(view, RESULT_WORDS, view.result)}</select></label>
<div class="pair">
<label class="field"><span>{view.say("sb.delay")}</span><input name="delay_s" inputmode="numeric" pattern="[0-9]{{1,6}}" value="{view.delay_s}"></label>
<label class="field"><span>{view.say("sb.other_amount")}</span><input name="other_amount" inputmode="decimal" value="{e(view.other_amount)}" placeholder="+0.01"></label>
</div>
<label class="field"><span>{view.say("sb.gateway")}</span><select name="gateway">{_options(view, GATEWAY_WORDS, view.gateway)}</select></label>
{_secret(view)}
<input type="hidden" name="back" value="{e(view.path)}">
<button class="plain">{view.say("sb.apply")}</button>
</fieldset>
</form>
<p><a href="/phone/activity">{view.say("sb.log")}</a></p>
</details>"""


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
    return _page(view, say(view.language, "sb.title"), screen, name="home")


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
    return _page(view, say(view.language, "sb.e_many"), screen)


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
    return _page(view, say(view.language, "sb.title_error"), screen, name="result")


def _rows(pairs: Iterable[tuple[str, str, str]]) -> str:
    return "".join(
        f"<div><dt>{label}</dt><dd{f' data-testid={hook}' if hook else ''}>{value}</dd></div>"
        for label, value, hook in pairs
        if value
    )


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
    rows = _rows(
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
    return _page(view, say(view.language, "sb.review"), screen, name="review")


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
    rows = _rows(
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
    return _page(view, say(view.language, "sb.paid"), screen, name="result")


def activity_page(
    view: View,
    *,
    transfers: Sequence[Transfer],
    calls: Sequence[CallRecord],
    faults: Sequence[tuple[int, str]],
    styles: Sequence[str],
    call_names: Sequence[str],
    switches: Switches,
    now_ms: int,
    used: int,
) -> str:
    """The last transfers and calls, faults with what clears them, every switch, the clock, and reset."""
    say_ = view.say
    paid = "".join(
        f"<tr><td>{moment(row.created_ms, view.language)}</td><td class=num>{money(row.amount, row.currency)}</td>"
        f"<td>{e(row.to_account)}</td><td class=code>{row.short_hash}</td><td>{e(row.external_ref or '')}</td>"
        f"<td>{say_('sb.failed_mark') if row.failed else say_('sb.hidden_mark') if row.visible_ms > now_ms else '✓'}</td></tr>"
        for row in transfers
    )
    asked = "".join(
        f"<tr><td>{moment(row.at_ms, view.language)}</td><td>{e(row.call or row.path)}</td><td class=num>{row.status}</td>"
        f"<td class=num>{'' if row.code is None else row.code}</td><td class=code>{e((row.key or '')[:16])}</td>"
        f"<td>{e(row.fault or '')}</td></tr>"
        for row in calls
    )
    wrong = "".join(
        f'<li><span>{e(label)}</span><form method="post" action="/phone/faults/clear"><input type="hidden" name="id" '
        f'value="{number}">{_secret(view)}<button class="small">{say_("sb.clear")}</button></form></li>'
        for number, label in faults
    )
    settings = "".join(_switch(name, value) for name, value in switches.as_dict().items())
    quota = (
        say_("sb.quota_free", used=used)
        if switches.quota is None
        else say_("sb.quota_used", used=used, limit=switches.quota)
    )
    style_options = "".join(f"<option>{e(style)}</option>" for style in styles)
    call_options = "".join(f"<option>{e(name)}</option>" for name in ("*", *call_names))
    screen = f"""<h1>{say_("sb.log")}</h1>
<section><h2>{say_("sb.transfers")}</h2>{f'<div class="scroll" tabindex="0"><table data-testid="phone-transfers">{_heads(view, "when", "amount", "account", "short_hash", "ext_ref", "result")}{paid}</table></div>' if paid else f'<p class="muted">{say_("sb.no_transfers")}</p>'}</section>
<section><h2>{say_("sb.calls")}</h2><p class="muted">{quota}</p>{f'<div class="scroll" tabindex="0"><table data-testid="phone-calls">{_heads(view, "when", "call", "status", "code", "asked", "style")}{asked}</table></div>' if asked else f'<p class="muted">{say_("sb.no_calls")}</p>'}</section>
<section><h2>{say_("sb.faults")}</h2>{f'<ul class="choices">{wrong}</ul>' if wrong else f'<p class="muted">{say_("sb.no_faults")}</p>'}
<details><summary>{say_("sb.add_fault")}</summary><form method="post" action="/phone/faults">
<label class="field"><span>{say_("sb.call")}</span><select name="call">{call_options}</select></label>
<label class="field"><span>{say_("sb.style")}</span><select name="style">{style_options}</select></label>
<label class="field"><span>{say_("sb.times")}</span><input name="times" inputmode="numeric" pattern="[0-9]{{0,6}}"></label>
<label class="field"><span>{say_("sb.status")}</span><input name="status" inputmode="numeric" pattern="[0-9]{{0,3}}"></label>
<label class="field"><span>{say_("sb.delay")}</span><input name="delay_s" inputmode="decimal" pattern="[0-9.]{{0,6}}"></label>
{_secret(view)}<button class="plain">{say_("sb.add_fault")}</button></form></details></section>
<section><h2>{say_("sb.clock")}</h2><p>{say_("sb.clock_now", time="")} {moment(now_ms, view.language)}</p>
<form method="post" action="/phone/clock"><label class="field"><span>{say_("sb.advance")}</span><input name="seconds" inputmode="numeric" value="60" pattern="-?[0-9]{{1,9}}"></label>
{_secret(view)}<button class="plain">{say_("sb.apply")}</button></form></section>
<section><details><summary>{say_("sb.switches")}</summary><form method="post" action="/phone/switches"><div class="switches" lang="en">{settings}</div>
{_secret(view)}<button class="plain">{say_("sb.apply")}</button></form></details></section>
<section><details data-testid="phone-reset"><summary>{say_("sb.reset")}</summary><form method="post" action="/phone/reset"><p class="error">{say_("sb.reset_q")}</p>
{_secret(view)}<button class="danger">{say_("c.confirm")}</button></form></details></section>
<p><a class="wide plain button" href="/phone">{say_("sb.home")}</a></p>"""
    return _page(view, say(view.language, "sb.log"), screen, name="activity", aside=False)


def _heads(view: View, *keys: str) -> str:
    return (
        "<thead><tr>"
        + "".join(f'<th scope="col">{view.say("sb." + key)}</th>' for key in keys)
        + "</tr></thead>"
    )


def _switch(name: str, value: Any) -> str:
    if name in CHOICES:
        options: tuple[Any, ...] = CHOICES[name]
    elif isinstance(value, bool):
        options = (False, True)
    else:
        shown = "none" if value is None else value
        return f'<label class="field"><span>{name}</span><input name="{name}" value="{shown}" pattern="none|[0-9]+"></label>'
    picks = "".join(
        f"<option{' selected' if option == value else ''}>{str(option).lower() if isinstance(option, bool) else option}</option>"
        for option in options
    )
    return f'<label class="field"><span>{name}</span><select name="{name}">{picks}</select></label>'
