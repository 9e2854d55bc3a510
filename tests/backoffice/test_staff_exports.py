"""Long exports: written beside the pages, told how far, whole, and only for whoever asked."""

from __future__ import annotations

import csv
import io
import stat
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from vinflow.money import Currency, Money

LIST = "/admin/transactions/"
NEW = f"{LIST}exports/"


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.VINFLOW_EXPORT_FOLDER = str(tmp_path / "exports")
    return tmp_path / "exports"


@pytest.fixture
def long_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list counts as long from three rows on."""
    from vinflow.backoffice import listing

    monkeypatch.setattr(listing, "COUNT_MAX", 2)


@pytest.fixture
def street(shop: Any) -> list[Any]:
    from django.contrib.auth import get_user_model

    evil = get_user_model().objects.create(username="=1+1", email="@SUM(A1)")
    made = [shop.at_state("completed", evil), shop.at_state("expired"), shop.at_state("late")]
    return [*made, shop.at_state("completed", money=Money(41_000, Currency.KHR))]


def begun(shop: Any, kind: str, query: str = "", *, later_s: float = 0) -> Any:
    """A job of the manager as a press begins it; its file is written when the test says so."""
    from vinflow.backoffice import export_jobs
    from vinflow.backoffice.models import ExportJob

    at = shop.at + timedelta(seconds=later_s)
    job, made = export_jobs.begin(ExportJob.Kind(kind), query=query, by=shop.staff("manager"), at=at)
    assert made
    return job


@pytest.mark.both
def test_a_file_is_prepared_told_of_and_taken_by_whoever_asked(
    manager: Any, shop: Any, signed_in: Any, street: list[Any], folder: Path, long_list: None
) -> None:
    from vinflow.backoffice import export_jobs
    from vinflow.backoffice.models import StaffAct

    listed = manager.get(LIST).content.decode()
    assert 'data-testid="prepare-csv"' in listed
    assert "payments.csv" not in listed

    job = begun(shop, "csv", "?currency=USD&size=10")
    page = manager.get(f"{NEW}{job.pk}/")
    assert page["Refresh"] == "3"
    assert "being counted" in page.content.decode()
    export_jobs.write(job.pk)
    page = manager.get(f"{NEW}{job.pk}/")
    assert "Refresh" not in page
    assert "3 payments" in page.content.decode()

    answer = manager.get(f"{NEW}{job.pk}/file/")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert {row["reference"] for row in rows} == {p.transaction_id for p in street if p.currency == "USD"}
    assert sum(Decimal(row["amount"]) for row in rows) == 30
    assert {row["user"] for row in rows} == {"'=1+1", "sok-dara"}
    assert "attachment" in answer["Content-Disposition"]
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert StaffAct.objects.filter(what="export", note="csv ?currency=USD&size=10").count() == 1

    for person in (signed_in("owner"), signed_in("manager", "another")):
        assert person.get(f"{NEW}{job.pk}/").status_code == 404
        assert person.get(f"{NEW}{job.pk}/file/").status_code == 404


def test_a_sheet_holds_amounts_as_numbers_and_names_as_text(
    manager: Any, shop: Any, street: list[Any], folder: Path
) -> None:
    from openpyxl import load_workbook

    from vinflow.backoffice import export_jobs

    job = begun(shop, "xlsx")
    export_jobs.write(job.pk)

    answer = manager.get(f"{NEW}{job.pk}/file/")
    sheet = load_workbook(io.BytesIO(b"".join(answer.streaming_content))).active
    heads = [cell.value for cell in sheet[1]]
    rows = [dict(zip(heads, row, strict=True)) for row in sheet.iter_rows(min_row=2)]
    assert len(rows) == 4
    assert sum(row["amount"].value for row in rows if row["currency"].value == "USD") == 30
    evil = next(row for row in rows if row["user"].value == "=1+1")
    assert (evil["user"].data_type, evil["email"].value) == ("s", "@SUM(A1)")


@pytest.mark.both
def test_one_person_prepares_one_file_at_a_time_and_a_dead_one_is_said(
    manager: Any, shop: Any, street: list[Any], folder: Path
) -> None:
    from vinflow.backoffice.models import ExportJob
    from vinflow.payments import clock

    first = begun(shop, "csv")
    second = manager.post(NEW, {"kind": "xlsx", "query": ""}, follow=True)
    assert ExportJob.objects.count() == 1
    assert "wait for it first" in second.content.decode()

    with clock.used(lambda: shop.at + timedelta(minutes=2)):
        page = manager.get(f"{NEW}{first.pk}/").content.decode()
        assert "restarted while it wrote" in page
    assert begun(shop, "csv", later_s=120).pk != first.pk
    first.refresh_from_db()
    assert (first.fault, first.file_name) == ("stopped", "")


def test_a_full_disk_is_said_in_words_and_leaves_nothing(
    manager: Any, shop: Any, street: list[Any], settings: Any, tmp_path: Path
) -> None:
    from vinflow.backoffice import export_jobs

    (tmp_path / "file").write_text("no folder")
    settings.VINFLOW_EXPORT_FOLDER = str(tmp_path / "file")
    job = begun(shop, "csv")

    export_jobs.write(job.pk)

    assert "the disk is full" in manager.get(f"{NEW}{job.pk}/").content.decode()


def test_files_are_swept_away_after_a_day_by_the_tidying(
    manager: Any, shop: Any, street: list[Any], folder: Path
) -> None:
    from vinflow.backoffice import export_jobs
    from vinflow.payments import tidying

    job = begun(shop, "csv")
    export_jobs.write(job.pk)
    tidying.tidy(at=shop.at + timedelta(hours=23))
    assert len(list(folder.iterdir())) == 1

    tidying.tidy(at=shop.at + timedelta(hours=25))

    assert list(folder.iterdir()) == []
    gone = manager.get(f"{NEW}{job.pk}/file/", follow=True).content.decode()
    assert "no longer here" in gone


def test_a_long_list_is_no_sheet_for_somebody_who_waits(
    manager: Any, street: list[Any], long_list: None
) -> None:
    answer = manager.get(f"{LIST}payments.xlsx?sort=amount", follow=True)

    assert answer.redirect_chain == [(f"{LIST}?sort=amount", 302)]
    assert "prepare the file" in answer.content.decode()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_the_thread_writes_while_the_page_is_looked_at(still: Any, shop_class: Any, folder: Path) -> None:
    import threading

    from django.test import Client

    shop = shop_class()
    shop.at_state("completed")
    client = Client()
    client.force_login(shop.staff("accountant"))
    pressed = client.post(NEW, {"kind": "csv", "query": "?status=completed"})
    for thread in threading.enumerate():
        if thread.name == "vinflow-export":
            thread.join()

    answer = client.get(f"{pressed['Location']}file/")

    assert b"".join(answer.streaming_content).count(b"\r\n") == 2
