"""Sockets that misbehave: every one of them ends in CannotTell, in time, and none gets the token."""

from __future__ import annotations

import asyncio
import gzip
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from vinflow.bakong import AsyncClient, CannotTell, Client, Exchange, NotFound, Reason, carrying, core
from vinflow.sandbox import Sandbox, SandboxServer, Switches

from .conftest import NOT_FOUND, Make, envelope, transaction

MD5 = "0dbe08d3829a8b6b59844e51aa38a4e2"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BODY = b'{"responseCode":1,"responseMessage":"Transaction could not be found.","errorCode":1,"data":null}'
Script = Callable[[socket.socket], None]


class Peer:
    """A listening socket that treats every connection as a script says."""

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self._script, self._context = script, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            self.requests.append(request(connection))
            self._script(connection)
        except OSError:
            pass
        finally:
            connection.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._listener.close()


def request(connection: socket.socket) -> bytes:
    """Read a whole request: closing over unread bytes would reset the connection."""
    got = b""
    while b"\r\n\r\n" not in got or len(got.partition(b"\r\n\r\n")[2]) < length_of(got):
        part = connection.recv(65536)
        if not part:
            break
        got += part
    return got


def length_of(got: bytes) -> int:
    """The Content-Length of a request, 0 without one."""
    named = re.search(rb"(?i)content-length: ([0-9]+)", got)
    return int(named[1]) if named else 0


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    """Listen: peer(script)."""
    opened: list[Peer] = []

    def listen(script: Script, context: ssl.SSLContext | None = None) -> Peer:
        opened.append(Peer(script, context))
        return opened[-1]

    yield listen
    for one in opened:
        one.close()


def says(*parts: bytes, pause_s: float = 0.0) -> Script:
    """Send these parts, with a pause after each."""

    def script(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause_s)

    return script


def with_length(body: bytes, head: bytes = HEAD) -> bytes:
    """A whole answer."""
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let connecting take half a second at most, so that the whole time is short too."""
    monkeypatch.setattr(carrying, "CONNECT_S", 0.2)
    monkeypatch.setattr(core, "CONNECT_S", 0.2)


def test_a_whole_answer_is_read(make: Make, peer: Any) -> None:
    client = make(base_url=peer(says(with_length(BODY))).url)

    assert isinstance(client.check_md5(MD5), NotFound)


def test_an_answer_in_chunks_is_read(make: Make, peer: Any) -> None:
    chunks = b"%x\r\n%s\r\n" % (10, BODY[:10]) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY) - 10, BODY[10:])
    client = make(base_url=peer(says(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)).url)

    assert isinstance(client.check_md5(MD5), NotFound)


def test_an_answer_packed_without_being_asked_is_unpacked(make: Make, peer: Any) -> None:
    server = peer(says(with_length(gzip.compress(BODY), HEAD + b"Content-Encoding: gzip\r\n")))

    assert isinstance(make(base_url=server.url).check_md5(MD5), NotFound)
    assert b"accept-encoding: identity" in server.requests[0].lower()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", Reason.NETWORK),
        (b"HTTP/1.1 200 OK\r\n", Reason.NETWORK),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Reason.NETWORK),
        (b"\x00\xff" * 100, Reason.NETWORK),
        (HEAD + b"Content-Length: 5000\r\n\r\n" + BODY, Reason.NETWORK),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", Reason.NETWORK),
        (HEAD + b"Content-Length: nine\r\n\r\n", Reason.NETWORK),
        (HEAD + b"X: " + b"a" * 2_000_000, Reason.NETWORK),
        (with_length(b" " * (carrying.BODY_BYTES_MAX + 1)), Reason.TOO_LARGE),
        (HEAD + b"\r\n" + b" " * (carrying.BODY_BYTES_MAX + 70_000), Reason.TOO_LARGE),
        (
            with_length(gzip.compress(b" " * 50_000_000), HEAD + b"Content-Encoding: gzip\r\n"),
            Reason.TOO_LARGE,
        ),
        (with_length(BODY, HEAD + b"Content-Encoding: gzip\r\n"), Reason.MALFORMED),
        (with_length(BODY, HEAD + b"Content-Encoding: br\r\n"), Reason.MALFORMED),
    ],
)
def test_what_is_no_whole_answer_tells_nothing(make: Make, peer: Any, answer: bytes, reason: Reason) -> None:
    outcome = make(base_url=peer(says(answer)).url).check_md5(MD5)

    assert isinstance(outcome, CannotTell)
    assert outcome.reason is reason


def test_the_cap_lets_a_mebibyte_through(make: Make, peer: Any) -> None:
    body = BODY + b" " * (carrying.BODY_BYTES_MAX - len(BODY))

    assert isinstance(make(base_url=peer(says(with_length(body))).url).check_md5(MD5), NotFound)


def test_a_silent_peer_is_given_up_on(make: Make, peer: Any) -> None:
    client = make(base_url=peer(lambda connection: time.sleep(3)).url, timeout_s=0.2)

    # Had it waited for the peer, the peer's going would be the reason.
    assert client.check_md5(MD5).reason is Reason.TIMEOUT


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("where", ["headers", "body", "status line"])
def test_a_drip_is_bounded_by_the_whole_time_wherever_it_drips(make: Make, peer: Any, where: str) -> None:
    start = {"headers": HEAD, "body": HEAD + b"Content-Length: 1000\r\n\r\n", "status line": b""}[where]
    drops = [b"X-A: b\r\n" if where == "headers" else b" " if where == "body" else b"H"] * 100
    said: list[bytes] = []

    def drip(connection: socket.socket) -> None:
        for part in (start, *drops):
            connection.sendall(part)
            said.append(part)
            time.sleep(0.1)

    outcome = make(base_url=peer(drip).url, timeout_s=0.3).check_md5(MD5)

    assert isinstance(outcome, CannotTell)
    assert outcome.reason in (Reason.TIMEOUT, Reason.NETWORK)
    assert len(said) < 1 + len(drops)  # given up on while the peer still had something to say


def test_nobody_at_the_address_is_a_network_matter(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    outcome = make(base_url=f"http://127.0.0.1:{port}").check_md5(MD5)

    assert outcome.reason is Reason.NETWORK
    assert "no connection" in outcome.detail


def test_a_name_that_does_not_exist_is_a_network_matter(make: Make) -> None:
    assert make(base_url="https://bakong.invalid").check_md5(MD5).reason is Reason.NETWORK


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that signs itself: its file, and a server's context with it."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a stranger")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    pem, secret = folder / "ca.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    return pem, context


def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_sent(
    make: Make, peer: Any, certificate: tuple[Path, ssl.SSLContext]
) -> None:
    server = peer(says(with_length(BODY)), certificate[1])

    outcome = make(base_url=f"https://127.0.0.1:{server.port}").check_md5(MD5)

    assert outcome.reason is Reason.NETWORK
    assert server.requests == []


def test_an_authority_of_ones_own_is_trusted_by_name(
    make: Make, peer: Any, certificate: tuple[Path, ssl.SSLContext]
) -> None:
    pem, context = certificate
    server = peer(says(with_length(BODY)), context)

    outcome = make(base_url=f"https://127.0.0.1:{server.port}", ca_file=str(pem)).check_md5(MD5)

    assert isinstance(outcome, NotFound)


def test_a_certificate_for_another_name_is_refused(
    make: Make, peer: Any, certificate: tuple[Path, ssl.SSLContext]
) -> None:
    pem, context = certificate
    server = peer(says(with_length(BODY)), context)

    outcome = make(base_url=f"https://localhost:{server.port}", ca_file=str(pem)).check_md5(MD5)

    assert outcome.reason is Reason.NETWORK


def test_a_proxy_gets_a_tunnel_to_open_and_never_the_token(make: Make, peer: Any) -> None:
    proxy = peer(says(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"))

    outcome = make(base_url="https://bakong.invalid", proxy=proxy.url).check_md5(MD5)

    assert outcome.reason is Reason.NETWORK
    assert proxy.requests[0].startswith(b"CONNECT bakong.invalid:443")
    assert b"bearer" not in proxy.requests[0].lower()


def test_the_environments_proxy_and_netrc_are_not_asked(
    make: Make, peer: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stranger = peer(says(with_length(b"{}")))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, stranger.url)
    server = peer(says(with_length(BODY)))

    outcome = make(base_url=server.url).check_md5(MD5)

    assert isinstance(outcome, NotFound)
    assert stranger.requests == []
    assert b"authorization: bearer" in server.requests[0].lower()


@pytest.fixture
def counted() -> Iterator[tuple[str, str, list[object]]]:
    """A stand-in: its address, its token, and every connection that was opened to it."""
    opened: list[object] = []

    class Counting(SandboxServer):
        async def _connected(self, reader: Any, writer: Any) -> None:
            opened.append(writer)
            await super()._connected(reader, writer)

    sandbox = Sandbox(seed=1, settings=Switches().change(quota=None))
    with Counting(sandbox) as server:
        yield server.url, sandbox.token, opened


def test_a_connection_is_used_again(make: Make, counted: tuple[str, str, list[object]]) -> None:
    url, token, opened = counted
    client = make(base_url=url, token=token)

    outcomes = [client.check_md5(MD5) for _ in range(5)]

    assert all(isinstance(outcome, NotFound) for outcome in outcomes)
    assert len(opened) == 1


async def test_a_hundred_tasks_share_one_pool(counted: tuple[str, str, list[object]]) -> None:
    url, token, opened = counted

    async with AsyncClient(url, token) as client:
        outcomes = await asyncio.gather(*(client.check_md5(MD5) for _ in range(100)))

    assert all(isinstance(outcome, NotFound) for outcome in outcomes)
    assert 1 < len(opened) <= carrying.CONNECTIONS_MAX


def test_threads_share_one_pool(counted: tuple[str, str, list[object]]) -> None:
    url, token, opened = counted

    with Client(url, token) as client, ThreadPoolExecutor(30) as threads:
        outcomes = list(threads.map(lambda _: client.check_md5(MD5), range(100)))

    assert all(isinstance(outcome, NotFound) for outcome in outcomes)
    assert len(opened) <= carrying.CONNECTIONS_MAX


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (httpx2.ConnectTimeout("x"), Reason.TIMEOUT),
        (httpx2.PoolTimeout("x"), Reason.TIMEOUT),
        (httpx2.WriteTimeout("x"), Reason.TIMEOUT),
        (httpx2.WriteError("x"), Reason.NETWORK),
        (httpx2.ProxyError("x"), Reason.NETWORK),
        (httpx2.RemoteProtocolError("x"), Reason.NETWORK),
        (httpx2.LocalProtocolError("x"), Reason.NETWORK),
        (httpx2.DecodingError("x"), Reason.NETWORK),
        (ConnectionResetError("x"), Reason.NETWORK),
        (ssl.SSLError("x"), Reason.NETWORK),
        (TimeoutError("x"), Reason.TIMEOUT),
    ],
)
def test_whatever_a_transport_raises_is_a_reason(make: Make, fault: Exception, reason: Reason) -> None:
    told: list[Exchange] = []

    def raises(request: httpx2.Request) -> httpx2.Response:
        raise fault

    outcome = make(raises, on_exchange=told.append).check_md5(MD5)

    assert outcome.reason is reason
    assert told[0].reason == reason.value


def test_samples_are_what_the_specification_prints() -> None:
    assert envelope(0, None, "", transaction())["data"]["amount"] == 0.01
    assert NOT_FOUND["errorCode"] == 1
