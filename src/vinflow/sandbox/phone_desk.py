"""The bank app's addresses: a picture or a text in, a review, a payment, a receipt; and the test controls.

The picture way takes pixels only, and keeps what it read on the server: the review page names it by a number,
so no page ever hands a KHQR's text back to itself. A text or a deeplink is a second way, at its own address.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode, urlsplit

from vinflow.khqr import Individual
from vinflow.khqr import Merchant as MerchantQr
from vinflow.money import Currency, MoneyError, parse_amount
from vinflow.sandbox import phone_pages as pages
from vinflow.sandbox.answers import Answer, Request, json_answer, redirect
from vinflow.sandbox.bank import CALLS, PHONE_ACCOUNT, Sandbox, ready
from vinflow.sandbox.control_desk import same_origin
from vinflow.sandbox.errors import (
    AlreadyPaid,
    AmountNeeded,
    BankRefused,
    NoQrFound,
    NotEnoughMoney,
    NotKhqr,
    PayRefused,
    SandboxError,
    SeveralQrs,
    UnknownReceiver,
    WrongPin,
)
from vinflow.sandbox.faults import STYLES
from vinflow.sandbox.forms import Form, read_form
from vinflow.sandbox.paper import expires_ms
from vinflow.sandbox.phone import read_picture
from vinflow.sandbox.phone_activity import activity_page
from vinflow.sandbox.phone_frame import View
from vinflow.sandbox.phone_switchboard import CONTROLS, Switchboard, fault_label, whole
from vinflow.sandbox.words import LANGUAGES, say

__all__ = ["PhoneDesk"]

SCANS_MAX = 2000
LOG_SHOWN = 50
COOKIE = "sandbox_lang"
# No inline script or style, nothing from elsewhere. A callback may lead anywhere: it is a plain link.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("content-security-policy", POLICY),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    # Not "no-referrer": a form would then post with "Origin: null" and look like another site's.
    ("referrer-policy", "same-origin"),
    ("permissions-policy", "camera=(self)"),
)
STATIC = {
    "phone.css": "text/css; charset=utf-8",
    "phone.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "noto-sans-khmer.woff2": "font/woff2",
}
UNSAFE_SCHEMES = ("javascript", "data", "vbscript", "file", "blob", "about")


@dataclass(frozen=True, slots=True)
class Scan:
    """A KHQR in front of the payer: its text, and the way back to the shop if a deeplink brought it."""

    text: str
    callback: str | None = None
    app_name: str | None = None


class PhoneDesk:
    """Answers everything under /phone and /d/."""

    def __init__(self, sandbox: Sandbox, *, secret: str | None, open_address: bool) -> None:
        self.sandbox = sandbox
        self._secret = secret if open_address else None
        # On an address others can reach, and no secret set, nobody may spoil the stand-in from a page.
        self._locked = open_address and not secret
        self._scans: OrderedDict[str, Scan] = OrderedDict()
        self._lock = threading.Lock()
        self._board = Switchboard(sandbox)

    # -- requests ---------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        """Return the page, picture, redirect or JSON for a request."""
        path = request.path
        if path.startswith("/phone/static/"):
            return self._static(path.removeprefix("/phone/static/"))
        if request.method not in ("GET", "HEAD", "POST"):
            return self._html(request, pages.error_page(self._view(request), "e_gone"), 405)
        if request.method == "POST" and not same_origin(request):
            return self._html(request, pages.error_page(self._view(request), "e_gone"), 403)
        try:
            return self._route(request, path)
        except PayRefused as refused:
            return self._refuse(request, refused)

    def _route(self, request: Request, path: str) -> Answer:
        form = read_form(request.headers.get("content-type", ""), request.body)
        if request.method == "POST":
            match path:
                case "/phone/read":
                    return self._read(request, form)
                case "/phone/text":
                    return self._text(request, form)
                case "/phone/pay":
                    return self._pay(request, form)
                case _ if path in CONTROLS:
                    return self._control(request, path, form)
            return self._lost(request)
        if path.startswith("/d/"):
            return self._link(request, path.removeprefix("/d/"))
        if path.startswith("/phone/review/"):
            return self._review(request, path.removeprefix("/phone/review/"))
        if path.startswith("/phone/receipt/"):
            return self._receipt(request, path.removeprefix("/phone/receipt/"))
        match path.rstrip("/"):
            case "/phone" if "qr" in request.query:
                return redirect(self._address(self._keep(Scan(_bare(request.query["qr"])))))
            case "/phone":
                return self._html(request, pages.home_page(self._view(request)))
            case "/phone/activity":
                return self._html(request, self._activity(request))
        return self._lost(request)

    # -- ways in ----------------------------------------------------------------------------------------

    def _read(self, request: Request, form: Form) -> Answer:
        texts = read_picture(form.files.get("picture", b""))
        if not texts:
            raise NoQrFound("no QR in the picture")
        keys = [self._keep(Scan(_bare(text))) for text in texts]
        if _wants_json(request):
            reviews = [{"scan": key, "url": self._address(key)} for key in keys]
            if len(keys) > 1:
                return self._json({"error": "e_many", "texts": texts, "reviews": reviews}, 409)
            return self._json({"error": None, "texts": texts, "reviews": reviews, **reviews[0]})
        if len(keys) == 1:
            return redirect(self._address(keys[0]))
        choices = [(self._address(key), self._label(text)) for key, text in zip(keys, texts, strict=True)]
        return self._html(request, pages.choose_page(self._view(request), choices))

    def _text(self, request: Request, form: Form) -> Answer:
        key = self._keep(Scan(_bare(form.text("text"))))
        if _wants_json(request):
            return self._json({"error": None, "scan": key, "url": self._address(key)})
        return redirect(self._address(key))

    def _link(self, request: Request, link_id: str) -> Answer:
        link = self.sandbox.links.get(link_id)
        if link is None:
            return self._lost(request)
        return redirect(
            self._address(self._keep(Scan(_bare(link.qr), safe_callback(link.callback), link.app_name)))
        )

    def _label(self, text: str) -> str:
        try:
            read = self.sandbox.read_qr(text, expired_too=True)
        except PayRefused:
            return text[:60]
        amount = f" · {read.amount} {read.currency}" if read.amount else ""
        return f"{read.merchant_name}{amount}"

    # -- review and pay ---------------------------------------------------------------------------------

    def _review(self, request: Request, key: str, *, error: str = "", typed: str = "") -> Answer:
        scan = self._scans.get(key)
        if scan is None:
            return self._html(request, pages.error_page(self._view(request), "e_gone"), 404)
        with self.sandbox.lock:
            read = self._checked(scan.text)
            now_ms = self.sandbox.clock.now_ms()
            account = self.sandbox.find_account(read.bakong_account_id)
        end_ms = expires_ms(read)
        page = pages.review_page(
            self._view(request),
            scan=key,
            name=read.merchant_name,
            city=read.merchant_city or "",
            account=read.bakong_account_id,
            bank=read.acquiring_bank or (account.bank if account else ""),
            amount=None if read.amount is None else Decimal(read.amount),
            currency=read.currency.value,
            bill=read.bill_number or "",
            expires_ms=end_ms,
            remaining_ms=None if end_ms is None else end_ms - now_ms,
            ask_pin=self.sandbox.switches.phone_pin,
            error=error,
            typed=typed,
        )
        return self._html(request, page, 422 if error else 200)

    def _checked(self, text: str) -> Individual | MerchantQr:
        """Return the payload when this bank would show it. Raises what its app would say instead."""
        read = self.sandbox.read_qr(text, expired_too=self._board.result == "late")
        md5 = self.sandbox.md5_of(text)
        if self.sandbox.is_paid(md5):
            raise AlreadyPaid("paid before")
        if (
            self.sandbox.find_account(read.bakong_account_id) is None
            and not self.sandbox.switches.any_receiver
        ):
            raise UnknownReceiver(read.bakong_account_id)
        return read

    def _pay(self, request: Request, form: Form) -> Answer:
        key = form.text("scan")
        scan = self._scans.get(key)
        if scan is None:
            return self._lost(request)
        result = form.text("result") or self._board.result
        try:
            with self.sandbox.lock:
                transfer = self._paid(scan, form, result)
        except (WrongPin, AmountNeeded, NotEnoughMoney) as refused:
            if _wants_json(request):
                raise
            # These the payer can mend: the same page again, with what was typed.
            return self._review(request, key, error=refused.code, typed=form.text("amount"))
        address = f"/phone/receipt/{transfer.hash}?{urlencode({'scan': key})}"
        if _wants_json(request):
            return self._json({"error": None, "transfer": ready(transfer), "url": address})
        return redirect(address)

    def _paid(self, scan: Scan, form: Form, result: str) -> Any:
        read = self._checked(scan.text)
        pin = form.text("pin")
        if self.sandbox.switches.phone_pin and not (len(pin) == 4 and pin.isascii() and pin.isdigit()):
            raise WrongPin("a PIN is four digits")
        options: dict[str, Any] = {"payer": PHONE_ACCOUNT, "debit": True}
        if read.amount is None:
            options["amount"] = _typed_amount(form.text("amount"), read.currency)
        delay_s = whole(form.text("delay_s"), self._board.delay_s)
        match result:
            case "refuse":
                raise BankRefused("told to refuse")
            case "failed":
                options["fail"] = True
            case "silent":
                options["delay_s"] = delay_s
            case "late":
                options["late"] = True
            case "twice":
                options["twice"] = True
            case "amount":
                options["amount"] = self._another_amount(
                    read, form.text("other_amount") or self._board.other_amount, options
                )
            case "currency":
                options["currency"] = "KHR" if read.currency is Currency.USD else "USD"
                options.setdefault("amount", Decimal(read.amount or "0"))
                if options["currency"] == "KHR":  # riel have no decimals, and nothing is worth less than one
                    options["amount"] = max(Decimal(1), Decimal(options["amount"]).to_integral_value())
            case _:
                pass
        return self.sandbox.pay(scan.text, **options)

    def _another_amount(self, read: Individual | MerchantQr, wish: str, options: dict[str, Any]) -> Decimal:
        if wish:
            return _typed_amount(wish, read.currency)
        base = Decimal(str(options.get("amount", read.amount)))
        return base + (Decimal("0.01") if read.currency is Currency.USD else Decimal(100))

    def _receipt(self, request: Request, hash_: str) -> Answer:
        with self.sandbox.lock:
            transfer = self.sandbox.any_by_hash(hash_)
            now_ms = self.sandbox.clock.now_ms()
        if transfer is None or not transfer.qr:
            return self._lost(request)
        read = self.sandbox.read_qr(transfer.qr, expired_too=True)
        scan = self._scans.get(request.query.get("scan", ""))
        if scan is not None and scan.text != transfer.qr:
            scan = None  # another payment's way back leads to another shop
        page = pages.receipt_page(
            self._view(request),
            transfer,
            merchant=read.merchant_name,
            bill=read.bill_number or "",
            callback=scan.callback if scan else None,
            app=scan.app_name if scan else None,
            wait_s=max(0, -(-(transfer.visible_ms - now_ms) // 1000)),
        )
        return self._html(request, page)

    # -- controls ---------------------------------------------------------------------------------------

    def _control(self, request: Request, path: str, form: Form) -> Answer:
        shown = form.text("secret") or request.headers.get("x-sandbox-secret", "")
        if self._locked or (self._secret and not hmac.compare_digest(shown.encode(), self._secret.encode())):
            return self._html(request, pages.error_page(self._view(request), "e_secret"), 403)
        try:
            back = self._board.work(path, form)
        except (SandboxError, ValueError) as error:
            view = replace(self._view(request), notice=str(error))
            return self._html(request, pages.error_page(view, "e_refused", back="/phone/activity"), 422)
        return self._json({"error": None}) if _wants_json(request) else redirect(back)

    # -- pages ------------------------------------------------------------------------------------------

    def _activity(self, request: Request) -> str:
        with self.sandbox.lock:
            return activity_page(
                self._view(request),
                transfers=self.sandbox.transfers[-LOG_SHOWN:][::-1],
                calls=self.sandbox.calls()[-LOG_SHOWN:][::-1],
                faults=[(fault.id, fault_label(fault)) for fault in self.sandbox.faults],
                styles=sorted(STYLES),
                call_names=sorted(CALLS),
                switches=self.sandbox.switches,
                now_ms=self.sandbox.clock.now_ms(),
                used=self.sandbox.used(),
            )

    def _view(self, request: Request) -> View:
        language = _language(request)
        with self.sandbox.lock:
            account = self.sandbox.find_account(PHONE_ACCOUNT)
            gateway, chips = self._board.gateway, self._board.chips(language)
        query = urlencode({name: value for name, value in request.query.items() if name in ("scan",)})
        get = request.method in ("GET", "HEAD")
        return View(
            language=language,
            path=request.path if get and request.path.startswith("/phone") else "/phone",
            query=query,
            balances=dict(account.balances or {}) if account else {},
            holder=account.name if account else "",
            result=self._board.result,
            delay_s=self._board.delay_s,
            other_amount=self._board.other_amount,
            gateway=gateway,
            chips=chips,
            needs_secret=self._secret is not None,
        )

    def _refuse(self, request: Request, refused: PayRefused) -> Answer:
        if _wants_json(request):
            body: dict[str, Any] = {"error": refused.code, "message": say("en", f"sb.{refused.code}")}
            if isinstance(refused, SeveralQrs):
                body["texts"] = refused.texts
            if isinstance(refused, NotKhqr):
                body["khqr_code"] = refused.khqr_code
            return self._json(body, 422)
        return self._html(request, pages.error_page(self._view(request), refused.code), 422)

    def _lost(self, request: Request) -> Answer:
        if _wants_json(request):
            return self._json({"error": "e_gone", "message": say("en", "sb.e_gone")}, 404)
        return self._html(request, pages.error_page(self._view(request), "e_gone"), 404)

    def _html(self, request: Request, page: str, status: int = 200) -> Answer:
        headers: tuple[tuple[str, str], ...] = HEADERS
        chosen = request.query.get("lang")
        if chosen in LANGUAGES:
            headers = (
                *headers,
                ("set-cookie", f"{COOKIE}={chosen}; Path=/; SameSite=Lax; HttpOnly; Max-Age=31536000"),
            )
        return Answer(
            status, page.encode(), "text/html; charset=utf-8", (*headers, ("vary", "accept-language, cookie"))
        )

    def _json(self, value: Any, status: int = 200) -> Answer:
        return json_answer(
            value, status, (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))
        )

    def _static(self, name: str) -> Answer:
        kind = STATIC.get(name)
        if kind is None:
            return Answer(404, b"", "text/plain")
        body = files("vinflow.sandbox").joinpath("static", name).read_bytes()
        age = "31536000, immutable" if name.endswith(".woff2") else "no-cache"
        return Answer(
            200,
            body,
            kind,
            (
                ("cache-control", f"public, max-age={age}" if age[0] == "3" else age),
                ("x-content-type-options", "nosniff"),
            ),
        )

    def _keep(self, scan: Scan) -> str:
        key = secrets.token_urlsafe(12)
        with self._lock:
            self._scans[key] = scan
            while len(self._scans) > SCANS_MAX:
                self._scans.popitem(last=False)
        return key

    @staticmethod
    def _address(key: str) -> str:
        return f"/phone/review/{key}"


def safe_callback(callback: str | None) -> str | None:
    """Return a shop's callback when a phone may open it: any scheme but those that run code or read files."""
    if callback is None or any(ord(c) <= 32 or ord(c) == 127 for c in callback):
        return None
    try:
        scheme = urlsplit(callback).scheme.lower()
    except ValueError:
        return None
    return callback if scheme and scheme not in UNSAFE_SCHEMES else None


def _bare(text: str) -> str:
    return text.strip().removeprefix("khqr://")[:4000]


def _typed_amount(text: str, currency: Currency) -> Decimal:
    try:
        money = parse_amount(text, currency)
    except MoneyError as error:
        raise AmountNeeded(str(error)) from None
    if money.minor <= 0:
        raise AmountNeeded("an amount above zero is needed")
    return money.decimal


def _wants_json(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def _language(request: Request) -> str:
    """Return the language: the switch, the cookie, the browser's wish, English."""
    asked = request.query.get("lang")
    if asked in LANGUAGES:
        return asked
    for part in request.headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE and value in LANGUAGES:
            return value
    best, language = 0.0, "en"
    for part in request.headers.get("accept-language", "").split(",")[:20]:
        tag, _, weight = part.strip().partition(";")
        short = tag.strip().lower().split("-")[0]
        try:
            value_of = float(weight.strip().removeprefix("q=")) if weight.strip() else 1.0
        except ValueError:
            continue
        if short in LANGUAGES and best < value_of <= 1:
            best, language = value_of, short
    return language
