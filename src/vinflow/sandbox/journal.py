"""What has happened: transfers, found by whatever names them, and the log of calls."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from vinflow.sandbox.records import CallRecord, Transfer
from vinflow.sandbox.state import State

__all__ = ["Journal"]

LOG_LENGTH = 10_000


class Journal(State):
    """Transfers in the order they were made, indexed by everything the API asks with."""

    def _forget(self) -> None:
        super()._forget()
        self._transfers: list[Transfer] = []
        self._by_md5: dict[str, list[Transfer]] = {}
        self._by_hash: dict[str, Transfer] = {}
        self._by_short: dict[str, list[Transfer]] = {}
        self._by_external: dict[str, Transfer] = {}
        self._by_instruction: dict[str, Transfer] = {}
        self._log: deque[CallRecord] = deque(maxlen=LOG_LENGTH)
        self._seq = 0

    def _load(self) -> None:
        super()._load()
        for transfer in self._store.rows("transfer", Transfer):
            self._index(transfer)
        self._log.extend(self._store.calls(LOG_LENGTH))
        self._seq = self._log[-1].seq if self._log else 0

    def _index(self, transfer: Transfer) -> None:
        self._transfers.append(transfer)
        if transfer.md5:
            self._by_md5.setdefault(transfer.md5, []).append(transfer)
        self._by_hash.setdefault(transfer.hash, transfer)
        self._by_short.setdefault(transfer.short_hash, []).append(transfer)
        if transfer.external_ref:
            self._by_external.setdefault(transfer.external_ref, transfer)
        if transfer.instruction_ref:
            self._by_instruction.setdefault(transfer.instruction_ref, transfer)

    def add_transfers(self, transfers: Iterable[Transfer]) -> None:
        """Put finished transfers in as they are, in their order."""
        with self.lock:
            first = len(self._transfers)
            rows = list(transfers)
            for transfer in rows:
                self._index(transfer)
            self._store.put_many(
                "transfer", ((f"{first + n:012d}", asdict(row)) for n, row in enumerate(rows))
            )

    @property
    def transfers(self) -> tuple[Transfer, ...]:
        """Every transfer, visible or not, oldest first."""
        with self.lock:
            return tuple(self._transfers)

    def seen(self, transfer: Transfer | None) -> Transfer | None:
        """Return the transfer once its moment has come, None before."""
        return transfer if transfer is not None and transfer.visible_ms <= self.clock.now_ms() else None

    def by_md5(self, md5: str) -> Transfer | None:
        """Return the transfer shown for a QR: a success before a failure, the first or last by the switch."""
        with self.lock:
            found = [row for row in self._by_md5.get(md5.lower(), ()) if self.seen(row)]
            good = [row for row in found if not row.failed]
            if good:
                return good[-1 if self.switches.paid_twice == "last" else 0]
            return found[-1] if found else None

    def by_hash(self, hash_: str) -> Transfer | None:
        """Return the visible transfer of a full hash."""
        return self.seen(self._by_hash.get(hash_.lower()))

    def by_short_hash(self, short: str, amount: Decimal, currency: str) -> Transfer | None:
        """Return the visible transfer whose hash starts so and whose money fits."""
        with self.lock:
            for row in self._by_short.get(short.lower(), ()):
                if row.currency == currency and row.amount == amount and self.seen(row):
                    return row
            return None

    def by_external_ref(self, reference: str) -> Transfer | None:
        """Return the visible transfer of a payer bank's reference."""
        return self.seen(self._by_external.get(reference))

    def by_instruction_ref(self, reference: str) -> Transfer | None:
        """Return the visible transfer of a payment instruction."""
        return self.seen(self._by_instruction.get(reference))

    def any_by_hash(self, hash_: str) -> Transfer | None:
        """Return the transfer of a full hash, shown by the API or not yet: its payer knows it at once."""
        with self.lock:
            return self._by_hash.get(hash_.lower())

    @staticmethod
    def md5_of(text: str) -> str:
        """Return the name Bakong knows a KHQR by: the MD5 of its text, the guide's scheme left out."""
        bare = text.strip().removeprefix("khqr://")
        return hashlib.md5(bare.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()

    def is_paid(self, md5: str) -> bool:
        """Whether a transfer for this QR has succeeded, visible or not."""
        with self.lock:
            return any(not row.failed for row in self._by_md5.get(md5, ()))

    def note(self, **details: Any) -> CallRecord:
        """Add a line to the call log."""
        with self.lock:
            self._seq += 1
            record = CallRecord(seq=self._seq, at_ms=self.clock.now_ms(), **details)
            self._log.append(record)
            self._store.note(record.seq, record)
            return record

    def calls(self, call: str | None = None) -> list[CallRecord]:
        """Return the call log, oldest first; of one call when named. The newest ten thousand are kept."""
        with self.lock:
            return [record for record in self._log if call in (None, record.call)]
