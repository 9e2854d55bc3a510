"""The tutorial done word for word: its files written, its commands run, its shop paid by the phone.

One line is added to the settings it shows: a file that moves the site's clock, so that nobody waits.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import resvg_py

from vinflow.cli.pages import forms
from vinflow.cli.ports import free_port, wait_until_answers
from vinflow.sandbox import Sandbox, SandboxServer
from vinflow.sandbox.phone import read_picture

FILE = re.compile(
    r"^(?P<how>Write|Add to the end of) `(?P<name>[\w/.]+)`:\n\n(?:<!-- shown, not run -->\n)?"
    r"```\w+\n(?P<text>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
PASSWORD = "a-password-of-the-tutorial"


@pytest.fixture(scope="module")
def tutorial(root: Path) -> str:
    """The page."""
    return (root / "docs" / "tutorial.md").read_text("utf-8")


@pytest.fixture(scope="module")
def bank() -> Iterator[SandboxServer]:
    """A Bakong as `vinflow sandbox` starts it."""
    with SandboxServer(Sandbox()) as server:
        yield server


class Shop:
    """The folder of the tutorial, with its three variables exported."""

    def __init__(self, folder: Path, bank: SandboxServer) -> None:
        self.folder = folder
        self.bank = bank.sandbox
        self.clock_file = folder / "clock-offset"
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "KHQR_API_URL": bank.url,
            "KHQR_MERCHANT_ID": bank.sandbox.account,
            "KHQR_API_KEY": bank.sandbox.token,
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        }

    def run(self, *command: str) -> str:
        """Run a command to its end and return what it printed; fails when it fails."""
        ran = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def let_pass(self, seconds: int) -> None:
        """Move the shop's clock and the bank's."""
        moved = int(self.clock_file.read_text()) if self.clock_file.exists() else 0
        self.clock_file.write_text(str(moved + seconds))
        self.bank.advance(seconds)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a command that stays."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@pytest.fixture(scope="module")
def shop(tutorial: str, bank: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Chapters 1 to 5, as they are written; only `pip install` is left out."""
    shop = Shop(tmp_path_factory.mktemp("tea-house"), bank)
    assert "django-admin startproject shop ." in tutorial
    shop.run("django-admin", "startproject", "shop", ".")
    written = 0
    for found in FILE.finditer(tutorial):
        path = shop.folder / found["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text("utf-8") if found["how"] != "Write" else ""
        path.write_text(before + found["text"], "utf-8")
        written += 1
    assert written == 5
    with (shop.folder / "shop" / "settings.py").open("a") as settings:
        settings.write(f"VINFLOW_CLOCK_OFFSET_FILE = {str(shop.clock_file)!r}\n")
    commands = re.findall(
        r"^(python manage\.py (?:migrate|createsuperuser|check).*)$", tutorial, re.MULTILINE
    )
    assert len(commands) == 3
    for command in commands:
        more = (
            ["--noinput", "--username=sokha", "--email=sokha@example.com"] if "createsuper" in command else []
        )
        shop.run(*command.split(), *more)
    return shop


@pytest.fixture(scope="module")
def page(shop: Shop) -> Iterator[httpx2.Client]:
    """The shop's pages, signed in."""
    port = free_port()
    server = shop.start("python", "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}")
    try:
        assert wait_until_answers(port, alive=lambda: server.poll() is None, wait_s_max=60)
        with httpx2.Client(
            base_url=f"http://127.0.0.1:{port}", follow_redirects=True, timeout=30, trust_env=False
        ) as client:
            answer = client.get("/")
            form = next(form for form in forms(answer.text) if "password" in form.fields)
            answer = client.post(
                answer.url.path, data=form.filled(username="sokha", password=PASSWORD) | {"next": "/"}
            )
            assert "Add funds" in answer.text
            yield client
    finally:
        server.terminate()
        server.wait(20)


def _add(page: httpx2.Client, amount: str) -> httpx2.Response:
    [form] = forms(page.get("/").text)
    return page.post("/", data=form.filled(amount=amount))


def _pay(answer: httpx2.Response, bank: SandboxServer) -> None:
    """Give the pixels of the page's QR to the phone, and pay."""
    svg = re.search(r"<svg.*?</svg>", answer.text, re.DOTALL)
    assert svg is not None
    pixels = bytes(resvg_py.svg_to_bytes(svg_string=svg[0], width=768, background="white"))
    [text] = read_picture(pixels)
    bank.sandbox.pay(text)


def test_the_shop_is_paid_and_says_so_when_the_payer_asks(
    page: httpx2.Client, bank: SandboxServer, shop: Shop
) -> None:
    answer = _add(page, "1.00")
    assert "Pay 1.00 USD" in answer.text
    [form] = forms(answer.text)

    unpaid = page.post(answer.url.path, data=form.fields)
    assert "pending" in unpaid.text
    _pay(answer, bank)
    shop.let_pass(11)  # no QR is asked about twice within ten seconds
    paid = page.post(answer.url.path, data=form.fields)

    assert "1.00 USD arrived" in paid.text
    assert "1.00 USD" in page.get("/").text


def test_a_second_press_finds_the_first_one_s_payment(page: httpx2.Client) -> None:
    [form] = forms(page.get("/").text)

    first = page.post("/", data=form.filled(amount="2.00"))
    second = page.post("/", data=form.filled(amount="2.00"))

    assert first.url.path == second.url.path


@pytest.mark.parametrize(
    ("amount", "says"), [("0.001", "digits after the point"), ("20000", "largest amount")]
)
def test_an_amount_that_cannot_be_is_answered_with_a_sentence(
    page: httpx2.Client, amount: str, says: str
) -> None:
    assert says in _add(page, amount).text


def test_the_watcher_credits_a_payment_whose_page_is_closed(
    page: httpx2.Client, bank: SandboxServer, shop: Shop
) -> None:
    answer = _add(page, "3.00")
    _pay(answer, bank)
    shop.let_pass(60)

    watcher = shop.start("python", "manage.py", "watch")
    try:
        deadline = time.monotonic() + 90
        while "3.00 USD arrived" not in page.get(answer.url.path).text:
            assert time.monotonic() < deadline, "the watcher did not find the money"
            time.sleep(1)
    finally:
        watcher.terminate()
        watcher.wait(20)


def test_the_books_of_the_shop_hold(shop: Shop, page: httpx2.Client) -> None:
    assert "; 0 problems" in shop.run("python", "manage.py", "audit_ledger")


def test_a_person_reads_it_in_less_than_a_quarter_of_an_hour(tutorial: str) -> None:
    code = "".join(re.findall(r"^```\w+\n(.*?)^```", tutorial, re.MULTILINE | re.DOTALL))
    prose = re.sub(r"^```.*?^```|<!--.*?-->", "", tutorial, flags=re.MULTILINE | re.DOTALL)

    minutes = len(prose.split()) / 150 + len(code.splitlines()) * 4 / 60  # slowly, in a second language

    assert 3 < minutes < 13  # what is left is the machine's
