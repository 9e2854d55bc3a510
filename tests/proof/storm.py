"""The plan of a storm: who opens and pays what and when, which faults strike, what people do meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.proof import adversaries
from tests.proof.actors import Crowd, Life
from tests.proof.faults import Fault
from tests.proof.world import World

from vinflow.money import Currency, Money
from vinflow.payments.models import Attempt

__all__ = ["PAYMENTS", "NoFunds", "Storm"]

PAYMENTS = 20


class NoFunds(RuntimeError):
    """What a host's funds handler raises that was told to."""

    ordered = True


class Storm:
    """The part of a run that makes its plan; the Simulator carries it out."""

    world: World
    crowd: Crowd
    span_s: float
    down_until_ms: int
    funds_refuse: bool

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
            world.at(chance.uniform(0, self.span_s), "open", partial(crowd.open, life))
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

    def _spoil(self, fault: Fault) -> None:
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
                    world.at((n + 0.5) * span / 5, "item", partial(self._spoil_items, style))
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
