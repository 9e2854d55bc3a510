"""The fixtures of payments: a stand-in for each test, one clock, a payer."""

from __future__ import annotations

from tests.payments.conftest import bank, dollar, hosted, later, opened, payer, watch

__all__ = ["bank", "dollar", "hosted", "later", "opened", "payer", "watch"]
