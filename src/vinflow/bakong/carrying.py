"""Carrying a Call to Bakong and a Reply back: the only modules that know of sockets are this and client.py.

What cannot be a Reply comes back as CannotTell: no connection, no whole answer in time, an answer beyond
the cap. Nothing here repeats, follows or waits on purpose.
"""

from __future__ import annotations

import ssl
import time
import zlib
from collections.abc import Iterable
from contextlib import closing
from functools import lru_cache
from threading import local
from typing import Any

import httpcore2
import httpx2

from .errors import NotConfigured
from .results import CannotTell, Reason
from .wire import Reply

__all__ = ["DeadlineTransport", "address", "async_transport", "blocking_transport"]

BODY_BYTES_MAX = 1024 * 1024
CONNECT_S = 5.0
CONNECTIONS_MAX = 20
KEEP_ALIVE_S = 15.0  # shorter than what load balancers keep: a connection they closed is never written to

TOO_LARGE = CannotTell(Reason.TOO_LARGE, f"an answer of more than {BODY_BYTES_MAX} bytes")


def address(base_url: object, prefix: str) -> httpx2.URL:
    """Return the address all paths are appended to. Raises NotConfigured when none can be meant.

    base_url: http or https, with a host; user, password, query and fragment have no place in it.
    """
    if not isinstance(base_url, str) or not base_url.strip():
        raise NotConfigured("base_url", "empty")
    try:
        url = httpx2.URL(base_url.strip().rstrip("/") + prefix)
    except (httpx2.InvalidURL, TypeError):
        raise NotConfigured("base_url", "not an address") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise NotConfigured("base_url", "not an http or https address with a host")
    if url.userinfo or url.query or url.fragment:
        raise NotConfigured("base_url", "holds a user, a query or a fragment")
    return url


@lru_cache(maxsize=8)  # reading the public authorities costs tens of milliseconds
def trust(ca_file: str | None) -> ssl.SSLContext:
    """Return whom to trust: the public authorities, or those in a file. There is no way to trust all."""
    if ca_file is None:
        return httpx2.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError):
        raise NotConfigured("ca_file", "not a readable file of PEM certificates") from None


LIMITS = httpx2.Limits(
    max_connections=CONNECTIONS_MAX,
    max_keepalive_connections=CONNECTIONS_MAX,
    keepalive_expiry=KEEP_ALIVE_S,
)


def blocking_transport(proxy: str | None, ca_file: str | None) -> httpx2.BaseTransport:
    """Return the transport of a blocking client. The environment's proxies and netrc are not asked."""
    authorities = trust(ca_file)
    try:
        return DeadlineTransport(verify=authorities, trust_env=False, limits=LIMITS, proxy=proxy)
    except (ValueError, httpx2.InvalidURL, ImportError):
        raise NotConfigured("proxy", "not the address of a proxy") from None


def async_transport(proxy: str | None, ca_file: str | None) -> httpx2.AsyncBaseTransport:
    """Return the transport of an async client: one pool for all its tasks."""
    authorities = trust(ca_file)
    try:
        return httpx2.AsyncHTTPTransport(verify=authorities, trust_env=False, limits=LIMITS, proxy=proxy)
    except (ValueError, httpx2.InvalidURL, ImportError):
        raise NotConfigured("proxy", "not the address of a proxy") from None


def carry(transport: httpx2.BaseTransport, request: httpx2.Request, total_s: float) -> Reply | CannotTell:
    """Return the reply to a request, or why there is none."""
    ends_at = time.monotonic() + total_s
    DEADLINE.ends_at = ends_at
    try:
        with closing(transport.handle_request(request)) as response:
            stream = response.stream
            assert isinstance(stream, httpx2.SyncByteStream)
            parts, size = [], 0
            for part in stream:
                parts.append(part)
                size += len(part)
                if size > BODY_BYTES_MAX:
                    return TOO_LARGE
                if time.monotonic() > ends_at:
                    return late(total_s)
            return reply(response, b"".join(parts))
    except (httpx2.HTTPError, httpx2.StreamError, httpcore2.TimeoutException, OSError, ssl.SSLError) as fault:
        return broken(fault)
    finally:
        DEADLINE.ends_at = None


async def carry_async(transport: httpx2.AsyncBaseTransport, request: httpx2.Request) -> Reply | CannotTell:
    """Return the reply to a request, or why there is none. The caller bounds the time."""
    try:
        response = await transport.handle_async_request(request)
        try:
            stream = response.stream
            assert isinstance(stream, httpx2.AsyncByteStream)
            parts, size = [], 0
            async for part in stream:
                parts.append(part)
                size += len(part)
                if size > BODY_BYTES_MAX:
                    return TOO_LARGE
            return reply(response, b"".join(parts))
        finally:
            await response.aclose()
    except (httpx2.HTTPError, httpx2.StreamError, OSError, ssl.SSLError) as fault:
        return broken(fault)


def late(total_s: float) -> CannotTell:
    """What an answer that never ends is."""
    return CannotTell(Reason.TIMEOUT, f"no whole answer within {total_s:g} s")


def broken(fault: BaseException) -> CannotTell:
    """Return what a transport's exception means. Its text is not passed on: only its kind."""
    reason = Reason.TIMEOUT if isinstance(fault, httpx2.TimeoutException | TimeoutError) else Reason.NETWORK
    kind = type(fault).__name__
    where = {
        "ConnectError": "no connection: wrong address, no network, or a certificate that is not trusted",
        "ConnectTimeout": f"no connection within {CONNECT_S:g} s",
        "ReadTimeout": "no answer in time",
        "ProxyError": "the proxy refuses",
        "RemoteProtocolError": "the answer was cut off or is no HTTP",
    }
    return CannotTell(reason, where.get(kind, f"the exchange broke ({kind})"))


def reply(response: httpx2.Response, body: bytes) -> Reply | CannotTell:
    """Return the part of an HTTP answer that is read."""
    headers = response.headers
    encoding = headers.get("content-encoding", "identity").lower()
    if encoding != "identity":  # we ask for none; some edges compress all the same
        unpacked = unpack(body, encoding)
        if unpacked is None:
            return CannotTell(
                Reason.MALFORMED, "a body packed in a way we did not ask for", status=response.status_code
            )
        if len(unpacked) > BODY_BYTES_MAX:
            return TOO_LARGE
        body = unpacked
    return Reply(
        response.status_code,
        body,
        headers.get("content-type"),
        headers.get("date"),
        headers.get("retry-after"),
    )


def unpack(body: bytes, encoding: str) -> bytes | None:
    """Return a gzip or deflate body unpacked, one byte beyond the cap at most; None when it is neither."""
    if encoding not in ("gzip", "deflate"):
        return None
    try:
        return zlib.decompressobj(wbits=47).decompress(body, BODY_BYTES_MAX + 1)
    except zlib.error:
        return None


# --- a deadline for blocking sockets -------------------------------------------------------------
# httpx2 bounds each read, not their sum: a server that drips a byte of its headers every ten seconds
# would hold a blocking caller for days. So the socket itself is told how much time is left.

DEADLINE = local()


def remaining(timeout: float | None) -> float:
    """Return the seconds a socket operation may take now. Raises ReadTimeout when none are left."""
    ends_at = getattr(DEADLINE, "ends_at", None)
    if ends_at is None:
        return timeout if timeout is not None else CONNECT_S
    left = float(ends_at) - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("the whole exchange took too long")
    return left if timeout is None else min(left, timeout)


class DeadlineStream(httpcore2.NetworkStream):
    """A socket whose every read and write ends with the exchange it serves."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, remaining(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, remaining(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, remaining(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class DeadlineBackend(httpcore2.NetworkBackend):
    """Opens DeadlineStreams."""

    def __init__(self) -> None:
        self._backend = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        stream = self._backend.connect_tcp(host, port, remaining(timeout), local_address, socket_options)
        return DeadlineStream(stream)


class DeadlineTransport(httpx2.HTTPTransport):
    """httpx2's transport, with a bound on the whole exchange. Set by `carry`, per thread."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # No public way in: httpx2 hands no backend on. tests/bakong/test_carrying.py stands guard.
        self._pool._network_backend = DeadlineBackend()
