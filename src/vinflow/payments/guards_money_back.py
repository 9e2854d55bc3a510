"""What the database itself refuses when money goes back: refunds, sent transfers, claw-backs, repayments.

The cap is here a third time (use case, law of money, this): whatever Python did, no more is promised
back of a transfer than came in with it. The moves of a refund are the table of refund_states.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from vinflow.payments.guard_rules import Guard, frozen, kept, once
from vinflow.payments.refund_states import BEGINS, COUNTED, TRANSITIONS

__all__ = ["MONEY_BACK", "MONEY_BACK_REPLACEABLE"]


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


_MOVES = " OR ".join(
    f"(OLD.state = '{state}' AND NEW.state IN ({_listed(sorted(set(events.values())))}))"
    for state, events in TRANSITIONS.items()
    if events
)

# What came in with the transfer, less what is promised back of it or was taken back already.
_OVER = (
    "NEW.amount_minor"  # noqa: S608 - put together from our own constants, never from a value
    " + COALESCE((SELECT SUM(r.amount_minor) FROM payments_refund r WHERE r.transfer_id = NEW.transfer_id"
    f" AND r.state IN ({_listed(COUNTED)})), 0)"
    " + COALESCE((SELECT SUM(c.amount_minor) FROM payments_clawback c WHERE c.transfer_id = NEW.transfer_id"
    " AND c.decision IN ('', 'booked')), 0)"
    " > COALESCE((SELECT t.amount_minor FROM payments_transfer t WHERE t.id = NEW.transfer_id"
    " AND t.payment_id = NEW.payment_id AND t.currency = NEW.currency"
    " AND t.environment = NEW.environment AND t.fate IN ('credited', 'extra')), 0)"
)
# The same for a manual deposit.
_OVER_DEPOSIT = (
    "NEW.amount_minor"  # noqa: S608 - our own constants
    " + COALESCE((SELECT SUM(r.amount_minor) FROM payments_refund r WHERE r.deposit_id = NEW.deposit_id"
    f" AND r.state IN ({_listed(COUNTED)})), 0)"
    " > COALESCE((SELECT d.amount_minor FROM payments_manualdeposit d WHERE d.id = NEW.deposit_id"
    " AND d.payment_id = NEW.payment_id AND d.currency = NEW.currency"
    " AND d.environment = NEW.environment AND d.decision = 'credited'), 0)"
)
_PAYER = "(SELECT p.user_id FROM payments_payment p WHERE p.id = NEW.payment_id)"


def _entry(source: str, purpose: str) -> str:
    return (
        "EXISTS (SELECT 1 FROM wallet_journalentry e"  # noqa: S608 - our own constants
        f" WHERE e.source = '{source}:' || NEW.reference AND e.purpose = '{purpose}')"
    )


MONEY_BACK: tuple[Guard, ...] = (
    # Refunds
    kept("payments_refund", "a refund is never deleted"),
    frozen(
        "payments_refund",
        "what was asked for never changes in a refund",
        "reference",
        "payment_id",
        "transfer_id",
        "deposit_id",
        "beneficiary_id",
        "environment",
        "amount_minor",
        "currency",
        "leg",
        "receiver",
        "to_account",
        "principal",
        "idempotency_key",
        "body_digest",
        "alone",
        "why",
        "asked_by_id",
        "asked_at",
    ),
    Guard(
        "payments_refund_begins",
        "payments_refund",
        "INSERT",
        f"NEW.state NOT IN ({_listed(BEGINS)})",
        "a refund begins as asked, or approved where one person may do it alone",
    ),
    Guard(
        "payments_refund_payer",
        "payments_refund",
        "INSERT",
        f"NEW.beneficiary_id IS DISTINCT FROM {_PAYER}",
        "a refund goes to the payer of its payment",
    ),
    Guard(
        "payments_refund_capped",
        "payments_refund",
        "INSERT",
        f"(NEW.transfer_id IS NOT NULL AND {_OVER}) OR (NEW.deposit_id IS NOT NULL AND {_OVER_DEPOSIT})",
        "no more goes back than came in",
        locks=("payments_payment", "payment_id"),
    ),
    Guard(
        "payments_refund_moves",
        "payments_refund",
        "UPDATE",
        f"NEW.state <> OLD.state AND NOT ({_MOVES})",
        "a refund moves by its table of states only",
    ),
    Guard(
        "payments_refund_sent",
        "payments_refund",
        "UPDATE",
        "NEW.state = 'sent' AND NOT EXISTS (SELECT 1 FROM payments_sending s"
        " WHERE s.refund_id = NEW.id AND s.retracted_at IS NULL)",
        "a refund is sent by a transfer that is named",
    ),
    Guard(
        "payments_refund_evidence",
        "payments_refund",
        "UPDATE",
        "NEW.state = 'done' AND OLD.state <> 'done' AND NOT ("  # noqa: S608 - our own constants
        + _entry("refund", "refund:captured")
        + " AND EXISTS (SELECT 1 FROM payments_sending s"
        " WHERE s.refund_id = NEW.id AND s.seen_at IS NOT NULL))",
        "a refund is done when its transfer was seen and the books have it",
    ),
    once("payments_refund", "decided", "decided_by_id", "who approved a refund never changes"),
    # Transfers that a person sent
    kept("payments_sending", "a sent transfer is never deleted"),
    frozen(
        "payments_sending",
        "what a person recorded as sent never changes",
        "refund_id",
        "item_id",
        "environment",
        "amount_minor",
        "currency",
        "receiver",
        "to_account",
        "hash",
        "reference",
        "evidence_name",
        "evidence_type",
        "evidence_size",
        "evidence_sha256",
        "recorded_by_id",
        "recorded_at",
    ),
    Guard(
        "payments_sending_fits",
        "payments_sending",
        "INSERT",
        "NEW.refund_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM payments_refund r WHERE r.id = NEW.refund_id"
        " AND ((r.deposit_id IS NULL AND NEW.hash <> '')"
        " OR (r.deposit_id IS NOT NULL AND NEW.evidence_sha256 <> '')))",
        "a deposit goes back with its paper, everything else by a transfer that Bakong knows",
    ),
    Guard(
        "payments_sending_paper",
        "payments_sending",
        "INSERT",
        "NEW.evidence_sha256 <> '' AND EXISTS (SELECT 1 FROM payments_manualdeposit d"
        " WHERE d.evidence_sha256 = NEW.evidence_sha256 AND d.environment = NEW.environment"
        " AND d.decision <> 'refused')",
        "this paper brought money in, it did not take money out",
    ),
    Guard(
        "payments_sending_came_in",
        "payments_sending",
        "INSERT",
        "EXISTS (SELECT 1 FROM payments_transfer t WHERE t.hash = NEW.hash)",
        "this hash is money that came in, not money that went out",
    ),
    Guard(
        "payments_sending_amount",
        "payments_sending",
        "INSERT",
        "NEW.refund_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM payments_refund r WHERE r.id = NEW.refund_id"
        " AND r.amount_minor = NEW.amount_minor AND r.currency = NEW.currency"
        " AND r.environment = NEW.environment)",
        "what is sent is what the refund says",
    ),
    Guard(
        "payments_sending_begins",
        "payments_sending",
        "INSERT",
        "NEW.seen_at IS NOT NULL OR NEW.retracted_at IS NOT NULL OR NEW.vouched_by_id IS NOT NULL",
        "a sent transfer is seen after it was recorded",
    ),
    Guard(
        "payments_sending_seen_by_somebody",
        "payments_sending",
        "UPDATE",
        "NEW.seen_at IS NOT NULL AND OLD.seen_at IS NULL AND NEW.vouched_by_id IS NULL"
        " AND NEW.last_outcome <> 'found'",
        "a sent transfer is seen by the bank's word or by a second person's",
    ),
    once("payments_sending", "stays_seen", "seen_at", "a sent transfer that was seen stays seen"),
    once("payments_sending", "stays_vouched", "vouched_by_id", "who vouched for a transfer never changes"),
    once("payments_sending", "stays_retracted", "retracted_at", "a record taken back stays taken back"),
    Guard(
        "payments_reviewitem_returned",
        "payments_reviewitem",
        "UPDATE",
        "NEW.decision = 'returned' AND OLD.decision = ''"
        " AND EXISTS (SELECT 1 FROM payments_transfer t WHERE t.id = NEW.transfer_id"
        " AND t.booked_receiver <> '')"
        " AND NOT EXISTS (SELECT 1 FROM payments_sending s"
        " WHERE s.item_id = NEW.id AND s.seen_at IS NOT NULL)",
        "money is returned by a transfer that was seen",
    ),
    Guard(
        "payments_reviewitem_taken_back",
        "payments_reviewitem",
        "UPDATE",
        "NEW.decision = 'taken_back' AND OLD.decision = ''"
        " AND NOT EXISTS (SELECT 1 FROM payments_transfer t JOIN wallet_journalentry e"
        " ON e.source = 'transfer:' || t.hash AND e.purpose = 'return' WHERE t.id = NEW.transfer_id)",
        "money is taken back when the books have it",
    ),
    Guard(
        "payments_reviewitem_bank_entry",
        "payments_reviewitem",
        "UPDATE",
        "NEW.bank_reference IS NOT NULL AND NEW.bank_reference IS DISTINCT FROM OLD.bank_reference"
        " AND EXISTS (SELECT 1 FROM payments_clawback c WHERE c.bank_reference = NEW.bank_reference"
        " AND c.decision NOT IN ('rejected', 'withdrawn'))",
        "one entry of the bank takes money once",
    ),
    # Claw-backs
    Guard(
        "payments_clawback_bank_entry",
        "payments_clawback",
        "INSERT",
        "EXISTS (SELECT 1 FROM payments_reviewitem i WHERE i.bank_reference = NEW.bank_reference)",
        "one entry of the bank takes money once",
    ),
    kept("payments_clawback", "a claw-back is never deleted"),
    frozen(
        "payments_clawback",
        "what the bank took never changes in a claw-back",
        "reference",
        "payment_id",
        "transfer_id",
        "user_id",
        "environment",
        "amount_minor",
        "currency",
        "leg",
        "receiver",
        "bank_reference",
        "why",
        "asked_by_id",
        "asked_at",
    ),
    Guard(
        "payments_clawback_begins",
        "payments_clawback",
        "INSERT",
        f"NEW.decision <> '' OR NEW.user_id IS DISTINCT FROM {_PAYER}",
        "a claw-back begins undecided and names the payer of its payment",
    ),
    Guard(
        "payments_clawback_capped",
        "payments_clawback",
        "INSERT",
        _OVER,
        "no more goes back than came in",
        locks=("payments_payment", "payment_id"),
    ),
    Guard(
        "payments_clawback_final",
        "payments_clawback",
        "UPDATE",
        "OLD.decision <> '' AND (NEW.decision <> OLD.decision OR NEW.taken_minor <> OLD.taken_minor"
        " OR NEW.owed_minor <> OLD.owed_minor OR NEW.decided_by_id IS DISTINCT FROM OLD.decided_by_id)",
        "a decision about a claw-back stays as it was made",
    ),
    Guard(
        "payments_clawback_evidence",
        "payments_clawback",
        "UPDATE",
        "NEW.decision = 'booked' AND OLD.decision = '' AND NOT " + _entry("clawback", "claw_back"),
        "a claw-back is booked when the books have it",
    ),
    Guard(
        "payments_clawback_repaid",
        "payments_clawback",
        "UPDATE",
        "NEW.repaid_minor <> OLD.repaid_minor AND NEW.repaid_minor <> COALESCE((SELECT SUM(p.amount_minor)"
        " FROM payments_repayment p WHERE p.clawback_id = NEW.id AND p.decision = 'booked'), 0)",
        "what is repaid is the sum of the repayments",
    ),
    # Repayments
    kept("payments_repayment", "a repayment is never deleted"),
    frozen(
        "payments_repayment",
        "a repayment keeps what it says",
        "clawback_id",
        "number",
        "how",
        "amount_minor",
        "why",
        "asked_by_id",
        "asked_at",
    ),
    Guard(
        "payments_repayment_capped",
        "payments_repayment",
        "INSERT",
        "NEW.amount_minor + COALESCE((SELECT SUM(p.amount_minor) FROM payments_repayment p"
        " WHERE p.clawback_id = NEW.clawback_id AND p.decision IN ('', 'booked')), 0)"
        " > (SELECT c.owed_minor FROM payments_clawback c WHERE c.id = NEW.clawback_id)",
        "no more is repaid than is owed",
        locks=("payments_clawback", "clawback_id"),
    ),
    Guard(
        "payments_repayment_final",
        "payments_repayment",
        "UPDATE",
        "OLD.decision <> '' AND NEW.decision <> OLD.decision",
        "a decision about a repayment stays as it was made",
    ),
)

MONEY_BACK_REPLACEABLE: tuple[tuple[str, tuple[tuple[str, ...] | str, ...]], ...] = (
    (
        "payments_refund",
        (("id",), ("reference",), ("principal", "environment", "idempotency_key")),
    ),
    (
        "payments_sending",
        (
            ("id",),
            "hash = NEW.hash AND hash <> '' AND retracted_at IS NULL AND NEW.retracted_at IS NULL",
            "evidence_sha256 = NEW.evidence_sha256 AND evidence_sha256 <> ''"
            " AND environment = NEW.environment AND retracted_at IS NULL",
            "reference = NEW.reference AND reference <> '' AND retracted_at IS NULL",
            "refund_id = NEW.refund_id AND retracted_at IS NULL",
            "item_id = NEW.item_id AND retracted_at IS NULL",
        ),
    ),
    (
        "payments_clawback",
        (
            ("id",),
            ("reference",),
            "bank_reference = NEW.bank_reference AND decision NOT IN ('rejected', 'withdrawn')",
        ),
    ),
    ("payments_repayment", (("id",), ("clawback_id", "number"))),
)
