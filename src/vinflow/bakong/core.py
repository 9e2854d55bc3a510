"""What both drivers share: the settings, the HTTP request of a call, and what is told of an exchange."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, MutableMapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypedDict

import httpx2
import msgspec

from vinflow import __version__

from .carrying import CONNECT_S, address
from .endpoints import email_of
from .errors import NotConfigured, WrongArgument
from .keyring import Keyring, Send
from .lists import ListMemory
from .redaction import clean_answer, clean_request
from .results import CannotTell, Reason
from .tokens import MemoryTokenStore, Token, TokenStore
from .wire import Exchange, Operation, Reply

__all__ = ["PRODUCTION_URL", "REFUSED", "Core", "Options", "tell"]

PRODUCTION_URL = "https://api-bakong.nbc.gov.kh"
# A missing or generic one has been refused by the edge. Sites add how to reach them: user_agent=.
USER_AGENT = f"vinflow-bakong/{__version__} (KHQR payments; Python)"

# Amounts travel as JSON numbers in exactly their digits: 10.50, 41000.
BODY = msgspec.json.Encoder(decimal_format="number")

log = logging.getLogger("vinflow.bakong")


class Options(TypedDict, total=False):
    """What every client takes beside its address, token and e-mail; all of it optional.

    timeout_s: for each read, 15; connecting has 5 s, the whole exchange 5 s and twice this.
    proxy: the address of your own proxy.
    tokens: a TokenStore, instead of a token, where processes share one.
    user_agent: name your site in it and how to reach you.
    ca_file: PEM file of the only authorities to trust.
    prefix: what stands before every path, "/v1".
    closed_lists: a mapping that remembers which token (by id) found the md5 list closed, and when.
    clock: epoch seconds; plans renewals.
    """

    timeout_s: float
    proxy: str | None
    tokens: TokenStore | None
    user_agent: str
    ca_file: str | None
    prefix: str
    closed_lists: MutableMapping[str, datetime] | None
    clock: Callable[[], float]


class Core:
    """What both drivers share: settings, requests, and what is told of an exchange. Not used by itself."""

    def __init__(self, base_url: str, token: str | Token | None, email: str | None, options: Options) -> None:
        timeout_s = options.get("timeout_s", 15.0)
        user_agent = options.get("user_agent", USER_AGENT)
        prefix = options.get("prefix", "/v1")
        tokens = options.get("tokens")
        closed_lists = options.get("closed_lists")
        clock = options.get("clock", time.time)
        if not 0 < timeout_s <= 600:
            raise NotConfigured("timeout_s", "between 0 and 600 seconds")
        if not user_agent.strip() or not user_agent.isascii() or not user_agent.isprintable():
            raise NotConfigured("user_agent", "one line of ASCII text; Bakong's edge refuses an empty one")
        if prefix and not prefix.startswith("/"):
            raise NotConfigured("prefix", "starts with a slash, or is empty")
        if token is not None and tokens is not None:
            raise WrongArgument("token", "a token or a store of tokens, not both")
        url = address(base_url, prefix.rstrip("/"))
        self.base_url = base_url.strip().rstrip("/")
        self._email = email_of(email) if email is not None else None
        self._prefix = prefix.rstrip("/")
        self._urls = {op: httpx2.URL(str(url).rstrip("/") + op.path) for op in Operation}
        self._timeout_s = float(timeout_s)
        # Connecting, waiting for the first byte, and as long again for the rest.
        self._total_s = CONNECT_S + 2 * self._timeout_s
        self._extensions = {
            "timeout": {"connect": CONNECT_S, "read": timeout_s, "write": timeout_s, "pool": self._total_s}
        }
        self._headers = [
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            ("User-Agent", user_agent.strip()),
            ("Content-Type", "application/json"),
        ]
        self._clock = clock
        self._closed_lists = closed_lists if closed_lists is not None else {}
        store = tokens if tokens is not None else MemoryTokenStore(token)
        self._keyring = Keyring(store, self._email, clock)

    def __repr__(self) -> str:
        token = self._keyring.token
        return f"<{type(self).__name__} {self.base_url} token {token.id if token else 'not read yet'}>"

    def _request(self, send: Send) -> httpx2.Request:
        """Return the HTTP request of a call."""
        headers = self._headers
        if send.token is not None:
            headers = [*headers, ("Authorization", f"Bearer {send.token.value}")]
        return httpx2.Request(
            "POST",
            self._urls[send.call.operation],
            headers=headers,
            content=BODY.encode(send.call.body),
            extensions=self._extensions,
        )

    def _understand(self, send: Send, reply: Reply | CannotTell) -> tuple[Any, Reply | None]:
        """Return what a reply means, and the reply as it may be kept."""
        if isinstance(reply, CannotTell):
            return reply, None
        clean = clean_answer(reply.body, send.token, self._email)
        kept = reply if clean is reply.body else replace(reply, body=clean)
        # Only the reader of a renewal may see a token: everybody else is handed what was cleaned.
        seen = reply if send.call.operation is Operation.RENEW_TOKEN else kept
        return send.call.read(seen), kept

    def _exchange(
        self,
        send: Send,
        answer: Any,
        kept: Reply | None,
        started_at: datetime,
        seconds: float,
        ticket: object,
    ) -> Exchange:
        """Return what is told of an exchange."""
        call = send.call
        told = answer if isinstance(answer, CannotTell) else None
        return Exchange(
            operation=call.operation,
            path=self._prefix + call.operation.path,
            request=clean_request(call.body),
            http_status=kept.status if kept is not None else told.status if told is not None else None,
            answer=kept.body.decode("utf-8", "replace").replace("\x00", "\ufffd") if kept is not None else "",
            outcome=getattr(answer, "name", "batch"),
            reason=told.reason.value if told is not None else None,
            code=told.code if told is not None else None,
            milliseconds=seconds * 1000,
            started_at=started_at,
            ticket=ticket,
            token_id=send.token.id if send.token is not None else None,
            retry_after_s=told.retry_after_s if told is not None else None,
        )

    def _list_memory(self) -> ListMemory:
        return ListMemory(self._closed_lists, self._keyring, self._clock)


def tell(send: Send, answer: Any, seconds: float) -> None:
    """Leave a line about an exchange in the log: never a body, a header or an address."""
    if log.isEnabledFor(logging.DEBUG):
        name = getattr(answer, "name", "batch")
        log.debug("%s: %s in %.1f ms", send.call.operation.value, name, seconds * 1000)


REFUSED = CannotTell(Reason.BUDGET, "the budget has no call left for this; nothing was sent")
