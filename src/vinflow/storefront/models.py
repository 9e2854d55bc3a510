"""The rows of the payer's pages: which receipts have been mailed, and which language an account reads."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from vinflow.payments.models import Payment

__all__ = ["AccountLanguage", "ReceiptMail"]


class ReceiptMail(models.Model):
    """One receipt that is to be mailed: one row for a payment decides, whoever sends.

    A sender takes it by moving next_try_at; sent_at says that a mail server has taken it.
    """

    payment = models.OneToOneField(Payment, on_delete=models.PROTECT, related_name="receipt_mail")
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "storefront_receiptmail"
        constraints: ClassVar = [
            models.CheckConstraint(
                name="receipt_sent_is_done", condition=Q(sent_at__isnull=True) | Q(next_try_at__isnull=True)
            ),
        ]
        indexes: ClassVar = [
            models.Index(name="receipt_due", fields=["next_try_at"], condition=Q(next_try_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.payment_id}: {'sent' if self.sent_at else f'{self.tries} tries'}"


class AccountLanguage(models.Model):
    """The language a payer chose; it goes with the account to every device, and into mails."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    code = models.CharField(max_length=10)

    class Meta:
        db_table = "storefront_accountlanguage"

    def __str__(self) -> str:
        return f"{self.user_id}: {self.code}"
