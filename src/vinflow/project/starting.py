"""What a server looks at before its first request: a site that would go wrong does not start."""

from __future__ import annotations

from django.core import checks
from django.core.exceptions import ImproperlyConfigured

__all__ = ["refuse_a_bad_start"]


def refuse_a_bad_start() -> None:
    """Return when every check passes: settings, pages, and the guards inside the database.

    Raises ImproperlyConfigured with a sentence for each fault. The management commands check by themselves;
    a server that only imports the application would otherwise learn of a fault from its first payer.
    """
    found = checks.run_checks(databases=["default"])
    serious = [message for message in found if message.is_serious() and not message.is_silenced()]
    if serious:
        raise ImproperlyConfigured("\n".join(f"{each.msg} {each.hint or ''}".strip() for each in serious))
