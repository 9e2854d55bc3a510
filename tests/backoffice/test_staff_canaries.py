"""Secrets planted everywhere, journeys through everything, and then a search: they are found nowhere.

Searched are the log as the site writes it, every column of every table, every page, the exports, the letters,
what the webhook and the bot were sent, and /metrics. That the search can find is shown by words of the same
journey that must be found.
"""

from __future__ import annotations

import io
import json
import logging
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vinflow.money import Currency, Money

from .test_staff_alerts import Listener, listener
from .test_staff_reconciliation import statement, upload
from .test_staff_second_factor import PASSWORD, switched_on

__all__ = ["listener"]

CANARIES = {
    "KHQR_API_EMAIL": "canary-owner-7c1f@bank.example",
    "VINFLOW_METRICS_TOKEN": "canary-metrics-0e52a9d4c7",
    "VINFLOW_ALERT_WEBHOOK_SECRET": "canary-webhook-58bb1f20e6",
    "VINFLOW_TELEGRAM_TOKEN": "731:canary-bot-93d0c4aa17",
}


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything the site logs meanwhile, as it writes it, down to the last detail."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(next(h.formatter for h in logging.getLogger().handlers if h.formatter))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.setLevel(level)
    root.removeHandler(handler)


def tables() -> str:
    """Every value of every row of the database, as text."""
    from django.db import connection

    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            found += [repr(row) for row in cursor.fetchall()]
    return "\n".join(found)


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


@pytest.mark.both
def test_what_is_secret_is_found_nowhere_after_every_journey(
    bank: Any, shop_class: Any, settings: Any, tmp_path: Path, written: io.StringIO, listener: Listener
) -> None:
    from django.core import mail
    from django.core.cache import cache
    from django.core.files.uploadedfile import SimpleUploadedFile
    from django.test import Client

    from vinflow.backoffice import alerting, channels, export_jobs, tallies
    from vinflow.backoffice.models import ExportJob
    from vinflow.payments import clock, settings_store, watching
    from vinflow.payments.models import ManualDeposit, ReceiverAlias, StatementLine
    from vinflow.payments.opening import open_payment

    for name, secret in CANARIES.items():
        setattr(settings, name, secret)
    settings.VINFLOW_EVIDENCE_FOLDER = str(tmp_path / "evidence")
    settings.VINFLOW_EXPORT_FOLDER = str(tmp_path / "exports")
    settings.VINFLOW_ALERT_EMAILS = ["owner@shop.example"]
    settings.VINFLOW_ALERT_WEBHOOK, settings.VINFLOW_TELEGRAM_CHAT = f"{listener.url}/hook", "42"
    settings.VINFLOW_STAFF_TWO_FACTOR = True
    cache.clear()
    shop = shop_class()
    settings_store.save({"manual_enabled": True}, by=None, at=clock.now())

    # Two of the staff sign in with a password and a second factor.
    desks, factors = {}, []
    for name in ("first", "second"):
        user = shop.staff("owner", name)
        user.set_password(PASSWORD)
        user.save()
        desks[name] = Client()
        desks[name].post("/accounts/login/", {"login": name, "password": PASSWORD})
        factors.append(switched_on(desks[name]))
        page = desks[name].get("/accounts/2fa/recovery-codes/").content.decode()
        factors += re.findall(r'<code class="kw-code">([\w-]+)</code>', page)
    first, second = desks["first"], desks["second"]
    assert len(factors) == 2 * 11

    # Money comes, late and odd; it is asked about by every button there is.
    payments = [
        open_payment(
            user=shop.payer(f"payer-{n}"), money=Money(20_000, Currency.USD), key=str(n), at=clock.now()
        )
        for n in range(4)
    ]
    bank.advance(30)
    bank.pay(payments[0].attempts.get().qr_string)
    bank.pay(payments[1].attempts.get().qr_string, amount="210.00")
    watching.step()
    bank.advance(70)
    watching.step()
    for payment in payments[:2]:
        first.post(f"/admin/transactions/{payment.transaction_id}/recheck/")
    refs = [payment.transaction_id for payment in payments]
    first.post("/admin/transactions/ask/", {"ref": refs, "why": "the phone rang"})
    first.post("/admin/settings/payments/connection/", {"look": "connection"})
    first.post("/admin/settings/payments/connection/", {"look": "account"})

    # Decisions of two people: at the desk, refunds, deposits, receivers; a statement comes in.
    paid = payments[0]
    paid.refresh_from_db()
    assert paid.status == "completed"
    item = shop.item(payments[1])
    first.post(f"/admin/review/{item.pk}/decide/", {"decision": "credited", "why": "as agreed"})
    second.post(f"/admin/review/{item.pk}/approve/", {"proposed": "credited"})
    form = {"amount": "150", "why": "sent twice", "key": "0" * 32, "transfer": str(paid.transfers.get().pk)}
    first.post(f"/admin/transactions/{paid.transaction_id}/refund/", form)
    refund = paid.refunds.get()
    second.post(f"/admin/refunds/{refund.pk}/approve/", {"seen": str(refund.version)})
    refund.refresh_from_db()
    first.post(f"/admin/refunds/{refund.pk}/sent/", {"seen": str(refund.version), "hash": "ab" * 32})
    slip = SimpleUploadedFile("slip.png", b"\x89PNG\r\n\x1a\n" + b"receipt", "image/png")
    deposit = {"key": "d" * 32, "payer": "payer-2", "amount": "40", "currency": "USD", "kind": "cash"}
    first.post("/admin/deposits/new/", {**deposit, "note": "at the counter", "evidence": slip})
    change = {"act": "accept", "account": "other@bank", "why": "written so"}
    first.post("/admin/settings/payments/receiver/", change)
    shown = upload(first, statement(shop, (20_000, "FT1")), receiver=bank.account)
    posted = {f"column_{name}": value for name, value in shown.context["columns"].items()}
    posted |= {"unit": "USD", "order": "dmy", "mark": ".", "receiver": bank.account}
    first.post(
        "/admin/reconciliation/statement/", {**posted, "kept": shown.context["kept"], "step": "import"}
    )
    first.post("/admin/reconciliation/run/")
    first.post("/admin/ledger/check/")
    tallies.merge(at=clock.now())

    item.refresh_from_db()
    refund.refresh_from_db()
    assert (item.decision, refund.state) == ("credited", "sent")
    assert [model.objects.count() for model in (ManualDeposit, ReceiverAlias, StatementLine)] == [1, 1, 1]

    # Alerts go out by letter, webhook and bot; the bot's address holds its token, and only that.
    alerting.step(at=clock.now(), ways=channels.configured(telegram_url=listener.url))
    assert {path.partition("731")[0] for path, _headers, _body in listener.heard} == {"/hook", "/bot"}
    sent = [f"{headers} {text.decode()}" for _path, headers, text in listener.heard]
    assert mail.outbox

    found = {"log": written.getvalue(), "tables": tables(), "alerts": json.dumps(sent)}
    found["mails"] = "\n".join(letter.message().as_string() for letter in mail.outbox)
    pages = ["/metrics", "/health", "/ready", "/admin/", "/admin/?range=30", "/admin/transactions/"]
    pages += [f"/admin/transactions/{reference}/" for reference in refs]
    pages += ["/admin/review/", "/admin/review/?show=decided", "/admin/refunds/", "/admin/claw-backs/"]
    pages += ["/admin/deposits/", "/admin/ledger/", "/admin/ledger/entries/", "/admin/reconciliation/"]
    pages += ["/admin/settings/payments/", "/admin/settings/people/", "/accounts/2fa/"]
    pages += ["/admin/transactions/payments.csv", "/admin/reconciliation/statement/"]
    for language in ("en", "km"):
        for page in pages:
            answer = first.get(page, headers={"accept-language": language})
            assert answer.status_code in (200, 302, 503), page
            found[f"{page} {language}"] = body(answer).decode()
    sheet = zipfile.ZipFile(io.BytesIO(body(first.get("/admin/transactions/payments.xlsx"))))
    found["xlsx"] = "\n".join(sheet.read(name).decode() for name in sheet.namelist())
    job, _made = export_jobs.begin(
        ExportJob.Kind.CSV, query="", by=shop.staff("owner", "first"), at=clock.now()
    )
    export_jobs.write(job.pk)
    found["file"] = body(first.get(f"/admin/transactions/exports/{job.pk}/file/")).decode()

    secrets = [*CANARIES.values(), bank.token, PASSWORD, settings.SECRET_KEY, settings.VINFLOW_LEDGER_KEY]
    for where, text in found.items():
        for secret in [*secrets, *factors]:
            # The metrics' token may not stand there whole, nor but for its end.
            assert secret not in text, (where, secret[:12])
            assert len(secret) < 24 or secret[:-4] not in text, (where, secret[:12])
    reference = paid.transaction_id
    for where in (
        "tables",
        "xlsx",
        "file",
        "/admin/transactions/ en",
        f"/admin/transactions/{reference}/ km",
    ):
        assert reference in found[where], where  # the search finds what is there
    assert "check_transaction_by_md5" in found["/metrics en"]
    assert "bakong call" in found["log"]
    # The payer's account stands masked, in the log not at all.
    account = paid.transfers.get().from_account
    assert account
    for where, text in found.items():
        assert where == "tables" or account not in text, where
