"""What every page of the bank app shares: banner, phone frame, test controls, and how money and time are written."""

# ruff: noqa: E501 - an element of HTML stays on one line

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape as e
from typing import Any

from vinflow.money import Currency, Money, format_money
from vinflow.sandbox.words import say

__all__ = [
    "GATEWAY_WORDS",
    "RESULT_WORDS",
    "View",
    "facts",
    "framed",
    "moment",
    "money",
    "secret_field",
]

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


def framed(view: View, title: str, screen: str, *, aside: bool = True, name: str = "") -> str:
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
<div class="banner" role="region" aria-label="{view.say("c.sandbox")}" data-testid="sandbox-banner">{view.say("c.sandbox")}</div>
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
        f'<form class="chips" method="post" action="/phone/faults/clear" aria-label="{view.say("sb.faults")}" data-testid="phone-faults">{inner}'
        f'<input type="hidden" name="back" value="{e(view.path)}">'
        f'{secret_field(view)}<button class="small">{view.say("sb.clear")}</button></form>'
    )


def secret_field(view: View) -> str:
    """Return the field for the control secret, nothing where none is needed."""
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
{secret_field(view)}
<input type="hidden" name="back" value="{e(view.path)}">
<button class="plain">{view.say("sb.apply")}</button>
</fieldset>
</form>
<p><a class="more" href="/phone/activity">{view.say("sb.log")}</a></p>
</details>"""


def facts(pairs: Iterable[tuple[str, str, str]]) -> str:
    """Return rows of a definition list from (label, value in HTML, test hook); rows without value are left out."""
    return "".join(
        f"<div><dt>{label}</dt><dd{f' data-testid={hook}' if hook else ''}>{value}</dd></div>"
        for label, value, hook in pairs
        if value
    )
