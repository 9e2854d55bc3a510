"""Alerts: once per event, by every channel, tried again when nobody took it, never with a secret inside."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from itertools import pairwise
from typing import Any

import pytest

from vinflow.money import Currency, Money


class Listener:
    """A server that keeps what it is told; status is what it answers."""

    def __init__(self) -> None:
        self.status = 200
        self.heard: list[tuple[str, dict[str, str], bytes]] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.heard.append((self.path, dict(self.headers), body))
                self.send_response(listener.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def step(shop: Any, told: list[str]) -> Any:
    """step(after_s) looks at that moment with a channel that takes everything; returns the new keys."""
    from vinflow.backoffice import alerting
    from vinflow.payments import watching

    def look(after_s: float = 0, *, takes: bool = True, watcher: bool = True) -> list[str]:
        before, at = len(told), shop.at + timedelta(seconds=after_s)
        if watcher:
            watching.pulse("w", at=at)

        def way(alert: Any) -> bool:
            told.append(alert.key)
            return takes

        alerting.step(at=at, ways=[("test", way)])
        return told[before:]

    return look


def test_a_calm_shop_sends_nothing(step: Any) -> None:
    assert step() == []


@pytest.mark.both
def test_an_event_is_told_once_and_anew_only_when_it_has_been_gone(step: Any) -> None:
    assert step(0, watcher=False) == ["watcher"]
    assert step(60, watcher=False) == []
    assert step(120) == []  # over
    assert step(600, watcher=False) == []  # back within half an hour: the same event
    assert step(660) == []
    assert step(4000, watcher=True) == []
    assert step(4300, watcher=False) == ["watcher"]


def test_each_new_review_item_is_told_and_the_old_ones_are_not_repeated(step: Any, shop: Any) -> None:
    first = shop.item(shop.at_state("review"))
    assert step() == [f"mismatch_{first.pk}"]
    assert step(60) == []

    second = shop.item(shop.at_state("review", money=Money(300, Currency.USD)))
    assert step(120) == [f"mismatch_{second.pk}"]


@pytest.mark.both
def test_what_nobody_took_is_tried_again_later_and_later(step: Any) -> None:
    tries = [after for after in range(0, 3600, 60) if step(after, takes=False, watcher=False)]

    assert tries[0] == 0
    gaps = [later - sooner for sooner, later in pairwise(tries)]
    assert gaps == sorted(gaps)
    assert len(tries) < 8
    assert step(9000, watcher=False) == ["watcher"]
    assert step(9060, watcher=False) == []


def test_a_token_is_told_of_at_fourteen_seven_and_one_days(step: Any, shop: Any, settings: Any) -> None:
    import base64

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    ends = int((shop.at + timedelta(days=20)).timestamp())
    settings.KHQR_API_KEY = f"{part({'alg': 'none'})}.{part({'exp': ends})}.sign"

    keys = {day: step(day * 86400) for day in range(20)}

    assert {day: found for day, found in keys.items() if found} == {
        6: ["token_14"],
        13: ["token_7"],
        19: ["token_1"],
    }


def test_a_gateway_that_refuses_and_calls_that_run_out_are_told(step: Any, shop: Any, settings: Any) -> None:
    from vinflow.payments.models import CallBudget

    settings.KHQR_DAILY_CALLS = "10"
    shop.opened()
    CallBudget.objects.update(used=8)
    shop.exchange(outcome="cannot_tell", reason="blocked", http_status=403)

    assert set(step()) == {"quota", "blocked"}


def test_new_safety_limits_are_told_when_proposed_and_when_changed(step: Any, shop: Any) -> None:
    from vinflow.backoffice import safety
    from vinflow.backoffice.settings_form import SAFETY, texts_of
    from vinflow.payments import settings_store

    limits = {name: text for name, text in texts_of(settings_store.current()).items() if name in SAFETY}
    limits["usd_one_person_daily_max"] = "500"
    owner, other = shop.staff("owner", "first"), shop.staff("owner", "second")
    made = safety.propose(limits, by=owner, why="a bigger shop", at=shop.at)
    assert step() == [f"proposal_{made.pk}_open"]

    safety.decide(pk=made.pk, approved=True, by=other, at=shop.at + timedelta(seconds=30))
    assert step(60) == [f"proposal_{made.pk}_approved"]
    assert step(120) == []


@pytest.mark.both
def test_two_processes_tell_one_event_once(shop: Any) -> None:
    from vinflow.backoffice import alerting

    heard: list[str] = []

    def way(alert: Any) -> bool:
        if not heard:
            heard.append(alert.key)
            # Another process looks while this one is still sending.
            alerting.step(at=shop.at, ways=[("other", way)])
            return True
        heard.append(alert.key)
        return True

    alerting.step(at=shop.at, ways=[("one", way)])

    assert heard == ["watcher"]


def test_every_channel_gets_the_sentence_and_the_page_and_nothing_else(
    shop: Any, settings: Any, listener: Listener, mailoutbox: Any
) -> None:
    from vinflow.backoffice import alerting, channels

    settings.VINFLOW_ALERT_EMAILS = ["owner@shop.example"]
    settings.VINFLOW_ALERT_WEBHOOK = f"{listener.url}/hook"
    settings.VINFLOW_ALERT_WEBHOOK_SECRET = "a-shared-secret"
    settings.VINFLOW_TELEGRAM_TOKEN, settings.VINFLOW_TELEGRAM_CHAT = "123:canary", "42"
    settings.VINFLOW_PUBLIC_URL = "https://pay.shop.example"
    shop.at_state("review")
    from vinflow.payments import watching

    watching.pulse("w", at=shop.at)

    alerting.step(at=shop.at, ways=channels.configured(telegram_url=listener.url))

    (letter,) = mailoutbox
    assert letter.to == ["owner@shop.example"]
    assert "https://pay.shop.example/admin/review/" in letter.body
    (hook_path, headers, body), (bot_path, _headers, message) = listener.heard
    assert (hook_path, bot_path) == ("/hook", "/bot123:canary/sendMessage")
    signed = channels.signature("a-shared-secret", headers["X-Vinflow-Timestamp"], body)
    assert headers["X-Vinflow-Signature"] == signed
    assert json.loads(body)["text"] == "1 payment with a different amount or currency"
    assert json.loads(message)["chat_id"] == "42"
    everything = letter.body + letter.subject + body.decode() + message.decode()
    for secret in ("canary", "dara_sok", "sok-dara", "15.00", "a-shared-secret"):
        assert secret not in everything


def test_a_channel_that_answers_with_an_error_has_not_taken_it(
    shop: Any, settings: Any, listener: Listener, caplog: Any
) -> None:
    from vinflow.backoffice import alerting, channels

    settings.VINFLOW_TELEGRAM_TOKEN, settings.VINFLOW_TELEGRAM_CHAT = "123:canary", "42"
    listener.status = 500
    ways = channels.configured(telegram_url=listener.url)

    assert alerting.step(at=shop.at, ways=ways) == 0
    listener.status = 200
    assert alerting.step(at=shop.at + timedelta(minutes=10), ways=ways) == 1
    assert "canary" not in caplog.text

    unreachable = channels.configured(telegram_url="http://127.0.0.1:9")
    assert unreachable[0][1](channels.Alert("k", "t", "", shop.at, shop.at, "s")) is False


def test_the_command_says_what_is_missing_and_tries_the_channels(
    shop: Any, settings: Any, mailoutbox: Any
) -> None:
    from django.core.management import CommandError, call_command

    with pytest.raises(CommandError, match="VINFLOW_ALERT_EMAILS"):
        call_command("staff_alerts")
    settings.VINFLOW_ALERT_EMAILS = "one@shop.example, two@shop.example"
    out = StringIO()

    call_command("staff_alerts", test=True, stdout=out)
    call_command("staff_alerts", stdout=out)

    assert out.getvalue().splitlines() == ["e-mail: sent", "1 told"]
    assert [letter.to for letter in mailoutbox] == [["one@shop.example", "two@shop.example"]] * 2
