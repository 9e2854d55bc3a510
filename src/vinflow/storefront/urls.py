"""Addresses of the payer's pages. A payment has one address for life."""

from __future__ import annotations

from django.urls import path, register_converter
from django.views.generic import RedirectView

from vinflow.storefront.pages import (
    adding,
    by_link,
    checkout,
    dashboard,
    language,
    missing,
    receipt,
    status,
    wallet,
)

__all__ = ["app_name", "urlpatterns"]


class ReferenceConverter:
    """A payment's public reference: 1 to 25 letters and digits; anything else is no address."""

    regex = "[A-Za-z0-9_-]{1,25}"

    def to_python(self, value: str) -> str:
        """Return the reference as it stands in the address."""
        return value

    def to_url(self, value: str) -> str:
        """Return the reference for an address."""
        return value


register_converter(ReferenceConverter, "payment")

app_name = "storefront"

urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("add-funds/", adding.add_funds, name="add_funds"),
    path("language/<slug:code>/", language.language, name="language"),
    path("wallet/", wallet.wallet, name="wallet"),
    path("wallet/statement.csv", wallet.statement, name="statement"),
    path("wallet/missing/", missing.choose, name="missing_choose"),
    path("transaction-logs/", RedirectView.as_view(pattern_name="storefront:wallet", query_string=True)),
    path("payment/<payment:reference>/", checkout.checkout, name="checkout"),
    path("payment/<payment:reference>/status/", status.status, name="status"),
    path("payment/<payment:reference>/check/", checkout.check, name="check"),
    path("payment/<payment:reference>/renew/", checkout.renew, name="renew"),
    path("payment/<payment:reference>/cancel/", checkout.cancel, name="cancel"),
    path("payment/<payment:reference>/open/", checkout.open_app, name="open"),
    path("payment/<payment:reference>/signal/", checkout.signal, name="signal"),
    path("payment/<payment:reference>/qr.png", checkout.picture, name="picture"),
    path("payment/<payment:reference>/events", checkout.events_off, name="events"),
    path("payment/<payment:reference>/receipt/", receipt.receipt, name="receipt"),
    path("payment/<payment:reference>/receipt.pdf", receipt.receipt_pdf, name="receipt_pdf"),
    path("payment/<payment:reference>/missing/", missing.missing, name="missing"),
    path("pay/<payment:reference>/<slug:signature>/", by_link.link, name="link"),
]
