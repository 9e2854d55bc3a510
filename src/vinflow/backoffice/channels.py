"""The ways an alert leaves the house: a letter, a webhook, a Telegram message.

Each returns whether it was taken. Nothing here raises for what the world does, and nothing is sent but
the sentence, its key and the page to open: no amount, no name, no account.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import httpx2
from django.core.mail import send_mail

from vinflow.backoffice import conf

__all__ = ["Alert", "Channel", "configured", "signature"]

log = logging.getLogger(__name__)
TIMEOUT_S = 10.0
TELEGRAM = "https://api.telegram.org"


@dataclass(frozen=True, slots=True)
class Alert:
    """One event: which, in words, the page to open, since when; and the moment it is told."""

    key: str
    text: str
    url: str
    since: datetime
    at: datetime
    site: str


Channel = Callable[[Alert], bool]


def configured(*, telegram_url: str = TELEGRAM) -> list[tuple[str, Channel]]:
    """Return (name, channel) of every way the settings name."""
    ways: list[tuple[str, Channel]] = []
    if addresses := conf.emails():
        ways.append(("e-mail", lambda alert: _letter(alert, addresses)))
    if hook := conf.webhook():
        ways.append(("webhook", lambda alert: _hook(alert, *hook)))
    if bot := conf.telegram():
        ways.append(("telegram", lambda alert: _message(alert, *bot, base=telegram_url)))
    return ways


def _letter(alert: Alert, addresses: list[str]) -> bool:
    try:
        return bool(
            send_mail(f"[{alert.site}] {alert.text}"[:200], f"{alert.text}\n\n{alert.url}\n", None, addresses)
        )
    except OSError:  # smtplib's errors are of this kind
        log.warning("an alert could not be mailed", extra={"alert": alert.key}, exc_info=True)
        return False


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a webhook: hex HMAC-SHA256 of "<timestamp>.<body>"."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _hook(alert: Alert, address: str, secret: str) -> bool:
    body = json.dumps(
        {
            "key": alert.key,
            "text": alert.text,
            "url": alert.url,
            "since": alert.since.isoformat(),
            "site": alert.site,
        },
        ensure_ascii=False,
    ).encode()
    timestamp = str(int(alert.at.timestamp()))
    headers = {"Content-Type": "application/json", "X-Vinflow-Timestamp": timestamp}
    if secret:
        headers["X-Vinflow-Signature"] = signature(secret, timestamp, body)
    return _post("webhook", alert, address, body, headers)


def _message(alert: Alert, token: str, chat: str, *, base: str) -> bool:
    body = json.dumps({"chat_id": chat, "text": f"{alert.site}: {alert.text}\n{alert.url}"}).encode()
    return _post(
        "telegram", alert, f"{base}/bot{token}/sendMessage", body, {"Content-Type": "application/json"}
    )


def _post(name: str, alert: Alert, address: str, body: bytes, headers: dict[str, str]) -> bool:
    # Never log the address: Telegram's holds the bot's token, and a webhook's may hold a secret.
    try:
        answer = httpx2.post(
            address, content=body, headers=headers, timeout=TIMEOUT_S, follow_redirects=False
        )
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        log.warning(
            "an alert was not taken", extra={"alert": alert.key, "channel": name, "why": type(error).__name__}
        )
        return False
    if not answer.is_success:
        log.warning(
            "an alert was not taken", extra={"alert": alert.key, "channel": name, "why": answer.status_code}
        )
    return bool(answer.is_success)
