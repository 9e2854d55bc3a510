"""Reading a batch answer: which item speaks of which question, and what it says.

An item is matched by the md5 or hash it echoes. Where no item echoes one and there are as many items as
questions, by position. An answer that is short and names nothing says nothing of anything: an early
client elsewhere shifted such answers by one and gave payers each other's money.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

from .reading import Envelope, brief, envelope, malformed
from .results import CannotTell, Failed, Found, NotFound, Outcome, Reason, StaticQr
from .transfers import Unreadable, read_transfer
from .wire import Reply

__all__ = ["Batch", "read_list"]

Batch: TypeAlias = dict[str, Outcome]
Key: TypeAlias = Literal["md5", "hash"]


def read_list(asked: Sequence[str], key: Key) -> Callable[[Reply], Batch | CannotTell]:
    """Return a reader of the answer to a batch question.

    asked: the md5s or hashes, lower-case, each once. The reader returns an outcome for every one of
    them, or one CannotTell when the answer as a whole tells nothing (rows 2 to 11, or no list).
    """

    def read(reply: Reply) -> Batch | CannotTell:
        answer = envelope(reply)
        if isinstance(answer, CannotTell):
            return answer
        if answer.response_code != 0:
            # "Not found" for a whole list is in no document. It must expire no payment.
            detail = f"a batch refused with errorCode {answer.error_code}: {answer.message}"
            return CannotTell(Reason.UNKNOWN_CODE, detail, answer.error_code, None, answer.answered_at, 200)
        if not isinstance(answer.data, list):
            return malformed(answer, "success, but no list")
        return match(asked, key, answer)

    return read


def match(asked: Sequence[str], key: Key, answer: Envelope) -> Batch:
    """Return an outcome for every question, from the items that speak of it."""
    items: list[Any] = answer.data
    echoes = [echo(item, key) for item in items]
    if len(items) == len(asked) and not any(echoes):
        echoes = list(asked)
    outcomes: Batch = {}
    wanted = frozenset(asked)
    for name, item in zip(echoes, items, strict=True):
        if name not in wanted:
            continue
        outcome = read_item(item, key, name, answer)
        if outcomes.setdefault(name, outcome) is not outcome and outcomes[name] != outcome:
            outcomes[name] = malformed(answer, "two items of one batch contradict each other")
    if len(outcomes) < len(asked):
        for name in asked:
            outcomes.setdefault(name, malformed(answer, "the batch says nothing of this one"))
    return outcomes


def echo(item: Any, key: Key) -> str:
    """Return what an item says it is about, "" when it does not say."""
    name = item.get(key) if type(item) is dict else None
    return name.lower() if type(name) is str else ""


def read_item(item: Any, key: Key, name: str, answer: Envelope) -> Outcome:
    """Return what one item says."""
    if not isinstance(item, dict):
        return malformed(answer, "an item of the batch is no object")
    status = item.get("status")
    at = answer.answered_at
    match status:
        case "SUCCESS":
            try:
                transfer = read_transfer(transaction(item))
            except Unreadable as fault:
                return malformed(answer, f"an item says SUCCESS, but {fault}")
            if key == "hash" and transfer.hash != name:
                return malformed(answer, "an item says SUCCESS, but about another transfer")
            return Found(transfer, item, at)
        case "NOT_FOUND" if transaction(item) is not None:
            return malformed(answer, "an item says NOT_FOUND, yet has a transaction")
        case "NOT_FOUND":
            return NotFound(at)
        case "FAILED":
            return Failed(at)
        case "STATIC_QR":
            return StaticQr(at)
        case "SERVICE_FAILED":
            return CannotTell(Reason.UPSTREAM, "an item says SERVICE_FAILED", None, None, at, 200)
    return CannotTell(
        Reason.UNKNOWN_CODE, f"an item has the status {brief(status)[:40]!r}", None, None, at, 200
    )


def transaction(item: dict[str, Any]) -> Any:
    """Return the transaction object of an item, None without one. Sources show three places for it."""
    for place in ("data", "transaction"):
        found = item.get(place)
        if found is not None:
            return found
    return item if "amount" in item or "fromAccountId" in item else None
