"""The figures against the rows, the charts against their tables, what needs attention, the probes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from vinflow.money import Currency, Money


def tile(client: Any, key: str, query: str = "") -> str:
    text = client.get(f"/admin/{query}").content.decode()
    found = re.search(rf'data-testid="tile-{key}".*?data-value>([^<]*)<', text, re.DOTALL)
    assert found is not None
    return found[1]


def attention(client: Any) -> set[str]:
    return set(re.findall(r'data-note="(\w+)"', client.get("/admin/").content.decode()))


@pytest.fixture
def day(shop: Any) -> Any:
    """A seeded day: dollars and riel paid, one late, one expired, one waiting, one in review."""
    for _ in range(3):
        shop.at_state("completed", money=Money(1050, Currency.USD))
    shop.at_state("late", money=Money(200, Currency.USD))
    shop.at_state("completed", money=Money(41_000, Currency.KHR))
    shop.at_state("expired")
    shop.at_state("pending")
    shop.at_state("review")
    return shop


@pytest.mark.both
def test_the_tiles_equal_the_sums_of_the_rows(manager: Any, day: Any) -> None:
    from django.db.models import Sum

    from vinflow.payments.models import Payment

    paid = Payment.objects.filter(status="completed")
    for currency in Currency:
        total = paid.filter(currency=currency).aggregate(total=Sum("amount_minor"))["total"]
        assert tile(manager, f"received_{currency.lower()}") == str(
            "$33.50" if currency is Currency.USD else "41,000\u00a0៛"
        )
        assert total == (3350 if currency is Currency.USD else 41_000)
    assert tile(manager, "success") == "83%"  # 5 of 6 that ended; two still wait
    assert tile(manager, "waiting") == "2"
    assert tile(manager, "median") == "0:19"


@pytest.mark.both
def test_what_the_review_desk_gave_counts_as_received(manager: Any, shop: Any) -> None:
    payment = shop.at_state("review", money=Money(1000, Currency.USD))
    assert tile(manager, "received_usd") == "$0.00"

    manager.post(
        f"/admin/review/{shop.item(payment).pk}/decide/", {"decision": "credited", "why": "as agreed"}
    )

    assert tile(manager, "received_usd") == "$15.00"
    assert 'vinflow_received_minor_total{currency="USD"} 1500.0' in manager.get("/metrics").content.decode()


def test_yesterdays_money_is_not_todays(manager: Any, shop: Any) -> None:
    from vinflow.payments import clock

    with clock.used(lambda: shop.at - timedelta(days=1)):
        yesterday = type(shop)(at=shop.at - timedelta(days=1))
        yesterday.numbers = shop.numbers
        yesterday.at_state("completed", money=Money(500, Currency.USD))
    shop.at_state("completed", money=Money(200, Currency.USD))

    assert tile(manager, "received_usd") == "$2.00"
    assert tile(manager, "received_usd", "?range=7") == "$7.00"
    assert "\u221260 % versus the period before" in manager.get("/admin/").content.decode()


@pytest.mark.both
def test_the_list_behind_a_tile_has_the_payments_it_counted(manager: Any, day: Any) -> None:
    text = manager.get("/admin/").content.decode()
    expected = {"received_usd": 4, "received_khr": 1, "success": 8, "waiting": 1}
    for key, count in expected.items():
        found = re.search(rf'href="([^"]*)" data-testid="tile-{key}"', text)
        assert found is not None
        listed = manager.get(found[1].replace("&amp;", "&")).content.decode()
        assert listed.count('data-testid="row"') == count, key


@pytest.mark.both
def test_each_chart_has_a_sentence_and_a_table_of_the_same_numbers(manager: Any, day: Any) -> None:
    text = manager.get("/admin/?range=7").content.decode()
    chart = text.split('data-testid="chart-received_usd"')[1].split("</section>")[0]

    assert "Received per day, USD: highest $33.50 on 24/11, total $33.50" in chart
    assert chart.count("<tr>") == 8  # a heading and seven days
    assert chart.count("$33.50</td>") == 1
    results = text.split('data-testid="chart-results"')[1].split("</section>")[0]
    drawn = re.findall(r"<title>24/11: (\w[\w ]*) (\d+)</title>", results)
    assert dict(drawn) == {"Completed": "4", "Paid late": "1", "Waiting": "2", "Expired": "1"}


@pytest.mark.both
def test_answer_times_are_given_by_operation(manager: Any, shop: Any) -> None:
    for ms in range(1, 101):
        shop.exchange(milliseconds=ms)
    shop.exchange(operation="generate_deeplink_by_qr", outcome="link", milliseconds=900)
    shop.exchange(outcome="cannot_tell", reason="timeout", milliseconds=15_000, started_at=shop.at)

    text = manager.get("/admin/").content.decode()
    row = text.split('data-operation="check_transaction_by_md5"')[1].split("</tr>")[0]

    assert "data-count>101<" in row
    spans = dict(re.findall(r'data-span="(\w+)">([\d,]+)<', row))
    assert spans == {"p50": "51", "p95": "96", "p99": "100"}
    assert "no answer in time 1" in row


@pytest.mark.both
def test_the_overview_takes_at_most_twelve_queries(
    manager: Any, day: Any, settings: Any, django_assert_max_num_queries: Any
) -> None:
    from vinflow.payments import watching

    watching.pulse("w", at=day.at)
    day.exchange()
    for query in ("", "?range=7", "?range=30"):
        with django_assert_max_num_queries(12):
            manager.get(f"/admin/{query}")


def jwt(ends_at: Any) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part({'exp': int(ends_at.timestamp())})}.sign"


class TestNeedsAttention:
    def test_a_calm_shop_says_so(self, manager: Any, shop: Any) -> None:
        from vinflow.payments import watching

        watching.pulse("w", at=shop.at)

        assert attention(manager) == set()
        assert "Nothing needs attention" in manager.get("/admin/").content.decode()

    def test_a_watcher_that_is_silent(self, manager: Any, shop: Any) -> None:
        from vinflow.payments import watching

        assert "watcher" in attention(manager)
        watching.pulse("w", at=shop.at - timedelta(minutes=3))
        assert "watcher" in attention(manager)
        watching.pulse("w", at=shop.at)
        assert "watcher" not in attention(manager)

    def test_a_mismatch_until_it_is_decided(self, manager: Any, shop: Any) -> None:
        payment = shop.at_state("review")
        assert "mismatch" in attention(manager)

        manager.post(
            f"/admin/review/{shop.item(payment).pk}/decide/", {"decision": "credited", "why": "as agreed"}
        )
        assert "mismatch" not in attention(manager)

    def test_a_late_payment_on_hold(self, manager: Any, shop: Any) -> None:
        from vinflow.payments import settings_store

        settings_store.save({"late_credit": False}, by=None, at=shop.at)
        payment = shop.at_state("late")
        assert payment.status == "expired"

        assert "late" in attention(manager)

    def test_a_payment_past_expiry_without_a_word(self, manager: Any, shop: Any) -> None:
        from vinflow.bakong import NotFound

        payment = shop.at_state("confirming")
        assert "stuck" in attention(manager)

        shop.answer(payment, NotFound())
        assert "stuck" not in attention(manager)

    def test_a_token_that_ends_within_a_week(self, manager: Any, shop: Any, settings: Any) -> None:
        settings.KHQR_API_KEY = jwt(shop.at + timedelta(days=5, hours=1))
        assert "token" in attention(manager)
        assert "The access token expires in 5 days" in manager.get("/admin/").content.decode()

        settings.KHQR_API_KEY = jwt(shop.at + timedelta(days=30))
        assert "token" not in attention(manager)

    def test_a_gateway_that_fails_or_refuses(self, manager: Any, shop: Any) -> None:
        for _ in range(4):
            shop.exchange()
        shop.exchange(outcome="cannot_tell", reason="timeout")
        assert "gateway" in attention(manager)

        shop.exchange(outcome="cannot_tell", reason="blocked", http_status=403)
        assert "blocked" in attention(manager)

    def test_calls_that_run_out(self, manager: Any, shop: Any, settings: Any) -> None:
        from vinflow.payments import budgeting, conf
        from vinflow.payments.models import CallBudget

        settings.KHQR_DAILY_CALLS = "10"
        shop.opened()
        CallBudget.objects.update(used=8)
        assert "quota" in attention(manager)

        budgeting.close_for_quota(budgeting.token_id(conf.api_key()), at=shop.at)
        assert "quota_gone" in attention(manager)

    def test_books_that_do_not_add_up(self, manager: Any, shop: Any) -> None:
        from vinflow.payments.models import PaymentSettings

        PaymentSettings.objects.create(
            singleton=1, spending_stopped_at=shop.at, spending_stopped_why="a test"
        )

        assert "books" in attention(manager)


@pytest.mark.both
def test_the_days_quota_is_what_the_budget_itself_says(shop: Any, settings: Any) -> None:
    from vinflow.backoffice.quota import today
    from vinflow.payments import budgeting, conf, quota

    settings.KHQR_DAILY_CALLS = "40"
    token = budgeting.token_id(conf.api_key())
    for _ in range(5):
        shop.opened()

    left, said = quota.room(token, at=shop.at), today(at=shop.at)

    assert said is not None
    assert (said.allowed, said.used, said.aside) == (left.allowed, left.used, left.aside)
    assert said.confirmable == quota.confirmable(token, at=shop.at)
    assert said.aside == 5


class TestProbes:
    def test_health_answers_anybody_and_tells_nothing_more(self, client: Any, shop: Any) -> None:
        answer = client.get("/health")

        assert (answer.status_code, answer.json()) == (200, {"database": "ok"})
        assert "no-store" in answer["Cache-Control"]

    def test_a_balancer_on_the_inside_is_not_sent_to_https(
        self, client: Any, shop: Any, settings: Any
    ) -> None:
        settings.SECURE_SSL_REDIRECT = True

        assert client.get("/health").status_code == 200
        assert client.get("/ready").status_code == 503  # no watcher; the answer itself is there
        assert client.get("/admin/").status_code == 301

    def test_health_says_when_the_database_is_gone(self, client: Any, shop: Any) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE payments_settings RENAME TO payments_settings_away")

        assert client.get("/health").status_code == 503
        assert client.get("/ready").status_code == 503

    def test_ready_wants_a_watcher_and_whole_settings(self, client: Any, shop: Any, settings: Any) -> None:
        from vinflow.payments import watching

        assert client.get("/ready").json()["watcher"] == "silent"
        watching.pulse("w", at=shop.at)
        assert client.get("/ready").status_code == 200

        settings.KHQR_MERCHANT_ID = "neither"
        answer = client.get("/ready")
        assert (answer.status_code, answer.json()["settings"]) == (503, "wrong")

    def test_a_day_without_calls_is_still_ready(self, client: Any, shop: Any) -> None:
        from vinflow.payments import budgeting, conf, watching

        watching.pulse("w", at=shop.at)
        budgeting.close_for_quota(budgeting.token_id(conf.api_key()), at=shop.at)

        answer = client.get("/ready")
        assert (answer.status_code, answer.json()["budget"]) == (200, "gone")

    def test_metrics_open_to_the_token_or_to_staff_and_to_nobody_else(
        self, client: Any, signed_in: Callable[..., Any], settings: Any
    ) -> None:
        def ask(token: str) -> int:
            return int(client.get("/metrics", headers={"Authorization": token}).status_code)

        assert ask("Bearer ") == 404  # no token is set: none opens
        settings.VINFLOW_METRICS_TOKEN = "a-token-for-prometheus"
        assert ask("Bearer a-token-for-prometheus") == 200
        assert [ask("Bearer wrong"), ask("a-token-for-prometheus"), ask("Bearer ខ្មែរ")] == [404] * 3
        assert client.get("/metrics").status_code == 404
        assert signed_in("cashier").get("/metrics").status_code == 200

    @pytest.mark.both
    def test_metrics_count_the_rows(self, day: Any, signed_in: Callable[..., Any]) -> None:
        from prometheus_client.parser import text_string_to_metric_families

        day.exchange(milliseconds=120)
        day.exchange(milliseconds=3_000, outcome="cannot_tell", reason="timeout")

        text = signed_in("owner").get("/metrics").content.decode()
        samples = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

        assert samples["vinflow_payments", ("currency", "USD"), ("status", "completed")] == 4
        assert samples["vinflow_received_minor_total", ("currency", "USD")] == 3350
        assert samples["vinflow_received_minor_total", ("currency", "KHR")] == 41_000
        assert samples["vinflow_paid_late_total", ("currency", "USD")] == 1
        asked = ("operation", "check_transaction_by_md5")
        assert (
            samples["vinflow_gateway_calls_total", asked, ("outcome", "cannot_tell"), ("reason", "timeout")]
            == 1
        )
        assert samples["vinflow_gateway_seconds_bucket", ("le", "0.25"), asked] == 1
        assert samples["vinflow_gateway_seconds_count", asked] == 2
        assert samples["vinflow_review_open", ("kind", "mismatch")] == 1


@pytest.mark.both
def test_the_review_desk_shows_the_oldest_first_with_expected_beside_came(manager: Any, shop: Any) -> None:
    later = shop.at_state("review", money=Money(700, Currency.USD))
    earlier = shop.at_state("review", money=Money(300, Currency.USD))
    from vinflow.payments.models import ReviewItem

    ReviewItem.objects.filter(payment=earlier).update(opened_at=shop.at - timedelta(hours=2))

    text = manager.get("/admin/review/").content.decode()

    first, second = text.split('data-testid="item"')[1:]
    assert earlier.transaction_id in first
    assert later.transaction_id in second
    assert "$3.00</td>" in first
    assert "$8.00</td>" in first
    assert "••••4321@aclb" in first
    manager.post(
        f"/admin/review/{shop.item(earlier).pk}/decide/",
        {"decision": "credited", "why": "as agreed", "back": "review"},
    )
    assert manager.get("/admin/review/").content.decode().count('data-testid="item"') == 1
    assert earlier.transaction_id in manager.get("/admin/review/?show=decided").content.decode()


def test_spending_goes_on_only_when_the_books_add_up_and_an_owner_says_why(
    shop: Any, signed_in: Callable[..., Any]
) -> None:
    from vinflow.payments import settings_store
    from vinflow.payments.models import PaymentSettings

    PaymentSettings.objects.create(singleton=1, spending_stopped_at=shop.at, spending_stopped_why="a test")
    owner = signed_in("owner")
    assert 'data-testid="stopped"' in owner.get("/admin/ledger/").content.decode()
    assert 'name="why"' not in signed_in("manager").get("/admin/ledger/").content.decode()

    owner.post("/admin/ledger/resume/", {"why": ""})
    assert settings_store.current().spending_stopped_at is not None
    owner.post("/admin/ledger/resume/", {"why": "the statement explains it"})

    assert settings_store.current().spending_stopped_at is None


@pytest.mark.both
def test_the_books_say_when_they_were_checked_and_check_at_a_press(
    shop: Any, signed_in: Any, day: Any
) -> None:
    from django.db import connection

    from vinflow.payments import guards, settings_store, tidying
    from vinflow.payments.models import Transfer

    accountant = signed_in("accountant")
    fresh = accountant.get("/admin/ledger/").content.decode()
    assert "Not checked yet" in fresh
    assert 'data-testid="law-holds"' not in fresh

    tidying.tidy(at=shop.at)  # as the watcher does
    assert 'data-testid="law-holds"' in accountant.get("/admin/ledger/").content.decode()

    guards.drop_guards(connection)  # they stand aside so that a row can be bent at all
    Transfer.objects.filter(fate="credited").update(amount_minor=1)
    accountant.post("/admin/ledger/check/")

    text = accountant.get("/admin/ledger/").content.decode()
    assert settings_store.current().spending_stopped_at == shop.at
    assert 'data-testid="stopped"' in text
    assert 'data-testid="law-holds"' not in text


@pytest.mark.both
def test_the_overview_says_whether_it_is_on_and_whether_the_total_can_be_believed(
    manager: Any, shop: Any
) -> None:
    from vinflow.payments.models import PaymentSettings

    def said() -> list[str]:
        text = manager.get("/admin/").content.decode()
        parts = [text.split(f'data-testid="{name}"')[1].split("</a>")[0] for name in ("is-on", "is-whole")]
        return [re.sub("<[^>]*>", "", part).lstrip(">").strip() for part in parts]

    assert said() == ["KHQR payments: On", "The books were not checked yet"]

    manager.post("/admin/ledger/check/")
    assert said()[1].startswith("The books add up, checked 24 Nov 2026, 12:00")
    row = PaymentSettings.objects.get_or_create(singleton=1)[0]
    for switches in ({"khqr_enabled": False}, {"usd_enabled": False, "khr_enabled": False}):
        changes = {"khqr_enabled": True, "usd_enabled": True, "khr_enabled": True, **switches}
        PaymentSettings.objects.filter(pk=row.pk).update(**changes)
        assert said()[0] == "KHQR payments: Off"

    PaymentSettings.objects.filter(pk=row.pk).update(
        khqr_enabled=True, usd_enabled=True, spending_stopped_at=shop.at, spending_stopped_why="a test"
    )
    assert said() == ["KHQR payments: On", "The books do not add up"]


def test_a_press_on_check_the_books_is_no_sign_of_a_watcher(manager: Any) -> None:
    from vinflow.backoffice import figures

    manager.post("/admin/ledger/check/")

    assert figures.pulse().beat_at is None


@pytest.mark.both
def test_the_books_show_both_currencies_balanced_and_apart(manager: Any, day: Any) -> None:
    manager.post("/admin/ledger/check/")
    text = manager.get("/admin/ledger/").content.decode()

    usd = text.split('data-testid="trial-USD"')[1].split("</section>")[0]
    assert "Balanced" in usd
    assert "$48.50" in usd  # 33.50 credited and 15.00 in suspense
    assert "៛" not in usd
    assert 'data-testid="law-holds"' in text
    entries = manager.get("/admin/ledger/entries/?kind=suspense").content.decode()
    assert entries.count('data-testid="line"') == 2
