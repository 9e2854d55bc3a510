"""manage.py seal_ledger: chains and signs the entries that are not in a block yet."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS
from django.utils import timezone

from vinflow.wallet.errors import NotConfigured
from vinflow.wallet.sealing import seal_blocks


class Command(BaseCommand):
    """Runs behind the crediting path, as often as you like, in any number of processes."""

    help = "Chain and sign the ledger entries that are not in a block yet."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="alias of the database")

    def handle(self, *args: Any, **options: Any) -> None:
        """Seal and say how many blocks were made."""
        try:
            made = seal_blocks(at=timezone.now(), using=options["database"])
        except NotConfigured as missing:
            raise CommandError(str(missing)) from None
        self.stdout.write(f"{made} blocks")
