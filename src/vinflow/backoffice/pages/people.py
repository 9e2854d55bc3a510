"""Settings -> People: who may do what; one owner proposes a change, another approves it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from vinflow.backoffice import people as roles
from vinflow.backoffice.desk import desk
from vinflow.backoffice.models import RoleProposal
from vinflow.backoffice.people import ROLE_WORDS
from vinflow.backoffice.rights import ROLES
from vinflow.backoffice.words import say
from vinflow.payments import clock

__all__ = ["people", "role"]

TRAIL = 20


@desk("people")
def people(request: HttpRequest) -> HttpResponse:
    """Show everybody of the staff, what waits for a second owner, and what was decided lately."""
    decided = RoleProposal.objects.exclude(decision="").select_related("subject", "proposed_by", "decided_by")
    context = {
        "here": "settings",
        "staff": [(person, say(ROLE_WORDS[person.role])) for person in roles.staff()],
        "waiting": [
            (one, *_words(one), request.user.pk in (one.proposed_by_id, one.subject_id))
            for one in roles.waiting()
        ],
        "trail": [(one, *_words(one)) for one in decided.order_by("-pk")[:TRAIL]],
        "roles": [(name, say(ROLE_WORDS[name])) for name in (*ROLES, roles.NONE)],
    }
    return render(request, "backoffice/people.html", context)


def _words(one: RoleProposal) -> tuple[str, str]:
    if one.kind == RoleProposal.Kind.SECOND_FACTOR:
        return say("Second factor"), say("Set up anew")
    return say(ROLE_WORDS.get(one.old, one.old)), say(ROLE_WORDS.get(one.new, one.new))


@desk("role", "POST")
def role(request: HttpRequest) -> HttpResponse:
    """Take a proposal, an approval or a refusal, and go back to the list."""
    at, given = clock.now(), request.POST
    act, number = given.get("act", ""), given.get("proposal", "")
    try:
        if act == "propose":
            roles.propose(
                name=given.get("name", ""),
                kind=given.get("kind", RoleProposal.Kind.ROLE),
                role=given.get("role", ""),
                by=request.user,
                why=given.get("why", ""),
                at=at,
            )
            messages.success(request, say("Proposed. Another owner must approve it."))
        elif act in ("approve", "reject") and number.isascii() and number.isdigit() and len(number) < 18:
            roles.decide(pk=int(number), approved=act == "approve", by=request.user, at=at)
            messages.success(
                request, say("It holds now.") if act == "approve" else say("The proposal is closed.")
            )
        else:
            messages.error(request, say("This proposal was decided already."))
    except roles.Refused as refused:
        messages.error(request, refused.args[0])
    return redirect("backoffice:people")
