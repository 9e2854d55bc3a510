"""Where alerts go, who may read the counters, where exports lie; all optional, and read when asked.

VINFLOW_METRICS_TOKEN          opens /metrics to a scraper (see pages/probes.py)
VINFLOW_ALERT_EMAILS           addresses that get a letter for each event
VINFLOW_ALERT_WEBHOOK          an https address that gets a JSON object for each event
VINFLOW_ALERT_WEBHOOK_SECRET   signs it: X-Vinflow-Signature is HMAC-SHA256 of "<timestamp>.<body>"
VINFLOW_TELEGRAM_TOKEN         a bot's token (a secret), and
VINFLOW_TELEGRAM_CHAT          the chat it writes to
VINFLOW_EXPORT_FOLDER          where large exports lie for a day
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings

__all__ = ["emails", "export_folder", "telegram", "webhook"]


def _text(name: str) -> str:
    value: Any = getattr(settings, name, None)
    return str(value or "").strip()


def emails() -> list[str]:
    """Return the addresses that get letters: VINFLOW_ALERT_EMAILS, separated by commas."""
    value = getattr(settings, "VINFLOW_ALERT_EMAILS", None) or ()
    parts = value.split(",") if isinstance(value, str) else value
    return [str(part).strip() for part in parts if str(part).strip()]


def webhook() -> tuple[str, str] | None:
    """Return (address, secret) of the webhook, None for none."""
    address = _text("VINFLOW_ALERT_WEBHOOK")
    return (address, _text("VINFLOW_ALERT_WEBHOOK_SECRET")) if address else None


def telegram() -> tuple[str, str] | None:
    """Return (bot token, chat), None unless both are set."""
    token, chat = _text("VINFLOW_TELEGRAM_TOKEN"), _text("VINFLOW_TELEGRAM_CHAT")
    return (token, chat) if token and chat else None


def export_folder() -> Path:
    """Return where prepared exports lie: VINFLOW_EXPORT_FOLDER, VINFLOW_HOME/exports if unset.

    Outside everything a web server serves; shared by the machines that answer staff, where there are several.
    """
    given = _text("VINFLOW_EXPORT_FOLDER")
    return Path(given) if given else Path(getattr(settings, "VINFLOW_HOME", "var")) / "exports"
