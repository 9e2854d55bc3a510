"""The receipt by e-mail, after the money is in: once for a payment, by whichever process comes first.

Nothing here runs inside the crediting transaction, and nothing of it can delay or undo money. What has to
be mailed is derived from the payments themselves: completed within a day, the payer has an address, no row
of ReceiptMail yet. So a crash between the commit and this module loses nothing: the next round, every few
minutes, finds it. A row is taken by moving its next try (one update decides between rivals), then the mail
server is asked, then the row is marked. A server that fails is tried again, later and later, for two days.
Should a process die after the server has taken the mail and before the mark, a second copy goes out under
the same Message-ID.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage
from django.db import close_old_connections, connection
from django.db.models import F
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation

from vinflow.money import format_money
from vinflow.payments import announcing, clock, tidying
from vinflow.payments import conf as payments_conf
from vinflow.payments.models import Payment
from vinflow.storefront import conf, formats
from vinflow.storefront.languages import language_of
from vinflow.storefront.models import ReceiptMail
from vinflow.storefront.pages.receipt import receipt_context
from vinflow.storefront.paper import NoPdf, can_make_pdf, paper_html, pdf_of
from vinflow.storefront.words import say

__all__ = ["listen", "send_due"]

log = logging.getLogger(__name__)

LOOK_BACK: Final = timedelta(days=1)
TAKEN_FOR: Final = timedelta(minutes=5)
LATER_MAX: Final = timedelta(hours=6)
TRIES_MAX: Final = 16  # 1, 2, 4 ... minutes, then every six hours: two days
AT_ONCE_MAX: Final = 50


def listen() -> None:
    """Send when a payment is completed and in every round of tidying; called once, when the app is ready."""
    announcing.payment_completed.connect(_soon, dispatch_uid="storefront.mailing.completed")
    tidying.also("receipts by mail", lambda _at: _soon())


@cache
def _postman() -> ThreadPoolExecutor:
    # One thread of this process: a mail server that hangs holds up no request and no watcher. What it has
    # been given is done before the process ends.
    return ThreadPoolExecutor(1, thread_name_prefix="receipts")


def _soon(**_what: Any) -> None:
    if conf.mails_receipts():
        _postman().submit(_round)


def _round() -> None:
    close_old_connections()
    try:
        send_due(at=clock.now())
    except Exception:
        log.exception("receipts could not be mailed; the next round tries again")
    finally:
        connection.close()


def send_due(*, at: datetime) -> int:
    """Mail the receipts that are due; return how many a mail server has taken. Any number may run."""
    for payment in _unmarked(at):
        ReceiptMail.objects.get_or_create(payment=payment, defaults={"next_try_at": at})
    due = ReceiptMail.objects.filter(next_try_at__lte=at).order_by("next_try_at")
    return sum(_send(row, at=at) for row in due.select_related("payment__user")[:AT_ONCE_MAX])


def _unmarked(at: datetime) -> Sequence[Payment]:
    """Return payments completed of late, of payers with an address, that nobody has thought of yet."""
    address = f"user__{get_user_model().get_email_field_name()}"
    lately = Payment.objects.filter(status="completed", completed_at__gt=at - LOOK_BACK, receipt_mail=None)
    found = lately.exclude(user=None).exclude(**{address: ""}).exclude(**{f"{address}__isnull": True})
    return list(found.order_by("completed_at")[:AT_ONCE_MAX])


def _address(payment: Payment) -> str:
    user = payment.user
    return "" if user is None else str(getattr(user, user.get_email_field_name(), "") or "").strip()


def _send(row: ReceiptMail, *, at: datetime) -> bool:
    """Take a row, mail it, mark it; return whether it was mailed here and now."""
    taken = ReceiptMail.objects.filter(pk=row.pk, next_try_at=row.next_try_at).update(
        next_try_at=at + TAKEN_FOR, tries=F("tries") + 1
    )
    if not taken:
        return False  # a rival has it
    try:
        _message(row.payment).send()
    except Exception as error:
        tries = row.tries + 1
        wait = min(LATER_MAX, timedelta(minutes=2 ** min(tries - 1, 10)))
        again = at + wait if tries < TRIES_MAX else None
        ReceiptMail.objects.filter(pk=row.pk).update(next_try_at=again)
        log.warning(
            "a receipt could not be mailed",
            extra={"payment": row.payment.transaction_id, "tries": tries, "error": type(error).__name__},
        )
        return False
    ReceiptMail.objects.filter(pk=row.pk).update(sent_at=at, next_try_at=None)
    return True


def _message(payment: Payment) -> EmailMessage:
    """Return the mail: words in the payer's language, the link where the site knows its address, the PDF."""
    language = language_of(payment.user)
    context = receipt_context(payment)
    host = payments_conf.public_url()
    path = reverse("storefront:receipt", args=[payment.transaction_id])
    with translation.override(language):
        subject = say(
            "{site}: receipt for {amount}", site=conf.site_name(), amount=format_money(payment.money)
        )
        body = render_to_string(
            "storefront/email/receipt.txt",
            {
                **context,
                "site": conf.site_name(),
                "link": f"{host}{path}" if host else "",
                "paid_at": formats.moment(context["co"].paid_at, language),
            },
        )
    domain = urlsplit(host).hostname or "vinflow.invalid"
    message = EmailMessage(
        subject=" ".join(subject.split()),
        body=body,
        to=[_address(payment)],
        headers={
            "Message-ID": f"<receipt-{payment.transaction_id}@{domain}>",
            "Auto-Submitted": "auto-generated",
        },
    )
    if can_make_pdf():
        with contextlib.suppress(NoPdf):  # the words alone, then
            pdf = pdf_of(paper_html(context, language=language))
            message.attach(f"{context['number']}.pdf", pdf, "application/pdf")
    return message
