"""The way this site goes to Bakong, for a person who wants to know what is wrong with it."""

from __future__ import annotations

from vinflow.bakong import Way
from vinflow.payments import conf
from vinflow.payments.gateways.recording import CredentialStore, budget, record

__all__ = ["way"]


def way() -> Way:
    """Return the way the settings name, with the site's tokens, its ledger of calls and its record of them.

    Calls are paid from the purse that budgeting.asking() names, the staff's unless it names another.
    Raises NotConfigured with the name of the setting that is missing or absurd.
    """
    return Way(
        url=conf.api_url(),
        merchant=conf.merchant_id(),
        hosted=conf.protocol() is conf.Protocol.HOSTED,
        tokens=CredentialStore(),
        email=conf.api_email(),
        proxy=conf.proxy(),
        timeout_s=conf.timeout_s(),
        budget=budget,
        on_exchange=record,
    )
