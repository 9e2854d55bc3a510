"""Settings of the wallet, read when asked."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.conf import settings

from vinflow.wallet.errors import NotConfigured

BUSINESS_ZONE = ZoneInfo("Asia/Phnom_Penh")
KEY_LENGTH_MIN = 32


def ledger_key() -> bytes:
    """Return the key that signs blocks and heads: VINFLOW_LEDGER_KEY, at least 32 characters.

    Raises NotConfigured: there is no default, for a key everyone knows signs nothing.
    """
    key = getattr(settings, "VINFLOW_LEDGER_KEY", "") or ""
    if len(key) < KEY_LENGTH_MIN:
        raise NotConfigured("VINFLOW_LEDGER_KEY", f"set a secret of at least {KEY_LENGTH_MIN} characters")
    return key.encode() if isinstance(key, str) else bytes(key)


def business_date(at: datetime) -> date:
    """Return the calendar day in Phnom Penh at a moment (aware)."""
    return at.astimezone(BUSINESS_ZONE).date()
