"""Where the client meets our rows: the budget it asks, the exchanges it reports, the tokens it keeps."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db import transaction

from vinflow.bakong import Call, Operation, Reason, Token
from vinflow.bakong import Exchange as Exchanged
from vinflow.payments import budgeting, clock, conf
from vinflow.payments.evidence import clean, plain
from vinflow.payments.models import Credential, Exchange, TokenState
from vinflow.payments.prepared import Prepared

__all__ = ["ClosedLists", "CredentialStore", "budget", "record"]

log = logging.getLogger("vinflow.payments.exchange")

LONGEST_WAIT_S = 3600.0  # however long a 429 asks for: someone must look again within the hour
READABLE = {"batch", "found", "not_found", "failed", "static_qr", "account", "link", "hosted_qr", "token"}


def budget(call: Call[Any]) -> Exchange | None:
    """Reserve a call for the client; None refuses it. The row returned is the exchange's ticket."""
    who: budgeting.Asking | None = budgeting.current_asking()
    if who is not None and call.operation is Operation.CHECK_MD5:
        who = who.alone(call.body["md5"])
    if who is None:
        return None
    return budgeting.reserve(
        who=who,
        token=budgeting.token_id(conf.api_key()),
        operation=call.operation.value,
        request=request_of(call),
        at=clock.aligned(),
    )


def request_of(call: Call[Any]) -> Any:
    """Return what is asked, as it may be stored before the answer is there: never an e-mail."""
    if call.operation.value == "renew_token":
        return {"email": "•••"}
    return json.loads(json.dumps(call.body, default=str))


def record(exchange: Exchanged) -> None:
    """Complete the row of a call with its answer, in a transaction of its own, and log it."""
    at = clock.aligned()
    ticket = exchange.ticket
    log.info(
        "bakong call",
        extra={
            "operation": exchange.operation.value,
            "http_status": exchange.http_status,
            "outcome": exchange.outcome,
            "reason": exchange.reason,
            "milliseconds": round(exchange.milliseconds),
            "exchange": getattr(ticket, "pk", None),
        },
    )
    if isinstance(ticket, Exchange):
        with transaction.atomic(durable=True):
            Exchange.objects.filter(pk=ticket.pk).update(
                stage=Exchange.Stage.DONE,
                finished_at=at,
                milliseconds=max(0, round(exchange.milliseconds)),
                http_status=exchange.http_status,
                outcome=exchange.outcome[:20],
                reason=(exchange.reason or "")[:20],
                code=exchange.code if exchange.code is not None and abs(exchange.code) < 2**31 else None,
                request=exchange.request,
                answer=answer_of(exchange.answer),
            )
    readable = exchange.outcome in READABLE
    throttled = None
    if exchange.reason == Reason.THROTTLED:
        throttled = at + timedelta(seconds=min(exchange.retry_after_s or 60.0, LONGEST_WAIT_S))
    if exchange.reason != Reason.QUOTA:
        budgeting.note_answer(
            budgeting.token_id(conf.api_key()), readable=readable, throttled_until=throttled, at=at
        )


def answer_of(text: str) -> Any:
    """Return an answer fit for a JSON column: the object where it is JSON, else the text itself."""
    try:
        return plain(json.loads(text, parse_float=str, parse_int=_whole))
    except (ValueError, RecursionError):
        return clean(text[:4000])


_closed_query = Prepared(
    lambda token: TokenState.objects.filter(token_id=token).values_list("batch_closed_since"),
    {"token": "the token"},
)
_kept_query = Prepared(
    lambda digest: (
        Credential.objects.filter(email_digest=digest).exclude(token_sealed="").values_list("token_sealed")
    ),
    {"digest": "of the e-mail"},
)


class ClosedLists(MutableMapping[str, datetime]):
    """Which tokens find the md5 list closed, and since when; kept in rows so that it outlives us."""

    def __getitem__(self, token: str) -> datetime:
        rows = _closed_query.rows({"token": token[:32]})
        if not rows or rows[0][0] is None:
            raise KeyError(token)
        since: datetime = rows[0][0]
        return since

    def __setitem__(self, token: str, since: datetime) -> None:
        TokenState.objects.update_or_create(token_id=token[:32], defaults={"batch_closed_since": since})

    def __delitem__(self, token: str) -> None:
        if not TokenState.objects.filter(token_id=token[:32]).update(batch_closed_since=None):
            raise KeyError(token)

    def __iter__(self) -> Iterator[str]:
        return iter(
            TokenState.objects.filter(batch_closed_since__isnull=False).values_list("token_id", flat=True)
        )

    def __len__(self) -> int:
        return TokenState.objects.filter(batch_closed_since__isnull=False).count()


def _whole(digits: str) -> int | str:
    """Return a number of an answer; as its digits where no column holds it."""
    return int(digits) if len(digits) <= 18 else digits


def _cipher() -> Fernet:
    """Return the cipher tokens are kept under; its key comes from SECRET_KEY and never leaves it."""
    digest = hashlib.sha256(b"vinflow token " + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))


class CredentialStore:
    """A TokenStore in the database: threads, processes and machines share one renewed token.

    The environment's token is used until a renewed one with a later end is stored.
    """

    LOCKED = timedelta(minutes=2)

    def __init__(self) -> None:
        self._first = Token.parse(conf.api_key())
        self._digest = hashlib.sha256(
            f"{conf.api_url()} {conf.api_email() or self._first.id}".encode()
        ).hexdigest()
        self._guard = threading.Lock()

    def current(self) -> Token | None:
        """Return the stored token while it ends later than the environment's, else the latter."""
        rows = _kept_query.rows({"digest": self._digest})
        if not rows:
            return self._first
        try:
            kept = Token.parse(_cipher().decrypt(rows[0][0].encode()).decode())
        except InvalidToken:
            return self._first  # SECRET_KEY was changed: the stored token cannot be read any more
        ends = (kept.expires_at, self._first.expires_at)
        return self._first if ends[0] and ends[1] and ends[1] > ends[0] else kept

    @contextmanager
    def renewing(self, wait_s: float) -> Iterator[bool]:
        """Hold the one lock of renewal across everyone; True when it is held."""
        give_up = time.monotonic() + wait_s
        while not (held := self._take()):
            if time.monotonic() >= give_up:
                break
            time.sleep(0.1)
        try:
            yield held
        finally:
            if held:
                Credential.objects.filter(email_digest=self._digest).update(renewing_until=None)

    def _take(self) -> bool:
        at = clock.aligned()
        with transaction.atomic(durable=True):
            row, _made = Credential.objects.select_for_update().get_or_create(
                email_digest=self._digest,
                defaults={
                    "token_sealed": "",
                    "token_id": self._first.id[:32],
                    "expires_at": self._first.expires_at or at,
                    "renewed_at": at,
                },
            )
            if row.renewing_until is not None and row.renewing_until > at:
                return False
            Credential.objects.filter(pk=row.pk).update(renewing_until=at + self.LOCKED)
            return True

    def replace(self, old: Token | None, new: Token) -> bool:
        """Make `new` the current token if `old` still is; durable on return."""
        at = clock.aligned()
        with self._guard, transaction.atomic(durable=True):
            if self.current() != old:
                return False
            Credential.objects.update_or_create(
                email_digest=self._digest,
                defaults={
                    "token_sealed": _cipher().encrypt(new.value.encode()).decode(),
                    "token_id": new.id[:32],
                    "expires_at": new.expires_at or at + timedelta(days=90),
                    "renewed_at": at,
                },
            )
            return True
