"""The rows of payments: fields, constraints and one mutator each; no network, no rules of order.

What must never be false stands here as a constraint, and where a constraint cannot say it (a row
that may not change, a state that may not be left) as a trigger in guards.py.
"""

from __future__ import annotations

from vinflow.payments.models.calls import CallBudget, Credential, Exchange, TokenState, WorkerPulse
from vinflow.payments.models.choices import Method, new_reference
from vinflow.payments.models.clawbacks import ClawBack, Repayment
from vinflow.payments.models.deposits import ManualDeposit
from vinflow.payments.models.payments import Attempt, AttemptQuerySet, Payment
from vinflow.payments.models.policy import PaymentSettings, ReceiverAlias, SettingsChange
from vinflow.payments.models.proposing import Proposal, by_another, decided_whole
from vinflow.payments.models.reconciling import (
    BooksCheck,
    ClosingBalance,
    Difference,
    Reconciliation,
    Unanswered,
)
from vinflow.payments.models.refunds import Leg, Refund, Sending
from vinflow.payments.models.statements import Statement, StatementFormat, StatementLine
from vinflow.payments.models.transfers import Fate, ReviewItem, Transfer

__all__ = [
    "Attempt",
    "AttemptQuerySet",
    "BooksCheck",
    "CallBudget",
    "ClawBack",
    "ClosingBalance",
    "Credential",
    "Difference",
    "Exchange",
    "Fate",
    "Leg",
    "ManualDeposit",
    "Method",
    "Payment",
    "PaymentSettings",
    "Proposal",
    "ReceiverAlias",
    "Reconciliation",
    "Refund",
    "Repayment",
    "ReviewItem",
    "Sending",
    "SettingsChange",
    "Statement",
    "StatementFormat",
    "StatementLine",
    "TokenState",
    "Transfer",
    "Unanswered",
    "WorkerPulse",
    "by_another",
    "decided_whole",
    "new_reference",
]
