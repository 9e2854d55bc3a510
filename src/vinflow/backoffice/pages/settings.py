"""Admin Dashboard -> Settings -> Payment: the switch, the limits, the QR, and who changed what.

Saving is optimistic: the form carries the number of the newest change it was drawn with. Whoever saves
over someone else's change is told what changed and asked again; what they did not touch themselves is
taken over from the other person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from vinflow.backoffice import (
    connection,
    preview,
    quota,
    receivers_shown,
    safety,
    secrets_shown,
    settings_form,
)
from vinflow.backoffice.desk import desk
from vinflow.backoffice.models import StaffAct
from vinflow.backoffice.rights import may
from vinflow.backoffice.settings_form import Draft, Fault
from vinflow.backoffice.words import say
from vinflow.money import Currency
from vinflow.payments import checks, clock, conf, settings_store
from vinflow.payments.errors import NotConfigured
from vinflow.payments.models import Payment, PaymentSettings, SettingsChange
from vinflow.payments.states import Status

__all__ = ["settings_home", "settings_page", "test_connection"]

TRAIL = 20


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the trail, in words."""

    label: str
    old: str
    new: str
    by: str
    at: datetime


class _Moved(Exception):
    """Somebody saved meanwhile; their changes are the argument. Nothing was saved."""


@desk("settings_home")
def settings_home(request: HttpRequest) -> HttpResponse:
    """Lead to the one page of settings there is."""
    return redirect("backoffice:settings")


@desk("settings", "GET", "HEAD", "POST")
def settings_page(request: HttpRequest) -> HttpResponse:
    """Show the settings; save them on POST, for whoever may."""
    at = clock.now()
    if request.method != "POST":
        row = settings_store.current()
        return _page(request, row, Draft(settings_form.texts_of(row)), at=at)
    if not may(request.user, "change_settings"):
        raise PermissionDenied("change_settings")
    # The last value counts: a switch sends "off" from its hidden twin, then "on" if it is on.
    posted = {name: request.POST.getlist(name)[-1] for name in request.POST}
    row = settings_store.current()
    draft = settings_form.read(posted, row)
    if draft.faults:
        return _page(request, row, draft, at=at, status=422, seen=posted.get("seen"))
    try:
        changed = _save(draft, seen=posted.get("seen", ""), by=request.user, at=at)
    except _Moved as moved:
        row = settings_store.current()
        draft = _take_over(posted, row, moved.args[0])
        return _page(request, row, draft, at=at, status=409, moved=moved.args[0])
    except IntegrityError:
        draft.faults = [Fault("khqr_enabled", say("These settings contradict each other."))]
        return _page(request, settings_store.current(), draft, at=at, status=422)
    if changed:
        messages.success(request, say("Settings saved. {n} changed.", n=changed))
    else:
        messages.info(request, say("Nothing to save"))
    return redirect("backoffice:settings")


@desk("connection", "POST")
def test_connection(request: HttpRequest) -> HttpResponse:
    """Look at the way to Bakong, or the receiving account up, because somebody pressed for it."""
    wanted = request.POST.get("look", "")
    kind = StaffAct.What.ACCOUNT if wanted == StaffAct.What.ACCOUNT else StaffAct.What.CONNECTION
    if kind is StaffAct.What.ACCOUNT and not connection.knows_accounts():
        messages.error(request, say("This gateway cannot be asked about an account."))
        return redirect("backoffice:settings")
    try:
        connection.look(kind, by=request.user, at=clock.now())
    except connection.TooSoon:
        messages.warning(request, say("Somebody looked less than a minute ago. Wait a moment."))
    return redirect(reverse("backoffice:settings") + "#connection")


@transaction.atomic
def _save(draft: Draft, *, seen: str, by: Any, at: datetime) -> int:
    """Save under the row's lock if nothing was changed since `seen`. Raises _Moved."""
    PaymentSettings.objects.get_or_create(singleton=1)
    PaymentSettings.objects.select_for_update().get(singleton=1)
    since = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 18 else 0
    theirs = list(
        SettingsChange.objects.filter(pk__gt=since, field__in=settings_form.FIELDS)
        .select_related("changed_by")
        .order_by("pk")
    )
    if theirs:
        raise _Moved(theirs)
    return settings_store.save(draft.values, by=by, at=at)


def _take_over(posted: dict[str, str], row: PaymentSettings, theirs: list[SettingsChange]) -> Draft:
    """Return the draft as typed, but with the other person's value in every field left alone.

    The form says what it was drawn with in was_<field>; a field that still says so was not touched.
    """
    now = settings_form.texts_of(row)
    kept = dict(posted)
    for name in {change.field for change in theirs}:
        if posted.get(name) == posted.get(f"was_{name}"):
            kept[name] = now[name]
    return settings_form.read(kept, row)


def _page(
    request: HttpRequest,
    row: PaymentSettings,
    draft: Draft,
    *,
    at: datetime,
    status: int = 200,
    seen: str | None = None,
    moved: list[SettingsChange] | None = None,
) -> HttpResponse:
    trail = list(SettingsChange.objects.select_related("changed_by").order_by("-pk")[:TRAIL])
    newest = trail[0].pk if trail else 0
    texts = draft.texts
    faults = {fault.field: fault.text for fault in draft.faults}
    all_off = texts["khqr_enabled"] == "off" or texts["usd_enabled"] == texts["khr_enabled"] == "off"
    context = {
        "here": "settings",
        "texts": texts,
        "was": settings_form.texts_of(row),
        "faults": draft.faults,
        "fault": faults,
        "currencies": [
            {
                "code": currency.value,
                "name": currency.lower(),
                "word": settings_form.SWITCHES[f"{currency.lower()}_enabled"],
                "fields": [
                    (f"{currency.lower()}_min", "Minimum"),
                    (f"{currency.lower()}_max", "Maximum"),
                    (f"{currency.lower()}_quick", "Quick amounts"),
                ],
            }
            for currency in Currency
        ],
        "seen": newest if seen is None else seen,
        "moved": _in_words(moved or []),
        "trail": _in_words(trail),
        "row": row,
        "waiting": Payment.objects.filter(status=Status.PENDING, environment=_environment()).count(),
        "all_off": all_off,
        "may_change": may(request.user, "change_settings"),
        "may_safety": may(request.user, "change_safety"),
        "may_roles": may(request.user, "change_roles"),
        "given": secrets_shown.given(),
        "findings": checks.gateway_settings(),
        "room": _room(at),
        "looks": connection.newest(),
        "may_look": may(request.user, "recheck_payment"),
        "knows_accounts": connection.knows_accounts(),
        "preview": preview.sample(row, at=at),
        "safety": safety.page(request.user, row),
        "receivers": receivers_shown.page(request.user),
    }
    return render(request, "backoffice/settings.html", context, status=status)


def _environment() -> str:
    try:
        return str(conf.environment())
    except NotConfigured:
        return ""


def _in_words(changes: list[SettingsChange]) -> list[Change]:
    return [
        Change(
            settings_form.label_of(change.field),
            settings_form.shown(change.field, change.old),
            settings_form.shown(change.field, change.new),
            change.changed_by.get_username() if change.changed_by else "—",
            change.changed_at,
        )
        for change in changes
    ]


def _room(at: datetime) -> dict[str, Any] | None:
    """Return what the day still holds: QRs that can be confirmed, calls used; None when it cannot be told."""
    left = quota.today(at=at)
    if left is None:
        return None
    return {"confirmable": left.confirmable, "used": left.used, "allowed": left.allowed}
