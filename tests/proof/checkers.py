"""What must hold, worked out beside the product: own SQL, own sums, the stand-in's own books.

Nothing here asks the product whether it is right, except to compare its answer with ours at the end.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from tests.proof.actors import Crowd
from tests.proof.truth import minor_of, speaks_against
from tests.proof.world import World

from vinflow.payments import clock
from vinflow.sandbox.records import Transfer

__all__ = ["Checkers"]

# Written down here a second time, from the rules and not from states.py.
MAY_BECOME = {
    "pending": {"completed", "expired", "failed", "canceled"},
    "expired": {"completed", "pending", "failed", "canceled"},
    "failed": {"completed", "pending", "expired", "canceled"},
    "canceled": {"completed"},
    "completed": set(),
}
IN_THE_OPEN = "pending"
EDGE_MS = 120_000


def rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(sql, list(values))
        return list(cursor.fetchall())


class Checkers:
    """Looks after every act, and once more when everything is over."""

    def __init__(self, world: World, crowd: Crowd) -> None:
        self.world, self.crowd = world, crowd
        self.states: dict[int, str] = {}
        self.qrs: dict[int, int] = {}  # how many each payment has had
        self.looks = 0
        self.marks: tuple[Any, ...] = ()

    # ---- after every act -----------------------------------------------------------------------------------

    def after_act(self, who: str) -> None:
        """Compare states with those before, and add the books up when they have moved."""
        self.looks += 1
        seen = rows(
            "SELECT id, status, (SELECT count(*) FROM payments_attempt a WHERE a.payment_id = p.id)"
            " FROM payments_payment p"
        )
        now = {key: status for key, status, _count in seen}
        qrs = {key: count for key, _status, count in seen}
        for key, status in now.items():
            before = self.states.get(key, IN_THE_OPEN)
            if status == before:
                continue
            if status not in MAY_BECOME[before]:
                self.world.violate(f"payment {key} went from {before} to {status} ({who})")
            elif before in ("expired", "failed") and status != "completed" and qrs[key] <= self.qrs[key]:
                self.world.violate(f"payment {key} went from {before} to {status} without a new QR ({who})")
            if status in ("expired", "failed"):
                self._ended_by_the_banks_word(key, status)
        if set(self.states) - set(now):
            self.world.violate(f"payments are gone after {who}")
        self.states, self.qrs = now, qrs
        marks = rows(
            "SELECT (SELECT count(*) FROM wallet_journalentry), (SELECT count(*) FROM payments_transfer"
            " WHERE fate <> ''), (SELECT count(*) FROM payments_payment WHERE status = 'completed')"
        )[0]
        if marks != self.marks:
            self.marks = marks
            self.law(who)

    def _ended_by_the_banks_word(self, payment: int, status: str) -> None:
        """Every QR has had a good "not found" or "failed", asked for after its end and the grace."""
        # One of two clocks may be two minutes wrong; where none was ever moved, nothing is forgiven.
        slack = EDGE_MS if self.world.ever_skewed else 0
        for md5, expires_at in rows(
            "SELECT md5, expires_at FROM payments_attempt WHERE payment_id = %s", payment
        ):
            least = clock.in_ms(aware(expires_at)) + 120_000 - slack
            heard = self.world.words.get(md5, [])
            if not any(at >= least and word in ("not_found", "failed") for at, word, _hash in heard):
                self.world.violate(f"payment {payment} is {status}, and Bakong never said so of {md5[:8]}")

    def law(self, who: str) -> None:
        """received = credited + in suspense + returned + written off, by currency, from the lines alone."""
        sums: dict[tuple[str, str, str, str], int] = defaultdict(int)
        for purpose, kind, side, currency, total in rows(
            "SELECT e.purpose, a.kind, l.side, l.currency, sum(l.amount_minor) FROM wallet_journalline l"
            " JOIN wallet_journalentry e ON e.id = l.entry_id JOIN wallet_account a ON a.id = l.account_id"
            " WHERE e.source LIKE 'transfer:%%' GROUP BY 1, 2, 3, 4"
        ):
            sums[purpose, kind, side, currency] += int(total)
        for currency in ("USD", "KHR"):

            def total(purposes: tuple[str, ...], kinds: tuple[str, ...], side: str, c: str = currency) -> int:
                return sum(
                    amount
                    for (p, k, s, unit), amount in sums.items()
                    if p in purposes and k in kinds and s == side and unit == c
                )

            received = total(("credit", "credit_extra", "suspense"), ("bakong",), "D")
            credited = total(("credit", "credit_extra"), ("user", "external"), "C")
            suspense = total(("suspense",), ("suspense",), "C") - total(
                ("credit", "credit_extra", "return", "unclaimed"), ("suspense",), "D"
            )
            returned = total(("return",), ("bakong",), "C")
            written_off = total(("unclaimed",), ("unclaimed",), "C")
            if received != credited + suspense + returned + written_off or suspense < 0:
                self.world.violate(
                    f"the law: {currency} received {received}, credited {credited}, suspense {suspense},"
                    f" returned {returned}, written off {written_off} ({who})"
                )
            booked = self._booked(currency)
            if booked != received:
                self.world.violate(
                    f"the law: {currency} received {received}, transfers booked {booked} ({who})"
                )
        for entry, unit, off in rows(
            "SELECT entry_id, currency, sum(CASE side WHEN 'D' THEN amount_minor ELSE -amount_minor END)"
            " FROM wallet_journalline GROUP BY 1, 2 HAVING sum(CASE side WHEN 'D' THEN amount_minor"
            " ELSE -amount_minor END) <> 0"
        ):
            self.world.violate(f"entry {entry} is {off} {unit} out of balance ({who})")
        self._wallets(who)
        self._completed(who)

    def _booked(self, currency: str) -> int:
        """Return what the stand-in says of the transfers that are booked on a verified receiver."""
        total = 0
        for hash_, unit, md5 in rows(
            "SELECT t.hash, t.currency, a.md5 FROM payments_transfer t JOIN payments_attempt a"
            " ON a.id = t.attempt_id WHERE t.booked_receiver <> '' AND t.currency = %s",
            currency,
        ):
            told = told_of(self.world, hash_, md5)
            if told is None:
                self.world.violate(f"{hash_[:8]} is booked, and Bakong does not know it")
            else:
                total += minor_of(told, unit) or 0
        return total

    def _wallets(self, who: str) -> None:
        for account, balance, total, least in rows(
            "SELECT a.id, a.balance_minor, coalesce(sum(CASE l.side WHEN 'C' THEN l.amount_minor"
            " ELSE -l.amount_minor END), 0), min(l.balance_after) FROM wallet_account a"
            " LEFT JOIN wallet_journalline l ON l.account_id = a.id WHERE a.kind = 'user'"
            " GROUP BY a.id, a.balance_minor"
        ):
            if balance != total or balance < 0 or (least is not None and least < 0):
                self.world.violate(f"wallet {account} holds {balance}, its lines say {total} ({who})")

    def _completed(self, who: str) -> None:
        """A payment is completed if and only if exactly one credit entry exists for it."""
        entries = Counter(
            row[0]
            for row in rows(
                "SELECT t.payment_id FROM payments_transfer t JOIN wallet_journalentry e"
                " ON e.source = 'transfer:' || t.hash WHERE e.purpose = 'credit'"
            )
        )
        for key, status in self.states.items():
            if entries[key] != (status == "completed"):
                self.world.violate(f"payment {key} is {status} and has {entries[key]} credit entries ({who})")

    # ---- when all is over ----------------------------------------------------------------------------------

    def calm(self) -> None:
        """After the calm, every payment has ended or lies in review."""
        for key, status in self.states.items():
            if status == "pending" and not rows(
                "SELECT 1 FROM payments_reviewitem WHERE payment_id = %s AND decision = ''", key
            ):
                self.world.violate(f"payment {key} is pending after the calm, and nobody looks at it")
        left = rows("SELECT hash FROM payments_transfer WHERE processed_at IS NULL")
        if left:
            self.world.violate(f"{len(left)} transfers lie in the inbox after the calm")

    def evidence(self) -> None:
        """Each credit has its evidence, is the amount Bakong told, and went to whoever's QR brought it."""
        world = self.world
        handled = "funds_refused" in world.names
        for hash_, fate, payment, user, asked_at, its_md5 in rows(
            "SELECT t.hash, t.fate, t.payment_id, p.user_id, t.asked_at, a.md5 FROM payments_transfer t"
            " JOIN payments_payment p ON p.id = t.payment_id JOIN payments_attempt a ON a.id = t.attempt_id"
        ):
            credits = rows(
                "SELECT a.kind, a.key, l.amount_minor, l.currency FROM wallet_journalline l"
                " JOIN wallet_journalentry e ON e.id = l.entry_id"
                " JOIN wallet_account a ON a.id = l.account_id"
                " WHERE e.source = %s AND e.purpose IN ('credit', 'credit_extra') AND l.side = 'C'",
                f"transfer:{hash_}",
            )
            if len(credits) != (fate in ("credited", "extra")):
                world.violate(f"{hash_[:8]} is {fate!r} and was credited {len(credits)} times")
            if not credits:
                continue
            told = told_of(world, hash_, its_md5)
            kind, key, amount, unit = credits[0]
            if told is None or told.failed or minor_of(told, unit) != amount or told.currency != unit:
                world.violate(f"{hash_[:8]} was credited with {amount} {unit}, and Bakong tells otherwise")
                continue
            if (kind, key) != ("user", str(user)) and not (handled and kind == "external"):
                world.violate(f"{hash_[:8]} went to {kind} {key}, and the payment is user {user}'s")
            own = {md5 for (md5,) in rows("SELECT md5 FROM payments_attempt WHERE payment_id = %s", payment)}
            brought = any(
                h == hash_ for md5 in own for _at, word, h in world.words.get(md5, []) if word == "found"
            )
            people = rows(
                "SELECT proposed_by_id, decided_by_id FROM payments_reviewitem i JOIN payments_transfer t"
                " ON t.id = i.transfer_id WHERE t.hash = %s AND decision = 'credited'",
                hash_,
            )
            two = bool(people) and people[0][0] is not None and people[0][0] != people[0][1]
            if not brought and not two:
                world.violate(
                    f"{hash_[:8]} was credited without an answer about its own QR, nor by two people"
                )
            attempt = rows(
                "SELECT a.md5, a.created_at, a.expires_at, a.watch_until, p.amount_minor, p.currency"
                " FROM payments_transfer t JOIN payments_attempt a ON a.id = t.attempt_id"
                " JOIN payments_payment p ON p.id = t.payment_id WHERE t.hash = %s",
                hash_,
            )[0]
            against = speaks_against(told, attempt, aware(asked_at), world)
            if against and not people:
                world.violate(f"{hash_[:8]} was credited by itself against {against}")

    def nothing_lost(self) -> None:
        """Whatever Bakong told of our QRs is a transfer or an item, and odd ones have exactly one item."""
        world = self.world
        known = {row[0] for row in rows("SELECT hash FROM payments_transfer")}
        subjects = Counter(row[0] for row in rows("SELECT subject FROM payments_reviewitem"))
        ours = {row[0] for row in rows("SELECT md5 FROM payments_attempt")}
        owner = dict(
            rows(
                "SELECT t.hash, a.md5 FROM payments_transfer t JOIN payments_attempt a ON a.id = t.attempt_id"
            )
        )
        for md5, heard in world.words.items():
            for _at, word, hash_ in heard:
                if word != "found" or md5 not in ours:
                    continue
                proper = len(hash_) == 64
                # The client cannot read such an answer: a person is told after a day of them.
                if not proper and subjects[f"malformed:{md5}"] + subjects[f"silence:{md5}"] != 1:
                    world.violate(f"a malformed hash for {md5[:8]} has no item")
                elif proper and hash_ not in known:
                    world.violate(f"{hash_[:8]} was told for {md5[:8]} and is forgotten")
                elif proper and owner[hash_] != md5 and subjects[f"sighting:{hash_}:{md5}"] != 1:
                    world.violate(f"{hash_[:8]} was told for a second QR, and there is no item")
        for hash_, fate, n, reasons in rows(
            "SELECT t.hash, t.fate, (SELECT count(*) FROM payments_reviewitem i WHERE i.transfer_id = t.id),"
            " t.reasons FROM payments_transfer t"
        ):
            odd = reasons not in ("[]", [])
            if n != int(odd):
                world.violate(f"{hash_[:8]} ({fate}) has {n} items, and reasons {reasons}")

    def desk(self) -> None:
        """Nobody decided about their own money, nor alone where two are needed."""
        for item, reasons, proposed, decided, user, decision, booked, brought in rows(
            "SELECT i.id, i.reasons, i.proposed_by_id, i.decided_by_id, p.user_id, i.decision,"
            " t.booked_receiver, EXISTS (SELECT 1 FROM payments_transfer own WHERE own.payment_id = p.id"
            " AND own.fate IN ('credited', 'extra')"
            " AND i.subject = 'claim:' || own.hash || ':' || p.transaction_id)"
            " FROM payments_reviewitem i LEFT JOIN payments_payment p ON p.id = i.payment_id"
            " LEFT JOIN payments_transfer t ON t.id = i.transfer_id WHERE i.decision <> ''"
        ):
            if user is not None and user in (decided, proposed):
                self.world.violate(f"item {item} was decided by the payer's own hand")
            if decision == "overtaken":  # by nobody: the payer's own QR has brought that very transfer
                if decided is not None or not brought:
                    self.world.violate(f"item {item} closed itself, and its transfer has not come")
                continue
            alone = proposed is None or proposed == decided
            if alone and (
                "claimed_by_hash" in str(reasons)
                or decision == "taken_back"
                or (decision == "dismissed" and booked)
            ):
                self.world.violate(f"item {item} needed two people and had one")

    def in_time(self) -> int:
        """Money that was visible in time is never left for the statement; return how much else is left."""
        world, left = self.world, 0
        for md5, payment, status, expires_at in rows(
            "SELECT a.md5, a.payment_id, p.status, a.expires_at FROM payments_attempt a"
            " JOIN payments_payment p ON p.id = a.payment_id"
        ):
            mine = [t for t in world.bank.transfers if t.md5 == md5 and not t.failed]
            told = any(word == "found" for _at, word, _hash in world.words.get(md5, []))
            if not mine or told:
                continue
            left += 1
            end = clock.in_ms(aware(expires_at)) + 120_000
            if status in ("expired", "failed") and min(t.visible_ms for t in mine) <= end - EDGE_MS:
                world.violate(f"payment {payment} is {status}, and {md5[:8]} was paid in time")
        return left


def told_of(world: World, hash_: str, md5: str) -> Transfer | None:
    """Return the stand-in's own row of a hash: the one for this QR where one hash was told for two."""
    same = [transfer for transfer in world.bank.transfers if transfer.hash == hash_]
    return next((transfer for transfer in same if transfer.md5 == md5), same[0] if same else None)


def aware(value: Any) -> datetime:
    """Return a moment as a raw query gives it, aware."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if value.tzinfo is None:
        from datetime import UTC

        value = value.replace(tzinfo=UTC)
    assert isinstance(value, datetime)
    return value + timedelta(0)
