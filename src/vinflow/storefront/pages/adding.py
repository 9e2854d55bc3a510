"""Add funds: an amount and a currency in, a payment's own page out."""

from __future__ import annotations

import logging
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods

from vinflow.money import Currency, Money, MoneyError, format_money, parse_amount
from vinflow.payments import clock, opening, queries, settings_store
from vinflow.payments.errors import (
    AmountTooLarge,
    AmountTooSmall,
    BudgetGone,
    GatewayUnavailable,
    KeyReused,
    MethodOff,
    NotConfigured,
    OpeningRefused,
    TooManyPending,
    TooManyToday,
)
from vinflow.payments.models import PaymentSettings
from vinflow.storefront import conf
from vinflow.storefront.words import say

__all__ = ["Choice", "Offer", "Problem", "add_funds", "read_offer"]

log = logging.getLogger(__name__)

KEY = re.compile(r"[A-Za-z0-9_-]{8,60}")
EXAMPLES = {Currency.USD: "10.50", Currency.KHR: "40,000"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One currency the payer may choose: its name, limits as a sentence, quick amounts."""

    currency: Currency
    name: str
    hint: str
    quick: tuple[Money, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """What may be added now; nothing when the method is off."""

    currencies: tuple[Choice, ...]
    methods: tuple[str, ...] = ("khqr",)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend: the field it stands beside, the element to jump to, the sentence."""

    field: str
    target: str
    text: str


@dataclass(slots=True)
class Typed:
    """What stands in the form, right or wrong; kept and shown again."""

    currency: str
    amount: str = ""
    key: str = field(default_factory=lambda: secrets.token_urlsafe(18))


@dataclass(frozen=True, slots=True)
class Refusal:
    """No payment was made, and no field is to blame."""

    title: str
    body: str
    code: str = ""


def read_offer(settings: PaymentSettings) -> Offer:
    """Return what payers may choose now, in the page's language."""
    if conf.in_maintenance():
        return Offer(())
    names = {Currency.USD: say("US dollar"), Currency.KHR: say("Riel")}
    hints = {Currency.USD: "From {min} to {max}", Currency.KHR: "From {min} to {max}, whole riel only"}
    choices = []
    for currency in settings_store.enabled_currencies(settings):
        least, most = settings_store.limits(settings, currency)
        hint = say(hints[currency], min=format_money(least), max=format_money(most))
        choices.append(
            Choice(currency, names[currency], hint, settings_store.quick_amounts(settings, currency))
        )
    return Offer(tuple(choices))


@transaction.non_atomic_requests
@cache_control(private=True, no_cache=True)  # kept for the back button, asked for again otherwise
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def add_funds(request: HttpRequest) -> HttpResponse:
    """Show the form, or open a payment and go to its page (303).

    A second press and a repeated form lead to the same payment: the form's token, the currency and
    the amount together are its key.
    """
    offer = read_offer(settings_store.current())
    if request.method != "POST":
        return _page(request, offer, _prefilled(request.GET, offer))
    typed = _typed(request.POST, offer)
    if not offer.currencies:
        return _page(request, offer, typed, status=409)
    problems = []
    if typed.currency not in {choice.currency for choice in offer.currencies}:
        problems.append(Problem("currency", "field-currency", say("Choose a currency.")))
    if request.POST.get("method", "khqr") not in offer.methods:
        problems.append(Problem("method", "field-method", say("Choose an available payment method.")))
    if problems:
        return _page(request, offer, typed, problems=problems, status=422)
    currency = Currency(typed.currency)
    try:
        money = parse_amount(typed.amount, currency)
        payment = opening.open_payment(
            user=request.user,
            money=money,
            method="khqr",
            key=f"{typed.key}:{money.minor}{currency}",
            at=clock.aligned(),
        )
    except MoneyError as error:
        problem = Problem("amount", "amount", amount_sentence(error.code, currency))
        return _page(request, offer, typed, problems=[problem], status=422)
    except AmountTooSmall as error:
        text = say("The smallest amount is {min}.", min=format_money(error.limit))
        return _page(request, offer, typed, problems=[Problem("amount", "amount", text)], status=422)
    except AmountTooLarge as error:
        text = say("The largest amount is {max}.", max=format_money(error.limit))
        return _page(request, offer, typed, problems=[Problem("amount", "amount", text)], status=422)
    except OpeningRefused as error:
        log.warning("no payment was opened: %s", error)
        return _page(request, offer, typed, refused=refusal(error), status=409)
    answer = HttpResponseRedirect(reverse("storefront:checkout", args=[payment.transaction_id]))
    answer.status_code = 303
    return answer


def amount_sentence(code: str, currency: Currency) -> str:
    """Return the sentence beside the field for a MoneyError's code."""
    example = EXAMPLES[currency]
    if code == "required":
        return say("Enter an amount.")
    if code == "comma":
        return say("Use a point for cents, for example {example}.", example="10.50")
    if code == "decimals":
        if currency is Currency.USD:
            return say("Use at most 2 digits after the point.")
        return say("Riel has no decimals. Enter a whole number.")
    return say("Enter a number, for example {example}.", example=example)


def refusal(error: OpeningRefused) -> Refusal:
    """Return what to tell the payer when no QR was made; the cause is in the log for the operator."""
    title = say("We could not create the QR")
    again = say("Nothing was charged. Please try again in a moment.")
    match error:
        case MethodOff() | BudgetGone():
            return Refusal(
                say("Adding funds is not available right now"),
                say("Please try again later. Your balance is safe."),
            )
        case TooManyPending():
            return Refusal(
                title, say("You have too many payments waiting. Finish or cancel one of them first.")
            )
        case TooManyToday():
            return Refusal(title, say("You have reached the limit for today. Please try again tomorrow."))
        case KeyReused():
            return Refusal(title, again)
        case NotConfigured():
            return Refusal(title, say(NotConfigured.message), error.code)
        case GatewayUnavailable():
            return Refusal(title, say(error.message) + " " + again, error.code)
        case _:
            return Refusal(title, again, error.code)


def _waiting(request: HttpRequest) -> queries.Checkout | None:
    """Return the payer's newest payment whose QR may still be paid."""
    at = clock.aligned()
    try:
        payment = queries.pending_for(request.user, at=at)
    except NotConfigured:
        return None
    if payment is None:
        return None
    found = queries.checkout(payment, at=at)
    return found if found.state == "pending" else None


def _prefilled(given: QueryDict, offer: Offer) -> Typed:
    """Fill the form from the address: the language switch brings back what was typed so."""
    typed = Typed(currency=str(offer.currencies[0].currency) if offer.currencies else "USD")
    currency = str(given.get("currency", "")).upper()
    if currency in {choice.currency for choice in offer.currencies}:
        typed.currency = currency
    typed.amount = str(given.get("amount", ""))[:40]
    return typed


def _typed(posted: QueryDict, offer: Offer) -> Typed:
    only = str(offer.currencies[0].currency) if len(offer.currencies) == 1 else ""
    typed = Typed(currency=str(posted.get("currency", only)))
    # Without a script a quick amount is a radio button of its own; what was written by hand wins.
    quick = str(posted.get(f"quick_{typed.currency.lower()}", ""))
    typed.amount = (str(posted.get("amount", "")).strip() or quick)[:60]
    if KEY.fullmatch(key := str(posted.get("key", ""))):
        typed.key = key
    return typed


def _page(
    request: HttpRequest,
    offer: Offer,
    typed: Typed,
    *,
    problems: list[Problem] | None = None,
    refused: Refusal | None = None,
    status: int = 200,
) -> HttpResponse:
    problems = problems or []
    context: dict[str, Any] = {
        "offer": offer,
        "values": typed,
        "errors": problems,
        "amount_error": next((problem.text for problem in problems if problem.field == "amount"), ""),
        "errors_method": any(problem.field == "method" for problem in problems),
        "refused": refused,
        "waiting": _waiting(request),
        "delayed": queries.cannot_be_asked(at=clock.aligned()),
        "here": "add_funds",
    }
    return render(request, "storefront/add_funds.html", context, status=status)
