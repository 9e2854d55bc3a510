"""What the database itself refuses about manual deposits, and about the payments they complete."""

from __future__ import annotations

from vinflow.payments.guard_rules import Guard, frozen, kept

__all__ = ["DEPOSITS", "DEPOSITS_REPLACEABLE"]

DEPOSITS: tuple[Guard, ...] = (
    Guard(
        "payments_payment_deposit",
        "payments_payment",
        "UPDATE",
        "OLD.status <> 'completed' AND NEW.status = 'completed' AND NEW.method = 'manual' AND NOT EXISTS"
        " (SELECT 1 FROM payments_manualdeposit d WHERE d.payment_id = NEW.id AND d.decision = 'credited')",
        "a manual payment is completed by a credited deposit only",
    ),
    kept("payments_manualdeposit", "a deposit is never deleted"),
    frozen(
        "payments_manualdeposit",
        "what was received, for whom, by whom and on what evidence never changes",
        "key",
        "payer_id",
        "environment",
        "amount_minor",
        "currency",
        "kind",
        "reference",
        "note",
        "evidence_name",
        "evidence_type",
        "evidence_size",
        "evidence_sha256",
        "opened_by_id",
        "opened_at",
        "needs_two",
    ),
    Guard(
        "payments_manualdeposit_final",
        "payments_manualdeposit",
        "UPDATE",
        "OLD.decision <> '' AND (NEW.decision <> OLD.decision OR NEW.why <> OLD.why"
        " OR NEW.decided_by_id IS DISTINCT FROM OLD.decided_by_id"
        " OR NEW.payment_id IS DISTINCT FROM OLD.payment_id)",
        "a decided deposit stays decided",
    ),
)

# SQLite's INSERT OR REPLACE deletes without a word to the triggers.
DEPOSITS_REPLACEABLE: tuple[tuple[str, tuple[tuple[str, ...] | str, ...]], ...] = (
    (
        "payments_manualdeposit",
        (
            ("id",),
            ("key",),
            ("payment_id",),
            "environment = NEW.environment AND evidence_sha256 = NEW.evidence_sha256"
            " AND decision <> 'refused'",
        ),
    ),
)
