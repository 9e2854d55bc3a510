"""No staff page asks the database more than twelve questions, whatever it shows."""

from __future__ import annotations

from typing import Any

import pytest

PAGES = (
    *("/admin/", "/admin/?range=30", "/admin/transactions/", "/admin/review/", "/admin/ledger/entries/"),
    *("/admin/settings/payments/", "/admin/settings/people/", "/admin/deposits/", "/admin/refunds/"),
)


@pytest.mark.both
def test_every_page_takes_at_most_twelve_queries(
    shop: Any, signed_in: Any, settings: Any, django_assert_max_num_queries: Any
) -> None:
    from vinflow.payments import watching

    settings.KHQR_DAILY_CALLS = "100"
    states = ("pending", "confirming", "completed", "late", "review", "expired", "failed", "canceled")
    for n, state in enumerate(states * 2):
        shop.at_state(state, shop.payer(f"payer-{n}"))
    shop.exchange()
    watching.pulse("w", at=shop.at)
    owner = signed_in("owner")

    for page in PAGES:
        with django_assert_max_num_queries(12):
            assert owner.get(page).status_code == 200, page
