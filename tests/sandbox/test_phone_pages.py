"""The bank app without JavaScript: every way in, every refusal, the receipt, the controls, both languages."""

from __future__ import annotations

import hashlib
import io
import re
from html import unescape
from html.parser import HTMLParser
from string import Formatter
from typing import Any

import httpx2
import pytest
from PIL import Image

from vinflow import khqr
from vinflow.money import Currency
from vinflow.sandbox import Sandbox, SandboxServer
from vinflow.sandbox.bank import PHONE_ACCOUNT
from vinflow.sandbox.phone_desk import safe_callback
from vinflow.sandbox.words import WORDS

CHECK = "check_transaction_by_md5"
BILL = "TXN1A2B3C4D5E6F7G8H9J0K1L"


def picture(text: str) -> bytes:
    return khqr.png(text, scale=6)


def show(http: httpx2.Client, data: bytes, **headers: str) -> httpx2.Response:
    """Send a picture the way the form does and follow to the page that comes."""
    files = {"picture": ("shot.png", data, "image/png")}
    return http.post("/phone/read", files=files, headers=headers, follow_redirects=True)


def scan_of(page: httpx2.Response) -> str:
    found = re.search(r'name="scan" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def press_pay(http: httpx2.Client, page: httpx2.Response, **fields: str) -> httpx2.Response:
    data = {"scan": scan_of(page), "pin": "1234"} | fields
    return http.post("/phone/pay", data=data, follow_redirects=True)


def error_of(page: httpx2.Response) -> str | None:
    found = re.search(r'data-testid="phone-error" data-code="(\w+)"', page.text)
    return found[1] if found else None


def hook(page: httpx2.Response, name: str) -> str:
    found = re.search(rf'data-testid="?{name}"?[^>]*>(.*?)</(?:p|dd|strong|span)>', page.text, re.DOTALL)
    assert found, f"{name} not in the page"
    return unescape(re.sub("<[^>]+>", "", found[1])).strip()


def balances(bank: Sandbox) -> dict[str, int]:
    account = bank.find_account(PHONE_ACCOUNT)
    assert account is not None
    return dict(account.balances or {})


def test_a_picture_leads_to_review_pay_and_receipt(http: httpx2.Client, ask: Any, bank: Sandbox) -> None:
    qr = bank.qr("10.00", bill_number=BILL)

    review = show(http, picture(qr))
    receipt = press_pay(http, review)

    assert re.search(r"/phone/review/[\w-]+$", str(review.url))
    assert hook(review, "phone-receiver") == "VinFlow Test Shop"
    assert hook(review, "phone-amount") == "$10.00"
    assert hook(review, "phone-bill") == BILL
    assert "10:00" in review.text
    transfer = bank.transfers[0]
    assert receipt.status_code == 200
    assert hook(receipt, "phone-hash") == transfer.hash
    assert hook(receipt, "phone-short-hash") == transfer.hash[:8]
    assert hook(receipt, "phone-external-ref") == transfer.external_ref
    assert balances(bank) == {"USD": 49_000, "KHR": 2_000_000}
    found = ask(CHECK, {"md5": hashlib.md5(qr.encode()).hexdigest()}).json()["data"]
    assert (found["fromAccountId"], found["hash"]) == (PHONE_ACCOUNT, transfer.hash)


def test_the_picture_way_takes_pixels_and_never_a_text(http: httpx2.Client, bank: Sandbox) -> None:
    qr = bank.qr("10.00")

    as_field = http.post("/phone/read", data={"picture": qr, "text": qr})
    as_file = show(http, qr.encode())
    review = show(http, picture(qr))

    assert (error_of(as_field), error_of(as_file)) == ("e_file", "e_file")
    assert qr not in unescape(review.text)  # and the page does not carry it on either


def test_a_text_and_a_deeplink_are_ways_of_their_own(http: httpx2.Client, bank: Sandbox) -> None:
    qr = bank.qr("10.00", bill_number=BILL)
    link = bank.add_link(qr, callback="https://shop.example/return/abc?x=1&y=2", app_name="Shop & Co")

    pasted = http.post("/phone/text", data={"text": f"  khqr://{qr}\n"}, follow_redirects=True)
    asked = http.get("/phone", params={"qr": qr}, follow_redirects=True)
    linked = http.get(f"/d/{link.id}", follow_redirects=True)
    receipt = press_pay(http, linked)

    assert hook(pasted, "phone-bill") == hook(asked, "phone-bill") == hook(linked, "phone-bill") == BILL
    back = re.search(r'href="([^"]+)" data-testid="phone-back-to-shop">([^<]+)<', receipt.text)
    assert back
    assert unescape(back[1]) == "https://shop.example/return/abc?x=1&y=2"
    assert "Back to shop" in back[2]
    assert http.get("/d/aaaaaaaaaaaaaaaaa").status_code == 404


def test_a_way_back_belongs_to_its_own_payment(http: httpx2.Client, bank: Sandbox) -> None:
    link = bank.add_link(bank.qr("1.00"), callback="https://shop.example/a")
    linked = http.get(f"/d/{link.id}", follow_redirects=True)
    other = bank.pay(bank.qr("2.00"))

    page = http.get(f"/phone/receipt/{other.hash}", params={"scan": scan_of(linked)})

    assert "phone-receipt" in page.text
    assert "shop.example" not in page.text


@pytest.mark.parametrize(
    ("callback", "kept"),
    [
        ("https://shop.example/x", True),
        ("http://127.0.0.1:8000/x", True),
        ("shopapp://paid/abc", True),
        ("javascript:alert(1)", False),
        ("JavaScript:alert(1)", False),
        (" javascript:alert(1)", False),
        ("java\tscript:alert(1)", False),
        ("data:text/html,x", False),
        ("file:///etc/passwd", False),
        ("/relative", False),
        ("http://[", False),
        (None, False),
    ],
)
def test_a_callback_that_runs_code_is_no_way_back(callback: str | None, kept: bool) -> None:
    assert safe_callback(callback) == (callback if kept else None)


def test_a_static_qr_asks_for_an_amount(http: httpx2.Client, bank: Sandbox) -> None:
    review = show(http, picture(bank.qr(None, Currency.KHR)))

    without = press_pay(http, review)
    nonsense = press_pay(http, review, amount="ten")
    press_pay(http, review, amount="41,000")

    assert 'name="amount"' in review.text
    assert (error_of(without), error_of(nonsense)) == ("e_amount", "e_amount")
    assert 'value="ten"' in nonsense.text
    assert balances(bank)["KHR"] == 2_000_000 - 41_000


def unread(bank: Sandbox) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (80, 80), "white").save(out, "PNG")
    return out.getvalue()


def expired(bank: Sandbox) -> bytes:
    qr = bank.qr("1.00", life_s=60)
    bank.advance(61)
    return picture(qr)


def paid(bank: Sandbox) -> bytes:
    qr = bank.qr("1.00")
    bank.pay(qr)
    return picture(qr)


ERRORS = {
    "e_none": unread,
    "e_not_khqr": lambda bank: picture("https://shop.example/menu"),
    "e_crc": lambda bank: picture(bank.qr("1.00").replace("VinFlow", "VinFlaw")),
    "e_expired": expired,
    "e_paid": paid,
    "e_account": lambda bank: picture(bank.qr("1.00", account="nobody@devb")),
    "e_file": lambda bank: b"BM not a picture",
}


@pytest.mark.parametrize("language", ["en", "km"])
@pytest.mark.parametrize("code", ERRORS)
def test_each_refusal_says_its_sentence_and_moves_no_money(
    http: httpx2.Client, bank: Sandbox, code: str, language: str
) -> None:
    before = balances(bank)
    page = show(http, ERRORS[code](bank), **{"accept-language": language})

    assert error_of(page) == code
    assert WORDS[f"sb.{code}"][("en", "km").index(language)] in unescape(page.text)
    assert f'<html lang="{language}">' in page.text
    assert balances(bank) == before


def test_a_picture_over_ten_megabytes_is_told_so_and_kept_nowhere(http: httpx2.Client, bank: Sandbox) -> None:
    small = show(http, picture(bank.qr("1.00")) + b"\0" * (10 * 1024 * 1024))
    large = show(http, b"\0" * 20_000_000)

    assert (error_of(small), error_of(large)) == ("e_file", "e_file")


def test_too_little_money_is_refused_on_the_same_page(http: httpx2.Client, bank: Sandbox) -> None:
    page = press_pay(http, show(http, picture(bank.qr("500.01"))))

    assert error_of(page) == "e_funds"
    assert "phone-review" in page.text
    assert (balances(bank)["USD"], bank.transfers) == (50_000, ())


def test_several_codes_offer_a_choice(http: httpx2.Client, bank: Sandbox) -> None:
    wall = Image.new("RGB", (900, 1800), "white")
    for place, amount in ((40, "1.00"), (940, "2.00")):
        code = Image.open(io.BytesIO(picture(bank.qr(amount)))).convert("RGB").resize((700, 700))
        wall.paste(code, (60, place))
    out = io.BytesIO()
    wall.save(out, "PNG")

    page = show(http, out.getvalue())
    links = re.findall(r'href="(/phone/review/[\w-]+)"', page.text)
    second = http.get(links[1])

    assert error_of(page) == "e_many"
    assert len(links) == 2
    assert hook(second, "phone-amount") == "$2.00"


@pytest.mark.parametrize("pin", ["", "123", "12345", "abcd", "១២៣៤"])
def test_a_pin_is_four_digits(http: httpx2.Client, bank: Sandbox, pin: str) -> None:
    page = press_pay(http, show(http, picture(bank.qr("1.00"))), pin=pin)

    assert error_of(page) == "e_pin"
    assert bank.transfers == ()


def test_a_switch_skips_the_pin(http: httpx2.Client, bank: Sandbox) -> None:
    bank.switch(phone_pin=False)
    review = show(http, picture(bank.qr("1.00")))

    assert 'name="pin"' not in review.text
    assert "phone-receipt" in press_pay(http, review, pin="").text


def test_paying_twice_from_one_page_pays_once(http: httpx2.Client, bank: Sandbox) -> None:
    review = show(http, picture(bank.qr("1.00")))
    press_pay(http, review)

    assert error_of(press_pay(http, review)) == "e_paid"
    assert len(bank.transfers) == 1


def test_riel_and_dollar_accounts_are_apart(http: httpx2.Client, bank: Sandbox) -> None:
    press_pay(http, show(http, picture(bank.qr("41000", Currency.KHR))))

    assert balances(bank) == {"USD": 50_000, "KHR": 1_959_000}


RESULTS: dict[str, tuple[dict[str, str], Any]] = {
    "failed": ({}, lambda rows: [row.failed for row in rows] == [True]),
    "silent": ({"delay_s": "45"}, lambda rows: rows[0].visible_ms - rows[0].created_ms == 45_000),
    "late": ({}, lambda rows: rows[0].created_ms - 1_764_565_800_000 > 60_000),
    "amount": ({"other_amount": "3.33"}, lambda rows: str(rows[0].amount) == "3.33"),
    "currency": ({}, lambda rows: (rows[0].currency, str(rows[0].amount)) == ("KHR", "1")),
    "twice": ({}, lambda rows: len({row.hash for row in rows}) == 2),
    "ok": ({}, lambda rows: (len(rows), str(rows[0].amount)) == (1, "1.00")),
}


@pytest.mark.parametrize("result", RESULTS)
def test_each_result_of_the_controls(http: httpx2.Client, bank: Sandbox, result: str) -> None:
    details, holds = RESULTS[result]
    http.post("/phone/controls", data={"result": result, "gateway": "normal", **details})

    page = press_pay(http, show(http, picture(bank.qr("1.00"))))

    assert "phone-receipt" in page.text
    assert holds(bank.transfers), bank.transfers
    assert ('class="chip"' in page.text) is (result != "ok")


def test_the_bank_can_refuse_and_a_late_payer_can_pay_an_expired_qr(
    http: httpx2.Client, bank: Sandbox
) -> None:
    qr = bank.qr("1.00", life_s=60)
    http.post("/phone/controls", data={"result": "refuse", "gateway": "normal"})
    refused = press_pay(http, show(http, picture(qr)))
    bank.advance(600)
    http.post("/phone/controls", data={"result": "late", "gateway": "normal"})
    late = press_pay(http, show(http, picture(qr)))

    assert error_of(refused) == "e_refused"
    assert "phone-receipt" in late.text
    assert len(bank.transfers) == 1


@pytest.mark.parametrize(
    ("gateway", "status", "code"),
    [("500", 500, None), ("401", 401, 6), ("403", 403, None), ("429", 429, None), ("quota", 200, 17)],
)
def test_each_gateway_of_the_controls(
    http: httpx2.Client, ask: Any, bank: Sandbox, gateway: str, status: int, code: int | None
) -> None:
    http.post("/phone/controls", data={"result": "ok", "gateway": gateway})
    met = ask(CHECK, {"md5": "a"})
    page = http.get("/phone")
    http.post("/phone/faults/clear", data={})

    assert met.status_code == status
    assert code is None or met.json()["errorCode"] == code
    assert 'class="chip"' in page.text
    assert ask(CHECK, {"md5": "a"}).status_code == 200
    assert 'class="chip"' not in http.get("/phone").text


def test_choosing_another_gateway_replaces_the_first(http: httpx2.Client, bank: Sandbox) -> None:
    for gateway in ("slow", "timeout", "403"):
        http.post("/phone/controls", data={"result": "ok", "gateway": gateway})

    assert [fault.style for fault in bank.faults] == ["nginx"]


def test_the_activity_page_lists_and_changes(http: httpx2.Client, ask: Any, bank: Sandbox) -> None:
    press_pay(http, show(http, picture(bank.qr("1.00"))))
    ask(CHECK, {"md5": "a"})
    http.post(
        "/phone/faults", data={"call": CHECK, "style": "nginx", "times": "2", "status": "503", "delay_s": ""}
    )
    http.post("/phone/switches", data={"md5_list": "open", "quota": "none", "list_keys": "false"})
    http.post("/phone/clock", data={"seconds": "60"})
    page = http.get("/phone/activity").text
    number = bank.faults[0].id
    http.post("/phone/faults/clear", data={"id": str(number)})

    assert bank.transfers[0].short_hash in page
    assert f"nginx 503 {CHECK} ×2" in page
    assert (bank.switches.md5_list, bank.switches.quota, bank.switches.list_keys) == ("open", None, False)
    assert "12:01:00" in page
    assert bank.faults == ()


def test_reset_restores_the_balances(http: httpx2.Client, bank: Sandbox) -> None:
    press_pay(http, show(http, picture(bank.qr("1.00"))))
    http.post("/phone/controls", data={"result": "twice", "gateway": "500"})
    page = http.post("/phone/reset", data={}, follow_redirects=True)

    assert balances(bank) == {"USD": 50_000, "KHR": 2_000_000}
    assert (bank.transfers, bank.faults) == ((), ())
    assert 'class="chip"' not in page.text


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/phone/faults", {"call": "x", "style": "nginx"}),
        ("/phone/faults", {"style": "nginx", "times": "many"}),
        ("/phone/faults/clear", {"id": "x"}),
        ("/phone/switches", {"quota": "lots"}),
        ("/phone/clock", {"seconds": "9" * 9_999}),
        ("/phone/controls", {"result": "jackpot"}),
    ],
)
def test_a_wrong_control_is_refused_and_changes_nothing(
    http: httpx2.Client, bank: Sandbox, path: str, data: dict[str, str]
) -> None:
    before = bank.switches, bank.faults, bank.clock.now_ms()

    assert http.post(path, data=data).status_code == 422
    assert (bank.switches, bank.faults, bank.clock.now_ms()) == before


def test_on_an_open_address_controls_need_the_secret_and_paying_does_not(bank: Sandbox) -> None:
    with (
        SandboxServer(bank, "0.0.0.0", control=True, secret="sesame") as server,
        httpx2.Client(base_url=server.url) as http,
    ):
        closed = http.post("/phone/reset", data={"secret": "wrong"})
        opened = http.post("/phone/switches", data={"secret": "sesame", "quota": "5"})
        review = show(http, picture(bank.qr("1.00")))
        paid_page = press_pay(http, review)

    assert (closed.status_code, opened.status_code) == (403, 303)
    assert bank.switches.quota == 5
    assert 'name="secret"' in review.text
    assert "phone-receipt" in paid_page.text


def test_on_an_open_address_without_secret_nobody_may_control(bank: Sandbox) -> None:
    with SandboxServer(bank, "0.0.0.0") as server:
        assert httpx2.post(f"{server.url}/phone/reset", data={}).status_code == 403


def test_another_sites_form_is_refused(http: httpx2.Client, bank: Sandbox) -> None:
    review = show(http, picture(bank.qr("1.00")))
    data = {"scan": scan_of(review), "pin": "1234"}

    assert http.post("/phone/pay", data=data, headers={"origin": "https://evil.example"}).status_code == 403
    assert http.post("/phone/pay", data=data, headers={"origin": "null"}).status_code == 403
    assert bank.transfers == ()


def test_programs_get_json(http: httpx2.Client, bank: Sandbox) -> None:
    qr, json_please = bank.qr("1.00"), {"accept": "application/json"}
    files = {"picture": ("a.png", picture(qr), "image/png")}

    read = http.post("/phone/read", files=files, headers=json_please).json()
    paid_answer = http.post(
        "/phone/pay", data={"scan": read["scan"], "pin": "0000"}, headers=json_please
    ).json()
    again = http.post("/phone/pay", data={"scan": read["scan"], "pin": "0000"}, headers=json_please)
    none = http.post(
        "/phone/read", files={"picture": ("a.png", unread(bank), "image/png")}, headers=json_please
    )

    assert (read["error"], read["texts"]) == (None, [qr])
    assert paid_answer["transfer"]["hash"] == bank.transfers[0].hash
    assert (again.status_code, again.json()["error"]) == (422, "e_paid")
    assert none.json()["error"] == "e_none"


# -- every page ---------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Collects what a strict policy and a screen reader care about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "input", "br", "img", "path", "!doctype"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag


def all_pages(http: httpx2.Client, bank: Sandbox) -> dict[str, httpx2.Response]:
    bank.fault(CHECK, "nginx", status=503)
    evil = '"><script>alert(1)</script>'
    bank.add_account("evil@devb", name=evil, bank=evil)
    link = bank.add_link(bank.qr("1.00", account="evil@devb", name=evil[:25], bill_number=evil[:25]),
                         callback='https://shop.example/"><script>', app_name=evil)  # fmt: skip
    review = http.get(f"/d/{link.id}", follow_redirects=True)
    return {
        "home": http.get("/phone"),
        "review": review,
        "receipt": press_pay(http, review),
        "static": show(http, picture(bank.qr(None))),
        "error": show(http, b"x"),
        "activity": http.get("/phone/activity"),
        "lost": http.get("/phone/nothing"),
    }


@pytest.mark.parametrize("language", ["en", "km"])
def test_every_page_is_well_formed_bannered_and_strict(
    http: httpx2.Client, bank: Sandbox, language: str
) -> None:
    http.headers["accept-language"] = language

    for name, answer in all_pages(http, bank).items():
        page = Page(answer.text)
        assert page.open == [], name
        assert 'data-testid="sandbox-banner"' in answer.text, name
        assert "<script>alert" not in answer.text, name
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'"), name
        assert "unsafe" not in policy, name
        assert sum(tag == "h1" for tag, _ in page.tags) == 1, name
        ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
        assert len(ids) == len(set(ids)), name
        for tag, attrs in page.tags:
            assert "style" not in attrs, (name, tag)
            assert not any(key.startswith("on") for key in attrs), (name, tag)
            if tag == "script":
                assert attrs.get("src", "").startswith("/phone/static/"), name
            for key in ("src", "action"):
                assert (attrs.get(key) or "/phone").startswith(("/phone", "/d/")), (name, tag)
        if language == "km":
            body = re.sub(r"<[^>]+>", " ", answer.text.split("<main", 1)[1])
            assert re.search("[\u1780-\u17ff]", body), name


def test_the_language_is_the_switch_the_cookie_the_browser_then_english(http: httpx2.Client) -> None:
    def language(**kw: Any) -> str:
        found = re.search('<html lang="(..)">', http.get("/phone", **kw).text)
        assert found
        return found[1]

    assert language() == "en"
    assert language(headers={"accept-language": "fr, km;q=0.8, en;q=0.5"}) == "km"
    assert language(headers={"accept-language": "en-GB, km;q=0.8"}) == "en"
    chosen = http.get("/phone", params={"lang": "km"})
    assert chosen.cookies["sandbox_lang"] == "km"
    assert language(headers={"accept-language": "en"}) == "km"  # the cookie
    assert language(params={"lang": "en"}) == "en"
    assert language(params={"lang": "xx"}) == "en"


def test_switching_the_language_keeps_the_page(http: httpx2.Client, bank: Sandbox) -> None:
    review = show(http, picture(bank.qr("1.00")))
    link = re.search(r'href="([^"]+\?lang=km[^"]*)"', review.text)

    assert link
    other = http.get(unescape(link[1]))
    assert scan_of(other) == scan_of(review)
    assert "ពិនិត្យការទូទាត់" in other.text


def test_both_languages_have_every_sentence_and_placeholder() -> None:
    def holes(text: str) -> set[str | None]:
        return {name for _, name, _, _ in Formatter().parse(text) if name is not None}

    for key, (english, khmer) in WORDS.items():
        assert english, key
        assert re.search("[\u1780-\u17ff]", khmer), key
        assert holes(english) == holes(khmer), key
        assert "\u200b" not in khmer, key


@pytest.mark.parametrize("name", ["phone.css", "phone.js", "icon.svg", "noto-sans-khmer.woff2"])
def test_files_of_the_page_are_served_and_nothing_else_is(http: httpx2.Client, name: str) -> None:
    answer = http.get(f"/phone/static/{name}")

    assert (answer.status_code, answer.headers["x-content-type-options"]) == (200, "nosniff")
    assert len(answer.content) > 100
    for other in ("../bank.py", "noto-sans-khmer.OFL.txt", "%2e%2e/bank.py", "", "phone.css/"):
        assert http.get(f"/phone/static/{other}").status_code == 404


def test_without_the_phone_there_is_no_phone(bank: Sandbox) -> None:
    with SandboxServer(bank, phone=False) as server, httpx2.Client(base_url=server.url) as http:
        assert [http.get(path).status_code for path in ("/", "/phone", "/phone/activity", "/d/x")] == [
            404
        ] * 4
