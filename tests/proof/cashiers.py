"""People who send money back: asked, approved, sent at the bank, recorded, seen; clumsily, and in league.

Not a fault of the catalogue: three seeds of four have them, whatever else goes wrong. What must hold of their
work is worked out here too, from the rows and from the stand-in's own outgoing transfers.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from tests.proof.actors import Crowd
from tests.proof.checkers import rows
from tests.proof.truth import minor_of
from tests.proof.world import BRIDGE, World

from vinflow.money import Currency, Money
from vinflow.payments import refunding
from vinflow.payments.errors import MoneyBackRefused
from vinflow.payments.models import Payment, Refund, Sending
from vinflow.sandbox.errors import SandboxError

__all__ = ["Cashiers", "books_of_refunds", "never_more_than_came"]

ROUNDS = 40  # in the calm, before somebody is told that refunds have no end
CLUMSY = 0.25  # of the names they write down are another transfer's, or nobody's
ASK_SKEW_S = 100  # a refund asked for hours ahead of the bank's clock is never older than its transfer
COUNTED = "('asked', 'approved', 'sent', 'done')"


class Cashiers:
    """Two who know their work and one who tries what may not be; every act may die or be given up."""

    def __init__(self, world: World, crowd: Crowd) -> None:
        self.world, self.crowd = world, crowd
        self.at_work = random.Random(f"refunds {world.seed}").random() < 0.75
        self.number = 0
        self.sent: dict[str, str] = {}  # refund's reference: the transfer that was really made for it
        self.amounts: dict[str, Money] = {}  # of these transfers

    def plan(self, span_s: float) -> None:
        """Plan their moments of a storm."""
        if self.at_work:
            for _ in range(14):
                self.world.at(self.world.chance.uniform(0.2, 1.3) * span_s, "refunds", self.act)

    def act(self) -> None:
        """Do one thing: ask for a refund, or take one a step on, rightly or wrongly."""
        chance = self.world.chance
        open_ones = list(Refund.objects.exclude(state__in=["done", "rejected", "given_up"]).order_by("pk"))
        if not open_ones or chance.random() < 0.35:
            self._ask()
            return
        refund = chance.choice(open_ones)
        if chance.random() < 0.2:
            self._what_may_not_be(refund)
            return
        step = {"asked": self._decide, "approved": self._send, "sent": self._look}[refund.state]
        step(refund)

    def finish(self) -> bool:
        """In the calm: take every refund a step nearer to its end; return whether any is still open."""
        open_ones = list(Refund.objects.exclude(state__in=["done", "rejected", "given_up"]).order_by("pk"))
        for refund in open_ones:
            step = {"asked": self._decide, "approved": self._send, "sent": self._look}[refund.state]
            step(refund, rightly=True)
        return bool(open_ones)

    # ---- their work ----------------------------------------------------------------------------------------

    def _ask(self) -> None:
        chance = self.world.chance
        paid = list(Payment.objects.filter(status="completed").order_by("pk"))
        if not paid or abs(self.world.skew_s) > ASK_SKEW_S:
            return
        payment = chance.choice(paid)
        part = chance.choice((payment.amount_minor, max(1, payment.amount_minor // 3), 1))
        more = payment.amount_minor + 1
        money = Money(more if chance.random() < 0.1 else part, Currency(payment.currency))
        self.number += 1
        key = f"refund-{self.number}"

        def ask() -> Refund:
            return refunding.ask_refund(
                payment=payment, money=money, why="not wanted", by=self._by(0), key=key, at=self.world.now()
            )

        first = self._try(f"refund {self.number} of {money} is asked for", ask)
        if money.minor == more and isinstance(first, Refund):
            self.world.violate("more was asked back than came in, and nobody refused")
        if chance.random() < 0.3:
            second = self._try(f"refund {self.number} is asked for again", ask)
            if isinstance(first, Refund) and isinstance(second, Refund) and first.pk != second.pk:
                self.world.violate(f"{key} made two refunds")

    def _decide(self, refund: Refund, *, rightly: bool = False) -> None:
        what = self.world.chance.choice(("approve", "approve", "approve", "reject", "give up"))
        at = self.world.now
        if what == "approve" or rightly:
            self._try("approves a refund", lambda: refunding.approve(refund=refund, by=self._by(1), at=at()))
        elif what == "reject":
            self._try(
                "rejects a refund",
                lambda: refunding.reject(refund=refund, by=self._by(1), why="it was eaten", at=at()),
            )
        else:
            self._give_up(refund)

    def _give_up(self, refund: Refund) -> None:
        if refund.reference not in self.sent:
            self._try(
                "gives a refund up",
                lambda: refunding.give_up(
                    refund=refund, by=self._by(0), why="they keep it", at=self.world.now()
                ),
            )

    def _send(self, refund: Refund, *, rightly: bool = False) -> None:
        """Make the transfer at the bank, once, and write down its name, or a wrong one."""
        world, chance = self.world, self.world.chance
        if not rightly and chance.random() < 0.15:
            self._give_up(refund)
            return
        if refund.reference not in self.sent:
            late_s = 0.0 if rightly else chance.choice((0.0, 0.0, 0.0, 900.0, 7200.0))
            try:
                qr = world.bank.qr(refund.money.plain, Currency(refund.currency), account=refund.to_account)
                made = world.bank.pay(qr, payer=refund.receiver, again=True, delay_s=late_s)
            except SandboxError as refused:
                world.note(f"the bank does not send a refund: {type(refused).__name__}")
                return
            self.sent[refund.reference], self.amounts[made.hash] = made.hash, refund.money
            world.note(f"a cashier sends {refund.money} {made.hash[:8]}")
        named = self.sent[refund.reference]
        if not rightly and chance.random() < CLUMSY:
            others = [hash_ for hash_, money in self.amounts.items() if money != refund.money]
            others += [transfer.hash for transfer in world.bank.transfers[:3]]
            named = chance.choice([*others, "ab" * 32, "no hash"])
        self._try(
            f"a cashier names {named[:8]}",
            lambda: refunding.record_sent(refund=refund, named=named, by=self._by(0), at=world.now()),
        )

    def _look(self, refund: Refund, *, rightly: bool = False) -> None:
        """Ask Bakong; where the name is wrong take it back; vouch for what the statement really shows."""
        at = self.world.now
        seen = self._try("a cashier looks", lambda: refunding.look_up(refund=refund, by=self._by(0), at=at()))
        if not isinstance(seen, Refund) or seen.state != "sent":
            return
        stands = Sending.objects.get(refund=refund, retracted_at__isnull=True)
        if stands.hash != self.sent.get(refund.reference):
            self._try(
                "a cashier takes a wrong name back",
                lambda: refunding.take_back(refund=refund, by=self._by(0), why="wrong line", at=at()),
            )
        elif rightly or self.world.chance.random() < 0.3:
            self._try(
                "a second person vouches",
                lambda: refunding.vouch(refund=refund, by=self._by(1), why="in the statement", at=at()),
            )

    def _what_may_not_be(self, refund: Refund) -> None:
        """One alone does what takes two, or the payer decides about their own money."""
        payer, at = refund.payment.user, self.world.now
        acts: list[tuple[str, Any]] = [
            ("approves alone", lambda: refunding.approve(refund=refund, by=refund.asked_by, at=at())),
            (
                "vouches alone",
                lambda: refunding.vouch(refund=refund, by=self._by(0), why="trust me", at=at()),
            ),
        ]
        if payer is not None:
            acts += [
                (
                    "payer asks",
                    lambda: refunding.ask_refund(
                        payment=refund.payment,
                        money=Money(1, Currency(refund.currency)),
                        why="mine",
                        by=payer,
                        key=f"own-{self.number}",
                        at=at(),
                    ),
                ),
                ("payer approves", lambda: refunding.approve(refund=refund, by=payer, at=at())),
                ("payer vouches", lambda: refunding.vouch(refund=refund, by=payer, why="came", at=at())),
            ]
        what, do = self.world.chance.choice(acts)
        if isinstance(self._try(what, do), Refund):
            self.world.violate(f"{what}, about a refund, and nobody refused")

    def _by(self, which: int) -> Any:
        return self.crowd.staff[which]

    def _try(self, who: str, do: Any) -> Any:
        def attempt() -> Any:
            try:
                return do()
            except MoneyBackRefused as refused:
                self.world.note(f"  refused: {refused.code}")
                return refused

        return self.crowd.request(who, attempt)


def never_more_than_came(world: World, who: str) -> None:
    """What is asked back, on its way or sent of a transfer is never more than came; no wallet lacks it."""
    for hash_, came, back in rows(
        "SELECT t.hash, t.amount_minor, sum(r.amount_minor) FROM payments_refund r"
        f" JOIN payments_transfer t ON t.id = r.transfer_id WHERE r.state IN {COUNTED}"
        " GROUP BY t.hash, t.amount_minor HAVING sum(r.amount_minor) > t.amount_minor"
    ):
        world.violate(f"{back} of {came} that came by {hash_[:8]} go back ({who})")
    for account, held, has in rows(
        "SELECT h.account_id, sum(h.amount_minor), a.balance_minor FROM wallet_hold h"
        " JOIN wallet_account a ON a.id = h.account_id WHERE h.state = 'held'"
        " GROUP BY h.account_id, a.balance_minor HAVING sum(h.amount_minor) > a.balance_minor"
    ):
        world.violate(f"wallet {account} holds {has}, and {held} of it are set aside ({who})")


def books_of_refunds(world: World) -> int:
    """Each refund that is done was really sent, once, and is booked once; return how many were.

    The others are not booked at all, and hold nothing once they are over.
    """
    out = {t.hash: t for t in world.bank.transfers if t.from_account in (world.bank.account, BRIDGE)}
    used: Counter[str] = Counter()
    for reference, state, amount, currency, to, asked, decided, alone, user in rows(
        "SELECT r.reference, r.state, r.amount_minor, r.currency, r.to_account, r.asked_by_id,"
        " r.decided_by_id, r.alone, p.user_id FROM payments_refund r"
        " JOIN payments_payment p ON p.id = r.payment_id"
    ):
        booked = rows(
            "SELECT a.kind, a.key, l.side, l.amount_minor, l.currency FROM wallet_journalline l"
            " JOIN wallet_journalentry e ON e.id = l.entry_id JOIN wallet_account a ON a.id = l.account_id"
            " WHERE e.source = %s AND e.purpose = 'refund:captured' ORDER BY l.side",
            f"refund:{reference}",
        )
        if len(booked) != (2 if state == "done" else 0):
            world.violate(f"{reference} is {state} and has {len(booked)} lines")
        held = rows("SELECT state FROM wallet_hold WHERE source = %s", f"refund:{reference}")
        meant = {"done": "captured", "rejected": "released", "given_up": "released"}.get(state, "held")
        if [row[0] for row in held] != [meant]:
            world.violate(f"{reference} is {state}, its hold is {held}")
        if (
            user in (asked, decided)
            or asked == decided
            or (not alone and decided is None and state == "done")
        ):
            world.violate(f"{reference} was not decided by the people it takes")
        if state != "done":
            continue
        if [(line[0], line[2], line[3], line[4]) for line in booked] != [
            ("bakong", "C", amount, currency),
            ("user", "D", amount, currency),
        ] or booked[1][1] != str(user):
            world.violate(f"{reference} is booked otherwise than it was: {booked}")
        named = [
            row[0]
            for row in rows(
                "SELECT s.hash FROM payments_sending s JOIN payments_refund r ON r.id = s.refund_id"
                " WHERE r.reference = %s AND s.retracted_at IS NULL AND s.seen_at IS NOT NULL",
                reference,
            )
        ]
        used.update(named)
        made = out.get(named[0]) if len(named) == 1 else None
        if made is None or made.to_account != to or made.currency != currency:
            world.violate(f"{reference} is done, and the bank knows of no such transfer")
        elif minor_of(made, currency) != amount:
            world.violate(f"{reference} is done with {amount}, and the bank sent {made.amount}")
    for hash_, n in used.items():
        if n > 1:
            world.violate(f"{hash_[:8]} stands for {n} refunds")
    return used.total()
