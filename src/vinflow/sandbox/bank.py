"""The stand-in's state and what can be done to it: accounts, tokens, payments, faults, the call log.

Everything is under one lock, so that tests may pay from their own thread while the server answers in its own.
Nothing here is random: every hash, id and reference is drawn from the seed and a counter, so that two runs
with the same seed, clock and calls are the same to the byte.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import EllipsisType
from typing import Any

import msgspec

from vinflow.khqr import Individual, encode
from vinflow.khqr import Merchant as MerchantQr
from vinflow.money import Currency, Money
from vinflow.sandbox import tokens
from vinflow.sandbox.clock import PHNOM_PENH_MS, Clock, day_of
from vinflow.sandbox.errors import (
    AlreadyPaid,
    AmountNeeded,
    NotEnoughMoney,
    SandboxError,
    UnknownReceiver,
    WrongMoment,
)
from vinflow.sandbox.faults import ITEM_STYLES, Fault
from vinflow.sandbox.paper import expires_ms, read_khqr
from vinflow.sandbox.records import Account, CallRecord, Link, Merchant, Order, Transfer
from vinflow.sandbox.store import Store
from vinflow.sandbox.switches import Switches

__all__ = ["CALLS", "PAYER", "PHONE_ACCOUNT", "TEST_ACCOUNT", "Sandbox"]

TEST_ACCOUNT = "vinflow_test@devb"
PHONE_ACCOUNT = "sokha_test@tbnk"
PAYER = "abaakhppxxx@abaa"  # a bank's own wallet, which is what a payer looks like to the receiver
EMAIL = "dev@sandbox.example"
LOG_LENGTH = 10_000
DELAY_S_MAX = 315_360_000  # ten years
DECIMALS_MAX = 18  # more digits after the point than any amount has; keeps the text of one short
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

CALLS = frozenset(
    {
        "renew_token",
        "generate_deeplink_by_qr",
        "check_transaction_by_md5",
        "check_transaction_by_hash",
        "check_transaction_by_short_hash",
        "check_bakong_account",
        "check_transaction_by_instruction_ref",
        "check_transaction_by_external_ref",
        "check_transaction_by_md5_list",
        "check_transaction_by_hash_list",
    }
)


class Sandbox:
    """A Bakong without a socket: hand it to SandboxServer, or drive it alone.

    seed: whole number or text; all that looks random follows from it.
    database: ":memory:", or the path of a SQLite file that outlives the process.
    clock: a Clock, the machine's time when left out.
    settings: Switches to start with.
    secret: the key of the tokens; from the seed when left out. Two stand-ins with the same key take each
    other's tokens.
    account: the shop's Bakong account. name: what the hosted gateway writes as merchant name.
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
        name: str = "VinFlow Test Shop",
        environment: str = "sandbox",
    ) -> None:
        self.lock = threading.RLock()
        self.seed = seed
        self.clock = clock or Clock()
        self.account = account
        self.account_name = name
        self.email = EMAIL
        self.environment = environment
        self.merchant_md5 = hashlib.md5(account.encode(), usedforsecurity=False).hexdigest()
        self._start_settings = settings or Switches()
        self._store = Store(database)
        if secret is None:  # a file keeps its key, so that tokens given out before a restart stay good
            secret = self._store.get("meta", "secret", str)
        if secret is None:
            secret = hashlib.sha256(f"vinflow sandbox {seed}".encode()).hexdigest()
        self._secret = secret.encode() if isinstance(secret, str) else secret
        self._store.put("meta", "secret", self._secret.decode("latin-1"))
        self._forget()
        self._load()
        self.token = self.issue_token(email=self.email)
        self.hosted_token = self.issue_token(hosted=True)

    # -- state ------------------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._drawn = 0
        self.switches = self._start_settings
        self.accounts: dict[str, Account] = {}
        self.merchants: dict[str, Merchant] = {}
        self.orders: dict[str, Order] = {}
        self._order_of: dict[str, Order] = {}  # by md5 of the QR
        self.links: dict[str, Link] = {}
        self._emails: dict[str, list[str]] = {}
        self._revoked: set[str] = set()
        self._transfers: list[Transfer] = []
        self._by_md5: dict[str, list[Transfer]] = {}
        self._by_hash: dict[str, Transfer] = {}
        self._by_short: dict[str, list[Transfer]] = {}
        self._by_external: dict[str, Transfer] = {}
        self._by_instruction: dict[str, Transfer] = {}
        self._used: dict[tuple[str, str], int] = {}
        self._faults: list[Fault] = []
        self._item_faults: dict[str, str] = {}
        self._log: deque[CallRecord] = deque(maxlen=LOG_LENGTH)
        self._seq = 0

    def _load(self) -> None:
        store = self._store
        self._drawn = store.get("meta", "drawn", int) or 0
        saved = store.get("meta", "switches", dict[str, Any])
        if saved is not None:
            self.switches = Switches().change(**saved)
        moved = store.get("meta", "clock", int)
        if moved is not None and self.clock.frozen_at_ms is None:
            self.clock.offset_ms = moved
        for account in store.rows("account", Account):
            self.accounts[account.id.lower()] = account
        for merchant in store.rows("merchant", Merchant):
            self.merchants[merchant.md5] = merchant
        for order in store.rows("order", Order):
            self.orders[order.hash] = order
            self._order_of[order.md5] = order
        for link in store.rows("link", Link):
            self.links[link.id] = link
        for email, ids in store.rows("email", tuple[str, list[str]]):
            self._emails[email] = ids
        for revoked in store.rows("revoked", str):
            self._revoked.add(revoked)
        for transfer in store.rows("transfer", Transfer):
            self._index(transfer)
        for token_id, day, used in store.rows("quota", tuple[str, str, int]):
            self._used[token_id, day] = used
        self._faults = store.rows("fault", Fault)
        for record in store.calls(LOG_LENGTH):
            self._log.append(record)
        self._seq = self._log[-1].seq if self._log else 0
        if self.account.lower() not in self.accounts:
            self.add_account(self.account, name=self.account_name, bank="Development Bank")
        if PHONE_ACCOUNT not in self.accounts:
            self.add_account("bridge_account@devb", name="Bridge account", bank="Development Bank")
            self.add_account("dave@devb", name="Dave", bank="Development Bank")
            self.add_account(PAYER, name="ABA wallet", bank="ABA")
            self.add_account(
                PHONE_ACCOUNT, name="Sokha", bank="Test Bank", balances={"USD": 50_000, "KHR": 2_000_000}
            )
        if self.merchant_md5 not in self.merchants:
            self.add_merchant(self.merchant_md5, account=self.account, name=self.account_name)

    def reset(self) -> None:
        """Forget every payment, fault, call and setting. The clock, the seed and the issued tokens stay good."""
        with self.lock:
            self._store.clear()
            drawn = self._drawn  # a hash is never given twice, not even after a reset
            self._forget()
            self._drawn = drawn
            self._store.put("meta", "drawn", drawn)
            self._store.put("meta", "secret", self._secret.decode("latin-1"))
            self._load()
            self.add_email(self.email)

    def close(self) -> None:
        """Close the file, when there is one."""
        with self.lock:
            self._store.close()

    def draw(self, label: str) -> bytes:
        """Return 32 bytes that look random and follow from the seed, the label and how many were drawn before."""
        with self.lock:
            self._drawn += 1
            self._store.put("meta", "drawn", self._drawn)
            return hashlib.sha256(f"{self.seed}/{label}/{self._drawn}".encode()).digest()

    def digits(self, label: str, length: int) -> str:
        """Return length decimal digits drawn from the seed."""
        return str(int.from_bytes(self.draw(label), "big"))[-length:]

    # -- settings ---------------------------------------------------------------------------------------

    def switch(self, **changes: Any) -> Switches:
        """Set some switches and return all. Raises WrongSwitch; then nothing has changed."""
        with self.lock:
            self.switches = self.switches.change(**changes)
            self._store.put("meta", "switches", self.switches.as_dict())
            return self.switches

    def advance(self, seconds: float) -> None:
        """Move the stand-in's clock by seconds."""
        with self.lock:
            self.clock.advance(seconds)
            self.keep_clock()

    def keep_clock(self) -> None:
        """Note in the file how far the clock has been moved."""
        with self.lock:
            self._store.put("meta", "clock", self.clock.offset_ms)

    # -- who there is -----------------------------------------------------------------------------------

    def add_account(
        self, account_id: str, *, name: str = "", bank: str = "", balances: Mapping[str, int] | None = None
    ) -> Account:
        """Create or replace an account. balances: minor units by currency; left out, money is not counted."""
        with self.lock:
            account = Account(account_id, name, bank, None if balances is None else dict(balances))
            self.accounts[account_id.lower()] = account
            self._store.put("account", account_id.lower(), account)
            return account

    def remove_account(self, account_id: str) -> None:
        """Let an account exist no more."""
        with self.lock:
            self.accounts.pop(account_id.lower(), None)
            self._store.drop("account", account_id.lower())

    def find_account(self, account_id: str) -> Account | None:
        """Return an account, letter case aside, None when there is none."""
        with self.lock:
            return self.accounts.get(account_id.lower())

    def add_merchant(
        self, md5: str, *, account: str, name: str, merchant_id: str = "merchant_123"
    ) -> Merchant:
        """Create a merchant of the hosted dialect."""
        with self.lock:
            merchant = Merchant(md5.lower(), merchant_id, account, name)
            self.merchants[merchant.md5] = merchant
            self._store.put("merchant", merchant.md5, merchant)
            return merchant

    def add_email(self, email: str) -> None:
        """Register an e-mail address, so that tokens can be renewed with it."""
        with self.lock:
            self._emails.setdefault(email, [])
            self._store.put("email", email, (email, self._emails[email]))

    def remove_email(self, email: str) -> None:
        """Forget an e-mail address; its tokens stay good."""
        with self.lock:
            self._emails.pop(email, None)
            self._store.drop("email", email)

    def knows_email(self, email: str) -> bool:
        """Whether an e-mail address is registered."""
        with self.lock:
            return email in self._emails

    # -- tokens -----------------------------------------------------------------------------------------

    def issue_token(
        self,
        *,
        email: str | None = None,
        hosted: bool = False,
        merchant: str | None = None,
        life_s: int = tokens.LIFE_S,
        age_s: int = 0,
        environment: str | None = None,
    ) -> str:
        """Return a new token.

        email: whose it is; registered when new. hosted: a token of the guide's dialect, for merchant (the
        test merchant when left out). age_s: how long ago it was issued, so that age_s=life_s + 1 is an expired
        one. environment: another one's name gives a token that is refused here.
        """
        if not (0 <= life_s <= DELAY_S_MAX and -DELAY_S_MAX <= age_s <= DELAY_S_MAX):
            raise WrongMoment(f"a token of {life_s!r} seconds, {age_s!r} seconds old")
        with self.lock:
            mark = tokens.MARK.get(environment or self.environment, "00000000")
            issued_s = self.clock.now_ms() // 1000 - age_s
            claims = tokens.Claims(
                id=mark + self.draw("token")[:4].hex(),
                issued_s=issued_s,
                expires_s=issued_s + life_s,
                merchant=(merchant or self.merchant_md5) if hosted or merchant else None,
            )
            if email is not None:
                self._emails.setdefault(email, []).append(claims.id)
                self._store.put("email", email, (email, self._emails[email]))
            return tokens.issue(claims, self._secret)

    def expired_token(self, *, email: str | None = None) -> str:
        """Return a token whose 90 days ended a minute ago."""
        return self.issue_token(email=email, age_s=tokens.LIFE_S + 60)

    def read_token(self, token: str) -> tokens.Claims | None:
        """Return what a token says when it is good now, else None."""
        claims = tokens.read(token, self._secret)
        if claims is None:
            return None
        with self.lock:
            foreign = claims.environment not in (None, self.environment)
            if foreign or claims.id in self._revoked or claims.expires_s * 1000 <= self.clock.now_ms():
                return None
            return claims

    def is_expired(self, token: str) -> bool:
        """Whether a token is ours and only its time is over."""
        claims = tokens.read(token, self._secret)
        return claims is not None and claims.expires_s * 1000 <= self.clock.now_ms()

    def revoke_token(self, token: str) -> None:
        """Refuse a token from now on."""
        claims = tokens.read(token, self._secret)
        if claims is not None:
            self._revoke(claims.id)

    def _revoke(self, token_id: str) -> None:
        with self.lock:
            self._revoked.add(token_id)
            self._store.put("revoked", token_id, token_id)

    def newest_token_of(self, email: str) -> str | None:
        """Return the id of the token an e-mail got last, None when it has none."""
        with self.lock:
            ids = self._emails.get(email)
            return ids[-1] if ids else None

    def renew(self, email: str) -> str | None:
        """Return a fresh token for a registered e-mail, None for an unknown one."""
        with self.lock:
            if email not in self._emails:
                return None
            if self.switches.renewal_revokes:
                for old in self._emails[email]:
                    self._revoke(old)
            return self.issue_token(email=email)

    # -- quota ------------------------------------------------------------------------------------------

    def _day(self) -> str:
        shift = PHNOM_PENH_MS if self.switches.quota_reset == "phnom_penh" else 0
        return f"{self.switches.quota_reset}/{day_of(self.clock.now_ms(), shift_ms=shift)}"

    def spend(self, token_id: str, units: int) -> bool:
        """Take units from a token's day; False when they are not there, and then none are taken."""
        with self.lock:
            if self.switches.quota is None:
                return True
            key = (token_id, self._day())
            used = self._used.get(key, 0)
            allowed = used + units <= self.switches.quota
            if allowed or self.switches.quota_counts_refused:
                self._used[key] = used + units
                self._store.put("quota", "/".join(key), (*key, used + units))
            return allowed

    def used(self, token: str | None = None) -> int:
        """Return how many metered calls a token (the test token when left out) has spent today."""
        claims = tokens.read(self.token if token is None else token, self._secret)
        with self.lock:
            return 0 if claims is None else self._used.get((claims.id, self._day()), 0)

    def set_used(self, units: int, token: str | None = None) -> None:
        """Say how many calls a token has spent today."""
        claims = tokens.read(self.token if token is None else token, self._secret)
        if claims is None:
            raise SandboxError("this token was not issued here")
        with self.lock:
            key = (claims.id, self._day())
            self._used[key] = units
            self._store.put("quota", "/".join(key), (*key, units))

    # -- faults -----------------------------------------------------------------------------------------

    def fault(self, call: str = "*", style: str = "nginx", **details: Any) -> Fault:
        """Set a fault and return it. details: the fields of Fault. Raises WrongFault."""
        with self.lock:
            try:
                fault = Fault(call=call, style=style, **details).checked(CALLS)
            except TypeError as error:
                raise SandboxError(f"a fault has no such detail: {error}") from None
            self._drawn += 1
            fault = replace(fault, id=self._drawn)
            self._faults.append(fault)
            self._store.put("fault", f"{fault.id:012d}", fault)
            return fault

    def clear_faults(self, call: str | None = None, *, fault_id: int | None = None) -> None:
        """Clear every fault, or those of one call, or one of them."""
        with self.lock:
            for fault in list(self._faults):
                if call in (None, fault.call) and fault_id in (None, fault.id):
                    self._faults.remove(fault)
                    self._store.drop("fault", f"{fault.id:012d}")
            if call is None and fault_id is None:
                self._item_faults.clear()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that are set, oldest first."""
        with self.lock:
            return tuple(self._faults)

    def strike(self, call: str) -> Fault | None:
        """Return the fault that hits this call now, and use it up by one; None when it passes."""
        with self.lock:
            for index, fault in enumerate(self._faults):
                if fault.call not in ("*", call):
                    continue
                left = fault.once()
                if left is None:
                    del self._faults[index]
                    self._store.drop("fault", f"{fault.id:012d}")
                else:
                    self._faults[index] = left
                    if left is not fault:
                        self._store.put("fault", f"{fault.id:012d}", left)
                if not fault.skip:
                    return fault
            return None

    def item_fault(self, key: str, style: str | None) -> None:
        """Spoil one item (an md5 or hash) of every list answer: "SERVICE_FAILED", "EMPTY_SUCCESS", None to stop."""
        if style is not None and style not in ITEM_STYLES:
            raise SandboxError(f"an item can be {' or '.join(ITEM_STYLES)}, not {style!r}")
        with self.lock:
            if style is None:
                self._item_faults.pop(key.lower(), None)
            else:
                self._item_faults[key.lower()] = style

    def item_style(self, key: str) -> str | None:
        """Return how an item is spoilt, None when it is not."""
        return self._item_faults.get(key.lower())

    # -- transfers --------------------------------------------------------------------------------------

    def _index(self, transfer: Transfer) -> None:
        self._transfers.append(transfer)
        if transfer.md5:
            self._by_md5.setdefault(transfer.md5, []).append(transfer)
        self._by_hash.setdefault(transfer.hash, transfer)
        self._by_short.setdefault(transfer.short_hash, []).append(transfer)
        if transfer.external_ref:
            self._by_external.setdefault(transfer.external_ref, transfer)
        if transfer.instruction_ref:
            self._by_instruction.setdefault(transfer.instruction_ref, transfer)

    def add_transfers(self, transfers: Iterable[Transfer]) -> None:
        """Put finished transfers in as they are, in their order."""
        with self.lock:
            first = len(self._transfers)
            rows = list(transfers)
            for transfer in rows:
                self._index(transfer)
            self._store.put_many(
                "transfer", ((f"{first + n:012d}", asdict(row)) for n, row in enumerate(rows))
            )

    @property
    def transfers(self) -> tuple[Transfer, ...]:
        """Every transfer, visible or not, oldest first."""
        with self.lock:
            return tuple(self._transfers)

    def seen(self, transfer: Transfer | None) -> Transfer | None:
        """Return the transfer once its moment has come, None before."""
        return transfer if transfer is not None and transfer.visible_ms <= self.clock.now_ms() else None

    def by_md5(self, md5: str) -> Transfer | None:
        """Return the transfer the API shows for a QR: a success before a failure, first or last by the switch."""
        with self.lock:
            found = [row for row in self._by_md5.get(md5.lower(), ()) if self.seen(row)]
            good = [row for row in found if not row.failed]
            if good:
                return good[-1 if self.switches.paid_twice == "last" else 0]
            return found[-1] if found else None

    def by_hash(self, hash_: str) -> Transfer | None:
        """Return the visible transfer of a full hash."""
        return self.seen(self._by_hash.get(hash_.lower()))

    def by_short_hash(self, short: str, amount: Decimal, currency: str) -> Transfer | None:
        """Return the visible transfer whose hash starts so and whose money fits."""
        with self.lock:
            for row in self._by_short.get(short.lower(), ()):
                if row.currency == currency and row.amount == amount and self.seen(row):
                    return row
            return None

    def by_external_ref(self, reference: str) -> Transfer | None:
        """Return the visible transfer of a payer bank's reference."""
        return self.seen(self._by_external.get(reference))

    def by_instruction_ref(self, reference: str) -> Transfer | None:
        """Return the visible transfer of a payment instruction."""
        return self.seen(self._by_instruction.get(reference))

    def any_by_hash(self, hash_: str) -> Transfer | None:
        """Return the transfer of a full hash, whether the API shows it yet or not: the payer knows it at once."""
        with self.lock:
            return self._by_hash.get(hash_.lower())

    @staticmethod
    def md5_of(text: str) -> str:
        """Return the name Bakong knows a KHQR by: the MD5 of its text, the guide's scheme left out."""
        bare = text.strip().removeprefix("khqr://")
        return hashlib.md5(bare.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()

    def is_paid(self, md5: str) -> bool:
        """Whether a transfer for this QR has succeeded, visible or not."""
        with self.lock:
            return any(not row.failed for row in self._by_md5.get(md5, ()))

    # -- paying -----------------------------------------------------------------------------------------

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
        """Return the text of a KHQR for the test account. amount: plain decimal text, None for a static one."""
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
        amount: Decimal | str | int | None = None,
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

        amount, currency, receiver: what is transferred when it is not what the QR says; amount is needed for a
        static one. delay_s: how long the API keeps silent about it. fail: an attempt that failed; no money
        moves. twice: two transfers. again: pay although it has been paid. late: pay although its time is over,
        and report a moment after its end even when that has not come. debit: the payer's balance must cover it.
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
        self, read: Individual | MerchantQr, amount: Decimal | str | int | None, currency: str | None
    ) -> tuple[Decimal, str]:
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

    # -- orders and links -------------------------------------------------------------------------------

    def add_order(self, order: Order) -> None:
        """Keep a KHQR the hosted gateway made."""
        with self.lock:
            self.orders[order.hash] = order
            self._order_of[order.md5] = order
            self._store.put("order", order.hash, order)

    def add_link(self, qr: str, *, callback: str | None = None, app_name: str | None = None) -> Link:
        """Return a new deeplink for a QR; every call gives another one, for the same QR too."""
        with self.lock:
            number = int.from_bytes(self.draw("link"), "big")
            letters = "".join(LETTERS[number // len(LETTERS) ** n % len(LETTERS)] for n in range(17))
            link = Link(letters, qr, callback, app_name)
            self.links[link.id] = link
            self._store.put("link", link.id, link)
            return link

    # -- the log ----------------------------------------------------------------------------------------

    def note(self, **details: Any) -> CallRecord:
        """Add a line to the call log."""
        with self.lock:
            self._seq += 1
            record = CallRecord(seq=self._seq, at_ms=self.clock.now_ms(), **details)
            self._log.append(record)
            self._store.note(record.seq, record)
            return record

    def calls(self, call: str | None = None) -> list[CallRecord]:
        """Return the call log, oldest first; of one call when named. The newest ten thousand are kept."""
        with self.lock:
            return [record for record in self._log if call in (None, record.call)]


def ready(value: Any) -> Any:
    """Return a record as plain values that JSON can hold."""
    return msgspec.to_builtins(value)
