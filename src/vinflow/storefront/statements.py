"""What the wallet and the receipt read beside a payment: the balance it left, and who sent it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vinflow.money import Currency, Money
from vinflow.payments.crediting import entry_source
from vinflow.payments.depositing import deposit_source
from vinflow.payments.models import Method, Payment, Transfer
from vinflow.storefront import formats
from vinflow.wallet import queries as wallet
from vinflow.wallet.entries import AccountKind
from vinflow.wallet.models import JournalLine

__all__ = [
    "Movement",
    "balance_after",
    "balances_after",
    "kind_of",
    "masked",
    "other_movements",
    "receipt_number",
    "statement_csv",
]

CSV_PAGE = 500
FORMULA = ("=", "+", "-", "@", "\t", "\r")
# What a line of the wallet is called, by the purpose of its entry; the English words are message ids.
TYPES = {
    "credit": "Top-up",
    "credit_extra": "Top-up",
    "bonus": "Bonus",
    "refund": "Refund",
    "order": "Order payment",
}
MOVEMENTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Movement:
    """A line of the ledger on a payer's wallet: its kind in words, the signed amount, what it left."""

    kind: str
    posted_at: datetime
    money: Money
    after: Money
    reference: str


def kind_of(purpose: str, source: str) -> str:
    """Return what a line is called: a refund by its purpose or source, an adjustment when unknown."""
    named = TYPES.get(purpose)
    if named is None and (purpose.startswith("refund") or source.startswith("refund:")):
        return "Refund"
    return named or "Adjustment"


def other_movements(user: Any, environment: str) -> list[Movement]:
    """Return the newest lines of a payer's wallets that are no payment's own credit, newest first.

    Refunds, corrections, what a shop took or gave: the history above them shows payments alone.
    """
    wallets = list(wallet.wallets(user, environment))
    lines = (
        JournalLine.objects.filter(account__in=wallets)
        .exclude(entry__purpose="credit")
        .select_related("entry")
        .order_by("-entry__posted_at", "-pk")[:MOVEMENTS_SHOWN]
    )
    rows = [wallet.statement_row(line, Currency(line.currency)) for line in lines]
    return [
        Movement(
            kind_of(row.purpose, row.source), row.posted_at, row.money, row.balance, _reference(row.memo)
        )
        for row in rows
    ]


def _reference(memo: str) -> str:
    """Return the public reference of a payment that a memo names, "" when it names none."""
    found = re.search(r"\bTXN[0-9A-Z]{5,22}\b", memo)
    return found[0] if found else ""


def balances_after(payments: Sequence[Payment]) -> dict[str, Money]:
    """Return the wallet's balance that each completed payment left, by reference; two queries for a page."""
    hashes = dict(
        Transfer.objects.filter(payment__in=payments, fate="credited").values_list(
            "hash", "payment__transaction_id"
        )
    )
    sources = {f"transfer:{digest}": reference for digest, reference in hashes.items()}
    by_hand = [payment.transaction_id for payment in payments if payment.method == Method.MANUAL]
    sources |= {deposit_source(reference): reference for reference in by_hand}
    lines = JournalLine.objects.filter(
        entry__source__in=sources, entry__purpose="credit", account__kind=AccountKind.USER.value
    ).values_list("entry__source", "balance_after", "currency")
    return {sources[source]: Money(after or 0, Currency(currency)) for source, after, currency in lines}


def balance_after(transfer: Transfer) -> Money | None:
    """Return the balance a credited transfer left, None where the host keeps the funds."""
    line = JournalLine.objects.filter(
        entry__source=entry_source(transfer), entry__purpose="credit", account__kind=AccountKind.USER.value
    ).first()
    return None if line is None else Money(line.balance_after or 0, Currency(line.currency))


def receipt_number(payment: Payment) -> str:
    """Return "R-2025-000123": the year of payment in Phnom Penh and the payment's running number."""
    if payment.completed_at is None:
        raise ValueError(f"{payment.transaction_id} is not paid: it has no receipt")
    return f"R-{payment.completed_at.astimezone(formats.PHNOM_PENH).year}-{payment.pk:06d}"


def masked(account: str) -> str:
    """Return an account with all but its last four signs hidden, the bank kept: "••••4321@aclb"."""
    name, at, bank = account.partition("@")
    if not name:
        return ""
    seen = name[-4:] if len(name) > 4 else name[-1:]
    return f"••••{seen}{at}{bank}"


def statement_csv(user: Any, environment: str) -> Iterator[bytes]:
    """Yield a wallet's statement as CSV, newest first: UTF-8 with a mark, plain numbers, +07:00 times."""
    yield "\ufeff".encode()
    yield _row(["posted_at", "type", "reference", "currency", "amount", "balance_after", "memo"])
    for currency in Currency:
        before: int | None = None
        while rows := wallet.statement(user, currency, environment, before_seq=before, limit=CSV_PAGE):
            for row in rows:
                kind = kind_of(row.purpose, row.source)
                reference = row.memo.rsplit(" ", 1)[-1] if row.purpose == "credit" else row.source
                yield _row(
                    [
                        formats.iso_local(row.posted_at),
                        kind,
                        reference,
                        str(currency),
                        row.money.plain,
                        row.balance.plain,
                        row.memo,
                    ]
                )
            before = rows[-1].seq


def _row(cells: Sequence[str]) -> bytes:
    out = io.StringIO()
    # A cell that a spreadsheet would run as a formula becomes text; our own numbers may be negative.
    safe = ["'" + cell if cell.startswith(FORMULA) and not _is_number(cell) else cell for cell in cells]
    csv.writer(out).writerow(safe)
    return out.getvalue().encode()


def _is_number(cell: str) -> bool:
    return cell.removeprefix("-").replace(".", "", 1).isdecimal()
