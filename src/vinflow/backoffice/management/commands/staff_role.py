"""`vinflow manage staff_role NAME ROLE`: the first owners of a shop, from the machine itself."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from vinflow.backoffice import people
from vinflow.backoffice.rights import ROLES

__all__ = ["Command"]


class Command(BaseCommand):
    """Give a role while a shop has fewer than two owners."""

    help = "Give a person a role; refused once there are two owners, who then decide on the page."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take who and what."""
        parser.add_argument("name", help="the user's name or e-mail address")
        parser.add_argument("role", choices=list(ROLES))

    def handle(self, *args: Any, name: str, role: str, **options: Any) -> None:
        """Give it. Raises CommandError with the reason where it is refused."""
        try:
            user = people.appoint_first(name=name, role=role)
        except people.Refused as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write(f"{user.get_username()} is {role} now")
