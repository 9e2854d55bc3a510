"""System checks: each missing step of an installation is named with what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections
from django.db.utils import DatabaseError

from vinflow.payments import conf, guards
from vinflow.payments.errors import NotConfigured

__all__ = ["gateway_settings", "row_guards"]

READERS = (
    conf.protocol, conf.environment, conf.api_key, conf.merchant_name, conf.merchant_city, conf.qr_lifetime,
    conf.grace, conf.quota_reset, conf.exchange_kept, conf.newcomers_share, conf.watch, conf.daily_calls,
    conf.timeout_s, conf.funds_handler, conf.return_hosts,
)  # fmt: skip


@register(Tags.security)
def gateway_settings(app_configs: Any = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """Return an error for every setting that is missing or absurd, and for money on a plain wire."""
    found: dict[str, CheckMessage] = {}
    for reader in READERS:
        try:
            reader()
        except NotConfigured as error:
            found.setdefault(
                error.setting,
                Error(
                    str(error), hint=f"Set {error.setting} in the environment or in .env.", id="payments.E001"
                ),
            )
    url = urlsplit(conf.api_url())
    host = (url.hostname or "").lower()
    if not settings.DEBUG and url.scheme != "https" and host not in conf.LOOPBACK:
        found["scheme"] = Error(
            "KHQR_API_URL is not https: whoever is on the line could mint money.",
            hint="Use https, or DEBUG for a test.",
            id="payments.E002",
        )
    if not settings.DEBUG and host in conf.LOOPBACK and not getattr(settings, "KHQR_ENVIRONMENT", ""):
        found["play"] = Error(
            "KHQR_API_URL points at this machine and DEBUG is off: play money would enter real wallets.",
            hint="Set KHQR_ENVIRONMENT=sandbox to say that this is a test site.",
            id="payments.E003",
        )
    return list(found.values())


@register(Tags.database)
def row_guards(
    app_configs: Any = None, databases: Sequence[str] | None = None, **kwargs: Any
) -> Sequence[CheckMessage]:
    """Return an error for a database whose tables lack their triggers (`check --database default`)."""
    messages: list[CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        try:
            tables = set(connection.introspection.table_names())
            missing = guards.missing_guards(connection) if "payments_payment" in tables else []
        except DatabaseError as error:
            messages.append(Warning(f"the database {alias!r} did not answer: {error}", id="payments.W001"))
            continue
        if missing:
            messages.append(
                Error(
                    f"the database lacks {len(missing)} triggers that guard payments, {missing[0]} first",
                    hint="Run `manage.py migrate`: it installs them again.",
                    id="payments.E004",
                )
            )
    return messages
