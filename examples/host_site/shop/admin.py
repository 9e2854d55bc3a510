"""The admin of this site: the switch of the method, and the transactions with their filter."""

from django import forms
from django.contrib import admin

from shop.models import Order, PaymentMethods, Transaction
from vinflow.payments import clock, settings_store

admin.site.register(Order)


class ReadOnly(admin.ModelAdmin):
    """Rows that the admin shows and never writes."""

    def has_add_permission(self, request):
        """Nobody makes one here."""
        return False

    def has_delete_permission(self, request, obj=None):
        """Nobody deletes one here."""
        return False


@admin.register(Transaction)
class TransactionAdmin(ReadOnly):
    """Admin Dashboard -> Transactions."""

    list_display = ("transaction_id", "user", "amount", "status", "method", "created_at")
    list_filter = ("method", "status", "currency")
    search_fields = ("transaction_id", "gateway_payment_id")
    fields = ("transaction_id", "user", "amount", "status", "gateway_payment_id", "gateway_response")
    readonly_fields = fields

    @admin.display(ordering="amount_minor")
    def amount(self, payment):
        """The amount with its currency."""
        return str(payment.money)

    def has_change_permission(self, request, obj=None):
        """A payment is moved by its steps alone."""
        return False


class SwitchForm(forms.ModelForm):
    """The one thing that may be switched here."""

    khqr_enabled = forms.BooleanField(label="Enable KHQR Bakong", required=False)

    class Meta:
        model = PaymentMethods
        fields = ("khqr_enabled",)


@admin.register(PaymentMethods)
class PaymentMethodsAdmin(ReadOnly):
    """Admin Dashboard -> Settings -> Payment."""

    form = SwitchForm

    def get_queryset(self, request):
        """The one row, made when it is first looked at."""
        PaymentMethods.objects.get_or_create(singleton=1)
        return super().get_queryset(request)

    def save_model(self, request, obj, form, change):
        """Save the switch with its trail: who, when, from what to what."""
        settings_store.save({"khqr_enabled": obj.khqr_enabled}, by=request.user, at=clock.now())
