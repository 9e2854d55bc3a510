"""manage.py wallet_roles: the PostgreSQL roles under which nobody who serves owns the books."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections, transaction

from vinflow.wallet.roles import owned_by_us, role_statements


class Command(BaseCommand):
    """Prints SQL unless told to apply it."""

    help = "Print or apply the PostgreSQL roles in which the application owns no journal table."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="alias of the database")
        parser.add_argument("--owner", default="vinflow_owner", help="role that owns the books and migrates")
        parser.add_argument("--app", default="vinflow_app", help="role that the site connects as")
        parser.add_argument("--schema", default="public", help="schema that holds the tables")
        parser.add_argument("--apply", action="store_true", help="run the SQL instead of printing it")
        parser.add_argument(
            "--check",
            action="store_true",
            help="say whether the connected role could bend the books; exit 1 then",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print, apply or check."""
        connection = connections[options["database"]]
        if connection.vendor != "postgresql":
            raise CommandError("SQLite has no roles: whoever can write the file owns the books")
        if options["check"]:
            if tables := owned_by_us(connection):
                raise CommandError(f"the connected role can change {', '.join(tables)}", returncode=1)
            self.stdout.write("the connected role owns none of the books and can only add to them")
            return
        try:
            statements = role_statements(owner=options["owner"], app=options["app"], schema=options["schema"])
        except ValueError as wrong:
            raise CommandError(str(wrong)) from None
        if not options["apply"]:
            self.stdout.write("\n".join(f"{statement};" for statement in statements))
            return
        with transaction.atomic(using=options["database"]), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        self.stdout.write(f"{options['owner']} owns the books, {options['app']} can only add to them")
