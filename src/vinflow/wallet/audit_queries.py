"""What an audit asks the database to compare by itself: rows whose partners are gone, links, sums.

Each query returns what is wrong and nothing when all is well; each is linear in what it reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db.backends.base.base import BaseDatabaseWrapper

from vinflow.wallet.holds import CAPTURED

DANGLING = [
    (
        "line {} belongs to no entry",
        "SELECT l.id FROM wallet_journalline l LEFT JOIN wallet_journalentry e ON e.id = l.entry_id"
        " WHERE e.id IS NULL ORDER BY l.id",
    ),
    (
        "line {} belongs to no account",
        "SELECT l.id FROM wallet_journalline l LEFT JOIN wallet_account a ON a.id = l.account_id"
        " WHERE a.id IS NULL ORDER BY l.id",
    ),
    (
        "seal {} closes no entry",
        "SELECT s.id FROM wallet_seal s LEFT JOIN wallet_journalentry e ON e.id = s.id"
        " WHERE e.id IS NULL ORDER BY s.id",
    ),
    (
        "hold {} belongs to no wallet",
        "SELECT h.id FROM wallet_hold h LEFT JOIN wallet_account a ON a.id = h.account_id"
        " WHERE a.balance_minor IS NULL ORDER BY h.id",
    ),
]

LINKS = """
SELECT account_id, seq FROM (
  SELECT account_id, seq, balance_after, previous_hash,
         CASE side WHEN 'C' THEN amount_minor WHEN 'D' THEN -amount_minor END AS moved,
         LAG(seq, 1, 0) OVER w AS seq_before,
         LAG(balance_after, 1, 0) OVER w AS balance_before,
         LAG(hash, 1, '') OVER w AS hash_before
  FROM wallet_journalline WHERE seq IS NOT NULL
  WINDOW w AS (PARTITION BY account_id ORDER BY seq)
) AS walked
WHERE seq <> seq_before + 1 OR balance_after < 0 OR balance_after <> balance_before + moved
   OR moved IS NULL OR previous_hash <> hash_before
ORDER BY account_id, seq
"""

ACCOUNTS = [
    (
        "account {}: its balance column is not that of its last line",
        "SELECT a.id FROM wallet_account a LEFT JOIN wallet_journalline l"
        " ON l.account_id = a.id AND l.seq = a.last_seq"
        " WHERE a.balance_minor IS NOT NULL AND (a.balance_minor <> COALESCE(l.balance_after, 0)"
        " OR a.last_hash <> COALESCE(l.hash, '') OR (l.id IS NULL AND a.last_seq <> 0)"
        " OR a.balance_minor < 0) ORDER BY a.id",
    ),
    (
        "account {}: there are lines after the one its balance stands at",
        "SELECT DISTINCT a.id FROM wallet_account a JOIN wallet_journalline l ON l.account_id = a.id"
        " WHERE a.balance_minor IS NOT NULL AND (l.seq IS NULL OR l.seq > a.last_seq) ORDER BY a.id",
    ),
    (
        "account {}: a house account with a numbered line",
        "SELECT DISTINCT a.id FROM wallet_account a JOIN wallet_journalline l ON l.account_id = a.id"
        " WHERE a.balance_minor IS NULL AND l.seq IS NOT NULL ORDER BY a.id",
    ),
    (
        "account {}: a wallet is a user's account, and only that",
        "SELECT id FROM wallet_account WHERE (kind = 'user') <> (balance_minor IS NOT NULL) ORDER BY id",
    ),
]

HELD = (
    "account {}: what is held is not the sum of its open holds",
    "SELECT a.id FROM wallet_account a LEFT JOIN (SELECT account_id, SUM(amount_minor) AS open_minor"
    " FROM wallet_hold WHERE state = 'held' GROUP BY account_id) h ON h.account_id = a.id"
    " WHERE a.held_minor <> COALESCE(h.open_minor, 0) OR a.held_minor < 0"
    " OR (a.balance_minor IS NOT NULL AND a.held_minor > a.balance_minor) ORDER BY a.id",
)

CAPTURES = (
    "hold {}: captured, without an entry that took just that from its wallet",
    "SELECT h.id FROM wallet_hold h"
    " LEFT JOIN wallet_journalentry e ON e.source = h.source AND e.purpose = h.purpose || %s"
    " LEFT JOIN wallet_journalline l ON l.entry_id = e.id AND l.account_id = h.account_id AND l.side = 'D'"
    " WHERE h.state = 'captured' AND (l.id IS NULL OR l.amount_minor <> h.captured_minor) ORDER BY h.id",
)


def found(
    connection: BaseDatabaseWrapper, message: str, sql: str, params: Sequence[str] = ()
) -> Iterator[str]:
    """Yield the message for each row that a query finds wrong."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        rows = cursor.fetchall()
    for row in rows:
        yield message.format(*row)


def dangling_rows(connection: BaseDatabaseWrapper) -> Iterator[str]:
    """Yield rows whose partner is gone, as with foreign keys switched off."""
    for message, sql in DANGLING:
        yield from found(connection, message, sql)


def broken_links(connection: BaseDatabaseWrapper) -> Iterator[str]:
    """Yield wallet lines that do not follow from the line before: number, balance, hash."""
    yield from found(connection, "account {}, line {} does not follow the line before it", LINKS)


def wrong_accounts(connection: BaseDatabaseWrapper) -> Iterator[str]:
    """Yield accounts whose own columns disagree with their lines."""
    for message, sql in ACCOUNTS:
        yield from found(connection, message, sql)


def wrong_holds(connection: BaseDatabaseWrapper) -> Iterator[str]:
    """Yield accounts and holds that disagree."""
    yield from found(connection, *HELD)
    yield from found(connection, *CAPTURES, [CAPTURED])


REVERSALS = """
SELECT DISTINCT e.id FROM wallet_journalentry e
JOIN wallet_journalentry r ON r.id = e.reverses_id
JOIN wallet_journalline l ON l.entry_id IN (e.id, r.id)
GROUP BY e.id, r.reverses_id, l.account_id
HAVING r.reverses_id IS NOT NULL
    OR SUM(CASE l.side WHEN 'D' THEN l.amount_minor ELSE -l.amount_minor END) <> 0
ORDER BY e.id
"""


def wrong_reversals(connection: BaseDatabaseWrapper) -> Iterator[str]:
    """Yield reversals that do not mirror what they reverse."""
    yield from found(connection, "entry {} does not mirror the entry it reverses", REVERSALS)
