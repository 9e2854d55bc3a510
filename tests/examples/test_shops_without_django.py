"""FastAPI and Flask: the codec and the client alone, as two shops use them, against the stand-in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
import resvg_py
from tests.examples.conftest import Site

from vinflow.sandbox import SandboxServer
from vinflow.sandbox.phone import read_picture

SERVED_BY = {
    "fastapi_shop": ("-m", "uvicorn", "shop:app", "--port", "{port}", "--log-level", "warning"),
    "flask_shop": ("-m", "flask", "--app", "shop", "run", "--port", "{port}"),
}
NO_DJANGO = """
import sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "django":
            raise ImportError("no Django here")
sys.meta_path.insert(0, Wall())
"""


@pytest.fixture(scope="module", params=sorted(SERVED_BY))
def shop(request: pytest.FixtureRequest, example: Callable[..., Site], bank: SandboxServer) -> Iterator[Site]:
    """One of the two shops, running where Django cannot be imported; it may ask again at once."""
    told = bank.sandbox
    site = example(
        request.param, KHQR_API_URL=bank.url, KHQR_MERCHANT_ID=told.account, KHQR_API_KEY=told.token
    )
    (site.home / "sitecustomize.py").write_text(NO_DJANGO, "utf-8")
    text = (site.folder / "shop.py").read_text("utf-8")
    assert "ASK_EVERY_S = 10 " in text
    (site.home / "shop.py").write_text(text.replace("ASK_EVERY_S = 10 ", "ASK_EVERY_S = 0 "), "utf-8")
    site.folder = site.home
    bank.sandbox.switch(quota=None)
    site.serve(*SERVED_BY[request.param])
    yield site
    site.stop()


@pytest.fixture
def page(shop: Site) -> Iterator[httpx2.Client]:
    """A customer."""
    with httpx2.Client(base_url=shop.url, trust_env=False, timeout=20) as client:
        yield client


def order(page: httpx2.Client, amount: str = "12.50", currency: str = "USD") -> dict[str, Any]:
    answer = page.post("/orders", json={"amount": amount, "currency": currency})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def status(page: httpx2.Client, ordered: dict[str, Any]) -> dict[str, Any]:
    return dict(page.get(ordered["page"] + "/status").json())


@pytest.mark.parametrize(("amount", "currency"), [("12.50", "USD"), ("50000", "KHR")])
def test_what_the_page_shows_is_read_as_pixels_paid_and_found_once(
    page: httpx2.Client, bank: SandboxServer, amount: str, currency: str
) -> None:
    ordered = order(page, amount, currency)
    before = status(page, ordered)
    svg = re.search(r"<svg.*</svg>", page.get(ordered["page"]).text, re.DOTALL)
    assert svg is not None
    [text] = read_picture(bytes(resvg_py.svg_to_bytes(svg_string=svg[0], width=768, background="white")))
    transfer = bank.sandbox.pay(text)
    paid = [status(page, ordered) for _ in range(2)]
    asked = len(bank.sandbox.calls("check_transaction_by_md5"))

    assert before == {"status": "waiting"}
    assert paid == [{"status": "paid", "transfer": transfer.hash}] * 2
    status(page, ordered)
    assert len(bank.sandbox.calls("check_transaction_by_md5")) == asked  # a paid order asks nobody


def test_another_amount_or_receiver_is_for_a_person_to_look_at(
    page: httpx2.Client, bank: SandboxServer
) -> None:
    less, elsewhere = order(page), order(page)
    bank.sandbox.pay(less["qr"], amount="12.49")
    bank.sandbox.pay(elsewhere["qr"], receiver="somebody@devb")

    assert status(page, less)["status"] == "a person must look"
    assert status(page, elsewhere)["status"] == "a person must look"


def test_a_bank_that_says_nothing_leaves_the_order_unknown_and_not_unpaid(
    page: httpx2.Client, bank: SandboxServer
) -> None:
    ordered = order(page)
    bank.sandbox.pay(ordered["qr"])
    bank.sandbox.fault("*", "nginx", status=503)
    try:
        during = status(page, ordered)
    finally:
        bank.sandbox.clear_faults()

    assert during["status"] == "unknown"
    assert status(page, ordered)["status"] == "paid"


@pytest.mark.parametrize(
    "basket",
    [
        {"amount": "0.001", "currency": "USD"},
        {"amount": "0", "currency": "USD"},
        {"amount": "1,5", "currency": "USD"},
        {"amount": "1", "currency": "EUR"},
        {"currency": "USD"},
    ],
)
def test_what_cannot_be_paid_is_refused(page: httpx2.Client, basket: dict[str, str]) -> None:
    assert page.post("/orders", json=basket).status_code == 422


def test_an_order_that_is_not_there_is_a_404(page: httpx2.Client) -> None:
    assert page.get("/orders/NOTHING").status_code == 404
    assert page.get("/orders/NOTHING/status").status_code == 404
