"""HTTPS from an authority made on the spot: trusted when told to, refused otherwise."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import subprocess
from pathlib import Path

import httpx2
import pytest

from vinflow.sandbox import Sandbox, SandboxServer
from vinflow.sandbox.control import Control


def test_a_client_that_trusts_the_authority_gets_through_and_no_other(tmp_path: Path) -> None:
    with SandboxServer(Sandbox(), tls=True, tls_folder=tmp_path, control=True) as server:
        assert server.url.startswith("https://127.0.0.1:")
        assert server.ca_path
        trust = ssl.create_default_context(cafile=str(server.ca_path))
        assert httpx2.get(f"{server.url}/phone", verify=trust).status_code == 200
        assert httpx2.get(f"https://localhost:{server.port}/phone", verify=trust).status_code == 200
        with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx2.get(f"{server.url}/phone")
        assert Control(server.url, ca_path=server.ca_path).state()["transfers"] == 0


def test_the_certificate_also_bears_the_banks_names(tmp_path: Path) -> None:
    with SandboxServer(Sandbox(), tls=True, tls_folder=tmp_path) as server:
        trust = ssl.create_default_context(cafile=str(server.ca_path))
        for name in ("api-bakong.nbc.gov.kh", "sit-api-bakong.nbc.gov.kh"):
            with (
                socket.create_connection((server.host, server.port)) as plain,
                trust.wrap_socket(plain, server_hostname=name) as secure,
            ):
                assert secure.version() in ("TLSv1.2", "TLSv1.3")
        with (
            socket.create_connection((server.host, server.port)) as plain,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            trust.wrap_socket(plain, server_hostname="bank.example")


def test_the_authority_stays_the_same_and_its_key_is_private(tmp_path: Path) -> None:
    pems = []
    for _ in range(2):
        with SandboxServer(Sandbox(), tls=True, tls_folder=tmp_path / "tls") as server:
            assert server.ca_path
            pems.append(server.ca_path.read_bytes())

    assert pems[0] == pems[1]
    assert b"PRIVATE" not in pems[0]
    assert stat.S_IMODE(os.stat(tmp_path / "tls" / "sandbox-ca.key").st_mode) == 0o600


def test_a_broken_authority_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "sandbox-ca.pem").write_text("nonsense")
    (tmp_path / "sandbox-ca.key").write_text("nonsense")

    with SandboxServer(Sandbox(), tls=True, tls_folder=tmp_path) as server:
        assert server.ca_path
        assert b"BEGIN CERTIFICATE" in server.ca_path.read_bytes()


def test_openssl_finds_the_chain_in_order(tmp_path: Path) -> None:
    with SandboxServer(Sandbox(), tls=True, tls_folder=tmp_path) as server:
        ended = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", str(server.ca_path),
             "-verify_return_error", "-x509_strict", "-verify_ip", "127.0.0.1"],
            input="", capture_output=True, text=True, timeout=20,
        )  # fmt: skip

    assert "Verify return code: 0 (ok)" in ended.stdout


def test_plain_http_on_the_tls_port_ends_quietly_and_the_server_goes_on(tmp_path: Path) -> None:
    with SandboxServer(Sandbox(), tls=True, tls_folder=tmp_path) as server:
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"http://127.0.0.1:{server.port}/phone")
        trust = ssl.create_default_context(cafile=str(server.ca_path))
        assert httpx2.get(f"{server.url}/phone", verify=trust).status_code == 200
