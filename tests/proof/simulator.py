"""One seed, one run: twenty payments, a storm of faults, then a calm in which everything must come out right.

    outcome = Simulator(17).run()

The seed decides everything: who pays what and when, which faults strike, who dies at which statement, who
acts in whose gaps. The same seed gives the same trace, line by line.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from tests.proof import adversaries
from tests.proof.actors import Crowd, Life
from tests.proof.checkers import Checkers, aware, rows
from tests.proof.faults import FAULTS
from tests.proof.secrets_kept import budgets, exchanges_and_metrics, nothing_secret
from tests.proof.world import World

from vinflow.money import Currency, Money
from vinflow.payments import law, tidying, watching
from vinflow.payments.models import Attempt, ReviewItem, Transfer
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
    hours: float
    seconds: float
    socket: bool
    digest: str
    states: dict[str, int] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)


class NoFunds(RuntimeError):
    """What a host's funds handler raises that was told to."""

    ordered = True


class Simulator:
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
        started = time.perf_counter()
        with self.world as world:
            self.crowd = Crowd(world)
            self.check = Checkers(world, self.crowd)
            world.after_act = self.check.after_act
            world.meanwhile = self._meanwhile
            world.meanwhile_worker = self._worker_once
            began = world.bank.clock.now()
            self._plan()
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
            hours=hours,
            seconds=time.perf_counter() - started,
            socket=world.socket,
            digest=hashlib.sha256(text.encode()).hexdigest()[:16],
            states=dict(states),
            trace=world.trace,
        )

    # ---- the plan of a storm -------------------------------------------------------------------------------

    def _plan(self) -> None:
        world, chance, crowd = self.world, self.world.chance, self.crowd
        self.span_s = chance.uniform(1200, 6000)
        world.rival_share = chance.choice((0.002, 0.005, 0.01)) if "rival" in world.names else 0.0
        for number in range(PAYMENTS):
            if chance.random() < 0.7:
                money = Money(chance.choice((1, 100, 250, 1000, 4999)), Currency.USD)
            else:
                money = Money(chance.choice((100, 4000, 41_000, 200_000)), Currency.KHR)
            life = Life(number, chance.choice(crowd.payers[:6]), money, pays=chance.random() < 0.75)
            crowd.lives.append(life)
            world.at(chance.uniform(0, self.span_s), "open", lambda life=life: crowd.open(life))  # type: ignore[misc]
        self._styles()
        for fault in world.faults:
            if fault.spoil:
                for _ in range(chance.randint(1, 3)):
                    world.at(
                        chance.uniform(0, self.span_s), fault.name, lambda fault=fault: self._spoil(fault)
                    )  # type: ignore[misc]
            elif fault.switches:
                world.bank.switch(**fault.switches)
        self._own_plan()

    def _styles(self) -> None:
        """Give each drawn truth to one to three payers, and what other faults need to be met."""
        world, chance = self.world, self.world.chance
        wanted = [fault.name for fault in world.faults if fault.group == "truth"]
        wanted += [name for name in ("canceled", "canceled_paid") if name in world.names]
        wanted += ["late"] * ("late_credit_off" in world.names)
        wanted += ["paid_twice"] * (2 * ("paid_twice_last" in world.names))
        wanted += ["failed_then_paid"] * (2 * ("failed_code_1" in world.names))
        order = chance.sample(self.crowd.lives, len(self.crowd.lives))
        for name in wanted:
            for _ in range(chance.randint(1, 3)):
                if order:
                    life = order.pop()
                    life.style, life.pays = name, name not in ("canceled", "canceled_paid")

    def _spoil(self, fault: Any) -> None:
        """Tell the stand-in to spoil the next answers in one way."""
        world, chance = self.world, self.world.chance
        spoil = dict(fault.spoil)
        times = chance.choice((1, 1, 1, 2, 5))
        if fault.name == "outage":
            spoil["status"] = chance.choice((500, 502, 503, 504))
        elif fault.name == "slow":
            spoil["delay_s"] = 0.05 if world.socket else chance.choice((8.0, 20.0, 29.0, 45.0, 120.0))
        elif fault.name in ("hang", "hang_after") and world.socket:
            times = 1
        made = world.bank.fault("*", times=times, **spoil)
        world.spoils[made.id] = fault.name

    def _own_plan(self) -> None:
        world, chance, crowd = self.world, self.world.chance, self.crowd
        names, span = world.names, self.span_s

        def between(low: float, high: float) -> float:
            return chance.uniform(low * span, high * span)

        if "clock_apart" in names:
            world.skew(chance.choice((-90.0, 90.0)))
        if "clock_ahead" in names:
            for _ in range(2):
                self._window(
                    "clock",
                    between(0, 0.8),
                    chance.uniform(600, 4000),
                    lambda: world.skew(chance.uniform(200, 20_000)),
                    lambda: world.skew(0),
                )
        if "clock_behind" in names:
            for _ in range(2):
                self._window(
                    "clock",
                    between(0, 0.8),
                    chance.uniform(600, 4000),
                    lambda: world.skew(-chance.uniform(130, 450)),
                    lambda: world.skew(0),
                )
        if "switched_off" in names:
            for _ in range(3):
                self._window(
                    "switch",
                    between(0, 0.7),
                    span / 6,
                    lambda: crowd.setting(khqr_enabled=False),
                    lambda: crowd.setting(khqr_enabled=True),
                )
        if "late_credit_off" in names:
            crowd.setting(late_credit=False)
        if "caps_low" in names:
            crowd.setting(usd_auto_user_daily_max=1100, khr_auto_user_daily_max=50_000)
        if "site_down" in names:
            world.at(between(0.2, 0.7), "down", self._down)
        if "token_revoked" in names:
            world.at(between(0.3, 0.8), "revoke", lambda: world.bank.revoke_token(world.bank.token))
        for way in ("nginx", "cloudfront"):
            if f"geo_{way}" in names:
                self._window(
                    "geo",
                    between(0, 0.6),
                    between(0.1, 0.4),
                    lambda way=way: world.bank.switch(geo_block=way),
                    lambda: world.bank.switch(geo_block="off"),
                )  # type: ignore[misc]
        if "list_closes" in names:
            world.at(between(0.3, 0.6), "list closes", lambda: world.bank.switch(md5_list="closed"))
        for name, style in (
            ("item_service_failed", "SERVICE_FAILED"),
            ("item_empty_success", "EMPTY_SUCCESS"),
        ):
            if name in names:
                for n in range(5):
                    world.at((n + 0.5) * span / 5, "item", lambda style=style: self._spoil_items(style))  # type: ignore[misc]
        if "funds_refused" in names:
            world.reset_settings(VINFLOW_FUNDS_HANDLER=self._funds)
            self._window(
                "funds",
                0.0,
                between(0.4, 0.9),
                lambda: self._refuse_funds(True),
                lambda: self._refuse_funds(False),
            )
        repeated: dict[str, tuple[int, Callable[[], Any]]] = {
            "staff_asks": (4, crowd.staff_asks),
            "staff_decides": (5, crowd.staff_decide),
            "claim_own": (4, self._claim),
            "other_program": (2, lambda: adversaries.other_program(crowd)),
            "drain": (1, lambda: adversaries.drain(crowd)),
            "thief": (2, lambda: adversaries.thief(crowd)),
            "league": (1, lambda: adversaries.league(crowd)),
        }
        for name, (times, do) in repeated.items():
            for _ in range(times if name in names else 0):
                world.at(between(0.15, 0.95), name, do)

    def _window(
        self, what: str, after: float, lasts: float, begin: Callable[[], Any], end: Callable[[], Any]
    ) -> None:
        self.world.at(after, f"{what} begins", begin)
        self.world.at(after + lasts, f"{what} ends", end)

    def _down(self) -> None:
        world = self.world
        self.down_until_ms = world.bank.clock.now_ms() + round(world.chance.uniform(1200, 9000) * 1000)
        world.note("no worker from here on")

    def _spoil_items(self, style: str) -> None:
        for md5 in Attempt.objects.watched().values_list("md5", flat=True):
            if self.world.chance.random() < 0.6:
                self.world.bank.item_fault(md5, style)

    def _refuse_funds(self, refuse: bool) -> None:
        self.funds_refuse = refuse

    def _funds(self, **_what: Any) -> None:
        if self.funds_refuse:
            self.world.meet("funds_refused")
            raise NoFunds("the host's books are closed")

    def _claim(self) -> None:
        """A payer names the hash of their own transfer, which has perhaps been noticed, and perhaps not."""
        crowd, chance = self.crowd, self.world.chance
        paid = [life for life in crowd.lives if life.hashes and life.payment is not None]
        if paid:
            # The newest first: theirs may not have been noticed.
            life = paid[-1] if chance.random() < 0.5 else chance.choice(paid)
            crowd.claims(life, life.hashes[-1][: chance.choice((64, 8))])
            self.world.meet("claim_own")

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
            "SELECT (SELECT min(CASE WHEN leased_until > next_check_at THEN leased_until ELSE next_check_at END)"
            " FROM payments_attempt WHERE next_check_at IS NOT NULL),"
            " (SELECT min(coalesce(next_try_at, stored_at)) FROM payments_transfer WHERE processed_at IS NULL),"
            " (SELECT count(*) FROM payments_payment WHERE status = 'pending'),"
            " (SELECT count(*) FROM payments_payment p WHERE status = 'pending' AND NOT EXISTS"
            " (SELECT 1 FROM payments_reviewitem i WHERE i.payment_id = p.id AND i.decision = ''))"
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
        return max(due_ms, self.not_before_ms, self.down_until_ms), left

    def _stepped(self, report: Any) -> None:
        """Wait a second after a step, as the loop does; longer while there is nothing to do but wait."""
        busy = len(self.world.carried) > self.carried or getattr(report, "processed", 0)
        self.carried = len(self.world.carried)
        self.fruitless = 0 if busy else self.fruitless + 1
        most = 120.0 if self.world.storm else 3600.0
        wait_s = min(most, 4.0 ** min(self.fruitless, 6))
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
                import heapq

                heapq.heappop(world.heap)[3]()
                self.fruitless = 0
                self.not_before_ms = min(self.not_before_ms, clock.now_ms() + 1000)
            elif due_ms <= next_ms:
                self._stepped(self._worker_once())
            else:
                break
        if self.down_until_ms and Attempt.objects.exists():
            world.meet("site_down")
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM payments_attempt WHERE last_reason = 'budget'")
            if cursor.fetchone()[0]:
                world.meet("small_quota")
            cursor.execute(
                "SELECT count(*) FROM payments_transfer WHERE reasons LIKE '%late_held%'"
                if connection.vendor == "sqlite"
                else "SELECT count(*) FROM payments_transfer WHERE reasons::text LIKE '%late_held%'"
            )
            if cursor.fetchone()[0]:
                world.meet("late_credit_off")
        self._met_by_rows()

    def _met_by_rows(self) -> None:
        world = self.world
        if Transfer.objects.filter(fate="in_review").exists() and "caps_low" in world.names:
            if any("over_cap" in reasons for reasons in Transfer.objects.values_list("reasons", flat=True)):
                world.meet("caps_low")
        if world.foreign and any(b'"errorCode":17' in (one.body or b"") for one in world.carried):
            world.meet("other_program")
        skewed = world.ever_skewed and any(h for heard in world.words.values() for h in heard)
        for name in ("clock_ahead", "clock_behind", "clock_apart"):
            if skewed:
                world.meet(name)

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

    def _approve(self, item: ReviewItem, by: Any) -> Any:
        from vinflow.payments.reviewing import withdraw

        return withdraw(item=item, by=by, at=self.world.now())

    def _settle(self) -> None:
        """Step until nothing is watched, nothing lies in the inbox and nothing is pending without a person."""
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
        if ReviewItem.objects.filter(decision="").exists():
            world.violate("items are open that nobody could decide")
        return left


def moment(value: datetime) -> str:
    """Return a moment for a trace."""
    return f"{value:%d %H:%M:%S}"
