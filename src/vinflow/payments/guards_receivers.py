"""What the database itself refuses about accepted receivers: one owner alone, and rewriting afterwards."""

from __future__ import annotations

from vinflow.payments.guard_rules import Guard, frozen, kept

__all__ = ["RECEIVERS", "RECEIVERS_REPLACEABLE"]

RECEIVERS: tuple[Guard, ...] = (
    kept("payments_receiveralias", "a change of accepted receivers is never deleted"),
    frozen(
        "payments_receiveralias",
        "which account, whether to accept it, by whom and why never changes",
        "environment",
        "account",
        "accepted",
        "why",
        "proposed_by_id",
        "proposed_at",
    ),
    Guard(
        "payments_receiveralias_proposed",
        "payments_receiveralias",
        "INSERT",
        "NEW.decision <> ''",
        "a change of accepted receivers begins as a proposal of one owner",
    ),
    Guard(
        "payments_receiveralias_final",
        "payments_receiveralias",
        "UPDATE",
        "OLD.decision <> '' AND (NEW.decision <> OLD.decision"
        " OR NEW.decided_by_id IS DISTINCT FROM OLD.decided_by_id"
        " OR NEW.decided_at IS DISTINCT FROM OLD.decided_at)",
        "a decision about accepted receivers stays as it was made",
    ),
)

RECEIVERS_REPLACEABLE: tuple[tuple[str, tuple[tuple[str, ...] | str, ...]], ...] = (
    (
        "payments_receiveralias",
        (("id",), "environment = NEW.environment AND account = NEW.account AND decision = ''"),
    ),
)
