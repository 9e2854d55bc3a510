"""Files that prove a deposit: judged by what they hold, kept outside whatever a web server serves.

A name is ours and random, a type is read from the file's own first bytes, and nothing is ever opened by
this process beyond them: the file goes back to staff as it came, as a download.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from vinflow.payments import conf

__all__ = ["SIZE_MAX", "TYPES", "BadEvidence", "Evidence", "keep", "path_of", "read"]

SIZE_MAX = 5 * 1024 * 1024
# Type, how a file of it begins, and its ending. Other kinds (an office file, a page) could run something.
TYPES: tuple[tuple[str, bytes, str], ...] = (
    ("image/png", b"\x89PNG\r\n\x1a\n", "png"),
    ("image/jpeg", b"\xff\xd8\xff", "jpg"),
    ("application/pdf", b"%PDF-", "pdf"),
)


class BadEvidence(ValueError):
    """A file that is no evidence; the sentence is its argument."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A file that was judged: its bytes, its type, and the SHA-256 it is known by."""

    body: bytes
    type: str
    sha256: str


def read(body: bytes) -> Evidence:
    """Return a file as evidence. Raises BadEvidence for an empty, a large or a strange one."""
    if not body:
        raise BadEvidence("attach the receipt: a deposit without evidence is not taken")
    if len(body) > SIZE_MAX:
        raise BadEvidence("the file is too large: 5 MB is the most")
    kind = next((name for name, begins, _ending in TYPES if body.startswith(begins)), None)
    if kind is None:
        raise BadEvidence("the file is no PNG, JPEG or PDF")
    return Evidence(body, kind, hashlib.sha256(body).hexdigest())


def keep(evidence: Evidence) -> str:
    """Store the file; return its name. On the disk before this returns, readable by our own user alone."""
    folder = conf.evidence_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = secrets.token_hex(16)
    descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(evidence.body)
        file.flush()
        os.fsync(file.fileno())
    return name


def path_of(name: str) -> Path:
    """Return where the file of a stored name lies. Raises ValueError for a name that is not ours."""
    if len(name) != 32 or set(name) - set("0123456789abcdef"):
        raise ValueError("not a name of ours")
    return conf.evidence_folder() / name
