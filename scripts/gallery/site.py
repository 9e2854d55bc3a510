"""A site with a payment in every state, made by the real steps, and the addresses of its pages."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.pages import environment

from vinflow.cli.ports import free_port, wait_until_answers

ROOT = Path(__file__).resolve().parent.parent.parent
# The bank refuses first and answers afterwards: it is one door, and it must be open again for the others.
REFUSED = ("delayed",)
ANSWERED = ("pending", "try_failed", "confirming", "completed", "late", "review", "expired", "failed")
ANSWERED += ("canceled",)


def prepare() -> dict[str, Any]:
    """Make the payers and the payments.

    Returns {"pages": {title: address}, "who": {title: name of a session}, "sessions": {name: cookie}}; a
    title that is not in "who" is seen by the payer, "" is nobody signed in.
    """
    import django

    django.setup()
    from allauth.account.forms import default_token_generator
    from allauth.account.utils import user_pk_to_url_str
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group
    from django.core.management import call_command
    from django.test import Client
    from django.urls import reverse
    from tests.storefront.conftest import House

    from vinflow.bakong import CannotTell, Reason
    from vinflow.money import Currency, Money
    from vinflow.payments import budgeting, gateways, queries
    from vinflow.payments.models import PaymentSettings
    from vinflow.storefront.links import address_of

    call_command("migrate", verbosity=0)
    PaymentSettings.objects.update_or_create(singleton=1, defaults={"pending_max": 50})
    house = House()
    user, newcomer = house.payer(), house.payer("nary")
    addresses: dict[str, str] = {}

    def keep(title: str, payment: Any) -> str:
        address = f"/payment/{payment.transaction_id}/"
        addresses[title] = address
        if (
            payment.status == "completed"
        ):  # as on a second look: the first leads on to the dashboard by itself
            queries.mark_seen(payment, at=house.now())
        return address

    for state in REFUSED:
        keep(state, house.at_state(state, user))
    gone = house.opened(user, ago_s=20)
    house.answer(gone, CannotTell(Reason.QUOTA, "the day's calls are used up"))
    keep("quota gone", gone)
    over = house.opened(user, ago_s=1800)
    house.answer(over, CannotTell(Reason.QUOTA, "the day's calls are used up"))
    keep("time up, quota gone", over)
    budgeting.note_answer(gateways.current().token_id, readable=True, throttled_until=None, at=house.now())
    for state in ANSWERED:
        riel = Money(41_000, Currency.KHR) if state in ("late", "review") else None
        keep(state.replace("_", " "), house.at_state(state, user, riel))
    keep("largest amount", house.opened(user, Money(40_000_000, Currency.KHR), ago_s=20))
    pending, expired = addresses["pending"], addresses["expired"]
    forgetful = house.payer("dara")  # a sign-in would end the link
    key = f"{user_pk_to_url_str(forgetful)}-{default_token_generator.make_token(forgetful)}"
    account = {
        "log in": reverse("account_login"),
        "log in, refused": reverse("account_login"),
        "sign up": reverse("account_signup"),
        "sign up, refused": reverse("account_signup"),
        "forgotten password": reverse("account_reset_password"),
        "link sent": reverse("account_reset_password_done"),
        "new password": f"/accounts/password/reset/key/{key}/",
        "stale link": "/accounts/password/reset/key/1-abc-def/",
        "password saved": reverse("account_reset_password_from_key_done"),
    }
    pages = {
        "add funds": "/add-funds/",
        "add funds, a mistake": "/add-funds/?amount=10,50&currency=USD",
        "add funds, riel": "/add-funds/?amount=41000&currency=KHR",
        "pending": pending,
        "last minute": pending,
        "shown larger": pending,
        "shown larger, no script": f"{pending}?larger=1",
        "cancel?": pending,
        "no app link": f"{pending}?said=no-app",
        "not seen yet": f"{pending}?said=wait&s=4",
        "no network": pending,
        "signed out": pending,
        "largest amount": addresses["largest amount"],
        "delayed": addresses["delayed"],
        "quota gone": addresses["quota gone"],
        "try failed": addresses["try failed"],
        "time up": addresses["confirming"],
        "time up, quota gone": addresses["time up, quota gone"],
        **{
            name: addresses[name] for name in ("completed", "late", "review", "expired", "failed", "canceled")
        },
        "timeline": addresses["late"],
        "paid by link": address_of(house.at_state("completed", None)),
        "receipt": f"{addresses['completed']}receipt/",
        "receipt, late": f"{addresses['late']}receipt/",
        "which payment": "/wallet/missing/",
        "not here": f"{expired}missing/",
        "not here, a mistake": f"{expired}missing/",
        "not here, found": f"{expired}missing/?said=review&name={'0' * 64}",
        "home": "/",
        "wallet": "/wallet/",
        "wallet, not here": "/wallet/",
        "nothing in a filter": "/wallet/?status=canceled",
        "home of a newcomer": "/",
        "wallet of a newcomer": "/wallet/",
        **account,
        "log out": reverse("account_logout"),
        "not found": "/nothing/here/",
        "no such payment": "/payment/TXN00000000000000000000/",
        "forbidden": "/shown/403/",
        "form too old": "/shown/csrf/",
        "too fast": "/shown/429/",
        "broken": "/shown/500/",
        "looked after": "/shown/503/",
    }
    newcomers = ("home of a newcomer", "wallet of a newcomer", "nothing in a filter")
    who = dict.fromkeys([*account, "paid by link"], "") | dict.fromkeys(newcomers, "newcomer")
    sessions = {}
    owner = get_user_model().objects.create_user("sophea", is_staff=True)
    owner.groups.add(Group.objects.get(name="owner"))
    for name, each in (("payer", user), ("newcomer", newcomer), ("owner", owner)):
        client = Client()
        client.force_login(each)
        sessions[name] = client.cookies["sessionid"].value
    return {"pages": pages, "who": who, "sessions": sessions}


@contextmanager
def running() -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the port of a site with a payment in every state, and what prepare() made; stop it afterwards."""
    with tempfile.TemporaryDirectory(prefix="vinflow-gallery-") as folder:
        given = environment(Path(folder), f"sqlite:///{Path(folder) / 'site.sqlite3'}")
        given |= {
            "DJANGO_SETTINGS_MODULE": "scripts.gallery.settings",
            "VINFLOW_SUPPORT_CONTACT": "help@shop.example",
            "KHQR_MERCHANT_NAME": "VinFlow Digital",
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "scripts.gallery", "--prepare"]
        done = subprocess.run(command, env=given, check=False, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        port = free_port()
        serve = [sys.executable, "-m", "granian", "vinflow.project.asgi:application", "--interface", "asgi"]
        serve += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--no-ws"]
        serve += ["--log-level", "error", "--workers-kill-timeout", "3"]
        server = subprocess.Popen(serve, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until_answers(port, alive=lambda: server.poll() is None, wait_s_max=60)
            yield port, json.loads(done.stdout.splitlines()[-1])
        finally:
            server.terminate()
            server.wait(30)
