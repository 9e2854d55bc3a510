"""Staff reconcile, explain, enter a closing balance, and import a statement after its preview."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from vinflow.backoffice import alerting
from vinflow.money import Currency, Money

HEAD = "Date,Reference,Money in,Money out"


def statement(shop: Any, *rows: tuple[int, str]) -> bytes:
    day = (shop.at + timedelta(hours=7)).strftime("%d/%m/%Y %H:%M")
    lines = [f"{day},{ref},{minor // 100}.{minor % 100:02d}," for minor, ref in rows]
    return "\n".join([HEAD, *lines]).encode()


def upload(client: Any, content: bytes, **more: str) -> Any:
    file = SimpleUploadedFile("november.csv", content, "text/csv")
    posted = {"step": "file", "receiver": "vinflow_test@devb", "unit": "USD", "order": "dmy", **more}
    return client.post("/admin/reconciliation/statement/", {**posted, "file": file})


def test_a_statement_is_previewed_then_imported_and_its_unknown_line_linked(
    shop: Any, signed_in: Callable[..., Any]
) -> None:
    from vinflow.payments.models import ReviewItem, StatementFormat, StatementLine

    payment = shop.at_state("completed")
    transfer = payment.transfers.get()
    content = statement(shop, (1000, transfer.external_ref), (1000, "100FT-SECOND"))
    accountant = signed_in("accountant")

    shown = upload(accountant, content)
    assert shown.status_code == 200
    assert shown.context["counts"] == {"matched": 1, "suspense": 1}
    assert StatementLine.objects.count() == 0
    posted = {f"column_{name}": value for name, value in shown.context["columns"].items()}
    posted |= {"unit": "USD", "order": "dmy", "mark": ".", "receiver": "vinflow_test@devb"}
    posted |= {"kept": shown.context["kept"], "save_as": "My bank"}
    done = accountant.post("/admin/reconciliation/statement/", {**posted, "step": "import"}, follow=True)
    assert "2 new lines imported, 1 wait for review." in done.content.decode()
    assert StatementFormat.objects.get().name == "My bank"

    manager = signed_in("manager")
    item = ReviewItem.objects.get(decision="", payment=None)
    page = manager.get("/admin/review/").content.decode()
    assert "100FT-SECOND" in page
    assert 'data-testid="link"' in page
    answer = manager.post(
        f"/admin/review/{item.pk}/link/", {"reference": payment.transaction_id, "hash": ""}, follow=True
    )
    assert "Linked." in answer.content.decode()
    item.refresh_from_db()
    assert item.payment == payment
    assert manager.post(f"/admin/review/{item.pk}/link/", {"reference": "TXNOTHING"}).status_code == 302


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04", "not a text file"),
        (b"Date,Money in\n24/11/2026,=1+1\n", "formula"),
        (b"x" * 11_000_000, "larger than 10 MB"),
        (b"Date,Money in\n32/11/2026,1.00\n", "no date"),
    ],
)
def test_a_bad_file_is_refused_with_the_reason(
    signed_in: Callable[..., Any], shop: Any, content: bytes, said: str
) -> None:
    from vinflow.payments.models import Statement

    answer = upload(signed_in("accountant"), content)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert Statement.objects.count() == 0


def test_what_the_form_carries_is_nobody_elses(shop: Any, signed_in: Callable[..., Any]) -> None:
    kept = upload(signed_in("accountant"), statement(shop, (100, "A"))).context["kept"]

    for posted in ({"kept": kept}, {"kept": kept[:-2] + "xx"}, {}):
        client = signed_in("manager")
        answer = client.post("/admin/reconciliation/statement/", {**posted, "step": "import"})
        assert answer.status_code == 422
        assert "choose the file" in answer.content.decode()


def test_a_bad_file_is_refused_in_khmer_too(signed_in: Callable[..., Any], shop: Any) -> None:
    from django.conf import settings

    client = signed_in("accountant")
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "km"

    page = upload(client, b"Date,Money in\n32/11/2026,1.00\n").content.decode()

    told = page.split('data-testid="refused"')[1].split("</div>")[0]
    assert "&#x27;32/11/2026&#x27; មិនមែនជាថ្ងៃទីទេ បើអានជា dmy" in told
    assert "no date" not in told


def test_a_closing_balance_is_kept_and_a_bad_one_refused(shop: Any, signed_in: Callable[..., Any]) -> None:
    from vinflow.payments.models import ClosingBalance

    client = signed_in("accountant")
    good = {"receiver": "vinflow_test@devb", "day": "2026-11-20", "currency": "USD", "balance": "1,250.00"}
    client.post("/admin/reconciliation/closing/", {**good, "other": "-3.50"})
    row = ClosingBalance.objects.get()
    assert (row.balance, row.other) == (Money(125000, Currency.USD), Money(-350, Currency.USD))
    for bad in (
        {"balance": "many"},
        {"day": "2026-11-24"},
        {"day": "soon"},
        {"receiver": "x@y"},
        {"currency": "EUR"},
    ):
        answer = client.post("/admin/reconciliation/closing/", {**good, **bad}, follow=True)
        assert 'data-testid="notice"' in answer.content.decode()
    assert ClosingBalance.objects.count() == 1


def test_a_difference_is_told_explained_and_told_no_more(shop: Any, signed_in: Callable[..., Any]) -> None:
    from vinflow.payments.models import BooksCheck, Difference, Reconciliation

    payment = shop.at_state("expired")
    run = Reconciliation.objects.create(
        environment="sandbox", since=shop.at, until=shop.at, begun_at=shop.at, ended_at=shop.at, phase="done"
    )
    difference = Difference.objects.create(
        name="x",
        environment="sandbox",
        kind="paid_not_booked",
        subject="qr:1",
        expected="nothing booked",
        seen="=1.00 USD",
        payment=payment,
        found_at=shop.at,
    )
    run.differences.add(difference)
    BooksCheck.objects.create(
        what="audit", night=shop.at.date(), begun_at=shop.at, ended_at=shop.at, problem_count=3
    )
    client = signed_in("accountant")

    told = {note.key: note for note in alerting.events(at=shop.at)}
    assert told[f"difference_{difference.pk}"].url == "/admin/reconciliation/"
    assert [key for key in told if key.startswith("audit_")]
    page = client.get("/admin/reconciliation/").content.decode()
    assert "Paid, and not in the books" in page
    assert payment.transaction_id in page
    assert payment.transaction_id in client.get(f"/admin/reconciliation/{run.pk}/").content.decode()
    sheet = b"".join(client.get(f"/admin/reconciliation/{run.pk}/differences.csv").streaming_content)
    assert b"'=1.00 USD" in sheet
    client.post(f"/admin/reconciliation/{difference.pk}/explain/", {"why": ""})
    difference.refresh_from_db()
    assert difference.explained_at is None
    client.post(f"/admin/reconciliation/{difference.pk}/explain/", {"why": "the bank was slow"})
    assert not [note for note in alerting.events(at=shop.at) if note.key.startswith("difference")]


@pytest.mark.django_db(transaction=True)
def test_run_now_asks_and_reports(desk: Any) -> None:
    answer = desk.post("/admin/reconciliation/run/", follow=True)

    assert "Reconciled. 0 differences." in answer.content.decode()
