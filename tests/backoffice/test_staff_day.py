"""After a day of payers, what staff and Prometheus read is what the stand-in itself counted, exactly."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any

from vinflow.money import Currency, Money


def a_day(bank: Any, shop: Any, settings: Any) -> None:
    """Twelve QRs in six hours: most are paid, one late, one with another amount; a watcher does its work."""
    from vinflow.payments import clock, watching
    from vinflow.payments.opening import open_payment

    chance = Random(7)
    start = clock.now()
    plan: list[tuple[Any, str, Any]] = []
    for n in range(12):
        money = Money(4_100 * (n + 1), Currency.KHR) if n % 3 == 0 else Money(100 * (n + 1), Currency.USD)
        opens = start + timedelta(minutes=30 * n)
        plan.append((opens, "open", (n, money)))
        if n not in (5, 9):  # two never pay
            wait = 1500 if n == 7 else chance.randint(10, 240)
            plan.append((opens + timedelta(seconds=wait), "pay", n))
    made: dict[int, Any] = {}
    end = start + timedelta(hours=6, minutes=40)
    for moment, what, which in [*sorted(plan, key=lambda one: one[0]), (end, "end", None)]:
        while (left := (moment - clock.now()).total_seconds()) > 0:
            due = watching.step().next_due_at
            nap = left if due is None else min(left, max(1.0, (due - clock.now()).total_seconds()))
            bank.advance(nap)
        if what == "open":
            n, money = which
            made[n] = open_payment(user=shop.payer(f"payer-{n}"), money=money, key=str(n), at=clock.now())
        elif what == "pay":
            # An expired QR is refused by an app; this payer's app does not look. And one pays what they like.
            other = {"amount": "77.00"} if which == 4 else {}
            bank.pay(made[which].attempts.get().qr_string, late=which == 7, **other)
    watching.step()


def test_metrics_and_the_overview_equal_the_stand_ins_own_counts(
    bank: Any, desk: Any, shop_class: Any, settings: Any
) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    from vinflow.backoffice import tallies
    from vinflow.payments import watching
    from vinflow.payments.models import Payment, Transfer

    settings.KHQR_DAILY_CALLS = "none"
    bank.switch(quota=None)

    a_day(bank, shop_class(), settings)
    watching.pulse("w", at=bank.clock.now())
    # The late one is looked for cheaply, a day later; its payer telephones, and staff asks now.
    (late,) = Payment.objects.filter(user__username="payer-7")
    assert late.status == "expired"
    desk.post(f"/admin/transactions/{late.transaction_id}/recheck/")
    late.refresh_from_db()
    assert (late.status, late.completed_late) == ("completed", True)

    asked = Counter(record.call for record in bank.calls())
    assert sum(asked.values()) > 10
    # Code 1 is Bakong's "not found", none a transfer that it found; the list is closed to this token (403).
    answered = Counter(
        "cannot_tell" if record.status == 403 else "not_found" if record.code == 1 else "found"
        for record in bank.calls()
    )
    paid = [transfer for transfer in bank.transfers if not transfer.failed]
    for merged in (False, True):  # the rows beside the tallies, and the tallies alone
        if merged:
            tallies.merge(at=bank.clock.now())
        text = desk.get("/metrics").content.decode()
        counted: Counter[str] = Counter()
        outcomes: Counter[str] = Counter()
        timed: Counter[str] = Counter()
        standing: Counter[str] = Counter()
        received: dict[str, float] = {}
        single: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                single[sample.name] = sample.value
                if sample.name == "vinflow_gateway_calls_total":
                    counted[sample.labels["operation"]] += int(sample.value)
                    outcomes[sample.labels["outcome"]] += int(sample.value)
                if sample.name == "vinflow_gateway_seconds_count":
                    timed[sample.labels["operation"]] += int(sample.value)
                if sample.name == "vinflow_payments":
                    standing[sample.labels["status"]] += int(sample.value)
                if sample.name == "vinflow_received_minor_total":
                    received[sample.labels["currency"]] = sample.value
        assert counted == asked == timed
        assert outcomes == answered
        # A reserved call is never given back: the one that was refused counts with us, not with the bank.
        metered = sum(record.metered for record in bank.calls())
        assert single["vinflow_quota_used"] == sum(asked.values()) == metered + answered["cannot_tell"]
        # Every transfer completed its payment but the one of another amount; two payers never paid.
        assert (len(paid), standing["completed"]) == (10, len(paid) - 1)
        assert sum(standing.values()) == 12

    page = desk.get("/admin/").content.decode()
    rows = re.findall(r'data-operation="(\w+)".*?data-count>(\d+)<', page, re.DOTALL)
    assert {name: int(n) for name, n in rows} == dict(asked)
    done = re.search(r'data-testid="tile-success".*?<strong data-value>(\d+)%', page, re.DOTALL)
    ended = standing["completed"] + standing["expired"] + standing["failed"] + standing["canceled"]
    assert done is not None
    assert int(done[1]) == round(100 * standing["completed"] / ended)

    paths = ("settings/payments", "transactions", f"transactions/{late.transaction_id}", "review", "ledger")
    seen = [text, page, *(desk.get(f"/admin/{path}/").content.decode() for path in paths)]
    seen.append(b"".join(desk.get("/admin/transactions/payments.csv").streaming_content).decode())
    assert not any(bank.token in one or bank.token[:-4] in one for one in seen)

    # What the bank moved to us is what was credited, and what waits at the desk.
    held = Transfer.objects.get(fate="in_review")
    for currency in Currency:
        moved = sum(
            Money.from_decimal(transfer.amount, currency).minor
            for transfer in bank.transfers
            if transfer.currency == currency and not transfer.failed
        )
        waits = held.amount_minor or 0 if held.currency == currency else 0
        assert received[currency] + waits == moved
    assert "mismatch" in re.findall(r'data-note="(\w+)"', page)
