"""`vinflow doctor` beside the stand-in: plain words, what to do, an exit code, and three calls at most."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from vinflow.bakong import AccountState, CannotTell, Diagnosis, Level, Reason, TokenInfo, advise
from vinflow.cli.doctor import doctor
from vinflow.sandbox import Sandbox, SandboxServer

Run = Callable[..., Result]


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """A stand-in with its defaults."""
    with SandboxServer(Sandbox(seed=9)) as started:
        yield started


@pytest.fixture
def run(server: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run doctor with the guide's three variables set to the stand-in's: run("--json", API_KEY=...)."""

    def call(*arguments: str, **changes: str) -> Result:
        sandbox = server.sandbox
        said = {"API_URL": server.url, "MERCHANT_ID": sandbox.account, "API_KEY": sandbox.token} | changes
        for name in ("API_URL", "MERCHANT_ID", "API_KEY", "API_EMAIL", "PROTOCOL", "PROXY", "TIMEOUT_S"):
            monkeypatch.setenv(f"KHQR_{name}", said.get(name, ""))
        return CliRunner().invoke(doctor, ["--no-site", *arguments])

    return call


def facts(result: Result) -> dict[str, Any]:
    """The JSON of a run."""
    return dict(json.loads(result.stdout))


def level(said: dict[str, Any], topic: str) -> str:
    """How a topic was judged."""
    return next(finding["level"] for finding in said["findings"] if finding["topic"] == topic)


def test_a_healthy_way_is_told_in_plain_words(run: Run, server: SandboxServer) -> None:
    result = run()

    assert result.exit_code == 0
    assert "lets this machine in" in result.stdout
    assert "it lasts 90 more days" in result.stdout
    assert "The receiving account exists." in result.stdout
    assert "md5 list is closed to this token, the hash list open" in result.stdout
    assert server.sandbox.token not in result.output
    assert server.sandbox.used() <= 3


def test_a_program_gets_json(run: Run, server: SandboxServer) -> None:
    said = facts(run("--json"))

    assert said["ok"]
    assert said["protocol"] == "open-api"
    assert said["token_accepted"]
    assert said["account"] == "exists"
    assert (said["md5_list_open"], said["hash_list_open"]) == (False, True)
    assert server.sandbox.used() <= said["metered_calls"] <= 3


def test_a_refused_machine_is_told_that_its_token_is_not_the_cause(run: Run, server: SandboxServer) -> None:
    server.sandbox.switch(geo_block="cloudfront")

    result = run()

    assert result.exit_code == 1
    assert "outside Cambodia" in result.stdout
    assert "proxy of your own" in result.stdout
    assert server.sandbox.used() == 0


def test_a_wrong_token_is_told(run: Run) -> None:
    said = facts(run("--json", API_KEY="another-banks-token"))

    assert level(said, "token") == "bad"
    assert level(said, "account") == "ok"


def test_no_token_is_told_and_nothing_is_spent(run: Run, server: SandboxServer) -> None:
    result = run("--json", API_KEY="")

    assert result.exit_code == 1
    assert level(facts(result), "token") == "bad"
    assert facts(result)["metered_calls"] == server.sandbox.used() == 0


def test_an_account_that_does_not_exist_is_told(run: Run) -> None:
    result = run("--json", MERCHANT_ID="nobody_here@devb")

    assert result.exit_code == 1
    assert level(facts(result), "account") == "bad"


def test_a_spent_day_is_told(run: Run, server: SandboxServer) -> None:
    server.sandbox.set_used(100)

    result = run("--json")

    assert result.exit_code == 1
    assert level(facts(result), "quota") == "bad"
    assert level(facts(result), "token") == "ok"


def test_a_wrong_clock_is_told(run: Run, server: SandboxServer) -> None:
    server.sandbox.advance(3600)

    result = run()

    assert result.exit_code == 1
    assert "s behind Bakong's" in result.stdout
    assert "NTP" in result.stdout


def test_an_expired_token_with_an_email_heals_and_is_told_as_good(run: Run, server: SandboxServer) -> None:
    sandbox = server.sandbox
    said = facts(run("--json", API_KEY=sandbox.expired_token(email=sandbox.email), API_EMAIL=sandbox.email))

    assert said["token_accepted"]
    assert level(said, "token") == "ok"
    assert said["token_days_left"] > 89
    assert sandbox.email not in json.dumps(said)


def test_the_hosted_dialect_is_told_by_the_merchant_id(run: Run, server: SandboxServer) -> None:
    sandbox = server.sandbox

    right = run("--json", MERCHANT_ID=sandbox.merchant_md5, API_KEY=sandbox.hosted_token)
    wrong = run("--json", MERCHANT_ID=sandbox.merchant_md5, API_KEY="another-gateways-token")

    assert facts(right)["protocol"] == "hosted"
    assert (right.exit_code, wrong.exit_code) == (0, 1)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "https://bakong.invalid"])
def test_an_address_where_nothing_is_is_told(run: Run, url: str) -> None:
    result = run(API_URL=url)

    assert result.exit_code == 1
    assert "Nothing answers at this address" in result.stdout


def test_an_address_with_the_prefix_in_it_is_told(run: Run, server: SandboxServer) -> None:
    result = run(API_URL=f"{server.url}/v1")

    assert result.exit_code == 1
    assert "without /v1" in result.stdout


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"MERCHANT_ID": ""}, "KHQR_MERCHANT_ID"),
        ({"MERCHANT_ID": "shop"}, "KHQR_MERCHANT_ID"),
        ({"PROTOCOL": "soap"}, "KHQR_PROTOCOL"),
        ({"TIMEOUT_S": "soon"}, "KHQR_TIMEOUT_S"),
        ({"API_URL": "bakong"}, "base_url"),
        ({"API_KEY": "a b"}, "token"),
        ({"API_EMAIL": "nobody"}, "email"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_named(run: Run, changes: dict[str, str], setting: str) -> None:
    result = run(**changes)

    assert result.exit_code == 2
    assert setting in result.stdout
    assert "Traceback" not in result.output


@pytest.mark.django_db(transaction=True)
def test_beside_a_site_its_ledger_counts_the_calls_and_says_what_is_left(
    server: SandboxServer, settings: Any, tmp_path: Any
) -> None:
    from vinflow.payments.models import Exchange

    sandbox = server.sandbox
    settings.KHQR_API_URL = server.url
    settings.KHQR_MERCHANT_ID = sandbox.account
    settings.KHQR_API_KEY = sandbox.token
    settings.KHQR_PROTOCOL = "auto"
    settings.KHQR_DAILY_CALLS = "100"
    settings.DEBUG = True

    result = CliRunner().invoke(doctor, ["--json"])

    said = facts(result)
    assert result.exit_code == 0, result.output
    assert said["calls_left"] == 100
    assert Exchange.objects.count() == said["metered_calls"] == 3
    assert "100 calls are left today" in json.dumps(said)


GOOD = Diagnosis(
    reachable=True,
    refused=False,
    door=None,
    clock_behind_s=0.0,
    token=TokenInfo("00112233445566aa", None, None),
    token_days_left=60.0,
    token_accepted=True,
    account=AccountState.EXISTS,
    md5_list_open=True,
    hash_list_open=True,
    quota_gone=False,
)


def worst(found: Diagnosis, **options: Any) -> Level:
    """The gravest finding."""
    order = [Level.OK, Level.UNKNOWN, Level.LOOK, Level.BAD]
    return max((finding.level for finding in advise(found, **{"renewable": True} | options)), key=order.index)


def changed(**changes: Any) -> Diagnosis:
    """A good diagnosis but for some of it."""
    from dataclasses import replace

    return replace(GOOD, **changes)


@pytest.mark.parametrize(
    ("found", "options", "expected"),
    [
        (GOOD, {}, Level.OK),
        (GOOD, {"calls_left": 5}, Level.OK),
        (GOOD, {"calls_left": 0}, Level.LOOK),
        (GOOD, {"refused_by_budget": True}, Level.LOOK),
        (changed(token_days_left=6.0), {}, Level.LOOK),
        (changed(token_days_left=6.0), {"renewable": False}, Level.LOOK),
        (changed(token_days_left=2.0), {}, Level.LOOK),
        (changed(token_days_left=2.0), {"renewable": False}, Level.BAD),
        (changed(token_days_left=None), {}, Level.OK),
        (changed(token_accepted=None), {}, Level.UNKNOWN),
        (changed(clock_behind_s=45.0), {}, Level.LOOK),
        (changed(clock_behind_s=-45.0), {}, Level.LOOK),
        (changed(clock_behind_s=-500.0), {}, Level.BAD),
        (changed(clock_behind_s=None), {}, Level.UNKNOWN),
        (changed(account=AccountState.INVALID), {}, Level.BAD),
        (changed(account=None), {}, Level.OK),
        (changed(md5_list_open=False), {}, Level.OK),
    ],
)
def test_a_finding_is_as_grave_as_what_it_costs(
    found: Diagnosis, options: dict[str, Any], expected: Level
) -> None:
    assert worst(found, **options) is expected


@pytest.mark.parametrize("reason", list(Reason))
def test_every_way_a_door_can_be_shut_has_a_sentence_and_something_to_do(reason: Reason) -> None:
    found = changed(reachable=False, refused=reason is Reason.BLOCKED, door=CannotTell(reason, "so it is"))

    shut = advise(found, renewable=True)[0]

    assert shut.level is Level.BAD
    assert shut.do
    assert "so it is" in shut.says
