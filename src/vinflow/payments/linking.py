"""The link that opens the payer's bank app: asked for on a tap, once per QR, never delaying the QR."""

from __future__ import annotations

from datetime import datetime, timedelta

from vinflow.payments import answering, budgeting, gateways, settings_store
from vinflow.payments.models import Attempt, Payment

__all__ = ["app_link"]

ASK_AGAIN = timedelta(minutes=1)


def app_link(*, payment: Payment, back_to: str, at: datetime) -> str:
    """Return the app link of a payment's newest QR, "" when there is none now.

    The first tap asks the gateway and keeps its answer with the QR; later taps read it. back_to:
    the address the bank app returns to; it carries our public reference and nothing else. An
    answer without a link is not asked for again within a minute.
    """
    attempt = payment.attempts.order_by("-number").first()
    if attempt is None or attempt.expires_at <= at or not settings_store.current().deeplink_enabled:
        return ""
    if payment.app_opened_at is None:
        Payment.objects.filter(pk=payment.pk, app_opened_at__isnull=True).update(app_opened_at=at)
    if attempt.deeplink:
        return attempt.deeplink
    if attempt.deeplink_asked_at is not None and at - attempt.deeplink_asked_at < ASK_AGAIN:
        return ""
    asked = Attempt.objects.filter(
        pk=attempt.pk, deeplink="", deeplink_asked_at=attempt.deeplink_asked_at
    ).update(deeplink_asked_at=at)
    if not asked:  # another tap is asking this very moment
        return ""
    with budgeting.asking(
        budgeting.Asking(
            budgeting.Pool.AUTO,
            payment=payment,
            principal=payment.principal,
            newcomer=answering.is_newcomer(payment),
        )
    ):
        link = gateways.current().deeplink(attempt.qr_string, back_to=back_to)
    if link:
        Attempt.objects.filter(pk=attempt.pk).update(deeplink=link)
    return link
