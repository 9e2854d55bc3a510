"""The page behind the phone: transfers and calls, and what can be changed about the stand-in."""

# ruff: noqa: E501 - an element of HTML stays on one line

from __future__ import annotations

from collections.abc import Sequence
from html import escape as e
from typing import Any

from vinflow.sandbox.phone_frame import View, framed, moment, money, secret_field
from vinflow.sandbox.records import CallRecord, Transfer
from vinflow.sandbox.switches import CHOICES, Switches
from vinflow.sandbox.words import say

__all__ = ["activity_page"]


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
        f'value="{number}">{secret_field(view)}<button class="small">{say_("sb.clear")}</button></form></li>'
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
{secret_field(view)}<button class="plain">{say_("sb.add_fault")}</button></form></details></section>
<section><h2>{say_("sb.clock")}</h2><p>{say_("sb.clock_now", time="")} {moment(now_ms, view.language)}</p>
<form method="post" action="/phone/clock"><label class="field"><span>{say_("sb.advance")}</span><input name="seconds" inputmode="numeric" value="60" pattern="-?[0-9]{{1,9}}"></label>
{secret_field(view)}<button class="plain">{say_("sb.apply")}</button></form></section>
<section><details><summary>{say_("sb.switches")}</summary><form method="post" action="/phone/switches"><div class="switches" lang="en">{settings}</div>
{secret_field(view)}<button class="plain">{say_("sb.apply")}</button></form></details></section>
<section><details data-testid="phone-reset"><summary>{say_("sb.reset")}</summary><form method="post" action="/phone/reset"><p class="error">{say_("sb.reset_q")}</p>
{secret_field(view)}<button class="danger">{say_("c.confirm")}</button></form></details></section>
<p><a class="wide plain button" href="/phone">{say_("sb.home")}</a></p>"""
    return framed(view, say(view.language, "sb.log"), screen, name="activity", aside=False)


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
