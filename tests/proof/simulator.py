"""One seed, one run: twenty payments, a storm of faults, then a calm in which everything must come out right.

    outcome = Simulator(17).run()

The seed decides everything: who pays what and when, which faults strike, who dies at which statement, who
acts in whose gaps. The same seed gives the same trace, line by line.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.proof.actors import Crowd
from tests.proof.cashiers import ROUNDS, Cashiers, books_of_refunds, never_more_than_came
from tests.proof.checkers import Checkers, aware, rows
from tests.proof.faults import FAULTS
from tests.proof.secrets_kept import budgets, exchanges_and_metrics, nothing_secret
from tests.proof.storm import Storm
from tests.proof.world import World

from vinflow.payments import law, tidying, watching
from vinflow.payments.models import ReviewItem
from vinflow.payments.verifying import verify
from vinflow.wallet.audit import audit

__all__ = ["Outcome", "Simulator"]

PAYMENTS = 20
CALM_DAYS = 12
STEPS_MAX = 3000
NEVER = 1 << 62
WIDE = ("list_", "item_")  # switches that make sense only where many are asked about at once


@dataclass
class Outcome:
    """What came of one seed."""

    seed: int
    violations: list[str]
    drawn: list[str]
    met: Counter[str]
    payments: int
    calls: int
    steps: int
    looks: int
    deaths: int
    rivals: int
    left: int
    refunds: int
    hours: float
    seconds: float
    processor_s: float
    socket: bool
    digest: str
    states: dict[str, int] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)


class Simulator(Storm):
    """A run; everything random comes from the seed."""

    def __init__(
        self, seed: int, *, socket: bool = False, verbose: bool = False, faults: tuple[str, ...] = ()
    ) -> None:
        """faults: these by name, instead of those the seed draws."""
        self.seed = seed
        named = [fault for fault in FAULTS if fault.name in faults]
        self.world = World(seed, socket=socket, verbose=verbose, faults=named)
        self.steps = 0
        self.fruitless = self.carried = 0
        self.not_before_ms = 0
        self.down_until_ms = 0
        self.funds_refuse = False

    def run(self) -> Outcome:
        """Return what came of it; a broken rule is a violation in it, not an exception."""
        started, used = time.perf_counter(), time.process_time()
        with self.world as world:
            self.crowd = Crowd(world)
            self.cashiers = Cashiers(world, self.crowd)
            self.check = Checkers(world, self.crowd)
            world.after_act = self.check.after_act
            world.meanwhile = self._meanwhile
            world.meanwhile_worker = self._worker_once
            began = world.bank.clock.now()
            self.poll_s = world.chance.choice((1.0, 5.0, 20.0, 60.0))
            self._plan()
            self.cashiers.plan(self.span_s)
            self._until(self.span_s + 1500)
            self._calm()
            left = self._verdict()
            hours = (world.bank.clock.now() - began) / timedelta(hours=1)
            states = Counter(self.check.states.values())
        text = "\n".join(world.trace)
        return Outcome(
            seed=self.seed,
            violations=world.violations,
            drawn=[fault.name for fault in world.faults],
            met=world.met,
            payments=len(self.check.states),
            calls=len(world.carried),
            steps=self.steps,
            looks=self.check.looks,
            deaths=world.deaths,
            rivals=world.met["rival"],
            left=left,
            refunds=self.refunds,
            hours=hours,
            seconds=time.perf_counter() - started,
            processor_s=time.process_time() - used,
            socket=world.socket,
            digest=hashlib.sha256(text.encode()).hexdigest()[:16],
            states=dict(states),
            trace=world.trace,
        )

    # ---- workers -------------------------------------------------------------------------------------------

    def _worker_once(self) -> Any:
        """Let one of the workers take a step, as its loop would; a dead one is replaced by the next."""
        world, chance = self.world, self.world.chance
        self.steps += 1

        def step() -> Any:
            report = watching.step()
            if chance.random() < 0.05:
                tidying.tidy(at=world.now())
            return report

        return world.act(f"worker {chance.randint(1, 3)}", step, doom=self.crowd.doom("worker_dies"))

    def _meanwhile(self) -> None:
        """Let somebody else act in a gap."""
        world, chance, crowd = self.world, self.world.chance, self.crowd
        known = [life for life in crowd.lives if life.payment is not None]
        if not known or (chance.random() < 0.5 and world.bank.clock.now_ms() >= self.down_until_ms):
            self._worker_once()
            return
        life = chance.choice(known)
        acts: list[Callable[[], Any]] = [lambda: crowd.says_paid(life), lambda: crowd.polls(life)]
        acts += [lambda: crowd.renew(life), lambda: crowd.wakes(life)]
        if self.cashiers.at_work:
            acts.append(self.cashiers.act)
        if "canceled" in world.names:
            acts.append(lambda: crowd.cancel(life))
        if "staff_decides" in world.names:
            acts += [crowd.staff_decide, crowd.staff_asks]
        if "claim_own" in world.names:
            acts.append(self._claim)
        chance.choice(acts)()

    def _look(self) -> tuple[int, bool]:
        """Return when a worker has something to do, by the bank's clock, and whether anything is left to do.

        One query of our own, beside the product's: the next look at a QR that nobody has leased, the inbox,
        and payments that are pending without a person looking at them.
        """
        world = self.world
        due, stored, pending, alone = rows(
            "SELECT (SELECT min(CASE WHEN leased_until > next_check_at THEN leased_until"
            " ELSE next_check_at END) FROM payments_attempt a WHERE next_check_at IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM payments_reviewitem i"
            " WHERE i.attempt_id = a.id AND substr(i.subject, 1, 8) = 'silence:')),"
            " (SELECT min(coalesce(next_try_at, stored_at)) FROM payments_transfer"
            " WHERE processed_at IS NULL),"
            " (SELECT count(*) FROM payments_payment WHERE status = 'pending'),"
            " (SELECT count(*) FROM payments_payment p WHERE status = 'pending' AND NOT EXISTS"
            " (SELECT 1 FROM payments_reviewitem i WHERE i.payment_id = p.id"
            " AND (i.decision = '' OR substr(i.subject, 1, 8) = 'silence:')))"
        )[0]
        now = world.now()
        moments = [aware(moment) for moment in (due, stored) if moment is not None]
        left = bool(moments or alone)
        if pending:
            moments.append(now + timedelta(seconds=600 if world.storm else 900))
        if not moments:
            return NEVER, left
        wait = (min(moments) - now).total_seconds()
        due_ms = world.bank.clock.now_ms() + max(0, round(wait * 1000))
        if due_ms < self.down_until_ms:
            world.meet("site_down")
        return max(due_ms, self.not_before_ms, self.down_until_ms), left

    def _stepped(self, report: Any) -> None:
        """Wait after a step: a second as the loop does, up to a minute as cron does; longer when idle."""
        busy = len(self.world.carried) > self.carried or getattr(report, "processed", 0)
        self.carried = len(self.world.carried)
        self.fruitless = 0 if busy else self.fruitless + 1
        least, most = (self.poll_s, 240.0) if self.world.storm else (60.0, 7200.0)
        wait_s = min(most, least * 2 ** min(self.fruitless, 8))
        self.not_before_ms = self.world.bank.clock.now_ms() + round(wait_s * 1000)

    # ---- storm and calm ------------------------------------------------------------------------------------

    def _until(self, seconds: float) -> None:
        """Let everybody act until so many seconds from now, in the order of their moments."""
        world, clock = self.world, self.world.bank.clock
        end_ms = clock.now_ms() + round(seconds * 1000)
        while self.steps < STEPS_MAX:
            due_ms, _left = self._look()
            event_ms = world.heap[0][0] if world.heap else end_ms
            next_ms = min(due_ms, event_ms, end_ms)
            if next_ms > clock.now_ms():
                clock.set_ms(next_ms)
            if event_ms <= next_ms and world.heap:
                heapq.heappop(world.heap)[3]()
                self.fruitless = 0
                self.not_before_ms = min(self.not_before_ms, clock.now_ms() + 1000)
            elif due_ms <= next_ms:
                self._stepped(self._worker_once())
            else:
                break
        self._met_by_rows()

    def _met_by_rows(self) -> None:
        """Count what only the rows show to have taken effect."""
        world = self.world
        reasons = [
            word for (words,) in rows("SELECT reasons FROM payments_transfer") for word in _words(words)
        ]
        if rows("SELECT count(*) FROM payments_attempt WHERE last_reason = 'budget'")[0][0]:
            world.meet("small_quota")
        if "late_held" in reasons:
            world.meet("late_credit_off")
        if "over_cap" in reasons:
            world.meet("caps_low")
        if world.foreign and any(b'"errorCode":17' in (one.body or b"") for one in world.carried):
            world.meet("other_program")

    def _calm(self) -> None:
        """Mend everything outside, and let the site alone until there is nothing left to wait for."""
        world = self.world
        world.storm = False
        world.note("the calm begins")
        world.heap.clear()
        self.down_until_ms, self.funds_refuse = 0, False
        world.bank.clear_faults()
        world.bank.switch(
            geo_block="off", quota_list_each=False, list_short=False, list_keys=True, optional_fields="null"
        )
        if "token_revoked" in world.names:
            fresh = world.bank.issue_token(email=world.bank.email)
            world.secrets.append(fresh)
            world.reset_settings(KHQR_API_KEY=fresh)
        if world.skew_s:
            world.skew(0)
        self.crowd.setting(
            khqr_enabled=True,
            late_credit=True,
            usd_auto_user_daily_max=2_000_000,
            khr_auto_user_daily_max=80_000_000,
        )
        self._settle()
        self.check.calm()
        for _ in range(8):
            open_items = list(ReviewItem.objects.filter(decision="").order_by("pk"))
            if not open_items:
                break
            for item in open_items:
                second = (
                    self.crowd.staff[0]
                    if item.proposed_by_id == self.crowd.staff[1].pk
                    else self.crowd.staff[1]
                )
                first = self.crowd.staff[0] if second is self.crowd.staff[1] else self.crowd.staff[1]
                if item.proposed:
                    world.act(
                        "staff approve what lay there",
                        lambda item=item, second=second: self._approve(item, second),
                    )  # type: ignore[misc]
                    item.refresh_from_db()
                if not item.decision:
                    self.crowd.decide(item, by=first, second=second)
            self._settle()
        for _ in range(ROUNDS):
            if not self.cashiers.finish():
                break
            world.wait(1800)
        else:
            world.violate(f"refunds are open after {ROUNDS} rounds of people who do their work")
        self._settle()

    def _approve(self, item: ReviewItem, by: Any) -> Any:
        from vinflow.payments.reviewing import withdraw

        return withdraw(item=item, by=by, at=self.world.now())

    def _settle(self) -> None:
        """Step until nothing is watched, nothing in the inbox, and nothing pending without a person."""
        clock = self.world.bank.clock
        end_ms = clock.now_ms() + CALM_DAYS * 86_400_000
        while self.steps < STEPS_MAX:
            due_ms, left = self._look()
            if not left:
                return
            if due_ms > end_ms:
                break
            if due_ms > clock.now_ms():
                clock.set_ms(due_ms)
            self._stepped(self._worker_once())
        self.world.violate(f"no end after {CALM_DAYS} days of calm, or {self.steps} steps")

    # ---- the verdict ---------------------------------------------------------------------------------------

    def _verdict(self) -> int:
        """Hold every checker to the end; return how much money is left for the bank's statement."""
        world, check = self.world, self.check
        tidying.tidy(at=world.now() + timedelta(minutes=10))
        check.law("the end")
        never_more_than_came(world, "the end")
        self.refunds = books_of_refunds(world)
        check.evidence()
        check.nothing_lost()
        check.desk()
        left = check.in_time()
        budgets(world)
        exchanges_and_metrics(world)
        nothing_secret(world)
        product = law.check("sandbox")
        if product:
            world.violate(f"the product's own law: {product[0].rule}: {product[0].what}")
        report = audit()
        if not report.is_clean:
            world.violate(f"audit_ledger: {report.problems[0]}")
        rebuilt = verify()
        if not rebuilt.is_clean:
            world.violate(f"verify: {rebuilt.problems[0]}")
        if ReviewItem.objects.filter(decision="").exists():
            world.violate("items are open that nobody could decide")
        return left


def _words(column: Any) -> list[str]:
    """Return the reasons of a row: text on SQLite, a list on PostgreSQL."""
    return list(json.loads(column) if isinstance(column, str) else column)
