"""The hosted gateway of the integration guide: it makes the QR, and is asked by the hash it gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

from vinflow import khqr
from vinflow.bakong import CannotTell, HostedClient, Outcome, Reason
from vinflow.money import Money
from vinflow.payments import budgeting, clock, conf
from vinflow.payments.errors import GatewayUnavailable, NotConfigured
from vinflow.payments.gateways import SHUT, UNAVAILABLE, MadeQr, Order, words_for
from vinflow.payments.gateways.recording import CredentialStore, budget, record

__all__ = ["HostedGateway"]


class HostedGateway:
    """Gateway over vinflow.bakong.HostedClient."""

    protocol = conf.Protocol.HOSTED
    batch_max = 1

    def __init__(self) -> None:
        self.token_id = budgeting.token_id(conf.api_key())
        self.client = HostedClient(
            base_url=conf.api_url(),
            merchant_id=conf.merchant_id().lower(),
            email=conf.api_email(),
            timeout_s=conf.timeout_s(),
            proxy=conf.proxy(),
            tokens=CredentialStore(),
            budget=budget,
            on_exchange=record,
        )

    def make(self, order: Order) -> MadeQr:
        """Return the gateway's QR for an order, after comparing what it made with what was asked.

        Raises GatewayUnavailable when it made none, or one for another amount, currency or bill;
        nothing has been shown to anyone then.
        """
        answer = self.client.create(order.money, order.info, order.bill_number)
        if isinstance(answer, CannotTell):
            if answer.reason is Reason.CONFIG:
                raise NotConfigured("KHQR_API_URL", f"answers, but not as a KHQR gateway: {answer.detail}")
            raise GatewayUnavailable(answer.reason.value, words_for(answer.reason))
        text = answer.qr_string
        try:
            seen = khqr.decode(text, lenient=True)
        except khqr.KHQRError as error:
            raise GatewayUnavailable("qr_unreadable", UNAVAILABLE) from error
        # A QR for another amount would be paid in good faith; compare before anyone sees it.
        money, amount = order.money, seen.amount
        if seen.currency != money.currency or amount is None or not _same_amount(amount, money.plain):
            raise GatewayUnavailable("qr_differs", UNAVAILABLE)
        return MadeQr(
            qr_string=text,
            md5=khqr.md5(text),
            handle=answer.hash,
            receiver=conf.merchant_id().lower(),
            merchant_name=seen.merchant_name,
            deeplink=answer.deeplink or "",
            expires_at=clock.from_epoch(seen.expiration_timestamp / 1000)
            if seen.expiration_timestamp
            else None,
            # Without the scheme, which is no part of the QR: pages draw what stands here.
            response={**answer.raw, "qr_string": text},
        )

    def check(self, handles: Sequence[str]) -> dict[str, Outcome]:
        """Return one outcome for each hash, one call each."""
        return {handle: self.client.check(handle) for handle in handles}

    def check_booked(self, handles: Mapping[str, str]) -> dict[str, Outcome]:
        """Return one outcome for each transfer, asked for by the hash of its QR; one call each.

        After an answer that shuts the door the others are not asked.
        """
        outcomes: dict[str, Outcome] = {}
        shut: CannotTell | None = None
        for transfer_hash, handle in handles.items():
            outcome = shut or self.client.check(handle)
            if isinstance(outcome, CannotTell) and outcome.reason in SHUT:
                shut = outcome
            outcomes[transfer_hash] = outcome
        return outcomes

    def deeplink(self, qr_string: str, *, back_to: str) -> str:
        """Return "": the link came with the QR."""
        return ""

    def find(self, name: str, money: Money) -> Outcome | None:
        """Return None: this dialect knows a payment by the hash of its QR alone."""
        return None

    def batch_open(self, at: datetime) -> bool:
        """Return False: this dialect has no list call."""
        return False

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def _same_amount(written: str, asked: str) -> bool:
    """Return whether two decimal texts name the same amount ("1" and "1.00" do)."""
    try:
        return Decimal(written) == Decimal(asked)
    except InvalidOperation:
        return False
