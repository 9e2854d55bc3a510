"""Tell people what needs attention, by the channels of the settings: once, or every so many seconds."""

from __future__ import annotations

import logging
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection

from vinflow.backoffice import alerting, channels
from vinflow.payments import clock

log = logging.getLogger(__name__)


class Command(BaseCommand):
    """vinflow manage staff_alerts [--every 60] [--test]"""

    help = "Send what needs attention by e-mail, webhook and Telegram, once per event."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take how often to look, and whether only to try the channels."""
        parser.add_argument(
            "--every", type=int, default=0, metavar="SECONDS", help="go on looking; 10 or more"
        )
        parser.add_argument("--test", action="store_true", help="send one message by every channel and stop")

    def handle(self, *args: Any, every: int, test: bool, **options: Any) -> None:
        """Look, and say what was told. Raises CommandError where nothing is set up or a test fails."""
        ways = channels.configured()
        if not ways:
            raise CommandError(
                "no channel: set VINFLOW_ALERT_EMAILS, VINFLOW_ALERT_WEBHOOK, "
                "or VINFLOW_TELEGRAM_TOKEN and VINFLOW_TELEGRAM_CHAT"
            )
        if test:
            self._try(ways)
            return
        if every and every < 10:
            raise CommandError("--every is 10 seconds or more")
        while True:
            try:
                told = alerting.step(at=clock.aligned(), ways=ways)
                self.stdout.write(f"{told} told")
            except DatabaseError:
                if not every:
                    raise
                log.exception("the database did not answer; the next look tries again")
                connection.close()
            if not every:
                return
            time.sleep(every)

    def _try(self, ways: list[tuple[str, channels.Channel]]) -> None:
        alert = channels.Alert("test", "A test of VinFlow's alerts", "", clock.now(), clock.now(), "VinFlow")
        failed = [name for name, way in ways if not way(alert)]
        for name, _way in ways:
            self.stdout.write(f"{name}: {'failed' if name in failed else 'sent'}")
        if failed:
            raise CommandError(f"not sent: {', '.join(failed)}")
