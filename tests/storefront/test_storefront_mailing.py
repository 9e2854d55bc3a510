"""The receipt by e-mail: once, after the money is in, whatever the mail server does."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pypdfium2
import pytest
from django.core import mail
from django.db import connection

from vinflow.payments import clock
from vinflow.payments.models import Payment
from vinflow.storefront import mailing
from vinflow.storefront.languages import remember
from vinflow.storefront.models import ReceiptMail

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


class DeadServer:
    """A mail backend whose server never answers."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def send_messages(self, _messages: Any) -> int:
        raise OSError("connection refused")


@pytest.fixture
def shop(transactional_db: None, house_class: Any) -> Any:
    """The shop, its rows seen by all threads."""
    return house_class()


@pytest.fixture
def rounds(monkeypatch: Any) -> list[bool]:
    """Notes when somebody was told to send, and sends nothing by itself."""
    told: list[bool] = []
    monkeypatch.setattr(
        mailing, "_postman", lambda: type("Box", (), {"submit": lambda _s, _f: told.append(True)})()
    )
    return told


def send(after: timedelta = timedelta(0)) -> int:
    return mailing.send_due(at=clock.now() + after)


def test_the_receipt_goes_out_once_in_the_payers_language(shop: Any, settings: Any) -> None:
    settings.VINFLOW_PUBLIC_URL = "https://pay.example"
    user = shop.payer()
    remember(user, "km")
    payment = shop.at_state("completed", user)

    assert [send(), send(), send(timedelta(hours=1))] == [1, 0, 0]

    (message,) = mail.outbox
    assert message.to == ["sokha@example.com"]
    assert message.subject == "VinFlow Test៖ បង្កាន់ដៃសម្រាប់ $10.00"
    assert "បានទទួលការទូទាត់ $10.00" in message.body
    assert f"https://pay.example/payment/{payment.transaction_id}/receipt/" in message.body
    assert message.extra_headers["Message-ID"] == f"<receipt-{payment.transaction_id}@pay.example>"
    ((name, pdf, kind),) = message.attachments
    assert (name[:2], kind) == ("R-", "application/pdf")
    assert payment.transaction_id in pypdfium2.PdfDocument(pdf)[0].get_textpage().get_text_bounded()


def test_in_english_for_whoever_chose_nothing_and_without_an_address_of_the_site_without_a_link(
    shop: Any, settings: Any
) -> None:
    settings.VINFLOW_PUBLIC_URL = ""
    shop.at_state("late", shop.payer())

    send()

    (message,) = mail.outbox
    assert message.subject == "VinFlow Test: receipt for $10.00"
    assert "Your payment of $10.00 was received." in message.body
    assert "http" not in message.body


def test_nobody_is_written_to_without_an_address_or_without_an_account_or_before_the_money(
    shop: Any,
) -> None:
    silent = shop.payer("silent")
    silent.email = ""
    silent.save()
    for user in (silent, None):
        shop.at_state("completed", user)
    for state in ("pending", "review", "expired", "canceled"):
        shop.at_state(state, shop.payer())

    assert send() == 0
    assert ReceiptMail.objects.count() == 0


def test_many_payers_without_an_address_do_not_hide_the_one_who_has_one(shop: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(mailing, "AT_ONCE_MAX", 2)
    silent = shop.payer("silent")
    silent.email = ""
    silent.save()
    for _ in range(3):
        shop.at_state("completed", silent)
    shop.at_state("completed", shop.payer())

    assert send() == 1


def test_a_dead_mail_server_loses_nothing_and_is_tried_later_and_later(shop: Any, settings: Any) -> None:
    payment = shop.at_state("completed", shop.payer())
    settings.EMAIL_BACKEND = f"{__name__}.DeadServer"
    waits = []
    at = clock.now()
    for _ in range(5):
        assert mailing.send_due(at=at) == 0
        row = ReceiptMail.objects.get(payment=payment)
        waits.append((row.next_try_at - at).total_seconds() / 60)
        assert mailing.send_due(at=row.next_try_at - timedelta(seconds=1)) == 0
        at = row.next_try_at

    assert waits == [1, 2, 4, 8, 16]
    assert Payment.objects.get(pk=payment.pk).status == "completed"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert mailing.send_due(at=at) == 1
    assert len(mail.outbox) == 1


def test_a_server_that_stays_dead_for_two_days_is_given_up(shop: Any, settings: Any) -> None:
    payment = shop.at_state("completed", shop.payer())
    settings.EMAIL_BACKEND = f"{__name__}.DeadServer"
    began = at = clock.now()
    while True:
        mailing.send_due(at=at)
        row = ReceiptMail.objects.get(payment=payment)
        if row.next_try_at is None:
            break
        at = row.next_try_at

    assert row.tries == mailing.TRIES_MAX
    assert timedelta(days=1) < at - began < timedelta(days=4)
    assert row.sent_at is None


def test_what_a_crash_left_behind_is_found_by_the_next_round_but_old_payments_are_left_in_peace(
    shop: Any,
) -> None:
    """No row was written: the process died between the commit and the signal."""
    shop.at_state("completed", shop.payer())
    assert ReceiptMail.objects.count() == 0

    assert send(timedelta(hours=25)) == 0
    assert send(timedelta(hours=23)) == 1


def test_of_several_senders_one_sends(shop: Any) -> None:
    for _ in range(4):
        shop.at_state("completed", shop.payer())
    at = clock.now()
    ready = threading.Barrier(3)
    sent: list[int] = []

    def sender() -> None:
        try:
            ready.wait(10)
            sent.append(mailing.send_due(at=at))
        finally:
            connection.close()

    senders = [threading.Thread(target=sender) for _ in range(3)]
    for each in senders:
        each.start()
    for each in senders:
        each.join(60)

    assert sum(sent) == 4
    assert len({message.extra_headers["Message-ID"] for message in mail.outbox}) == len(mail.outbox) == 4


def test_the_sender_is_told_after_the_commit_and_never_inside_it(
    shop: Any, settings: Any, rounds: list[bool]
) -> None:
    from django.db import transaction

    from vinflow.payments import announcing

    settings.VINFLOW_RECEIPT_MAIL = True
    payment = shop.opened(shop.payer())
    shop.paid(payment)
    assert rounds == [True]
    rounds.clear()

    with transaction.atomic():
        announcing.completed(payment, payment.transfers.get())
        assert rounds == []
    assert rounds == [True]


def test_a_round_of_tidying_tells_it_too_and_a_site_without_mail_is_not_told(
    shop: Any, settings: Any, rounds: list[bool]
) -> None:
    from vinflow.payments import tidying

    tidying.tidy(at=clock.now())
    assert rounds == []
    settings.VINFLOW_RECEIPT_MAIL = True
    tidying.tidy(at=clock.now() + tidying.EVERY)
    assert rounds == [True]
