"""What may be shown of what only the environment gives: that it is set, and how it ends. Never more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from vinflow.backoffice.words import say
from vinflow.payments import conf
from vinflow.payments.errors import NotConfigured
from vinflow.payments.gateways.recording import CredentialStore

__all__ = ["Given", "account_end", "given", "token_ends_at"]

END = 4
LEAST = 12  # a shorter secret is not hinted at: four letters would be too much of it


@dataclass(frozen=True, slots=True)
class Given:
    """One line: its name, what may be shown, and until when it holds."""

    name: str
    text: str
    until: datetime | None = None
    missing: bool = False


def token_ends_at() -> datetime | None:
    """Return when the token in use ends, the renewed one if there is one; None where it does not say."""
    try:
        token = CredentialStore().current()
    except NotConfigured:
        return None
    return None if token is None else token.expires_at


def account_end(account: str) -> str:
    """Return the end of a Bakong account that tells two accounts apart: "••••test@devb"."""
    name, at, bank = account.partition("@")
    return f"••••{name[-END:] if len(name) > END else name[-1:]}{at}{bank}" if at else f"••••{account[-END:]}"


def given() -> list[Given]:
    """Return the settings of the environment as they may be shown, in the order of the page."""
    lines = [
        _line("Environment", lambda: str(conf.environment())),
        _line("Gateway address", lambda: urlsplit(conf.api_url()).netloc.rpartition("@")[2]),
        _line("Bakong account", lambda: _ends(account_end(conf.merchant_id()))),
        _line("Name on KHQR", conf.merchant_name),
        _line("City", conf.merchant_city),
    ]
    try:
        store = CredentialStore()
        token = store.current()
        value = token.value if token is not None else ""
        until = token.expires_at if token is not None else None
        hint = value[-END:] if len(value) >= LEAST else ""
        lines.append(Given(say("Access token"), _ends(hint) if value else say("Not set"), until, not value))
    except NotConfigured as error:
        lines.append(Given(say("Access token"), str(error), missing=True))
    lines.append(Given("KHQR_API_EMAIL", say("Set") if conf.api_email() else say("Not set")))
    lines.append(Given("KHQR_PROXY", say("Set") if conf.proxy() else say("Not set")))
    return lines


def _ends(hint: str) -> str:
    return say("Set, ends in {end}", end=hint) if hint else say("Set")


def _line(name: str, read: object) -> Given:
    assert callable(read)
    try:
        return Given(say(name), str(read()))
    except NotConfigured as error:
        return Given(say(name), str(error), missing=True)
