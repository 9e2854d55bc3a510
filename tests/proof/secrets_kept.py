"""What may be seen: metrics against the rows and the stand-in's log, and no secret anywhere."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db import connection
from prometheus_client.parser import text_string_to_metric_families
from tests.proof.checkers import rows
from tests.proof.world import World

from vinflow.backoffice import exports, listing, measures

__all__ = ["budgets", "exchanges_and_metrics", "nothing_secret"]


def exchanges_and_metrics(world: World) -> None:
    """Rows of calls, metrics and the stand-in's own log of calls say the same."""
    log = Counter(record.call for record in world.bank.calls())
    carried = Counter(one.operation for one in world.carried)
    if log != carried:
        world.violate(f"the stand-in logged {dict(log)}, {dict(carried)} were carried")
    stages: Counter[tuple[str, str]] = Counter()
    for operation, stage, n in rows("SELECT operation, stage, count(*) FROM payments_exchange GROUP BY 1, 2"):
        stages[operation, stage] += n
    operations = {operation for operation, _stage in stages} | set(carried)
    lost = 0
    for operation in operations:
        done, open_ = stages[operation, "done"], stages[operation, "lost"] + stages[operation, "started"]
        lost += open_
        if not done <= carried[operation] <= done + open_:
            world.violate(
                f"{operation}: {carried[operation]} calls were made, rows say {done} and {open_} lost"
            )
    if lost > world.deaths + world.met["serialization"]:
        world.violate(f"{lost} calls are lost, and only {world.deaths} actors died")
    text = measures.exposition(at=world.now()).decode()
    told: Counter[str] = Counter()
    samples: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "vinflow_gateway_calls_total":
                told[sample.labels["operation"]] += int(sample.value)
            elif "currency" in sample.labels:
                samples[sample.name + sample.labels.get("status", ""), sample.labels["currency"]] = (
                    sample.value
                )
    kept = Counter({operation: n for operation, n in _by_operation(stages).items() if n})
    if told != kept:
        world.violate(f"metrics tell {dict(told)} calls, the rows {dict(kept)}")
    for currency, total in rows(
        "SELECT l.currency, sum(l.amount_minor) FROM wallet_journalline l JOIN wallet_journalentry e"
        " ON e.id = l.entry_id WHERE e.purpose IN ('credit', 'credit_extra') AND l.side = 'C' GROUP BY 1"
    ):
        if samples.get(("vinflow_received_minor_total", currency)) != total:
            world.violate(f"metrics tell another sum of {currency} than the books' {total}")
    for status, currency, n in rows("SELECT status, currency, count(*) FROM payments_payment GROUP BY 1, 2"):
        if samples.get((f"vinflow_payments{status}", currency)) != n:
            world.violate(f"metrics miscount {status} payments in {currency}")
    world.seen.append(text)


def _by_operation(stages: Counter[tuple[str, str]]) -> Counter[str]:
    kept: Counter[str] = Counter()
    for (operation, _stage), n in stages.items():
        kept[operation] += n
    return kept


def budgets(world: World) -> None:
    """No quota day holds more of our calls than it may: by the stand-in's log, and by our own counters."""
    for token, window, used, allowed in rows(
        'SELECT token_id, "window", used, allowed FROM payments_callbudget'
    ):
        if allowed is not None and used > allowed:
            world.violate(f"the budget of {window} ({token}) is passed: {used} of {allowed}")
    used_rows = sum(
        row[0] for row in rows("SELECT max(used) FROM payments_callbudget GROUP BY token_id, starts_at")
    )
    made = rows("SELECT count(*) FROM payments_exchange")[0][0]
    if used_rows < made:
        world.violate(f"{made} calls have rows, the counters know {used_rows}")
    if world.quota is None or world.ever_skewed:
        return  # a clock that is a day wrong counts in another day: there is no right answer then
    # Which of the two days counts is the stand-in's to say. VinFlow keeps to both until it has learnt which;
    # a probe after a refusal, and every call after learning, may pass the other one. Never the bank's own.
    for shift_h in (0 if "resets_at_utc" in world.names else 7,):
        days: Counter[tuple[str | None, int]] = Counter()
        for record in world.bank.calls():
            if record.metered or record.code == 17:
                days[record.token_id, (record.at_ms + shift_h * 3_600_000) // 86_400_000] += 1
        for (_token, day), n in days.items():
            if n > world.quota:
                world.violate(f"{n} calls on day {day} (UTC+{shift_h}), {world.quota} are allowed")


def nothing_secret(world: World) -> None:
    """No token and no e-mail that a token hangs on stands in a row, a log record, a metric or an export."""
    world.seen += _export()
    texts = [("a log record", "\n".join(world.logged)), ("a page or an export", "\n".join(world.seen))]
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table.startswith(("payments_", "wallet_", "backoffice_", "storefront_")):
                cursor.execute(f'SELECT * FROM "{table}"')
                texts.append((f"a row of {table}", repr(cursor.fetchall())))
    for where, text in texts:
        for secret in world.secrets:
            if secret in text or (secret.count(".") == 2 and secret.rsplit(".", 1)[1] in text):
                world.violate(f"a secret stands in {where}")


def _export() -> list[str]:
    from django.http import QueryDict

    from vinflow.payments import clock

    at = clock.now()
    wanted: Any = listing.wanted_of(QueryDict(""), at=at)
    found = listing.dressed(listing.found(wanted, at=at), at=at).order_by("-created_at", "-pk")
    return ["".join(part.decode() if isinstance(part, bytes) else part for part in exports.csv_of(found))]
