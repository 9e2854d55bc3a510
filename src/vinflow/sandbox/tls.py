"""A certificate authority of one machine, for clients that insist on HTTPS and check certificates.

Its key stays in a folder only its owner can read. Trust its certificate in a client under test, nowhere else.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import socket
import ssl
import tempfile
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Authority", "local_addresses"]

LIFE = datetime.timedelta(days=365)
SLACK = datetime.timedelta(days=1)  # a client whose clock is a little behind still finds it valid
# The bank's own names: a client whose address cannot be changed can be sent here by its resolver or a proxy.
BANK_NAMES = ("api-bakong.nbc.gov.kh", "sit-api-bakong.nbc.gov.kh")


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _write(path: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)


def local_addresses() -> list[str]:
    """Return the addresses by which the network reaches this machine, the likeliest first; [] when alone."""
    found: list[str] = []
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # "Connecting" a datagram socket sends nothing: it only picks the address that would be used.
        probe.connect(("192.0.2.1", 9))
        found.append(str(probe.getsockname()[0]))
    with contextlib.suppress(OSError):
        found += [str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    return [text for text in dict.fromkeys(found) if not ipaddress.ip_address(text).is_loopback]


class Authority:
    """A local authority in a folder: sandbox-ca.pem to be trusted, and its key."""

    def __init__(self, folder: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self.folder = folder
        self.path = folder / "sandbox-ca.pem"
        self._key = key
        self._certificate = certificate

    @classmethod
    def at(cls, folder: str | Path | None) -> Self:
        """Return the authority of a folder, made when there is none or it has ended; a new one for None."""
        where = Path(tempfile.mkdtemp(prefix="vinflow-sandbox-") if folder is None else folder).absolute()
        where.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            key = serialization.load_pem_private_key((where / "sandbox-ca.key").read_bytes(), None)
            certificate = x509.load_pem_x509_certificate((where / "sandbox-ca.pem").read_bytes())
            if (
                isinstance(key, ec.EllipticCurvePrivateKey)
                and certificate.not_valid_after_utc > _now() + SLACK
            ):
                return cls(where, key, certificate)
        except (OSError, ValueError):
            pass  # none yet, or not readable: make one
        return cls._make(where)

    @classmethod
    def _make(cls, folder: Path) -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "VinFlow sandbox: local test authority")])
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_now() - SLACK)
            .not_valid_after(_now() + LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write(folder / "sandbox-ca.key", pem, 0o600)
        _write(folder / "sandbox-ca.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        return cls(folder, key, certificate)

    def context(self, host: str) -> ssl.SSLContext:
        """Return a server's TLS context with a fresh certificate for host, localhost and the bank's names."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in ("localhost", *BANK_NAMES)]
        names += [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
        try:
            address = ipaddress.ip_address(host)
            if (
                address.is_unspecified
            ):  # every address of this machine: a phone on the network uses one of them
                names += [x509.IPAddress(ipaddress.ip_address(text)) for text in local_addresses()]
            else:
                names.append(x509.IPAddress(address))
        except ValueError:
            names.append(x509.DNSName(host))
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "VinFlow sandbox")]))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_now() - SLACK)
            .not_valid_after(self._certificate.not_valid_after_utc)
            .add_extension(x509.SubjectAlternativeName(list(dict.fromkeys(names))), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        # The ssl module reads a chain from files only; both are gone again when it has.
        with tempfile.TemporaryDirectory(prefix="vinflow-tls-") as scratch:
            chain, private = Path(scratch, "chain.pem"), Path(scratch, "key.pem")
            _write(chain, certificate.public_bytes(serialization.Encoding.PEM), 0o600)
            _write(private, pem, 0o600)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(chain, private)
        return context
