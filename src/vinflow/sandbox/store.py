"""State lives in memory; a file, when asked for, gets a copy of every change before the answer leaves."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from vinflow.sandbox.records import CallRecord

__all__ = ["Store"]

T = TypeVar("T")

# Decimals go in as numbers and come back with the same digits: what a test overrides stays what it was.
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (kind TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL,
                                  PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calls (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
"""


class Store:
    """Rows by (kind, key) in one SQLite file, or nothing at all for ":memory:".

    The caller holds a lock around every use: the connection is shared by threads.
    """

    def __init__(self, database: str | Path) -> None:
        self._connection: sqlite3.Connection | None = None
        if str(database) == ":memory:":
            return  # memory already is the state: a second copy in SQLite would only cost time
        self._connection = sqlite3.connect(str(database), check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        # NORMAL outlives a killed process, which is what a stand-in meets; not a power cut, which it may.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)

    def put(self, kind: str, key: str, value: Any) -> None:
        """Keep value, JSON-ready or a dataclass, under (kind, key)."""
        if self._connection is not None:
            self._connection.execute(
                "INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (kind, key, _ENCODER.encode(value))
            )

    def put_many(self, kind: str, rows: Iterator[tuple[str, Any]]) -> None:
        """Keep many values of one kind in one go."""
        if self._connection is not None:
            self._connection.execute("BEGIN")
            self._connection.executemany(
                "INSERT OR REPLACE INTO state VALUES (?, ?, ?)",
                ((kind, key, _ENCODER.encode(value)) for key, value in rows),
            )
            self._connection.execute("COMMIT")

    def drop(self, kind: str, key: str) -> None:
        """Forget (kind, key)."""
        if self._connection is not None:
            self._connection.execute("DELETE FROM state WHERE kind = ? AND key = ?", (kind, key))

    def rows(self, kind: str, of: type[T]) -> list[T]:
        """Return every value of a kind, in order of keys, read as the type given."""
        if self._connection is None:
            return []
        decoder = msgspec.json.Decoder(of, float_hook=Decimal)
        found = self._connection.execute("SELECT body FROM state WHERE kind = ? ORDER BY key", (kind,))
        return [decoder.decode(body) for (body,) in found]

    def get(self, kind: str, key: str, of: type[T]) -> T | None:
        """Return one value, None when there is none."""
        if self._connection is None:
            return None
        row = self._connection.execute(
            "SELECT body FROM state WHERE kind = ? AND key = ?", (kind, key)
        ).fetchone()
        return None if row is None else msgspec.json.Decoder(of, float_hook=Decimal).decode(row[0])

    def clear(self) -> None:
        """Forget everything."""
        if self._connection is not None:
            self._connection.executescript("DELETE FROM state; DELETE FROM calls;")

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def note(self, seq: int, record: CallRecord) -> None:
        """Keep one line of the call log."""
        if self._connection is not None:
            self._connection.execute(
                "INSERT OR REPLACE INTO calls VALUES (?, ?)", (seq, _ENCODER.encode(record))
            )

    def calls(self, newest: int) -> list[CallRecord]:
        """Return the newest lines of the call log, oldest first."""
        if self._connection is None:
            return []
        rows = self._connection.execute("SELECT body FROM calls ORDER BY seq DESC LIMIT ?", (newest,))
        decoder = msgspec.json.Decoder(CallRecord)
        return [decoder.decode(body) for (body,) in reversed(rows.fetchall())]
