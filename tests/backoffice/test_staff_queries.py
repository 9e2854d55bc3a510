"""No staff page asks the database more than twelve questions, whatever it shows."""

from __future__ import annotations

from typing import Any

import pytest

PAGES = (
    *("/metrics", "/admin/", "/admin/?range=7", "/admin/?range=30", "/admin/transactions/"),
    *("/admin/transactions/?q=abc&manual=1&review=1&status=pending", "/admin/transactions/{reference}/"),
    *("/admin/review/", "/admin/ledger/", "/admin/ledger/entries/", "/admin/ledger/entries/?kind=suspense"),
    *("/admin/reconciliation/", "/admin/reconciliation/statement/", "/admin/deposits/", "/admin/refunds/"),
    *("/admin/settings/payments/", "/admin/settings/people/"),
)


@pytest.mark.both
@pytest.mark.parametrize("watched", [True, False])
def test_every_page_takes_at_most_twelve_queries(
    watched: bool, shop: Any, signed_in: Any, settings: Any, django_assert_max_num_queries: Any
) -> None:
    """Also in a shop where nobody ever watched and nothing was asked today."""
    from vinflow.payments import watching
    from vinflow.payments.models import CallBudget

    settings.KHQR_DAILY_CALLS = "100"
    states = ("pending", "confirming", "completed", "late", "review", "expired", "failed", "canceled")
    for n, state in enumerate(states * 2):
        shop.at_state(state, shop.payer(f"payer-{n}"))
    shop.exchange()
    reference = shop.at_state("late", shop.payer("payer-0")).transaction_id
    if watched:
        watching.pulse("w", at=shop.at)
    else:
        CallBudget.objects.all().delete()
    owner = signed_in("owner")

    for page in PAGES:
        address = page.replace("{reference}", reference)
        with django_assert_max_num_queries(12):
            assert owner.get(address).status_code == 200, page
