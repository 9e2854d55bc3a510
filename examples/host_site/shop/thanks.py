"""What happens once a payment is safe: a mail, after the commit, so that none tells of money undone."""

from django.core.mail import send_mail
from django.dispatch import receiver

from vinflow.payments.announcing import payment_completed


@receiver(payment_completed)
def thank(payment, **_):
    """Write to whoever paid."""
    send_mail(
        subject=f"We received {payment.money}",
        message=f"Thank you. Your transaction is {payment.transaction_id}.",
        from_email=None,
        recipient_list=[payment.user.email],
    )
