"""The settings of payments, read when asked, so that a test can change them.

Each function names its setting, its unit and its default. The guide's three (KHQR_API_URL,
KHQR_MERCHANT_ID, KHQR_API_KEY) suffice; everything else is optional. What an owner saves in
Settings -> Payment (settings_store.py) wins over the defaults here, except for secrets, the payee
account and the environment name, which only the environment gives.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.module_loading import import_string

from vinflow.payments.errors import NotConfigured

__all__ = [
    "Environment",
    "Protocol",
    "api_email",
    "api_key",
    "api_url",
    "daily_calls",
    "environment",
    "funds_handler",
    "grace",
    "merchant_city",
    "merchant_id",
    "merchant_name",
    "protocol",
    "proxy",
    "qr_lifetime",
    "receivers",
    "refund_handler",
    "timeout_s",
    "watch",
]

MERCHANT_MD5 = re.compile(r"[0-9a-fA-F]{32}")
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
BANK_HOSTS = {"api-bakong.nbc.gov.kh": "production", "sit-api-bakong.nbc.gov.kh": "sit"}


class Protocol(StrEnum):
    """Which language the gateway speaks."""

    OPEN_API = "open-api"
    HOSTED = "hosted"


class Environment(StrEnum):
    """Whose money it is: written on every row, and never mixed in one sum."""

    PRODUCTION = "production"
    SIT = "sit"
    SANDBOX = "sandbox"


def _text(name: str, default: str = "") -> str:
    return str(getattr(settings, name, None) or default).strip()


def _whole(name: str, default: int, least: int, most: int) -> int:
    value = getattr(settings, name, None)
    if value is None or value == "":
        return default
    try:
        number = int(str(value))
    except ValueError:
        raise NotConfigured(name, f"must be a whole number from {least} to {most}, not {value!r}") from None
    if not least <= number <= most:
        raise NotConfigured(name, f"must be from {least} to {most}, not {number}")
    return number


def api_url() -> str:
    """Base address of the gateway, without a slash at its end: KHQR_API_URL, the bank's if unset."""
    return _text("KHQR_API_URL", "https://api-bakong.nbc.gov.kh").rstrip("/")


def merchant_id() -> str:
    """Who is paid: KHQR_MERCHANT_ID, a Bakong account (name@bank) or the guide's merchant MD5.

    Raises NotConfigured when empty.
    """
    value = _text("KHQR_MERCHANT_ID")
    if not value:
        raise NotConfigured("KHQR_MERCHANT_ID")
    return value


def api_key() -> str:
    """The Bearer token: KHQR_API_KEY. Raises NotConfigured when empty."""
    value = _text("KHQR_API_KEY")
    if not value:
        raise NotConfigured("KHQR_API_KEY")
    return value


def api_email() -> str | None:
    """The e-mail a token is renewed by: KHQR_API_EMAIL (a secret); None switches renewal off."""
    return _text("KHQR_API_EMAIL") or None


def protocol() -> Protocol:
    """Which language to speak: KHQR_PROTOCOL (auto, open-api, hosted).

    auto: an `@` in the merchant id is a Bakong account, so the Open API; 32 hex digits are the
    guide's merchant MD5, so the hosted gateway. Raises NotConfigured for anything else.
    """
    said = _text("KHQR_PROTOCOL", "auto")
    if said == "auto":
        merchant = merchant_id()
        if "@" in merchant:
            return Protocol.OPEN_API
        if MERCHANT_MD5.fullmatch(merchant):
            return Protocol.HOSTED
        raise NotConfigured(
            "KHQR_MERCHANT_ID", "is neither a Bakong account (name@bank) nor a merchant MD5 (32 hex digits)"
        )
    try:
        protocol = Protocol(said)
    except ValueError:
        raise NotConfigured("KHQR_PROTOCOL", f"must be auto, open-api or hosted, not {said!r}") from None
    merchant = _text("KHQR_MERCHANT_ID")
    if merchant and protocol is Protocol.OPEN_API and "@" not in merchant:
        raise NotConfigured(
            "KHQR_PROTOCOL",
            "is open-api, which pays to a Bakong account, but KHQR_MERCHANT_ID has no @ in it",
        )
    if merchant and protocol is Protocol.HOSTED and not MERCHANT_MD5.fullmatch(merchant):
        raise NotConfigured(
            "KHQR_PROTOCOL", "is hosted, which knows merchants by 32 hex digits, but KHQR_MERCHANT_ID is none"
        )
    return protocol


def merchant_name() -> str:
    """Name in tag 59, what the payer's bank app shows: KHQR_MERCHANT_NAME, at most 25 characters."""
    value = _text("KHQR_MERCHANT_NAME", "VinFlow")
    if len(value) > 25:
        raise NotConfigured("KHQR_MERCHANT_NAME", f"may have 25 characters, has {len(value)}")
    return value


def merchant_city() -> str:
    """City in tag 60: KHQR_MERCHANT_CITY, at most 15 characters, Phnom Penh if unset."""
    value = _text("KHQR_MERCHANT_CITY", "Phnom Penh")
    if len(value) > 15:
        raise NotConfigured("KHQR_MERCHANT_CITY", f"may have 15 characters, has {len(value)}")
    return value


def receivers() -> tuple[str, ...]:
    """Accounts a transfer may name as its receiver: KHQR_RECEIVERS, by default the merchant's own."""
    value = getattr(settings, "KHQR_RECEIVERS", None) or ()
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    named = tuple(str(account).strip() for account in value if str(account).strip())
    own = merchant_id()
    return named if own in named or "@" not in own else (own, *named)


def timeout_s() -> float:
    """How long an answer may take: KHQR_TIMEOUT_S whole seconds (1 to 120), 15 if unset."""
    return float(_whole("KHQR_TIMEOUT_S", 15, 1, 120))


def qr_lifetime() -> timedelta:
    """How long a new KHQR may be paid: KHQR_QR_LIFETIME_S whole seconds (120 to 600), 600 if unset."""
    return timedelta(seconds=_whole("KHQR_QR_LIFETIME_S", 600, 120, 600))


def grace() -> timedelta:
    """How long after expiry a "not found" must have been asked to count: KHQR_GRACE_S, 120 s if unset."""
    return timedelta(seconds=_whole("KHQR_GRACE_S", 120, 30, 3600))


def watch() -> timedelta:
    """How long after expiry a QR stays watched: KHQR_WATCH_S whole seconds, a day if unset."""
    return timedelta(seconds=_whole("KHQR_WATCH_S", 86400, 3600, 30 * 86400))


def quota_reset() -> str:
    """When the quota day begins: KHQR_QUOTA_RESET (auto, phnom-penh, utc); auto, the default, counts both."""
    said = _text("KHQR_QUOTA_RESET", "auto")
    if said not in ("auto", "phnom-penh", "utc"):
        raise NotConfigured("KHQR_QUOTA_RESET", f"must be auto, phnom-penh or utc, not {said!r}")
    return said


def evidence_folder() -> Path:
    """Where the files of manual deposits lie: VINFLOW_EVIDENCE_FOLDER, VINFLOW_HOME/evidence if unset.

    Outside everything a web server serves.
    """
    given = str(getattr(settings, "VINFLOW_EVIDENCE_FOLDER", "") or "")
    return Path(given) if given else Path(getattr(settings, "VINFLOW_HOME", "var")) / "evidence"


def exchange_kept() -> timedelta:
    """How long the bodies of answers that decided nothing are kept: KHQR_EXCHANGE_KEPT_DAYS, 90 if unset."""
    return timedelta(days=_whole("KHQR_EXCHANGE_KEPT_DAYS", 90, 1, 3650))


def reconcile_back() -> timedelta:
    """How far a reconciliation looks before the last one's end: KHQR_RECONCILE_DAYS days, 7 if unset.

    A transfer is so asked about on some nights after it came, since a bank may take it back later.
    """
    return timedelta(days=_whole("KHQR_RECONCILE_DAYS", 7, 1, 366))


def daily_calls() -> int | None:
    """Calls the token may make in a quota day: KHQR_DAILY_CALLS, 100 if unset, None for `none`."""
    value = _text("KHQR_DAILY_CALLS", "100")
    if value.lower() == "none":
        return None
    return _whole("KHQR_DAILY_CALLS", 100, 1, 10_000_000)


def proxy() -> str | None:
    """The shop's own forward proxy in Cambodia: KHQR_PROXY, none if unset."""
    return _text("KHQR_PROXY") or None


def environment() -> Environment:
    """Whose money it is: KHQR_ENVIRONMENT, else told by the host of KHQR_API_URL.

    The bank's two hosts are known; a loopback address is the stand-in. For any other host the name
    must be given, so that play money cannot enter a real wallet. Raises NotConfigured.
    """
    host = (urlsplit(api_url()).hostname or "").lower()
    told = BANK_HOSTS.get(host) or ("sandbox" if host in LOOPBACK else None)
    said = _text("KHQR_ENVIRONMENT")
    if said:
        try:
            declared = Environment(said)
        except ValueError:
            raise NotConfigured(
                "KHQR_ENVIRONMENT", f"must be production, sit or sandbox, not {said!r}"
            ) from None
        if told is not None and told != declared:
            raise NotConfigured("KHQR_ENVIRONMENT", f"says {declared}, but {host} is {told}")
        return declared
    if told is None:
        raise NotConfigured(
            "KHQR_ENVIRONMENT", f"must say whether {host or 'the gateway'} is production, sit or sandbox"
        )
    return Environment(told)


def support_contact() -> str:
    """Where a payer gets help, shown wherever something can go wrong: VINFLOW_SUPPORT_CONTACT."""
    return _text("VINFLOW_SUPPORT_CONTACT")


def deeplink_hosts() -> tuple[str, ...]:
    """Hosts of plain-http app links that are accepted: loopback ones, and only in the sandbox."""
    return tuple(LOOPBACK) if environment() is Environment.SANDBOX else ()


def site_name() -> str:
    """The site's own name in page titles and receipts: VINFLOW_SITE_NAME, else the merchant's name."""
    return _text("VINFLOW_SITE_NAME") or merchant_name()


def public_url() -> str:
    """The site's address as phones see it, for the way back from a bank app: VINFLOW_PUBLIC_URL."""
    return _text("VINFLOW_PUBLIC_URL").rstrip("/")


def return_hosts() -> tuple[str, ...]:
    """Hosts besides this site's own that a payer may be sent back to: VINFLOW_RETURN_HOSTS, none if unset.

    Each as it stands in an address (shop.example, shop.example:8443), separated by commas or as a list.
    """
    value = getattr(settings, "VINFLOW_RETURN_HOSTS", None) or ()
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    hosts = tuple(str(host).strip().lower() for host in value if str(host).strip())
    for host in hosts:
        if not re.fullmatch(r"[a-z0-9.\-]+(:\d{1,5})?|\[[0-9a-f:]+\](:\d{1,5})?", host):
            raise NotConfigured("VINFLOW_RETURN_HOSTS", f"names hosts such as shop.example, not {host!r}")
    return hosts


def newcomers_share() -> Decimal:
    """Largest part of a day's calls that payers who never paid may use together: 0.30."""
    said = _text("VINFLOW_NEWCOMERS_SHARE", "0.30")
    try:
        share = Decimal(said)
    except InvalidOperation:
        share = Decimal(-1)
    if not 0 <= share <= 1:
        raise NotConfigured("VINFLOW_NEWCOMERS_SHARE", f"must be from 0 to 1, for example 0.30, not {said!r}")
    return share


def status_checks() -> bool:
    """Whether our own status address makes due checks itself: VINFLOW_STATUS_CHECKS, off if unset.

    For hosting without a worker; the claims and the budget are the watcher's own.
    """
    return bool(getattr(settings, "VINFLOW_STATUS_CHECKS", False))


def funds_handler() -> Callable[..., Any] | None:
    """The host's own way to add funds: VINFLOW_FUNDS_HANDLER, a dotted path; None means the wallet.

    Called inside the crediting transaction as handler(payment=, transfer=, money=, at=): same
    database, no network. Raises NotConfigured when it cannot be imported.
    """
    return _callable("VINFLOW_FUNDS_HANDLER")


def refund_handler() -> Callable[..., Any] | None:
    """The host's own way to take funds back: VINFLOW_REFUND_HANDLER, a dotted path; None: no refunds
    of money that a funds handler gave.

    Called inside the transaction as handler(step=, refund=, clawback=, payment=, money=, at=), step
    being hold, capture, release or claw_back, and the one of the two rows that it is about: same
    database, no network. Raises NotConfigured when it cannot be imported.
    """
    return _callable("VINFLOW_REFUND_HANDLER")


def _callable(name: str) -> Callable[..., Any] | None:
    """Return what a setting names by its dotted path, or holds itself; None while it is empty."""
    path = getattr(settings, name, None)
    if not path:
        return None
    if callable(path):
        return cast("Callable[..., Any]", path)
    try:
        return cast("Callable[..., Any]", import_string(path))
    except ImportError as error:
        raise NotConfigured(name, f"cannot be imported: {error}") from error
