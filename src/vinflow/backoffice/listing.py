"""Which payments a list shows: everything in the address, read strictly, turned into one query.

A filter that cannot be read is left out and said; the address reproduces the list. Text is looked for
where an index helps: references, md5s and hashes by their beginning, payers by any part of their name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.http import QueryDict

from vinflow.backoffice import days
from vinflow.backoffice.models import Handled
from vinflow.money import Currency, MoneyError, parse_amount
from vinflow.payments import conf
from vinflow.payments.errors import NotConfigured
from vinflow.payments.models import Attempt, Method, Payment, ReviewItem, Transfer
from vinflow.payments.states import Status

__all__ = [
    "COUNT_MAX",
    "PAYERS_MAX",
    "PRESETS",
    "SIZES",
    "SORTS",
    "STATES",
    "Named",
    "Wanted",
    "count_of",
    "environment",
    "found",
    "named",
    "page_of",
    "state_of",
    "wanted_of",
]

COUNT_MAX = 10_000
SIZES = (10, 25, 50, 100, 200)
STATES = {  # as the badges name them
    "pending": "Waiting",
    "confirming": "Checking",
    "completed": "Completed",
    "late": "Paid late",
    "review": "Under review",
    "expired": "Expired",
    "failed": "Failed",
    "canceled": "Canceled",
}
PRESETS = {"today": 1, "7": 7, "30": 30}
# What has an index may be sorted by on any number of rows; the rest needs the whole list to be counted.
SORTS = {
    "-created": ("-created_at", "-pk"),
    "created": ("created_at", "pk"),
    "status": ("status", "-created_at", "-pk"),
    "-amount": ("currency", "-amount_minor", "-pk"),
    "amount": ("currency", "amount_minor", "pk"),
    "user": ("user__username", "-created_at", "-pk"),
    "-paid": ("-completed_at", "-pk"),
}
INDEXED = ("-created", "created", "status")

HEX = re.compile(r"[0-9a-fA-F]+")
REFERENCE = re.compile(r"[0-9A-Za-z]{3,25}")
TEXT_MAX = 200
TRIGRAM = 3  # letters; the index of names knows parts of this length
PAYERS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an address asks for. range: "" (any time), a preset, or custom with first and last."""

    text: str = ""
    states: tuple[str, ...] = ()
    currency: str = ""
    method: str = ""
    range: str = ""
    first: date | None = None
    last: date | None = None
    by_paid: bool = False
    least: str = ""
    most: str = ""
    late: bool = False
    review: bool = False
    manual: bool = False
    sort: str = "-created"
    size: int = 25
    page: int = 1
    unread: tuple[str, ...] = field(default=())

    @property
    def narrowed(self) -> int:
        """How many filters are set, the text aside."""
        flags = (self.currency, self.method, self.range, self.least, self.most)
        return len(self.states) + sum(map(bool, (*flags, self.late, self.review, self.manual)))

    def query(self, **changes: Any) -> str:
        """Return the address of this list with some of it changed: "?status=expired&page=2"."""
        new = replace(self, **({"page": 1} | changes))
        pairs: list[tuple[str, str]] = [("status", state) for state in new.states]
        plain = {
            "q": new.text,
            "currency": new.currency,
            "method": new.method,
            "range": new.range,
            "from": new.first.isoformat() if new.first and new.range == "custom" else "",
            "to": new.last.isoformat() if new.last and new.range == "custom" else "",
            "date": "paid" if new.by_paid else "",
            "least": new.least,
            "most": new.most,
            "late": "1" if new.late else "",
            "review": "1" if new.review else "",
            "manual": "1" if new.manual else "",
            "sort": new.sort if new.sort != "-created" else "",
            "size": str(new.size) if new.size != 25 else "",
            "page": str(new.page) if new.page > 1 else "",
        }
        return "?" + urlencode(pairs + [(name, value) for name, value in plain.items() if value])


def wanted_of(asked: QueryDict, *, at: datetime) -> Wanted:
    """Return what an address asks for; what cannot be read is named in unread and left out."""
    unread: list[str] = []

    def one_of(name: str, known: Any) -> str:
        value = asked.get(name, "")
        if value and value not in known:
            unread.append(name)
            return ""
        return value

    states = tuple(dict.fromkeys(asked.getlist("status")))
    if any(state not in STATES for state in states):
        unread.append("status")
    currency = one_of("currency", list(Currency))
    span = one_of("range", {**PRESETS, "custom": 0})
    first, last = days.read_day(asked.get("from", "")), days.read_day(asked.get("to", ""))
    if not span and (asked.get("from") or asked.get("to")):
        span = "custom"
    today = days.day_of(at)
    if span in PRESETS:
        first, last = today - timedelta(days=PRESETS[span] - 1), today
    elif span == "custom":
        unread += [
            name for name, day in (("from", first), ("to", last)) if asked.get(name, "") and day is None
        ]
        if first and last and first > last:
            first, last = last, first
        if not (first or last):
            span = ""
    least, most = (asked.get(name, "").strip()[:20] for name in ("least", "most"))
    for name, text in (("least", least), ("most", most)):
        if text and not all(_readable(text, one) for one in _currencies(currency)):
            unread.append(name)
    return Wanted(
        text=asked.get("q", "").replace("\x00", "").strip()[:TEXT_MAX],
        states=tuple(state for state in states if state in STATES),
        currency=currency,
        method=one_of("method", Method.values),
        range=span,
        first=first,
        last=last,
        by_paid=one_of("date", ("created", "paid")) == "paid",
        least="" if "least" in unread else least,
        most="" if "most" in unread else most,
        late=one_of("late", ("1",)) == "1",
        review=one_of("review", ("1",)) == "1",
        manual=one_of("manual", ("1",)) == "1",
        sort=one_of("sort", SORTS) or "-created",
        size=int(one_of("size", [str(size) for size in SIZES]) or 25),
        page=_page(asked.get("page", "")),
        unread=tuple(unread),
    )


def _page(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 7 else 1


def _currencies(code: str) -> list[Currency]:
    return [Currency(code)] if code else list(Currency)


def _readable(text: str, currency: Currency) -> bool:
    try:
        parse_amount(text, currency)
    except MoneyError:
        return False
    return True


def environment() -> str:
    """Return whose money is shown: one environment, never two in one sum; "" when it cannot be told."""
    try:
        return str(conf.environment())
    except NotConfigured:
        return ""


def found(wanted: Wanted, *, at: datetime, names: Named | None = None) -> QuerySet[Payment]:
    """Return the payments of a list, unsorted: one query whatever is combined.

    names: what named() found for its text, where the caller has looked already.
    """
    rows = Payment.objects.filter(environment=environment())
    if wanted.text:
        hits = names or named(wanted.text)
        # An empty half of an OR would make the database read every payment.
        either = Q(pk__in=hits.payments) | Q(user__in=hits.payers) if hits.payers else Q(pk__in=hits.payments)
        rows = rows.filter(either)
    if wanted.states:
        anyone = Q()
        for state in wanted.states:
            anyone |= _in_state(state, at)
        rows = rows.filter(anyone)
    if wanted.currency:
        rows = rows.filter(currency=wanted.currency)
    if wanted.method:
        rows = rows.filter(method=wanted.method)
    moment = "completed_at" if wanted.by_paid else "created_at"
    if wanted.first:
        rows = rows.filter(**{f"{moment}__gte": days.span_of(wanted.first, wanted.first)[0]})
    if wanted.last:
        rows = rows.filter(**{f"{moment}__lt": days.span_of(wanted.last, wanted.last)[1]})
    for text, test in ((wanted.least, "gte"), (wanted.most, "lte")):
        if text:
            bound = Q()
            for currency in _currencies(wanted.currency):
                minor = parse_amount(text, currency).minor
                bound |= Q(currency=currency.value, **{f"amount_minor__{test}": minor})
            rows = rows.filter(bound)
    if wanted.late:
        rows = rows.filter(status=Status.COMPLETED, completed_late=True)
    if wanted.review:
        rows = rows.filter(Exists(_open_items()))
    if wanted.manual:
        rows = rows.filter(handled__environment=environment())
    return rows


def _open_items() -> QuerySet[ReviewItem]:
    return ReviewItem.objects.filter(payment=OuterRef("pk"), decision="")


def _running(at: datetime) -> Exists:
    return Exists(Attempt.objects.filter(payment=OuterRef("pk"), expires_at__gt=at))


def _in_state(state: str, at: datetime) -> Q:
    """Return the condition of a badge: review stands before an unpaid state, as on the payer's pages."""
    opened = Q(Exists(_open_items()))
    match state:
        case "review":
            return opened & ~Q(status=Status.COMPLETED)
        case "pending":
            return Q(status=Status.PENDING) & Q(_running(at)) & ~opened
        case "confirming":
            return Q(status=Status.PENDING) & ~Q(_running(at)) & ~opened
        case "late":
            return Q(status=Status.COMPLETED, completed_late=True)
        case "completed":
            return Q(status=Status.COMPLETED, completed_late=False)
        case _:
            return Q(status=state) & ~opened


def state_of(payment: Payment) -> str:
    """Return the badge of a payment read by the list (with in_review and running annotated)."""
    if payment.status == Status.COMPLETED:
        return "late" if payment.completed_late else "completed"
    if getattr(payment, "in_review", False):
        return "review"
    if payment.status == Status.PENDING and not getattr(payment, "running", True):
        return "confirming"
    return str(payment.status)


def page_of(
    rows: QuerySet[Payment], wanted: Wanted, *, sort: str, start: int, size: int, at: datetime
) -> list[Payment]:
    """Return one page of a list, sorted: its keys first, so that what is skipped costs nothing more."""
    if wanted.manual and sort in ("created", "-created"):
        sign = sort.removesuffix("created")
        order = (f"{sign}handled__created_at", f"{sign}handled__payment")
        if only_handled(wanted):
            noted = Handled.objects.filter(environment=environment())
            rows_of = noted.order_by(f"{sign}created_at", f"{sign}payment")
            keys = list(rows_of.values_list("payment", flat=True)[start : start + size])
        else:
            keys = list(rows.order_by(*order).values_list("pk", flat=True)[start : start + size])
    else:
        keys = list(rows.order_by(*SORTS[sort]).values_list("pk", flat=True)[start : start + size])
    place = {key: n for n, key in enumerate(keys)}
    return sorted(dressed(Payment.objects.filter(pk__in=keys), at=at), key=lambda payment: place[payment.pk])


def dressed(rows: QuerySet[Payment], *, at: datetime) -> QuerySet[Payment]:
    """Return the payments with what a badge and an export need beside the row."""
    newest = Attempt.objects.filter(payment=OuterRef("pk")).order_by("-number")
    credited = Transfer.objects.filter(payment=OuterRef("pk"), fate="credited")
    return rows.select_related("user").annotate(
        in_review=Exists(_open_items()),
        running=_running(at),
        newest_md5=Subquery(newest.values("md5")[:1]),
        credited_hash=Subquery(credited.values("hash")[:1]),
    )


@dataclass(frozen=True, slots=True)
class Named:
    """What a text names: payments by their own names, payers by a part of theirs.

    too_many: more payers than PAYERS_MAX have it in their name; none of them was taken.
    """

    payments: frozenset[int]
    payers: tuple[Any, ...]
    too_many: bool


def named(text: str) -> Named:
    """Return what a search names: a reference, an md5, a hash or its beginning, a bank's reference, a payer.

    Each kind is looked up by its own index. A payer's name or e-mail address may be given by any part of
    three letters and more, by its beginning otherwise.
    """
    bare, most = text.strip(), COUNT_MAX + 1
    low = bare.lower()
    kinds: list[QuerySet[Any]] = [
        Transfer.objects.filter(external_ref=bare).values_list("payment", flat=True)
    ]
    if REFERENCE.fullmatch(bare):
        upper = bare.upper()
        begun = Payment.objects.filter(transaction_id__gte=upper, transaction_id__lt=upper + "~")
        kinds.append(begun.values_list("pk", flat=True))
    if HEX.fullmatch(bare) and len(low) == 32:
        kinds.append(Attempt.objects.filter(md5=low).values_list("payment", flat=True))
    elif HEX.fullmatch(bare) and 8 <= len(low) <= 64:
        hashes = Transfer.objects.filter(hash__gte=low, hash__lt=low + "~")
        kinds.append(hashes.values_list("payment", flat=True))
    ids = frozenset(pk for kind in kinds for pk in kind[:most])
    how = "icontains" if len(bare) >= TRIGRAM else "istartswith"
    users = get_user_model()._default_manager.filter(
        Q(**{f"username__{how}": bare}) | Q(**{f"email__{how}": bare})
    )
    payers = tuple(users.values_list("pk", flat=True)[: PAYERS_MAX + 1])
    too_many = len(payers) > PAYERS_MAX
    return Named(ids, () if too_many else payers, too_many)


def count_of(rows: QuerySet[Payment], wanted: Wanted) -> int:
    """Return how many there are, exact up to 10,000; 10,001 stands for more."""
    counted: QuerySet[Any] = rows
    if only_handled(wanted):
        counted = Handled.objects.filter(environment=environment())
    return counted.order_by().values("pk")[: COUNT_MAX + 1].count()


def only_handled(wanted: Wanted) -> bool:
    """Return whether a list is that of everything handled by hand: it is read without the payments."""
    return wanted.manual and wanted.narrowed == 1 and not wanted.text
