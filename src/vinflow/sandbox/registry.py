"""Who and what is registered: accounts, merchants of the hosted dialect, their orders, and deeplinks."""

from __future__ import annotations

from collections.abc import Mapping

from vinflow.sandbox.records import Account, Link, Merchant, Order
from vinflow.sandbox.state import State

__all__ = ["Registry"]

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class Registry(State):
    """Accounts, merchants, orders and links, by their names."""

    def _forget(self) -> None:
        super()._forget()
        self.accounts: dict[str, Account] = {}
        self.merchants: dict[str, Merchant] = {}
        self.orders: dict[str, Order] = {}
        self._order_of: dict[str, Order] = {}  # by md5 of the QR
        self.links: dict[str, Link] = {}

    def _load(self) -> None:
        super()._load()
        for account in self._store.rows("account", Account):
            self.accounts[account.id.lower()] = account
        for merchant in self._store.rows("merchant", Merchant):
            self.merchants[merchant.md5] = merchant
        for order in self._store.rows("order", Order):
            self.orders[order.hash] = order
            self._order_of[order.md5] = order
        for link in self._store.rows("link", Link):
            self.links[link.id] = link

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
