"""Add funds, order, pay, look. The two calls of the integration guide are made here and nowhere else."""

import uuid

from django import forms
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_GET, require_POST

from shop.models import Order
from vinflow import khqr
from vinflow.money import Currency, MoneyError, parse_amount
from vinflow.payments import settings_store
from vinflow.payments.errors import OpeningRefused
from vinflow.payments.khqr import check_khqr_payment_status, create_khqr_payment
from vinflow.payments.models import Payment

MENU = {"kuy-teav": "2.50", "lort-cha": "3.00"}


class AddFunds(forms.Form):
    """How much, and by which method; the token makes a second press find the first one's payment."""

    amount = forms.CharField(label="US dollars")
    method = forms.ChoiceField(widget=forms.RadioSelect, initial="khqr")
    token = forms.CharField(widget=forms.HiddenInput, initial=uuid.uuid4, max_length=80)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        khqr_is_on = settings_store.current().khqr_enabled
        self.fields["method"].choices = [("khqr", "KHQR Bakong")] if khqr_is_on else []

    def clean_amount(self):
        """Return the amount in whole cents."""
        try:
            return parse_amount(self.cleaned_data["amount"], Currency.USD)
        except MoneyError as error:
            raise forms.ValidationError(str(error)) from error


@login_required
@require_GET
def dashboard(request):
    """Show the balance, the menu and the latest payments."""
    mine = Payment.objects.filter(user=request.user).order_by("-created_at")[:10]
    orders = Order.objects.filter(user=request.user).order_by("-pk")[:10]
    return render(request, "shop/dashboard.html", {"payments": mine, "orders": orders, "menu": MENU})


@transaction.non_atomic_requests
@login_required
def add_funds(request):
    """Take an amount, make a KHQR for it, and lead to its page."""
    form = AddFunds(request.POST or None)
    if request.method == "POST" and form.is_valid():
        money = form.cleaned_data["amount"]
        payment = Payment(
            user=request.user,
            amount_minor=money.minor,
            currency=money.currency,
            idempotency_key=form.cleaned_data["token"],
        )
        try:
            create_khqr_payment(payment)
        except OpeningRefused as refused:
            form.add_error(None, str(refused))
        else:
            return redirect("checkout", payment.transaction_id)
    return render(request, "shop/add_funds.html", {"form": form})


@transaction.non_atomic_requests
@login_required
@require_POST
def order(request, dish):
    """Order a dish and lead to the page that takes the money for it."""
    ordered = Order.objects.create(user=request.user, dish=dish, price=MENU[dish])
    money = parse_amount(MENU[dish], Currency.USD)
    payment = Payment(
        user=request.user,
        amount_minor=money.minor,
        currency=money.currency,
        purpose="order",
        reference=str(ordered.pk),
        metadata={"dish": dish},
        idempotency_key=f"order-{ordered.pk}",
    )
    create_khqr_payment(payment)
    return redirect("checkout", payment.transaction_id)


@login_required
@require_GET
def checkout(request, reference):
    """Show the KHQR of a payment to whoever opened it, or that it is paid."""
    payment = get_object_or_404(Payment, user=request.user, transaction_id=reference)
    picture = mark_safe(khqr.svg(payment.gateway_response["qr_string"], title="KHQR"))  # noqa: S308
    return render(request, "shop/checkout.html", {"payment": payment, "picture": picture})


@transaction.non_atomic_requests
@login_required
@require_GET
def status(request, reference):
    """Tell the page what is known; ask Bakong if it is time to."""
    payment = get_object_or_404(Payment, user=request.user, transaction_id=reference)
    known = check_khqr_payment_status(payment)
    return JsonResponse({"paid": known.paid, "status": known.status, "message": known.message})
