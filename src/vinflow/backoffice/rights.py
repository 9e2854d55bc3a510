"""Who may do what: the rights, the four roles made of them, and the right each address asks for.

This is the whole table; the migration makes the groups from it, the views read it, and a test walks
every address with every role against it. A right is a Django permission, backoffice.<name>, so an owner
may give one to a person alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import Permission
from django.db.models import Q

__all__ = ["ADDRESSES", "RIGHTS", "ROLES", "may", "rights_of"]

RIGHTS: Mapping[str, str] = {
    "see_overview": "Can see the figures",
    "see_transactions": "Can see payments and what was asked about them",
    "export_transactions": "Can download payments",
    "recheck_payment": "Can ask the gateway about a payment",
    "write_note": "Can write notes on payments",
    "see_review": "Can see the review desk",
    "decide_review": "Can decide about odd transfers",
    "see_refunds": "Can see refunds",
    "ask_refund": "Can ask for refunds and record them as sent",
    "approve_refund": "Can approve and reject refunds of others",
    "see_ledger": "Can see the books",
    "reconcile": "Can reconcile, enter closing balances and import statements",
    "see_settings": "Can see payment settings",
    "change_settings": "Can change payment settings",
    "see_deposits": "Can see manual deposits and their evidence",
    "open_deposit": "Can bring in a manual deposit",
    "decide_deposit": "Can approve and turn down manual deposits",
    "change_safety": "Can propose and approve safety limits",
    "change_roles": "Can propose and approve roles",
}

_CASHIER = ("see_overview", "see_transactions", "see_refunds")
_ACCOUNTANT = (
    *_CASHIER,
    *("export_transactions", "write_note", "see_review", "see_ledger", "reconcile", "see_settings"),
    *("see_deposits", "open_deposit"),
)
_MANAGER = (
    *_ACCOUNTANT,
    *("recheck_payment", "decide_review", "ask_refund", "decide_deposit", "change_settings"),
)

ROLES: Mapping[str, tuple[str, ...]] = {
    "cashier": _CASHIER,
    "accountant": _ACCOUNTANT,
    "manager": _MANAGER,
    "owner": tuple(RIGHTS),
}

# The name of each address under backoffice: and the right it asks for. None: open to everybody, and
# the view says what it shows. "metrics" also opens to a scraper that brings the token.
ADDRESSES: Mapping[str, str | None] = {
    "overview": "see_overview",
    "payments": "see_overview",
    "metrics": "see_overview",
    "health": None,
    "ready": None,
    "transactions": "see_transactions",
    "export_csv": "export_transactions",
    "export_xlsx": "export_transactions",
    "export_new": "export_transactions",
    "export": "export_transactions",  # one's own alone, and its file
    "export_file": "export_transactions",
    "payment": "see_transactions",
    "recheck": "recheck_payment",
    "recheck_many": "recheck_payment",
    "note": "write_note",
    "review": "see_review",
    "decide": "decide_review",
    "approve": "decide_review",
    "withdraw": "decide_review",
    "look_up_return": "decide_review",
    "refunds": "see_refunds",
    "refund": "ask_refund",
    "refund_evidence": "see_deposits",
    "refund_sent": "ask_refund",
    "refund_look_up": "ask_refund",
    "refund_give_up": "ask_refund",
    "refund_take_back": "ask_refund",
    "refund_approve": "approve_refund",
    "refund_reject": "approve_refund",
    "refund_vouch": "approve_refund",
    "clawbacks": "see_refunds",
    "clawback": "ask_refund",
    "clawback_withdraw": "ask_refund",
    "clawback_repay": "ask_refund",
    "clawback_approve": "approve_refund",
    "clawback_reject": "approve_refund",
    "repayment_book": "approve_refund",
    "repayment_drop": "ask_refund",  # of somebody else's proposal it asks for approve_refund besides
    "ledger": "see_ledger",
    "entries": "see_ledger",
    "check_books": "see_ledger",
    "resume": "change_safety",
    "reconciliation": "see_ledger",
    "report": "see_ledger",
    "report_csv": "reconcile",
    "run": "reconcile",
    "explain": "reconcile",
    "closing": "reconcile",
    "statement": "reconcile",
    "link": "decide_review",
    "settings_home": "see_settings",
    "settings": "see_settings",  # saving asks for change_settings besides
    "connection": "recheck_payment",
    "proposal": "change_safety",
    "receiver": "change_safety",
    "deposits": "see_deposits",
    "deposit_evidence": "see_deposits",
    "deposit_new": "open_deposit",
    "deposit_decide": "decide_deposit",
    "people": "change_roles",
    "role": "change_roles",
}


def rights_of(user: Any) -> frozenset[str]:
    """Return the rights a person has on the staff's pages; none unless they are active staff.

    One query, kept on the user object for the request: Django's own has_perm takes two.
    """
    if not (user.is_authenticated and user.is_active and user.is_staff):
        return frozenset()
    if user.is_superuser:
        return frozenset(RIGHTS)
    kept: frozenset[str] | None = getattr(user, "_desk_rights", None)
    if kept is None:
        given = Permission.objects.filter(
            Q(group__user=user) | Q(user=user), content_type__app_label="backoffice"
        )
        kept = frozenset(given.values_list("codename", flat=True)) & RIGHTS.keys()
        user._desk_rights = kept
    return kept


def may(user: Any, right: str) -> bool:
    """Return whether a person has a right."""
    return right in rights_of(user)
