"""The way to the stand-in without a socket: the client's carrying code here, the stand-in there.

What a socket would do to an answer (reset, hang, cut, noise, drip) is done here in virtual time, so that a
run with a hundred time-outs takes no longer than one without.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any

import httpx2

from vinflow.sandbox import Sandbox
from vinflow.sandbox.answers import Answer, Manner, Request
from vinflow.sandbox.site import Site

__all__ = ["Carried", "InProcess", "Recording", "words_of"]

TIMEOUT_S = 15.0
BODY_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Carried:
    """One request that reached the stand-in, and what came back whole (None: nothing did)."""

    operation: str
    asked: Any
    at_ms: int  # by the stand-in's clock, when the request arrived
    status: int | None
    body: bytes | None


def words_of(carried: Carried) -> Iterator[tuple[str, str, str]]:
    """Yield (md5, word, hash) for what an answer says about QRs, read by these few lines alone.

    word: not_found, failed, found; hash: of a found transfer, else "". Anything unclear yields nothing.
    """
    if carried.status != 200 or carried.body is None or len(carried.body) > BODY_MAX:
        return
    try:
        answer = json.loads(carried.body)
    except ValueError:
        return
    if not isinstance(answer, dict) or type(answer.get("responseCode")) is not int:
        return
    if carried.operation == "check_transaction_by_md5":
        data = answer.get("data")
        if answer["responseCode"] == 0 and isinstance(data, dict) and isinstance(data.get("hash"), str):
            yield carried.asked["md5"], "found", data["hash"].lower()
        elif answer["responseCode"] == 1 and answer.get("errorCode") in (1, 3):
            text = str(answer.get("responseMessage", "")).lower()
            failed = answer["errorCode"] == 3 or ("failed" in text and "could not be found" not in text)
            yield carried.asked["md5"], "failed" if failed else "not_found", ""
    elif carried.operation == "check_transaction_by_md5_list" and answer["responseCode"] == 0:
        items = answer.get("data")
        if not isinstance(items, list):
            return
        keyed = all(isinstance(item, dict) and "md5" in item for item in items)
        if not keyed and len(items) != len(carried.asked):
            return
        for place, item in enumerate(items):
            md5 = item["md5"] if keyed else carried.asked[place]
            data = item.get("data") or item.get("transaction") or item
            if item.get("status") == "SUCCESS" and isinstance(data.get("hash"), str):
                yield md5, "found", data["hash"].lower()
            elif item.get("status") == "NOT_FOUND":
                yield md5, "not_found", ""


def _operation(request: httpx2.Request) -> str:
    return str(request.url.path).rsplit("/", 1)[-1]


class InProcess(httpx2.BaseTransport):
    """An httpx2 transport over a Sandbox, in virtual time.

    gap: called before a request is carried and before its answer is handed over: what happens meanwhile.
    keep: told of each request that arrived. wait: lets virtual seconds pass.
    """

    def __init__(
        self,
        bank: Sandbox,
        *,
        gap: Callable[[str], None],
        keep: Callable[[Carried], None],
        wait: Callable[[float], None],
    ) -> None:
        self.site = Site(bank, phone=False)
        self.bank = bank
        self.gap, self.keep, self.wait = gap, keep, wait

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Carry a request to the stand-in and its answer back, spoilt as the stand-in was told."""
        self.gap("send")
        operation, at_ms = _operation(request), self.bank.clock.now_ms()
        body = request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = json.loads(body)
        answer = self.site.answer(Request("POST", str(request.url.path), headers, body, "http://bank"))
        too_late = answer.delay_s > 2 * TIMEOUT_S
        whole = answer.manner in (Manner.WHOLE, Manner.DRIP) and not too_late
        self.keep(
            Carried(operation, asked, at_ms, answer.status, answer.body)
            if whole
            else Carried(operation, asked, at_ms, None, None)
        )
        date = format_datetime(self.bank.clock.now(), usegmt=True)
        self.wait(answer.delay_s + (5.0 if answer.manner is Manner.DRIP else 0.2))
        if too_late:
            raise httpx2.ReadTimeout("no answer in time", request=request)
        self.gap("answer")
        return self._handed(request, answer, date)

    def _handed(self, request: httpx2.Request, answer: Answer, date: str) -> httpx2.Response:
        match answer.manner:
            case Manner.RESET:
                raise httpx2.ReadError("the connection was reset", request=request)
            case Manner.HANG:
                self.wait(TIMEOUT_S)
                raise httpx2.ReadTimeout("no answer in time", request=request)
            case Manner.NOISE:
                raise httpx2.RemoteProtocolError("this is no HTTP", request=request)
            case _:
                pass
        headers = [("date", date), ("content-type", answer.content_type), *answer.headers]
        if answer.manner is Manner.CUT:
            return httpx2.Response(answer.status, headers=headers, stream=_Cut(answer.body), request=request)
        return httpx2.Response(answer.status, headers=headers, content=answer.body, request=request)


class _Cut(httpx2.SyncByteStream):
    """Half a body, then the end of the connection."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def __iter__(self) -> Iterator[bytes]:
        yield self.body[: len(self.body) // 2]
        raise httpx2.RemoteProtocolError("the peer closed the connection without a complete body")


class Recording(httpx2.BaseTransport):
    """The client's own transport over a real socket, with the same record kept beside it."""

    def __init__(
        self,
        inner: httpx2.BaseTransport,
        bank: Sandbox,
        *,
        gap: Callable[[str], None],
        keep: Callable[[Carried], None],
    ) -> None:
        self.inner, self.bank, self.gap, self.keep = inner, bank, gap, keep

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Carry a request over the socket; its body is read whole before it is handed over."""
        self.gap("send")
        operation, at_ms = _operation(request), self.bank.clock.now_ms()
        asked = json.loads(request.read())
        before = len(self.bank.calls())
        try:
            response = self.inner.handle_request(request)
            body = response.read()
        except BaseException:
            if len(self.bank.calls()) > before:
                self.keep(Carried(operation, asked, at_ms, None, None))
            raise
        self.keep(Carried(operation, asked, at_ms, response.status_code, body))
        self.gap("answer")
        headers = [(name, value) for name, value in response.headers.items()]
        return httpx2.Response(response.status_code, headers=headers, content=body, request=request)

    def close(self) -> None:
        """Close the sockets."""
        self.inner.close()
