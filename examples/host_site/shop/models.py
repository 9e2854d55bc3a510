"""What is sold, and two windows on VinFlow's rows for this site's own admin."""

from django.conf import settings
from django.db import models

from vinflow.payments.models import Payment, PaymentSettings


class Order(models.Model):
    """A bowl of noodles that somebody wants."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    dish = models.CharField(max_length=50)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    paid_at = models.DateTimeField(null=True, blank=True)


class Transaction(Payment):
    """A payment as staff of this site see it: to be read, never to be written."""

    class Meta:
        proxy = True
        verbose_name = "transaction"


class PaymentMethods(PaymentSettings):
    """The switch of the method."""

    class Meta:
        proxy = True
        verbose_name = verbose_name_plural = "payment methods"
