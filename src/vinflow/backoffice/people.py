"""Who has which role, and how that changes: one owner proposes with a reason, another approves.

Money rule 3: nobody proposes or approves anything about themselves, a superuser neither. A lost second
factor is taken away in the same manner: whoever could do that alone could act as two people.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.db.models import Q

from vinflow.backoffice.models import RoleProposal
from vinflow.backoffice.rights import ROLES
from vinflow.backoffice.words import say

__all__ = [
    "NONE",
    "ROLE_WORDS",
    "Person",
    "Refused",
    "appoint_first",
    "decide",
    "propose",
    "role_of",
    "staff",
    "waiting",
]

log = logging.getLogger(__name__)

WHY_LEAST = 3
NONE = ""
ROLE_WORDS = {
    "cashier": "Cashier",
    "accountant": "Accountant",
    "manager": "Manager",
    "owner": "Owner",
    "superuser": "Superuser",
    NONE: "No role",
}
OWNERS_ENOUGH = 2

Kind = RoleProposal.Kind


class Refused(Exception):
    """A change of roles that cannot be made; the sentence is its argument, nothing has changed."""


@dataclass(frozen=True, slots=True)
class Person:
    """One member of staff, as the page shows them."""

    user: Any
    role: str


def role_of(user: Any, groups: Iterable[str] | None = None) -> str:
    """Return the strongest role of a person: superuser, owner, ... cashier; "" for none."""
    if user.is_superuser:
        return "superuser"
    names = set(user.groups.values_list("name", flat=True) if groups is None else groups)
    held = [role for role in ROLES if role in names]
    return held[-1] if held and user.is_staff else NONE


def staff() -> list[Person]:
    """Return everybody who is staff or has a role, by name; two queries."""
    users = get_user_model()._default_manager
    rows = (
        users.filter(Q(is_staff=True) | Q(is_superuser=True) | Q(groups__name__in=list(ROLES)))
        .distinct()
        .prefetch_related("groups")
        .order_by("username")
    )
    return [Person(user, role_of(user, [group.name for group in user.groups.all()])) for user in rows]


def waiting() -> list[RoleProposal]:
    """Return the proposals that nobody has decided, oldest first."""
    rows = RoleProposal.objects.filter(decision="").select_related("subject", "proposed_by")
    return list(rows.order_by("proposed_at", "pk"))


def propose(*, name: str, kind: str, role: str, by: Any, why: str, at: datetime) -> RoleProposal:
    """Store a change for a second owner; return the proposal. Raises Refused.

    name: the username or the e-mail address of the person. role: one of ROLES or "" to take it away;
    ignored for a second factor.
    """
    subject = _named(name)
    if subject.pk == by.pk:
        raise Refused(say("Nobody decides about their own role."))
    if len(why.strip()) < WHY_LEAST:
        raise Refused(say("Say why: the reason is kept."))
    old, new = role_of(subject), NONE
    if kind == Kind.ROLE:
        new = role
        if new not in (*ROLES, NONE):
            raise Refused(say("There is no such role."))
        if old == "superuser":
            raise Refused(say("A superuser is made and unmade on the machine itself, never here."))
        if old == new:
            raise Refused(say("Nothing to save"))
    elif kind == Kind.SECOND_FACTOR:
        old = NONE
    else:
        raise Refused(say("There is no such role."))
    try:
        with transaction.atomic():
            made = RoleProposal.objects.create(
                kind=kind,
                subject=subject,
                old=old,
                new=new,
                why=why.strip()[:2000],
                proposed_by=by,
                proposed_at=at,
            )
    except IntegrityError:
        raise Refused(say("Another proposal is waiting already.")) from None
    log.warning("role proposed", extra={"proposal": made.pk, "kind": str(kind), "old": old, "new": new})
    return made


def _named(name: str) -> Any:
    users = get_user_model()._default_manager
    text = name.replace("\x00", "").strip()[:254]
    found = list(users.filter(Q(username=text) | Q(email__iexact=text))[:2]) if text else []
    if len(found) != 1:
        raise Refused(say("There is no one person of this name."))
    return found[0]


@transaction.atomic
def decide(*, pk: int, approved: bool, by: Any, at: datetime) -> RoleProposal:
    """Carry a proposal out as the second owner, or turn it down; return it. Raises Refused.

    Whose role moved since it was proposed is not whom two people looked at: it must be proposed anew.
    """
    found = RoleProposal.objects.select_for_update().filter(pk=pk, decision="").first()
    if found is None:
        raise Refused(say("This proposal was decided already."))
    if approved:
        if found.proposed_by_id == by.pk:
            raise Refused(say("A second owner must approve what you proposed."))
        if found.subject_id == by.pk:
            raise Refused(say("Nobody decides about their own role."))
        subject = get_user_model()._default_manager.select_for_update().get(pk=found.subject_id)
        if found.kind == Kind.ROLE:
            if role_of(subject) != found.old:
                raise Refused(
                    say("The role has changed since this was proposed. Turn it down and propose again.")
                )
            _give(subject, found.new)
        else:
            _take_second_factor(subject)
    found.decision = "approved" if approved else "rejected"
    found.decided_by, found.decided_at = by, at
    found.save(update_fields=["decision", "decided_by", "decided_at"])
    log.warning("role decided", extra={"proposal": found.pk, "decision": found.decision})
    return found


def _give(subject: Any, role: str) -> None:
    """Make a person's role exactly this one; what was given to them alone goes too when nothing is left."""
    subject.groups.remove(*Group.objects.filter(name__in=list(ROLES)))
    if role:
        subject.groups.add(Group.objects.get(name=role))
    else:
        subject.user_permissions.clear()
    subject.is_staff = bool(role)
    subject.save(update_fields=["is_staff"])


def _take_second_factor(subject: Any) -> None:
    from allauth.mfa.models import Authenticator  # a site without the rule need not install it

    Authenticator.objects.filter(user=subject).delete()


@transaction.atomic
def appoint_first(*, name: str, role: str) -> Any:
    """Give a role from the machine itself, while a shop has fewer than two owners; return the person.

    Two owners cannot be found by two owners. Raises Refused once there are two: from then on roles are
    proposed and approved on the page.
    """
    owners = sum(person.role in ("owner", "superuser") and person.user.is_active for person in staff())
    if owners >= OWNERS_ENOUGH:
        raise Refused("there are two owners: one proposes under Settings -> People, the other approves")
    if role not in ROLES:
        raise Refused(f"{role!r} is no role: {', '.join(ROLES)}")
    subject = _named(name)
    _give(subject, role)
    log.warning("role given from the machine", extra={"role": role})
    return subject
