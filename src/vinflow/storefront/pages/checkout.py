"""The checkout: one address for one payment, the right page for every state of it.

Nothing here calls Bakong by existing. "I have paid" may, within the claims purse; a tap on the app
button asks for the link once; everything else reads rows.
"""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST, require_safe

from vinflow.khqr.card import card_png
from vinflow.money import format_money
from vinflow.payments import canceling, checking, clock, linking, opening, queries, settings_store
from vinflow.payments import conf as payments_conf
from vinflow.payments.errors import IllegalTransition, OpeningRefused
from vinflow.payments.models import Payment
from vinflow.payments.queries import Checkout
from vinflow.payments.returning import safe_address
from vinflow.payments.schedule import Signal
from vinflow.storefront import conf, formats
from vinflow.storefront.pages.access import owned, signed_in, wants_json
from vinflow.storefront.pages.adding import refusal
from vinflow.storefront.pages.errors import not_found, too_fast
from vinflow.storefront.pages.status import revision
from vinflow.storefront.pictures import QrPicture, on_page
from vinflow.storefront.throttle import wait_s
from vinflow.storefront.timeline import timeline
from vinflow.storefront.words import say, say_many

__all__ = [
    "cancel",
    "check",
    "checkout",
    "events_off",
    "open_app",
    "picture",
    "renew",
    "signal",
]

CHECK_EVERY_S = 5
RELOAD_S = 15  # without a script
FORWARD_S = 5  # a success is shown this long before the dashboard
OPEN_STATES = ("pending", "confirming")

TITLES: Final = {
    "pending": "Pay with KHQR",
    "confirming": "Time is up – checking one last time",
    "completed": "Payment received",
    "late": "Late payment received",
    "review": "We are checking your payment",
    "expired": "This QR has expired",
    "failed": "The payment was not completed",
    "canceled": "Payment canceled",
}
ANNOUNCED: Final = {
    "confirming": ("Time is up. Checking for your payment.", "assertive"),
    "completed": ("Payment received. {amount} added to your wallet.", "assertive"),
    "late": ("Late payment received. {amount} added to your wallet.", "assertive"),
    "review": ("Your payment is being checked by our team.", "assertive"),
    "expired": ("The QR has expired. You can make a new one.", "assertive"),
    "failed": ("The payment was not completed.", "assertive"),
    "canceled": ("Payment canceled.", "polite"),
    "pending": ("New QR ready. {time} to pay.", "polite"),
}


def picture_of(co: Checkout, *, disc: bool) -> QrPicture:
    """Return the QR of the attempt that is shown."""
    title = say(
        "KHQR code to pay {amount} to {merchant}, transaction {ref}",
        amount=format_money(co.money),
        merchant=co.merchant_name,
        ref=co.reference,
    )
    return on_page(co.qr_string, title=title, sign=co.money.currency if disc else None)


@transaction.non_atomic_requests
@never_cache
@signed_in
@require_safe
@owned
def checkout(request: HttpRequest, payment: Payment) -> HttpResponse:
    """Show the payment as it stands."""
    at = clock.aligned()
    co = queries.checkout(payment, at=at)
    fresh = co.state == "completed" and payment.seen_at is None
    if fresh:
        queries.mark_seen(payment, at=at)
    name = "late" if co.state == "completed" and co.late else str(co.state)
    amount = format_money(co.paid or co.money)
    # Where a host's own handler takes the funds, or the payment is nobody's, they are in no wallet of ours.
    in_wallet = payments_conf.funds_handler() is None and payment.user_id is not None
    back_to = safe_address(payment.return_url)
    text, mode = ANNOUNCED[name]
    if name in ("completed", "late", "canceled") and not in_wallet:
        text = TITLES[name]
    time = formats.span(co.remaining_ms)
    shown = "larger" if co.state == "pending" and request.GET.get("larger") == "1" else co.state
    context: dict[str, Any] = {
        "payment": payment,
        "co": co,
        "paid": co.paid or co.money,
        "revision": revision(co),
        "title": say(TITLES[name]),
        "state_template": f"storefront/checkout/{shown}.html",
        "announce": {"text": say(text).format(amount=amount, time=time), "mode": mode},
        "said": request.GET.get("said", ""),
        "said_line": said_line(request.GET.get("said", ""), request.GET.get("s", ""), co),
        "artwork": conf.artwork(),
        "in_wallet": in_wallet,
        "back_to": back_to,
        "forward": FORWARD_S if fresh and (back_to or payment.user_id) else 0,
        "reload_s": RELOAD_S if co.state in OPEN_STATES and request.GET.get("reload") != "off" else 0,
    }
    if co.state != "pending":
        context["timeline"] = timeline(payment, at=at)
    else:
        settings = settings_store.current()
        context["qr"] = picture_of(co, disc=settings.disc_enabled)
        context["deeplink"] = settings.deeplink_enabled
        context["app_address"] = co.deeplink or reverse("storefront:open", args=[payment.transaction_id])
        context["picture_name"] = picture_name(payment)
    return render(request, "storefront/checkout.html", context)


def said_line(kind: str, seconds: str, co: Checkout) -> str:
    """Return the sentence that a check ends in, for a page without a script; "" for any other word."""
    if kind == "none" and co.checked_at:
        return say("No payment seen yet. Checked at {time}.", time=formats.exact(co.checked_at))
    if kind == "wait" and seconds.isascii() and seconds.isdigit() and len(seconds) < 4:
        return check_again_in(int(seconds))
    if kind == "later" and co.next_check_at:
        return later_sentence(co.next_check_at)
    if kind == "slow":
        return say("The bank network answers slowly. If you have paid, do not pay again.")
    return ""


def check_again_in(seconds: int) -> str:
    """Return when the payer may press again, in words."""
    return say_many(
        "You can check again in {seconds} second.",
        "You can check again in {seconds} seconds.",
        seconds,
        seconds=seconds,
    )


def later_sentence(at: datetime) -> str:
    """Return when the bank is asked again: a clock time within a day, with the date else."""
    return say("We will ask the bank again at {time}. You do not need to stay here.", time=formats.hour(at))


def picture_name(payment: Payment) -> str:
    """Return the file name of the saved picture: KHQR-<reference>-<amount><currency>.png."""
    return f"KHQR-{payment.transaction_id}-{payment.money.plain}{payment.currency}.png"


@transaction.non_atomic_requests
@never_cache
@signed_in
@require_POST
@owned
def check(request: HttpRequest, payment: Payment) -> HttpResponse:
    """ "I have paid": ask, at most once in five seconds for a payment, and always say what came of it."""
    at = clock.aligned()
    wait = wait_s(f"check:{payment.transaction_id}", every_s=CHECK_EVERY_S, at=at)
    if wait:
        return _check_answer(request, payment, "wait", wait, at, status_code=429)
    report = checking.check_payment(payment=payment, at=at)
    return _check_answer(request, payment, report.kind, report.wait_s, report.at)


def _check_answer(
    request: HttpRequest, payment: Payment, kind: str, wait: int, at: datetime, *, status_code: int = 200
) -> HttpResponse:
    if not wants_json(request):
        address = reverse("storefront:checkout", args=[payment.transaction_id])
        return _see_other(f"{address}?said={kind}" + (f"&s={wait}" if kind == "wait" else ""))
    texts = {
        "none": lambda: say("No payment seen yet. Checked at {time}.", time=formats.exact(at)),
        "wait": lambda: check_again_in(wait),
        "later": lambda: later_sentence(at),
        "slow": lambda: say("The bank network answers slowly. If you have paid, do not pay again."),
    }
    text = texts[kind]() if kind in texts else ""
    answer = JsonResponse({"kind": kind, "text": text, "wait_s": wait}, status=status_code)
    answer["Cache-Control"] = "no-store"
    if status_code == 429:
        answer["Retry-After"] = str(wait)
    return answer


@transaction.non_atomic_requests
@never_cache
@signed_in
@require_POST
@owned
def renew(request: HttpRequest, payment: Payment) -> HttpResponse:
    """Make a new QR for the same payment at the same address; the old one stays watched."""
    wait = wait_s(f"renew:{payment.transaction_id}", every_s=3, at=clock.aligned())
    if wait:  # a second press: the first has made the QR, or is about to
        return _see_other(reverse("storefront:checkout", args=[payment.transaction_id]))
    try:
        opening.renew_qr(payment=payment, at=clock.aligned())
    except OpeningRefused as error:
        if error.code == "not_open":
            return _see_other(reverse("storefront:checkout", args=[payment.transaction_id]))
        told = refusal(error)
        return render(
            request, "storefront/errors/refused.html", {"refused": told, "payment": payment}, status=409
        )
    return _see_other(reverse("storefront:checkout", args=[payment.transaction_id]))


@transaction.non_atomic_requests
@never_cache
@signed_in
@require_POST
@owned
def cancel(request: HttpRequest, payment: Payment) -> HttpResponse:
    """Withdraw the payment for its payer; a QR that was shown stays watched."""
    with contextlib.suppress(IllegalTransition):  # it ended meanwhile; its page says how
        canceling.cancel_payment(payment=payment, at=clock.aligned())
    return _see_other(reverse("storefront:checkout", args=[payment.transaction_id]))


@transaction.non_atomic_requests
@never_cache
@signed_in
@require_GET
@owned
def open_app(request: HttpRequest, payment: Payment) -> HttpResponse:
    """Ask for the app's link, once for a QR, and go there; without one, back to the page that says so."""
    page = reverse("storefront:checkout", args=[payment.transaction_id])
    host = payments_conf.public_url() or request.build_absolute_uri("/").rstrip("/")
    link = linking.app_link(payment=payment, back_to=f"{host}{page}", at=clock.aligned())
    if not link.startswith(("https://", "http://")):  # the app's own scheme is a plain link, never a redirect
        return _see_other(f"{page}?said=no-app")
    return HttpResponseRedirect(link)


@transaction.non_atomic_requests
@never_cache
@signed_in
@require_POST
@owned
def signal(request: HttpRequest, payment: Payment) -> HttpResponse:
    """Take a sign from the payer's device (page shown again, back from the app): it raises the QR's turn."""
    kinds = {"shown": Signal.PAGE_SHOWN, "app": Signal.BACK_FROM_APP}
    kind = kinds.get(request.POST.get("kind", ""))
    if kind is None:
        return JsonResponse({"error": "kind"}, status=400)
    at = clock.aligned()
    wait = wait_s(f"signal:{payment.transaction_id}", every_s=3, at=at)
    if wait:
        return too_fast(request, wait_s=wait)
    checking.wake(payment=payment, signal=kind, at=at)
    return HttpResponse(status=204)


@transaction.non_atomic_requests
@never_cache
@signed_in
@require_GET
@owned
def picture(request: HttpRequest, payment: Payment) -> HttpResponse:
    """Send the KHQR card as a PNG for the gallery of a phone; only while its QR may be paid."""
    co = queries.checkout(payment, at=clock.aligned())
    if co.state != "pending":
        return not_found(request)
    footer = saved_lines(co)
    png = card_png(
        co.qr_string, footer=footer, disc=settings_store.current().disc_enabled, wordmark=conf.artwork_bytes()
    )
    answer = HttpResponse(png, content_type="image/png")
    answer["Content-Disposition"] = f'attachment; filename="{picture_name(payment)}"'
    return answer


def saved_lines(co: Checkout) -> tuple[str, ...]:
    """Return what stands under the card of a saved picture, in both languages: it outlives its page."""
    lines = []
    for language in ("en", "km"):
        with translation.override(language):
            time = formats.moment(co.expires_at, language)
            text = "KHQR for {site}, {ref}. Valid until {time}."
            lines.append(say(text, site=conf.site_name(), ref=co.reference, time=time))
    return tuple(lines)


def _see_other(address: str) -> HttpResponse:
    answer = HttpResponseRedirect(address)
    answer.status_code = 303
    return answer


@transaction.non_atomic_requests
@require_GET
def events_off(request: HttpRequest, reference: str) -> HttpResponse:
    """Answer 204 where no live events are served: the browser stops asking, and the page goes on polling."""
    return HttpResponse(status=204)
