"""The stand-in itself: its parts put together, and the payer, who makes the money arrive."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import EllipsisType
from typing import Any

import msgspec

from vinflow.khqr import Individual, encode
from vinflow.khqr import Merchant as MerchantQr
from vinflow.money import Currency, Money
from vinflow.sandbox.clock import Clock
from vinflow.sandbox.errors import (
    AlreadyPaid,
    AmountNeeded,
    NotEnoughMoney,
    UnknownReceiver,
    WrongMoment,
)
from vinflow.sandbox.journal import Journal
from vinflow.sandbox.keys import Keys
from vinflow.sandbox.mischief import CALLS, Mischief
from vinflow.sandbox.paper import expires_ms, read_khqr
from vinflow.sandbox.records import Transfer
from vinflow.sandbox.registry import Registry
from vinflow.sandbox.switches import Switches

__all__ = ["CALLS", "PAYER", "PHONE_ACCOUNT", "TEST_ACCOUNT", "Sandbox", "ready"]

TEST_ACCOUNT = "vinflow_test@devb"
PHONE_ACCOUNT = "sokha_test@tbnk"
PAYER = "abaakhppxxx@abaa"  # a bank's own wallet, which is what a payer looks like to the receiver
EMAIL = "dev@sandbox.example"
PHONE_BALANCES = {"USD": 50_000, "KHR": 2_000_000}  # minor units
DELAY_S_MAX = 315_360_000  # ten years
DECIMALS_MAX = 18  # more digits after the point than any amount has; keeps the text of one short


class Sandbox(Keys, Registry, Mischief, Journal):
    """A Bakong without a socket: hand it to SandboxServer, or drive it alone.

    seed: whole number or text; all that looks random follows from it.
    database: ":memory:", or the path of a SQLite file that outlives the process.
    clock: a Clock, the machine's time when left out.
    settings: Switches to start with.
    secret: the key of the tokens; from the seed when left out. Two stand-ins with the same key take each
    other's tokens.
    account: the shop's Bakong account; more_accounts: others it has. name: their owner, and what the hosted
    gateway writes as merchant name.
    """

    def __init__(
        self,
        seed: int | str = 0,
        database: str | Path = ":memory:",
        clock: Clock | None = None,
        settings: Switches | None = None,
        *,
        secret: str | bytes | None = None,
        account: str = TEST_ACCOUNT,
        more_accounts: Iterable[str] = (),
        name: str = "VinFlow Test Shop",
        environment: str = "sandbox",
    ) -> None:
        super().__init__(seed, database, clock, settings)
        self.account = account
        self.account_name = name
        self.email = EMAIL
        self.environment = environment
        self.merchant_md5 = hashlib.md5(account.encode(), usedforsecurity=False).hexdigest()
        self._own_accounts = (account, *more_accounts)
        if secret is None:  # a file keeps its key, so that tokens given out before a restart stay good
            secret = self._store.get("meta", "secret", str)
        if secret is None:
            secret = hashlib.sha256(f"vinflow sandbox {seed}".encode()).hexdigest()
        self._secret = secret.encode() if isinstance(secret, str) else secret
        self._forget()
        self._load()
        self._furnish()
        self.token = self.issue_token(email=self.email)
        self.hosted_token = self.issue_token(hosted=True)

    def _furnish(self) -> None:
        """Put in what every stand-in has, where the file did not bring it."""
        self._store.put("meta", "secret", self._secret.decode("latin-1"))
        for account in self._own_accounts:
            if self.find_account(account) is None:
                self.add_account(account, name=self.account_name, bank="Development Bank")
        if self.find_account(PHONE_ACCOUNT) is None:
            self.add_account("bridge_account@devb", name="Bridge account", bank="Development Bank")
            self.add_account("dave@devb", name="Dave", bank="Development Bank")
            self.add_account(PAYER, name="ABA wallet", bank="ABA")
            self.add_account(PHONE_ACCOUNT, name="Sokha", bank="Test Bank", balances=PHONE_BALANCES)
        if self.merchant_md5 not in self.merchants:
            self.add_merchant(self.merchant_md5, account=self.account, name=self.account_name)

    def reset(self) -> None:
        """Forget every payment, fault, call and setting. Clock and seed stay; tokens stay good."""
        with self.lock:
            drawn = self._drawn  # a hash is never given twice, not even after a reset
            self._store.clear()
            self._forget()
            self._drawn = drawn
            self._store.put("meta", "drawn", drawn)
            self.keep_clock()
            self._furnish()
            self.add_email(self.email)

    def qr(
        self,
        amount: str | None = "1.00",
        currency: Currency = Currency.USD,
        *,
        account: str | None = None,
        name: str | None = None,
        life_s: int = 600,
        bill_number: str | None = None,
        **fields: Any,
    ) -> str:
        """Return the text of a KHQR for the test account. amount: plain decimal text, None for static."""
        now_ms = self.clock.now_ms()
        return encode(
            Individual(
                bakong_account_id=account or self.account,
                merchant_name=name or self.account_name,
                currency=currency,
                amount=amount,
                creation_timestamp=now_ms if amount else None,
                expiration_timestamp=now_ms + life_s * 1000 if amount else None,
                bill_number=bill_number,
                **fields,
            )
        )

    def read_qr(self, text: str, *, expired_too: bool = False) -> Individual | MerchantQr:
        """Return what a bank app reads in a KHQR. Raises NotKhqr, Damaged, Expired."""
        return read_khqr(text, self.clock.now_ms(), expired_too=expired_too)

    def pay(
        self,
        qr: str,
        *,
        amount: Money | Decimal | str | int | None = None,
        currency: str | None = None,
        receiver: str | None = None,
        payer: str = PAYER,
        delay_s: float | None = None,
        fail: bool = False,
        twice: bool = False,
        again: bool = False,
        late: bool = False,
        debit: bool = False,
        hash: str | None = None,
        external_ref: str | EllipsisType | None = ...,
        instruction_ref: str | None = None,
        tracking_status: str | None = None,
        description: str | None = None,
        receiver_bank: str | None = None,
        receiver_bank_account: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        drop: tuple[str, ...] = (),
    ) -> Transfer:
        """Pay a KHQR as a bank app would, and return the transfer (the first of two when paid twice).

        amount, currency, receiver: what is transferred when it is not what the QR says; a static one needs an
        amount. delay_s: how long the API keeps silent about it. fail: an attempt that failed; no money
        moves. twice: two transfers. again: pay although it has been paid. late: pay although its time is
        over, and report a moment after its end even when that has not come. debit: the payer's balance must
        cover it.
        hash, overrides, drop: force the hash, fields of the wire object, or their absence.
        Raises the PayRefused tree, WrongMoment for an absurd delay_s; then nothing has changed.
        """
        if delay_s is not None and not 0 <= delay_s <= DELAY_S_MAX:
            raise WrongMoment(f"a delay of {delay_s!r} seconds")
        with self.lock:
            read = self.read_qr(qr, expired_too=late)
            text = qr.strip().removeprefix("khqr://")
            md5 = self.md5_of(text)
            if not again and not fail and self.is_paid(md5):
                raise AlreadyPaid("this KHQR has been paid")
            if not self.switches.any_receiver and self.find_account(read.bakong_account_id) is None:
                raise UnknownReceiver(f"no account {read.bakong_account_id!r}")
            paid, unit = self._what_is_paid(read, amount, currency)
            count = 2 if twice and not fail else 1
            if debit and not fail:
                self._move(payer, read.bakong_account_id, paid, unit, count)
            now_ms = self.clock.now_ms()
            wait_s = self.switches.acknowledge_delay_s if delay_s is None else delay_s
            created_ms, known_ms = now_ms, now_ms + round(wait_s * 1000)
            visible_ms = known_ms
            end_ms = expires_ms(read)
            if late and end_ms is not None and created_ms <= end_ms + 60_000:
                created_ms = end_ms + 90_000  # beyond the minute that a shop may still call "in time"
                known_ms = max(known_ms, created_ms)
            rows = [
                Transfer(
                    hash=hash if hash is not None and n == 0 else self._new_hash(md5, fail),
                    md5=md5,
                    from_account=payer,
                    to_account=receiver or read.bakong_account_id,
                    currency=unit,
                    amount=paid,
                    created_ms=created_ms,
                    acknowledged_ms=known_ms,
                    visible_ms=visible_ms,
                    failed=fail,
                    static=read.amount is None,
                    description=description,
                    tracking_status=tracking_status,
                    receiver_bank=receiver_bank,
                    receiver_bank_account=receiver_bank_account,
                    instruction_ref=instruction_ref,
                    external_ref="100FT" + self.digits("ref", 11) if external_ref is ... else external_ref,
                    qr=text,
                    overrides=dict(overrides or {}),
                    drop=drop,
                )
                for n in range(count)
            ]
            self.add_transfers(rows)
            return rows[0]

    def _what_is_paid(
        self, read: Individual | MerchantQr, amount: Money | Decimal | str | int | None, currency: str | None
    ) -> tuple[Decimal, str]:
        if isinstance(amount, Money):
            currency = currency or amount.currency.value
            amount = amount.plain
        unit = currency or read.currency.value
        if unit not in ("USD", "KHR"):
            raise AmountNeeded(f"{unit!r} is neither USD nor KHR")
        wanted = read.amount if amount is None else amount
        if wanted is None:
            raise AmountNeeded("a static KHQR, and no amount was named")
        try:
            paid = Decimal(str(wanted))
        except InvalidOperation:
            raise AmountNeeded(f"{str(wanted)[:20]!r} is no amount") from None
        if (
            not paid.is_finite()
            or paid <= 0
            or paid >= 10**13
            or int(paid.as_tuple().exponent) < -DECIMALS_MAX
        ):
            raise AmountNeeded(f"{str(paid)[:20]} cannot be paid")
        return paid, unit

    def _new_hash(self, md5: str, fail: bool) -> str:
        # The hosted gateway promised this hash when it made the QR: the first success carries it.
        order = self._order_of.get(md5)
        if order is not None and not fail and order.hash not in self._by_hash:
            return order.hash
        return self.draw("hash").hex()

    def _move(self, payer: str, receiver: str, amount: Decimal, currency: str, count: int) -> None:
        minor = Money.from_decimal(amount, Currency(currency)).minor * count
        account = self.find_account(payer)
        if account is None or account.balances is None or account.balances.get(currency, 0) < minor:
            raise NotEnoughMoney(f"{payer} holds less than that in {currency}")
        account.balances[currency] -= minor
        self._store.put("account", account.id.lower(), account)
        other = self.find_account(receiver)
        if other is not None and other.balances is not None:
            other.balances[currency] = other.balances.get(currency, 0) + minor
            self._store.put("account", other.id.lower(), other)


def ready(value: Any) -> Any:
    """Return a record as plain values that JSON can hold."""
    return msgspec.to_builtins(value)
