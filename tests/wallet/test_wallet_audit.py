"""The audit command, blocks and heads; what it finds is in test_wallet_attacks.py."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import override_settings

from vinflow.wallet import laws
from vinflow.wallet.audit import audit
from vinflow.wallet.errors import NotConfigured
from vinflow.wallet.models import Block, JournalLine
from vinflow.wallet.sealing import check_head, make_head, seal_blocks
from vinflow.wallet.testing import suspended_guards

pytestmark = [pytest.mark.both, pytest.mark.django_db]
really_commits = pytest.mark.django_db(transaction=True)


def run_audit(**options: object) -> str:
    out = StringIO()
    call_command("audit_ledger", no_progress=True, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def payer(make_user, top_up):
    """A user with seven lines."""
    user = make_user()
    for minor in range(1, 8):
        top_up(user, minor)
    return user


def spoil() -> None:
    with suspended_guards(connection):
        JournalLine.objects.filter(seq=3).update(amount_minor=99)


def test_empty_books_are_right(now):
    report = audit(head=make_head(at=now))

    assert (report.problems, report.entries, report.blocks) == ([], 0, 0)


def test_the_command_counts_what_it_added_up(payer):
    assert "14 lines in 7 entries on 2 accounts, 0 blocks, 7 entries not in a block yet" in run_audit()


@really_commits
def test_the_command_exits_with_one_and_the_reason_when_the_books_are_wrong(payer):
    spoil()
    out = StringIO()

    with pytest.raises(CommandError) as wrong:
        call_command("audit_ledger", no_progress=True, stdout=out)

    assert wrong.value.returncode == 1
    assert "debit and credit differ by" in out.getvalue()


def test_the_report_is_json_when_asked(payer):
    report = json.loads(run_audit(json=True))

    assert report["problem_count"] == 0
    assert report["lines"] == 14


def test_the_progress_reaches_its_end(payer):
    seen = []

    audit(tick=lambda done, total: seen.append((done, total)))

    assert seen[-1] == (14, 14)


def test_the_progress_bar_writes_no_word_into_the_report(payer, capsys):
    call_command("audit_ledger")

    assert capsys.readouterr().out.startswith("14 lines in 7 entries")


def test_blocks_follow_each_other_and_leave_nothing_out(payer, now):
    assert seal_blocks(at=now, size=3) == 3
    assert seal_blocks(at=now, size=3) == 0

    blocks = list(Block.objects.order_by("number"))
    assert [block.entry_count for block in blocks] == [3, 3, 1]
    assert [block.previous_hash for block in blocks] == ["", blocks[0].hash, blocks[1].hash]
    report = audit()
    assert (report.problems, report.blocks, report.unsealed) == ([], 3, 0)


@really_commits
def test_a_head_exported_is_checked_later(payer, top_up, now, tmp_path):
    path = tmp_path / "head.json"
    run_audit(export_head=path)
    for minor in range(5):
        top_up(payer, minor + 1)
    seal_blocks(at=now)

    assert "0 problems" in run_audit(check_head=path)
    head = json.loads(path.read_text())
    assert (head["entries"], head["block"]) == (7, 1)


@really_commits
def test_no_head_is_exported_from_books_that_are_wrong(payer, tmp_path):
    spoil()

    with pytest.raises(CommandError):
        run_audit(export_head=tmp_path / "head.json")
    assert not (tmp_path / "head.json").exists()


def test_a_head_that_was_touched_is_refused(payer, now):
    seal_blocks(at=now)
    head = make_head(at=now)

    assert check_head(head) == []
    assert check_head(head | {"entries": 6}) == ["the head's signature was not made with our key"]
    assert check_head({"version": 7}) == ["the head is not one of ours"]
    assert check_head([]) == ["the head is not one of ours"]
    with override_settings(VINFLOW_LEDGER_KEY="another key of more than thirty-two characters"):
        assert check_head(head) == ["the head's signature was not made with our key"]


def test_a_file_that_is_no_head_is_refused(payer, tmp_path):
    path = tmp_path / "head.json"
    path.write_text("not json")

    with pytest.raises(CommandError, match=r"head\.json"):
        run_audit(check_head=path)
    with pytest.raises(CommandError):
        run_audit(check_head=tmp_path / "missing.json")


@pytest.mark.parametrize("key", [None, "", "short"])
def test_nothing_is_sealed_without_a_key(payer, now, key):
    with override_settings(VINFLOW_LEDGER_KEY=key):
        with pytest.raises(NotConfigured, match="VINFLOW_LEDGER_KEY"):
            seal_blocks(at=now)
        with pytest.raises(CommandError, match="VINFLOW_LEDGER_KEY"):
            call_command("seal_ledger")
        assert audit().notes == ["VINFLOW_LEDGER_KEY is not set: signatures of blocks were not checked"]


def test_the_sealer_is_a_command_too(payer):
    out = StringIO()

    call_command("seal_ledger", stdout=out)

    assert out.getvalue() == "1 blocks\n"


def test_a_law_of_another_room_is_part_of_the_audit(payer, monkeypatch):
    monkeypatch.setattr(laws, "_laws", {})
    laws.register_law("received is credited", lambda using: [f"7 cents too many on {using}"])

    assert audit().problems == ["law broken, received is credited: 7 cents too many on default"]


@really_commits
def test_a_law_may_open_a_transaction_of_its_own_to_read_in(payer, monkeypatch):
    def law(using):
        with transaction.atomic(using=using):
            return [f"{JournalLine.objects.count()} lines"]

    monkeypatch.setattr(laws, "_laws", {"counting": law})

    assert audit().problems == ["law broken, counting: 14 lines"]
    assert audit().problem_count == 1


@really_commits
def test_an_audit_keeps_no_writer_out_and_sees_one_moment(payer, top_up, monkeypatch):
    """The law runs inside the audit: somebody else credits a wallet just then, and is not kept waiting."""
    seen = []

    def credit_elsewhere() -> int:
        try:
            return top_up(payer, 5).pk
        finally:
            connection.close()

    def meanwhile(using: str) -> list[str]:
        with ThreadPoolExecutor(1) as other:
            other.submit(credit_elsewhere).result()
        seen.append(JournalLine.objects.count())
        return []

    monkeypatch.setattr(laws, "_laws", {"meanwhile": meanwhile})

    assert audit().lines == 14
    assert seen == [14]
    assert JournalLine.objects.count() == 16


def test_a_thousand_problems_are_kept_and_all_are_counted(payer):
    report = audit()

    report.take(f"problem {number}" for number in range(1_500))

    assert (len(report.problems), report.problem_count) == (1_000, 1_500)
    assert not report.is_clean
