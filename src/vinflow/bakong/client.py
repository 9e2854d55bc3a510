"""The Bakong client as callers see it: blocking and async, for both dialects.

    Client, AsyncClient               the Open API, as api-bakong.nbc.gov.kh speaks it
    HostedClient, AsyncHostedClient   the guide's dialect: the gateway makes the QR and answers with `paid`

Every method runs a flow (endpoints.py, lists.py, hosted.py, diagnosis.py) with a driver (driving.py).
All four take:

    base_url: http or https; NBC's production address unless said otherwise. token: a Bearer token.
    email: what the token was registered with, to renew it by; without it tokens are never renewed.
    budget: asked with the Call before every request. None from it refuses: CannotTell(BUDGET), and nothing
        is sent; anything else becomes Exchange.ticket. Without a budget nothing is counted.
    on_exchange: told of every request that was sent, with its Exchange. What it raises is not caught.
    transport: an httpx2 transport, instead of sockets. Then the Options of core.py.

All look-ups return one of the five outcomes of results.py and raise BakongError for a caller's mistake
only, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

import httpx2

from vinflow.money import Money

from . import diagnosis, endpoints, hosted, lists
from .core import PRODUCTION_URL, Options
from .diagnosis import Diagnosis
from .driving import AsyncBudget, AsyncHook, Asynchronous, Blocking, Budget, Hook
from .endpoints import SourceInfo
from .results import Account, CannotTell, HostedQr, Link, Outcome, TokenInfo
from .tokens import Token

__all__ = ["AsyncClient", "AsyncHostedClient", "Client", "HostedClient"]


class Client(Blocking):
    """The Open API, blocking. Threads may share one."""

    def check_md5(self, md5: str) -> Outcome:
        """Return what became of the KHQR whose text has this MD5 (32 hex digits). One call."""
        return self._run(endpoints.check_md5(md5))

    def check_md5_many(self, md5s: Iterable[str]) -> dict[str, Outcome]:
        """Return an outcome for each of 1 to 50 MD5s: one call where the list is open, else one each."""
        return self._run(lists.check_md5_many(md5s, self._list_memory()))

    def check_hash(self, transfer_hash: str) -> Outcome:
        """Return what is known of a transfer by its full hash (64 hex digits). One call."""
        return self._run(endpoints.check_hash(transfer_hash))

    def check_hash_many(self, hashes: Iterable[str]) -> dict[str, Outcome]:
        """Return an outcome for each of 1 to 50 transfer hashes. One call."""
        return self._run(lists.check_hash_many(hashes))

    def check_short_hash(self, short_hash: str, amount: Money) -> Outcome:
        """Return what is known of a transfer by its receipt: 8 hex digits and the amount. One call."""
        return self._run(endpoints.check_short_hash(short_hash, amount))

    def check_external_ref(self, external_ref: str) -> Outcome:
        """Return what is known of a transfer by the payer's bank's reference. One call."""
        return self._run(endpoints.check_external_ref(external_ref))

    def check_instruction_ref(self, instruction_ref: str) -> Outcome:
        """Return what is known of a transfer by an instruction reference between banks. One call."""
        return self._run(endpoints.check_instruction_ref(instruction_ref))

    def account_exists(self, account: str) -> Account | CannotTell:
        """Return whether a Bakong account (name@bank) exists; true in a condition only if so. One call."""
        return self._run(endpoints.account_exists(account))

    def deeplink(self, qr: str, source: SourceInfo | None = None) -> Link | CannotTell:
        """Return a link that opens the Bakong app with this QR text; another one each time. One call."""
        return self._run(endpoints.deeplink(qr, source, self.base_url))

    def renew(self) -> TokenInfo | CannotTell:
        """Return what may be told of a new token, once it has been used and stored.

        Two requests: the renewal and a look-up that proves it. Raises NotConfigured without an e-mail.
        """
        self._keyring.require_email()
        return self._drive(self._keyring.renew())

    def diagnose(self, account: str | None = None) -> Diagnosis:
        """Return what is wrong between this machine and Bakong; three metered calls at most."""
        return self._run(diagnosis.diagnose(account, self._keyring))


class AsyncClient(Asynchronous):
    """The Open API, async: `Client`, method by method, for one event loop."""

    async def check_md5(self, md5: str) -> Outcome:
        """See Client.check_md5."""
        return await self._run(endpoints.check_md5(md5))

    async def check_md5_many(self, md5s: Iterable[str]) -> dict[str, Outcome]:
        """See Client.check_md5_many."""
        return await self._run(lists.check_md5_many(md5s, self._list_memory()))

    async def check_hash(self, transfer_hash: str) -> Outcome:
        """See Client.check_hash."""
        return await self._run(endpoints.check_hash(transfer_hash))

    async def check_hash_many(self, hashes: Iterable[str]) -> dict[str, Outcome]:
        """See Client.check_hash_many."""
        return await self._run(lists.check_hash_many(hashes))

    async def check_short_hash(self, short_hash: str, amount: Money) -> Outcome:
        """See Client.check_short_hash."""
        return await self._run(endpoints.check_short_hash(short_hash, amount))

    async def check_external_ref(self, external_ref: str) -> Outcome:
        """See Client.check_external_ref."""
        return await self._run(endpoints.check_external_ref(external_ref))

    async def check_instruction_ref(self, instruction_ref: str) -> Outcome:
        """See Client.check_instruction_ref."""
        return await self._run(endpoints.check_instruction_ref(instruction_ref))

    async def account_exists(self, account: str) -> Account | CannotTell:
        """See Client.account_exists."""
        return await self._run(endpoints.account_exists(account))

    async def deeplink(self, qr: str, source: SourceInfo | None = None) -> Link | CannotTell:
        """See Client.deeplink."""
        return await self._run(endpoints.deeplink(qr, source, self.base_url))

    async def renew(self) -> TokenInfo | CannotTell:
        """See Client.renew."""
        self._keyring.require_email()
        return await self._drive(self._keyring.renew())

    async def diagnose(self, account: str | None = None) -> Diagnosis:
        """See Client.diagnose."""
        return await self._run(diagnosis.diagnose(account, self._keyring))


class HostedClient(Blocking):
    """The guide's dialect, blocking. Threads may share one."""

    def __init__(
        self,
        base_url: str = PRODUCTION_URL,
        token: str | Token | None = None,
        email: str | None = None,
        *,
        merchant_id: str,
        budget: Budget | None = None,
        on_exchange: Hook | None = None,
        transport: httpx2.BaseTransport | None = None,
        **options: Unpack[Options],
    ) -> None:
        """merchant_id: the merchant's MD5, 32 hex digits. Raises NotConfigured, WrongArgument."""
        super().__init__(
            base_url, token, email, budget=budget, on_exchange=on_exchange, transport=transport, **options
        )
        self._merchant_id = hosted.merchant_of(merchant_id)

    def create(self, amount: Money, info: str, bill_number: str) -> HostedQr | CannotTell:
        """Return a QR for this amount. bill_number: yours, unique, at most 25 characters. One call."""
        return self._run(hosted.create(self._merchant_id, amount, info, bill_number, self.base_url))

    def check(self, qr_hash: str) -> Outcome:
        """Return what became of the QR with this hash. One call."""
        return self._run(hosted.check(qr_hash))

    def diagnose(self) -> Diagnosis:
        """Return what is wrong between this machine and the gateway; one metered call at most."""
        return self._run(diagnosis.diagnose_hosted(self._keyring))


class AsyncHostedClient(Asynchronous):
    """The guide's dialect, async: `HostedClient`, method by method, for one event loop."""

    def __init__(
        self,
        base_url: str = PRODUCTION_URL,
        token: str | Token | None = None,
        email: str | None = None,
        *,
        merchant_id: str,
        budget: AsyncBudget | None = None,
        on_exchange: AsyncHook | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        **options: Unpack[Options],
    ) -> None:
        """See HostedClient."""
        super().__init__(
            base_url, token, email, budget=budget, on_exchange=on_exchange, transport=transport, **options
        )
        self._merchant_id = hosted.merchant_of(merchant_id)

    async def create(self, amount: Money, info: str, bill_number: str) -> HostedQr | CannotTell:
        """See HostedClient.create."""
        return await self._run(hosted.create(self._merchant_id, amount, info, bill_number, self.base_url))

    async def check(self, qr_hash: str) -> Outcome:
        """See HostedClient.check."""
        return await self._run(hosted.check(qr_hash))

    async def diagnose(self) -> Diagnosis:
        """See HostedClient.diagnose."""
        return await self._run(diagnosis.diagnose_hosted(self._keyring))
