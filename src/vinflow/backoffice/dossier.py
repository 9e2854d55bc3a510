"""Everything that is known about one payment, read in a fixed number of queries, for its page.

A payment's QRs, every call that asked about them, every transfer, every line in the books, every act
of a person, and one timeline of it all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils.safestring import SafeString, mark_safe

from vinflow import khqr
from vinflow.backoffice import clawback_views, listing, masking, meanings, refund_views
from vinflow.backoffice.clawback_views import ClawBackView
from vinflow.backoffice.models import StaffAct
from vinflow.backoffice.preview import px_each
from vinflow.backoffice.refund_views import RefundView
from vinflow.backoffice.rights import rights_of
from vinflow.backoffice.words import say
from vinflow.money import Money, format_money
from vinflow.payments import reviewing, sending
from vinflow.payments.crediting import entry_source
from vinflow.payments.depositing import deposit_source
from vinflow.payments.models import (
    Attempt,
    ClawBack,
    Exchange,
    ManualDeposit,
    Method,
    Payment,
    Refund,
    ReviewItem,
    StatementLine,
    Transfer,
)
from vinflow.payments.states import Status
from vinflow.wallet.entries import Side
from vinflow.wallet.models import JournalLine

__all__ = ["Dossier", "Event", "ItemView", "item_view", "payment_named", "read"]

CALLS_MAX = 200


@dataclass(frozen=True, slots=True)
class Event:
    """One moment of a payment's life. by: who, where it was a person."""

    at: datetime
    text: str
    tone: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class QrView:
    """A QR as staff see it: its row, the picture, its fields in words."""

    attempt: Attempt
    svg: SafeString
    modules: int
    px: str
    rows: tuple[Any, ...]
    crc: str


@dataclass(frozen=True, slots=True)
class CallView:
    """One call: the row, what it means, what was sent and answered with secrets hidden."""

    exchange: Exchange
    meaning: str
    request: str
    answer: str


@dataclass(frozen=True, slots=True)
class ItemView:
    """An item of the review desk: what was expected beside what came, and what may be done."""

    item: ReviewItem
    expected: str
    came: str
    expected_receiver: str
    came_receiver: str
    sender: str
    reasons: list[str]
    own: bool
    proposed_by_me: bool
    ways: tuple[str, ...]
    unseen: str = ""  # what the gateway says of a return's transfer while it was not seen
    line: StatementLine | None = None
    may_link: bool = False


@dataclass
class Dossier:
    """What the page shows."""

    payment: Payment
    state: str
    qrs: list[QrView]
    calls: list[CallView]
    calls_left_out: bool
    transfers: list[Transfer]
    lines: list[JournalLine]
    items: list[ItemView]
    acts: list[StaffAct]
    refunds: list[RefundView]
    clawbacks: list[ClawBackView]
    left: list[tuple[Transfer, Money]]  # of which transfers something may go back, and how much
    deposit_left: Money | None = None  # of a manual deposit
    events: list[Event] = field(default_factory=list)

    @property
    def payer_account(self) -> str:
        """The account the credited money came from, masked."""
        paid = next((transfer for transfer in self.transfers if transfer.fate == "credited"), None)
        return masking.masked_account(paid.from_account) if paid else ""

    @property
    def hash(self) -> str:
        """The hash of the transfer that paid it."""
        return next((transfer.hash for transfer in self.transfers if transfer.fate == "credited"), "")


def payment_named(reference: str, *, at: datetime) -> Payment | None:
    """Return the payment of a reference, whatever environment it is of."""
    went_back = Exists(Refund.objects.filter(payment=OuterRef("pk")))
    taken = Exists(ClawBack.objects.filter(payment=OuterRef("pk")))
    rows = Payment.objects.filter(transaction_id=reference).annotate(money_went=went_back | taken)
    return listing.dressed(rows, at=at).first()


def read(payment: Payment, *, viewer: Any, at: datetime) -> Dossier:
    """Return everything about a payment that staff may see."""
    attempts = list(Attempt.objects.filter(payment=payment).order_by("-number"))
    # Two indexes and a union: an OR over both would make the database read every call there ever was.
    calls = list(
        Exchange.objects.filter(payment=payment)
        .union(Exchange.objects.filter(attempts__in=attempts))
        .order_by("-started_at", "-id")[: CALLS_MAX + 1]
    )
    transfers = list(Transfer.objects.filter(payment=payment).order_by("stored_at"))
    back: list[Refund] = []
    taken: list[ClawBack] = []
    if getattr(payment, "money_went", True):  # else two questions less
        back = list(refund_views.refunds(Refund.objects.filter(payment=payment)).order_by("pk"))
        taken = list(clawback_views.clawbacks(ClawBack.objects.filter(payment=payment)).order_by("pk"))
    sources = [entry_source(transfer) for transfer in transfers]
    if payment.method == Method.MANUAL:
        sources.append(deposit_source(payment.transaction_id))
    sources += [f"refund:{one.reference}" for one in back] + [f"clawback:{one.reference}" for one in taken]
    lines = list(
        JournalLine.objects.filter(entry__source__in=sources)
        .select_related("entry", "account")
        .order_by("entry_id", "number")
    )
    items = list(
        ReviewItem.objects.filter(payment=payment)
        .select_related("transfer", "attempt", "proposed_by", "decided_by")
        .order_by("opened_at")
    )
    for item in items:
        item.payment = payment  # with its payer, read already
    acts = list(StaffAct.objects.filter(payment=payment).select_related("actor").order_by("at"))
    rights = rights_of(viewer)
    made = Dossier(
        payment=payment,
        state=listing.state_of(payment),
        qrs=[_qr(attempt) for attempt in attempts],
        calls=[_call(exchange) for exchange in calls[:CALLS_MAX]],
        calls_left_out=len(calls) > CALLS_MAX,
        transfers=transfers,
        lines=lines,
        items=[item_view(item, viewer=viewer) for item in items],
        acts=acts,
        refunds=[refund_views.refund_view(one, viewer=viewer, rights=rights) for one in back],
        clawbacks=[clawback_views.clawback_view(one, viewer=viewer, rights=rights) for one in taken],
        left=refund_views.lefts(transfers, back, taken),
        deposit_left=_deposit_left(payment, back),
    )
    made.events = sorted(
        [*_events(made, attempts, items, at), *_money_back_events(made.refunds, taken)],
        key=lambda event: event.at,
    )
    return made


def _deposit_left(payment: Payment, back: list[Refund]) -> Money | None:
    """Return how much of a manual deposit may go back, None where there is none or nothing left."""
    if payment.method != Method.MANUAL or payment.status != Status.COMPLETED:
        return None
    deposit = ManualDeposit.objects.filter(payment=payment, decision="credited").first()
    left = refund_views.left_of_deposit(deposit, back) if deposit is not None else None
    return left if left is not None and left.minor > 0 else None


def _qr(attempt: Attempt) -> QrView:
    title = f"{attempt.payment_id}/{attempt.number} {attempt.md5}"
    try:
        rows = khqr.describe(attempt.qr_string).rows
        crc = next((row.meaning for row in rows if row.path == "63"), "")
    except khqr.KHQRError as error:  # a hosted gateway's text may be anything; it is shown as it is
        rows, crc = (), str(error)
    modules = khqr.modules(attempt.qr_string, "H")
    drawn = khqr.svg(attempt.qr_string, level="H", title=title, css_class="bo-qr")
    return QrView(
        attempt,
        mark_safe(drawn),  # noqa: S308  (our own drawing; the codec quotes the title)
        modules,
        px_each(modules),
        rows,
        crc,
    )


def _call(exchange: Exchange) -> CallView:
    return CallView(
        exchange,
        meanings.outcome(exchange.outcome, exchange.reason, exchange.stage),
        masking.as_text(exchange.request),
        masking.as_text(exchange.answer),
    )


def item_view(item: ReviewItem, *, viewer: Any) -> ItemView:
    """Return a review item with expected beside came; its transfer, payment and attempt are read already."""
    payment, transfer, attempt = item.payment, item.transfer, item.attempt
    facts = item.evidence.get("facts", {}) if isinstance(item.evidence, dict) else {}
    if transfer is not None:
        money = transfer.money
        came = format_money(money) if money is not None else f"{transfer.amount_text} {transfer.currency}"
        to, sender = transfer.to_account, transfer.from_account
    else:
        came = f"{facts.get('amount_text', '')} {facts.get('currency', '')}".strip()
        to, sender = str(facts.get("to_account", "")), str(facts.get("from_account", ""))
    line = StatementLine.objects.filter(item=item).first() if "statement_line" in item.reasons else None
    claimed = "claimed_by_hash" in item.reasons
    ways: tuple[str, ...] = ("dismissed",)
    if transfer is not None:
        ways = ("credited", "returned", "dismissed")
        if transfer.booked_receiver:
            ways = ("credited", "returned", "taken_back", "dismissed")
        if transfer.money is None or "sent_back" in transfer.reasons:
            ways = ("returned", "dismissed")
    elif claimed:
        ways = ("credited", "dismissed")
    unseen = ""
    if item.proposed == ReviewItem.Decision.RETURNED:
        stands = sending.standing(item=item)
        unseen = meanings.sent(stands) if stands is not None and stands.seen_at is None else ""
    return ItemView(
        item=item,
        expected=format_money(payment.money) if payment else "—",
        came=came or "—",
        expected_receiver=masking.masked_account(attempt.receiver) if attempt else "—",
        came_receiver=masking.masked_account(to) or "—",
        sender=masking.masked_account(sender) or "—",
        reasons=[meanings.reason(name) for name in item.reasons],
        own=payment is not None and payment.user_id is not None and payment.user_id == viewer.pk,
        proposed_by_me=item.proposed_by_id is not None and item.proposed_by_id == viewer.pk,
        ways=ways,
        unseen=unseen,
        line=line,
        may_link=line is not None and line.fate == StatementLine.Fate.SUSPENSE,
    )


def needs_two(view: ItemView, *, at: datetime) -> bool:
    """Return whether crediting this item needs a second person, so that the page says so beforehand."""
    return reviewing.needs_two(view.item, ReviewItem.Decision.CREDITED, at=at)


def _events(made: Dossier, attempts: list[Attempt], items: list[ReviewItem], at: datetime) -> list[Event]:
    payment = made.payment
    events = [Event(payment.created_at, say("Payment created"))]
    for attempt in attempts:
        number = f" {attempt.number}" if len(attempts) > 1 else ""
        events.append(Event(attempt.created_at, say("QR shown") + number))
        if attempt.expires_at <= at:
            events.append(Event(attempt.expires_at, say("QR expired") + number, "neutral"))
    if payment.app_opened_at:
        events.append(Event(payment.app_opened_at, say("Bakong app opened")))
    events += [
        Event(
            call.exchange.started_at,
            say("Checked: {result}", result=call.meaning),
            "success" if call.exchange.outcome == "found" else "",
            say("Staff") if call.exchange.pool == "staff" else "",
        )
        for call in made.calls
        if "check" in call.exchange.operation
    ]
    for transfer in made.transfers:
        if transfer.sent_at:
            events.append(Event(transfer.sent_at, say("The payer sent it"), "success"))
        if transfer.processed_at:
            events.append(Event(transfer.processed_at, say("Payment confirmed"), "success"))
    events += [
        Event(line.entry.posted_at, say("Added to wallet") + f": {format_money(line.money)}", "success")
        for line in made.lines
        if line.account.is_wallet and line.side == Side.CREDIT
    ]
    for item in items:
        events.append(Event(item.opened_at, say("Waits for staff"), "late"))
        if item.proposed_at and item.proposed_by:
            events.append(
                Event(
                    item.proposed_at,
                    say(PROPOSED.get(item.proposed, "Proposed")),
                    "late",
                    _name(item.proposed_by),
                )
            )
        if item.decided_at:
            by = _name(item.decided_by) if item.decided_by else ""
            events.append(Event(item.decided_at, say(DECIDED[item.decision]), "success", by))
    if payment.canceled_at:
        events.append(Event(payment.canceled_at, say("Canceled by the payer"), "neutral"))
    if payment.seen_at:
        events.append(Event(payment.seen_at, say("Success seen by the payer")))
    for act in made.acts:
        words = say(ACTS[act.what]) + (f": {act.note}" if act.note else "")
        events.append(Event(act.at, words, "info", _name(act.actor)))
    # Where two things happened at one moment the order above stands: sort() is stable.
    return sorted(events, key=lambda event: event.at)


def _money_back_events(views: list[RefundView], taken: list[ClawBack]) -> Iterator[Event]:
    """Yield the acts of refunds and claw-backs."""
    for view in views:
        refund = view.refund
        amount = format_money(refund.money)
        asked = say("Refund of {amount} asked", amount=amount) + f": {refund.why}"
        yield Event(refund.asked_at, asked, "late", _name(refund.asked_by))
        if refund.decided_at and refund.decided_by:
            rejected = refund.state == "rejected"
            text = say("Refund rejected") if rejected else say("Refund approved")
            yield Event(refund.decided_at, text, "neutral" if rejected else "", _name(refund.decided_by))
        for record in (*view.retracted, *([view.sending] if view.sending else [])):
            words = say("Refund sent at the bank") if record.hash else say("Refund given back by hand")
            sent = f"{words}: {record.hash[:8] or record.reference}"
            yield Event(record.recorded_at, sent, "info", _name(record.recorded_by))
            if record.retracted_at and record.retracted_by:
                text = say("Record of the refund taken back") + f": {record.retracted_why}"
                yield Event(record.retracted_at, text, "neutral", _name(record.retracted_by))
        if refund.state == "done" and refund.ended_at:
            yield Event(refund.ended_at, say("{amount} refunded", amount=amount), "success")
        if refund.ended_by and refund.ended_at:
            text = say("Refund given up") + f": {refund.ended_why}"
            yield Event(refund.ended_at, text, "neutral", _name(refund.ended_by))
    for clawback in taken:
        amount = format_money(clawback.money)
        text = say("The bank took {amount} back", amount=amount) + f": {clawback.why}"
        yield Event(clawback.asked_at, text, "late", _name(clawback.asked_by))
        if clawback.decision == ClawBack.Decision.BOOKED and clawback.decided_by and clawback.decided_at:
            text = say("Claw-back booked, {amount} owed", amount=format_money(clawback.owed))
            yield Event(clawback.decided_at, text, "late", _name(clawback.decided_by))
        elif clawback.decided_by and clawback.decided_at:
            text = say("Claw-back closed") + f": {clawback.decided_why}"
            yield Event(clawback.decided_at, text, "neutral", _name(clawback.decided_by))
        for part in clawback.parts:  # type: ignore[attr-defined]
            if part.decision == "booked" and part.decided_at:
                text = say("{amount} of it repaid", amount=format_money(part.money))
                by = _name(part.decided_by) if part.decided_by else ""
                yield Event(part.decided_at, text, "success", by)


PROPOSED = {
    "credited": "Proposed: credit it",
    "returned": "Proposed: send it back",
    "dismissed": "Proposed: dismiss it",
    "taken_back": "Proposed: the bank took it back",
}
DECIDED = {
    "credited": "Credited by hand",
    "returned": "Sent back by hand",
    "dismissed": "Dismissed",
    "taken_back": "Taken back by the bank",
    "overtaken": "Its own QR has brought it: nothing is left to decide",
}
ACTS = {"recheck": "Asked the gateway", "note": "Note", "export": "Downloaded"}


def _name(user: Any) -> str:
    return str(user.get_username())


def waited(item: ReviewItem, at: datetime) -> timedelta:
    """Return how long an item has waited."""
    return at - item.opened_at
