"""Payers, staff and adversaries: what each of them does, in the product's own words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from tests.proof.world import BRIDGE, Died, Doom, Refused, World

from vinflow.money import Currency, Money
from vinflow.payments import checking, settings_store
from vinflow.payments.budgeting import Pool
from vinflow.payments.canceling import cancel_payment
from vinflow.payments.claiming import claim
from vinflow.payments.errors import MethodOff
from vinflow.payments.linking import app_link
from vinflow.payments.models import Payment, ReviewItem, Transfer
from vinflow.payments.opening import open_payment, renew_qr
from vinflow.payments.reviewing import approve, propose
from vinflow.payments.schedule import Signal
from vinflow.sandbox.errors import SandboxError

__all__ = ["Crowd", "Life"]

STRANGE: tuple[dict[str, Any], ...] = (
    {"amount": 10**25},
    {"description": "a\x00b"},
    {"externalRef": "x" * 5000},
    {"currency": "U\x00SD"},
    {"hash": "no hash at all"},
    {"toAccountId": None},
)


@dataclass
class Life:
    """One payment as its payer means it: what they do, and which payment came of it."""

    number: int
    user: Any
    money: Money
    style: str = ""  # the truth fault it lives, "" for an honest payer
    pays: bool = True
    payment: Payment | None = None
    tries: int = 0
    hashes: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """The form's token: the same however often it is sent."""
        return f"form-{self.number}"


class Crowd:
    """Everybody who is not a worker."""

    def __init__(self, world: World) -> None:
        self.world = world
        users = get_user_model().objects
        self.payers = [users.create(username=f"payer-{n}", email=f"p{n}@shop.example") for n in range(8)]
        self.staff = [users.create(username=f"staff-{n}", is_staff=True) for n in range(4)]
        self.lives: list[Life] = []
        self.owners: dict[str, int] = {}  # hash: the user who really paid it
        self.leagued: set[int] = set()  # items that two in league decided

    # ---- what befalls them ---------------------------------------------------------------------------------

    def doom(self, kind: str = "request_dies") -> Doom | None:
        """Draw what befalls an actor, mostly nothing."""
        chance, names = self.world.chance, self.world.names
        if not self.world.storm:
            return None
        if kind in names and chance.random() < 0.12:
            where = chance.choice((-1, -2, 0, 0, 0, 0))
            return Doom(kind, where or chance.randint(1, 60), after=chance.random() < 0.5)
        if "serialization" in names and chance.random() < 0.15:
            return Doom("serialization", chance.randint(1, 40))
        return None

    def request(self, who: str, do: Callable[[], Any], *, again: bool = True) -> Any:
        """Let a web request run; one that died or was given up is sent again, as people do."""
        result = self.world.act(who, do, doom=self.doom())
        if again and result in (Died, Refused):
            result = self.world.act(f"{who}, again", do)
        return result

    # ---- payers --------------------------------------------------------------------------------------------

    def open(self, life: Life) -> None:
        """Open a payment, try again when refused, and plan what its payer does."""
        world = self.world

        def send() -> Any:
            return open_payment(user=life.user, money=life.money, key=life.key, at=world.now())

        life.tries += 1
        opened = self.request(f"payer {life.user.username} opens {life.number} {life.money}", send)
        if isinstance(opened, MethodOff):
            world.meet("switched_off")
        if not isinstance(opened, Payment):
            if life.tries < 5:
                world.at(900, "try again", lambda: self.open(life))
            return
        life.payment = opened
        if "double_click" in world.names and world.chance.random() < 0.5:
            second = self.request(f"payer clicks {life.number} twice", send)
            if isinstance(second, Payment):
                world.meet("double_click")
                if second.pk != opened.pk:
                    world.violate(f"{life.key} opened two payments")
        self._plan(life)

    def _plan(self, life: Life) -> None:
        world, chance = self.world, self.world.chance
        pay_after = chance.uniform(5, 480)
        if life.style == "paid_at_the_end":
            pay_after = chance.uniform(590, 599)
        elif life.style == "late":
            pay_after = chance.uniform(670, 2400)
        if life.pays:
            world.at(pay_after, "pay", lambda: self.pay(life))
        if life.style == "both_qrs_paid":
            world.at(chance.uniform(700, 1500), "renew and pay", lambda: self.renew_and_pay(life))
        elif not life.pays and chance.random() < 0.3:
            world.at(chance.uniform(560, 1500), "renew", lambda: self.renew(life))
        if chance.random() < (0.4 if life.pays else 0.1):
            world.at(pay_after + chance.uniform(1, 20), "said paid", lambda: self.says_paid(life))
        if chance.random() < 0.3:
            world.at(chance.uniform(3, 300), "page shown", lambda: self.wakes(life))
        if chance.random() < 0.1:
            world.at(chance.uniform(30, 900), "host polls", lambda: self.polls(life))
        if "app_link" in world.names and chance.random() < 0.6:
            world.at(chance.uniform(2, 60), "app", lambda: self.taps(life))
        if life.style in ("canceled", "canceled_paid"):
            world.at(chance.uniform(5, 700), "cancel", lambda: self.cancel(life))

    def row(self, life: Life) -> Payment:
        """Return the payment as it is now."""
        assert life.payment is not None
        return Payment.objects.get(pk=life.payment.pk)

    def qr(self, life: Life, number: int | None = None) -> str:
        """Return the text of the newest QR, or of one by its number."""
        rows = self.row(life).attempts.order_by("-number")
        return str((rows.filter(number=number) if number else rows)[0].qr_string)

    def pay(self, life: Life, *, number: int | None = None, style: str | None = None) -> None:
        """Pay a QR as the payer's style has it, at the stand-in."""
        world, bank, chance = self.world, self.world.bank, self.world.chance
        style = life.style if style is None else style
        usd = life.money.currency is Currency.USD
        how: dict[str, Any] = {}
        match style:
            case "amount_more":
                how["amount"] = Money(life.money.minor + chance.randint(1, 5000), life.money.currency)
            case "amount_less":
                how["amount"] = Money(max(1, life.money.minor // 2), life.money.currency)
                style = style if life.money.minor > 1 else ""
            case "amount_precise":
                how["amount"] = Decimal(life.money.plain) + (Decimal("0.001") if usd else Decimal("0.5"))
            case "currency_other":
                how["currency"] = "KHR" if usd else "USD"
            case "receiver_other":
                how["receiver"] = "dave@devb"
            case "receiver_bridge":
                how["receiver"] = BRIDGE
            case "indexed_late":
                how["delay_s"] = chance.choice((60, 300, 800, 1500, 3000))
            case "sent_back":
                how["tracking_status"] = "REFUNDED_BY_RECEIVER"
            case "failed_at_ach":
                how["tracking_status"] = "FAILED_AT_ACH"
            case "no_dates":
                how["drop"] = ("createdDateMs", "acknowledgedDateMs")
            case "strange_values":
                how["overrides"] = chance.choice(STRANGE)
            case "late":
                how["late"] = True
            case "paid_twice":
                how["twice"] = True
            case "failed_then_paid" | "failed_only":
                how["fail"] = True
                if style == "failed_then_paid":
                    world.at(chance.uniform(20, 110), "pay at last", lambda: self.pay(life, style=""))
            case "hash_reused":
                used = [h for other in self.lives for h in other.hashes if other is not life]
                how |= {"hash": chance.choice(used)} if used else {}
            case _:
                pass
        try:
            qr = self.qr(life, number)
            made = bank.pay(qr, **how)
        except SandboxError as refused:
            world.note(f"the bank app refuses {life.number}: {type(refused).__name__}")
            return
        for transfer in [t for t in bank.transfers if t.md5 == made.md5 and t.created_ms == made.created_ms]:
            if not transfer.failed:
                life.hashes.append(transfer.hash)
                self.owners.setdefault(transfer.hash, life.user.pk)
        shown = str(how.get("overrides", {}).get("hash", made.hash)).lower()
        if style == "hash_reused":
            world.truths[f"{made.md5}:{shown}"] = style if "hash" in how else ""
        elif style:
            world.truths[made.md5 if made.failed else shown] = style
            if style == "paid_twice":
                world.truths[life.hashes[-1]] = style
        world.note(f"payer {life.user.username} pays {life.number} {style} {made.hash[:8]}")

    def renew(self, life: Life) -> None:
        """Ask for a new QR."""
        if life.payment is not None:
            self.request(
                f"new QR for {life.number}", lambda: renew_qr(payment=self.row(life), at=self.world.now())
            )

    def renew_and_pay(self, life: Life) -> None:
        """Ask for a new QR and pay it too, though the old one was paid, or will be."""
        self.renew(life)
        if self.row(life).attempts.count() > 1:
            self.pay(life, style="both_qrs_paid")
            if not life.pays or self.world.chance.random() < 0.5:
                self.world.at(self.world.chance.uniform(1, 60), "old QR", lambda: self.pay_late(life))

    def pay_late(self, life: Life) -> None:
        """Pay the first QR although its time is over."""
        try:
            made = self.world.bank.pay(self.qr(life, 1), late=True)
        except SandboxError:
            return
        life.hashes.append(made.hash)
        self.owners.setdefault(made.hash, life.user.pk)
        self.world.truths[made.hash] = "both_qrs_paid"

    def says_paid(self, life: Life) -> None:
        """Press "I have paid"."""
        self.request(
            f"payer says {life.number} is paid",
            lambda: checking.check_payment(payment=self.row(life), at=self.world.now()),
            again=False,
        )

    def wakes(self, life: Life) -> None:
        """Show the page again, or come back from the app."""
        signal = self.world.chance.choice((Signal.PAGE_SHOWN, Signal.BACK_FROM_APP))
        self.request(
            f"page of {life.number} is shown",
            lambda: checking.wake(payment=self.row(life), signal=signal, at=self.world.now()),
        )

    def polls(self, life: Life) -> None:
        """Ask as a host does that polls."""
        self.request(
            f"host polls {life.number}",
            lambda: checking.check_payment(payment=self.row(life), at=self.world.now(), pool=Pool.AUTO),
        )

    def taps(self, life: Life) -> None:
        """Open the bank's app by its link."""
        link = self.request(
            f"app link of {life.number}",
            lambda: app_link(
                payment=self.row(life), back_to="https://shop.example/back", at=self.world.now()
            ),
        )
        if link and isinstance(link, str):
            self.world.meet("app_link")

    def cancel(self, life: Life) -> None:
        """Give up."""
        done = self.request(
            f"payer gives {life.number} up",
            lambda: cancel_payment(payment=self.row(life), at=self.world.now()),
        )
        if isinstance(done, Payment) and done.status == "canceled":
            self.world.meet("canceled")
            if life.style == "canceled_paid":
                self.pay(life)

    def claims(self, life: Life, name: str) -> Any:
        """Name a transfer for one's own payment."""
        return self.request(
            f"payer {life.user.username} claims {name[:8]} for {life.number}",
            lambda: claim(payment=self.row(life), named=name, at=self.world.now()),
            again=False,
        )

    # ---- staff ---------------------------------------------------------------------------------------------

    def staff_asks(self) -> None:
        """Ask the gateway about several payments at once, as the desk's list does."""
        known = [life for life in self.lives if life.payment is not None]
        some = self.world.chance.sample(known, min(len(known), self.world.chance.randint(1, 5)))

        def ask() -> int:
            asked = 0
            for life in some:
                report = checking.check_payment(payment=self.row(life), at=self.world.now(), pool=Pool.STAFF)
                asked += report.outcome is not None
            return asked

        if self.request(f"staff ask about {[life.number for life in some]}", ask) not in (0, Died, Refused):
            self.world.meet("staff_asks")

    def setting(self, **changes: Any) -> None:
        """Change what owners may change."""
        self.request(
            f"owner sets {changes}",
            lambda: settings_store.save(changes, by=self.staff[0], at=self.world.now()),
        )

    def decide(self, item: ReviewItem, *, by: Any, second: Any, decision: str = "") -> bool:
        """Decide about one item honestly; True when it is decided."""
        decision = decision or self.honest(item)
        sent = self.world.chance.randbytes(32).hex() if decision == "returned" else ""

        def put() -> Any:
            return propose(
                item=item, decision=decision, by=by, why="looked", at=self.world.now(), returned_hash=sent
            )

        done = self.request(f"staff propose {decision} for {item.subject[:24]}", put)
        if isinstance(done, ReviewItem) and not done.decision:
            done = self.request(
                f"staff approve {item.subject[:24]}",
                lambda: approve(item=item, by=second, at=self.world.now()),
            )
        return isinstance(done, ReviewItem) and bool(done.decision)

    def honest(self, item: ReviewItem) -> str:
        """Return what an honest desk decides: money that is the payer's is given, or sent back."""
        bank = self.world.bank
        if item.transfer is None:
            hash_ = str(item.evidence.get("hash", ""))
            own = item.payment is not None and self.owners.get(hash_) == item.payment.user_id
            fits = bank.any_by_hash(hash_)
            if Transfer.objects.filter(hash=hash_).exists():
                return "dismissed"  # its own QR has brought it meanwhile
            good = fits is not None and fits.to_account in (bank.account, BRIDGE) and not fits.tracking_status
            whole = bool(item.evidence.get("facts", {}).get("amount_minor"))
            return "credited" if own and good and whole and "claimed_by_hash" in item.reasons else "dismissed"
        booked = bool(item.transfer.booked_receiver)
        if not booked or item.transfer.money is None or "sent_back" in item.reasons:
            return "dismissed"
        return self.world.chance.choice(("credited", "credited", "credited", "returned", "dismissed"))

    def staff_decide(self, most: int = 3) -> None:
        """Decide about some open items."""
        for item in ReviewItem.objects.filter(decision="", proposed="").order_by("pk")[:most]:
            if self.decide(item, by=self.staff[0], second=self.staff[1]):
                self.world.meet("staff_decides")
