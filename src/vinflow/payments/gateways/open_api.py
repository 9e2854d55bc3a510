"""The Open API, as Bakong speaks it: we make the QR, and ask by the md5 of its text."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from vinflow import khqr
from vinflow.bakong import CannotTell, Client, Outcome, Reason, SourceInfo
from vinflow.money import Money
from vinflow.payments import budgeting, clock, conf
from vinflow.payments.errors import NotConfigured
from vinflow.payments.gateways import SHUT, MadeQr, Order
from vinflow.payments.gateways.recording import ClosedLists, CredentialStore, budget, record

__all__ = ["OpenApiGateway"]

LIST_CLOSED_FOR = timedelta(days=7)  # then the list is tried again
HASH_LIST_CLOSED_FOR_S = 86_400.0
# What a closed list answers with; BLOCKED may also mean that this machine is refused: a single call tells.
LIST_CLOSED = frozenset({Reason.BLOCKED, Reason.CONFIG, Reason.BAD_REQUEST})


class OpenApiGateway:
    """Gateway over vinflow.bakong.Client."""

    protocol = conf.Protocol.OPEN_API
    batch_max = 50

    def __init__(self) -> None:
        self.token_id = budgeting.token_id(conf.api_key())
        self.tokens, self.closed_lists = CredentialStore(), ClosedLists()
        self._hash_list_closed_at: float | None = None
        self.client = Client(
            base_url=conf.api_url(),
            email=conf.api_email(),
            timeout_s=conf.timeout_s(),
            proxy=conf.proxy(),
            tokens=self.tokens,
            budget=budget,
            on_exchange=record,
            closed_lists=self.closed_lists,
        )

    def make(self, order: Order) -> MadeQr:
        """Return a dynamic individual KHQR for an order; no call is made."""
        account, name = conf.merchant_id(), conf.merchant_name()
        try:
            text = khqr.encode(
                khqr.Individual(
                    bakong_account_id=account,
                    merchant_name=name,
                    merchant_city=conf.merchant_city(),
                    currency=order.money.currency,
                    amount=order.money.plain,
                    bill_number=order.bill_number,
                    creation_timestamp=clock.in_ms(order.created_at),
                    expiration_timestamp=clock.in_ms(order.expires_at),
                )
            )
        except khqr.KHQRError as error:
            raise NotConfigured(
                "KHQR_MERCHANT_ID, KHQR_MERCHANT_NAME or KHQR_MERCHANT_CITY", f"makes no KHQR: {error}"
            ) from error
        md5 = khqr.md5(text)
        return MadeQr(
            qr_string=text,
            md5=md5,
            handle=md5,
            receiver=account,
            merchant_name=name,
            response={
                "hash": md5,
                "qr_string": text,
                "deeplink": "",
                "amount": order.money.plain,
                "currency": order.money.currency.value,
                "merchant_id": account,
                "bill_number": order.bill_number,
            },
        )

    def check(self, handles: Sequence[str]) -> dict[str, Outcome]:
        """Return one outcome for each md5, by one list call where that is open to our token."""
        if len(handles) == 1:
            return {handles[0]: self.client.check_md5(handles[0])}
        return dict(self.client.check_md5_many(list(handles)))

    def check_booked(self, handles: Mapping[str, str]) -> dict[str, Outcome]:
        """Return one outcome for each transfer hash, by one list call; one call each where that is closed.

        A list that turns out closed is not tried again for a day.
        """
        hashes = list(handles)
        now = time.monotonic()
        tried = self._hash_list_closed_at is None or now - self._hash_list_closed_at > HASH_LIST_CLOSED_FOR_S
        if len(hashes) > 1 and tried:
            outcomes = self.client.check_hash_many(hashes)
            first = outcomes[hashes[0]]
            if not (isinstance(first, CannotTell) and first.reason in LIST_CLOSED):
                return outcomes
        outcomes = {}
        shut: CannotTell | None = None
        for number, transfer_hash in enumerate(hashes):
            outcome = shut or self.client.check_hash(transfer_hash)
            if isinstance(outcome, CannotTell) and outcome.reason in SHUT:
                shut = outcome
            elif number == 0 and len(hashes) > 1:
                self._hash_list_closed_at = now  # the door is open to us, and the list alone is not
            outcomes[transfer_hash] = outcome
        return outcomes

    def deeplink(self, qr_string: str, *, back_to: str) -> str:
        """Return Bakong's link for a QR, "" when there is none; https, or loopback in the sandbox."""
        source = None
        if back_to:
            source = SourceInfo(
                app_name=conf.site_name(),
                app_icon_url=f"{conf.public_url()}/static/storefront/icon.svg",
                callback=back_to,
            )
        answer = self.client.deeplink(qr_string, source)
        if isinstance(answer, CannotTell):
            return ""
        url = urlsplit(answer.url)
        local = url.scheme == "http" and (url.hostname or "") in conf.deeplink_hosts()
        return answer.url if url.scheme == "https" or local else ""

    def find(self, name: str, money: Money) -> Outcome | None:
        """Return what is known of a transfer: 64 hex digits, 8 with the amount, or a bank's reference."""
        if re.fullmatch(r"[0-9a-fA-F]{64}", name):
            return self.client.check_hash(name.lower())
        if re.fullmatch(r"[0-9a-fA-F]{8}", name):
            return self.client.check_short_hash(name.lower(), money)
        return self.client.check_external_ref(name)

    def batch_open(self, at: datetime) -> bool:
        """Return whether the md5 list is not known to be closed to our token."""
        token = self.tokens.current()
        since = self.closed_lists.get(token.id) if token is not None else None
        return since is None or at - since >= LIST_CLOSED_FOR

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
