"""Safety limits: one owner proposes, another approves."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from vinflow.backoffice import safety
from vinflow.backoffice.desk import desk
from vinflow.backoffice.words import say
from vinflow.payments import clock, receivers
from vinflow.payments.errors import NotConfigured, ReceiverRefused

__all__ = ["proposal", "receiver"]


@desk("proposal", "POST")
def proposal(request: HttpRequest) -> HttpResponse:
    """Take a proposal, an approval or a refusal, and go back to the settings."""
    at = clock.now()
    act, number = request.POST.get("act", ""), request.POST.get("proposal", "")
    try:
        if act == "propose":
            safety.propose(request.POST, by=request.user, why=request.POST.get("why", ""), at=at)
            messages.success(request, say("Proposed. Another owner must approve it."))
        elif act in ("approve", "reject") and number.isascii() and number.isdigit() and len(number) < 18:
            safety.decide(pk=int(number), approved=act == "approve", by=request.user, at=at)
            messages.success(
                request,
                say("The new limits hold now.") if act == "approve" else say("The proposal is closed."),
            )
        else:
            messages.error(request, say("This proposal was decided already."))
    except safety.Refused as refused:
        messages.error(request, refused.args[0])
    return redirect("backoffice:settings")


@desk("receiver", "POST")
def receiver(request: HttpRequest) -> HttpResponse:
    """Take the wish to accept an account as ours, or to stop it, or another owner's decision about one."""
    at = clock.now()
    act, number = request.POST.get("act", ""), request.POST.get("change", "")
    try:
        if act in ("accept", "stop"):
            receivers.propose(
                account=request.POST.get("account", "")[:100].replace("\x00", ""),
                accept=act == "accept",
                why=request.POST.get("why", "").replace("\x00", ""),
                by=request.user,
                at=at,
            )
            messages.success(request, say("Proposed. Another owner must approve it."))
        elif act in ("approve", "reject") and number.isascii() and number.isdigit() and len(number) < 18:
            receivers.decide(pk=int(number), approved=act == "approve", by=request.user, at=at)
            done = say("The change holds now.") if act == "approve" else say("The proposal is closed.")
            messages.success(request, done)
        else:
            messages.error(request, say("This proposal was decided already."))
    except ReceiverRefused as refused:
        messages.error(request, say(str(refused)))
    except NotConfigured as missing:
        messages.error(request, str(missing))
    return redirect(reverse("backoffice:settings") + "#receivers")
