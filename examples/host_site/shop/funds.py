"""Where the money goes: the function that VinFlow calls inside the transaction that completes a payment."""

from django.db.models import F

from people.models import Profile
from shop.models import Order
from vinflow.money import Currency


def add_funds(*, payment, transfer, money, at):
    """Mark the order as paid, or add what came to the payer's balance. Raising undoes all of it."""
    if payment.purpose == "order":
        changed = Order.objects.filter(pk=payment.reference, user=payment.user, paid_at=None).update(
            paid_at=at
        )
    elif money.currency is Currency.USD:
        profile = Profile.objects.filter(user=payment.user)
        changed = profile.update(balance=F("balance") + money.decimal)
    else:
        raise ValueError("balances are in dollars")
    if changed != 1:
        raise LookupError(f"{payment.transaction_id}: nothing of {payment.user} to pay into")
