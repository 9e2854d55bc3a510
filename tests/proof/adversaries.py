"""Those who mean harm: the drainer, the thief, the two in league, and another program with the same token."""

from __future__ import annotations

from django.db import connection
from tests.proof.actors import Crowd, Life
from tests.proof.world import Refused

from vinflow.money import Currency, Money
from vinflow.payments.claiming import ClaimReport
from vinflow.payments.errors import ReviewRefused
from vinflow.payments.models import ReviewItem
from vinflow.payments.reviewing import approve, propose

__all__ = ["drain", "league", "other_program", "thief"]


def drain(crowd: Crowd) -> None:
    """One payer opens all they may, and presses "I have paid" again and again."""
    world = crowd.world
    drainer = crowd.payers[6]
    extra = [Life(100 + n, drainer, Money(1, Currency.USD), pays=False) for n in range(4)]
    for life in extra:
        crowd.lives.append(life)
        crowd.open(life)
    for n in range(14):
        for life in extra[:2]:
            if life.payment is not None:
                world.at(20 + 12 * n, "drain", lambda life=life: crowd.says_paid(life))  # type: ignore[misc]

    def counted() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM payments_exchange WHERE principal = %s", [f"user:{drainer.pk}"]
            )
            if cursor.fetchone()[0] >= 3:
                world.meet("drain")

    world.at(400, "drained", counted)


def thief(crowd: Crowd) -> None:
    """A payer who paid nothing names the transfer of somebody else, by all the names it goes by."""
    world = crowd.world
    own = Life(200, crowd.payers[7], Money(world.chance.randint(1, 900), Currency.USD), pays=False)
    victims = [life for life in crowd.lives if life.hashes and life.user.pk != own.user.pk]
    if not victims:
        world.at(300, "thief", lambda: thief(crowd))
        return
    prey = world.chance.choice(victims)
    own.money = prey.money
    crowd.lives.append(own)
    crowd.open(own)
    if own.payment is None:
        return
    transfer = world.bank.any_by_hash(prey.hashes[0])
    assert transfer is not None
    for name in (transfer.hash, transfer.short_hash, transfer.external_ref or "none-given"):
        told = crowd.claims(own, name)
        if isinstance(told, ClaimReport) and told.kind in ("review", "known"):
            world.meet("thief")
        if isinstance(told, ClaimReport) and told.kind == "credited":
            world.violate(f"a thief was credited {name[:8]}")


def league(crowd: Crowd) -> None:
    """Two of the staff, one of them a payer: own money, own proposals, a decided item, a stranger's claim."""
    world = crowd.world
    one, two = crowd.staff[2], crowd.staff[3]
    life = Life(300, one, Money(world.chance.randint(2, 9000), Currency.USD), style="amount_more")
    crowd.lives.append(life)
    crowd.open(life)

    def act() -> None:
        items = list(ReviewItem.objects.filter(decision="").order_by("pk")[:6])
        for item in items:
            own = item.payment is not None and item.payment.user_id == one.pk
            for by in (one, two):
                result = _tries(crowd, item, by)
                if isinstance(result, ReviewRefused):
                    world.meet("league")
                elif own and by is one and isinstance(result, ReviewItem):
                    world.violate("one of the staff decided about money of their own")
            for by in (two, one):
                done = crowd.request(
                    f"league approves {item.subject[:20]}",
                    lambda item=item, by=by: approve(item=item, by=by, at=world.now()),  # type: ignore[misc]
                )
                if isinstance(done, ReviewItem) and done.decision:
                    crowd.leagued.add(item.pk)
                elif isinstance(done, ReviewRefused):
                    world.meet("league")

    for after in (700, 2500, 6000):
        world.at(after, "league", act)


def _tries(crowd: Crowd, item: ReviewItem, by: object) -> object:
    """Propose to credit; one pair of eyes may suffice by the rules of amounts."""
    result = crowd.request(
        f"league proposes {item.subject[:20]}",
        lambda: propose(item=item, decision="credited", by=by, why="trust me", at=crowd.world.now()),
    )
    if isinstance(result, ReviewItem) and result.decision:
        crowd.leagued.add(item.pk)
    return None if result is Refused else result


def other_program(crowd: Crowd) -> None:
    """Somebody else spends calls of our token: Bakong's counter knows them, ours does not."""
    bank = crowd.world.bank
    if crowd.world.quota is not None:
        more = crowd.world.chance.randint(crowd.world.quota // 3, crowd.world.quota)
        bank.set_used(min(crowd.world.quota, bank.used() + more))
        crowd.world.foreign = True
        crowd.world.note(f"another program spends {more} calls")
