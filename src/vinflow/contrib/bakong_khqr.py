"""The interface of the PyPI package `bakong-khqr` (0.6), answered by vinflow.khqr and vinflow.bakong.

    from vinflow.contrib.bakong_khqr import KHQR      # was: from bakong_khqr import KHQR

Names, arguments and answers are that package's, so that a site moves by one import. Three things differ,
on purpose: what Bakong did not say is never "UNPAID" (it raises CannotSay), an amount is never rounded to
another one, and a transfer that was sent back is not paid. New code asks vinflow.bakong directly.
"""

from __future__ import annotations

import base64
import os
import tempfile
import time
import warnings
import weakref
from decimal import Decimal, InvalidOperation
from io import BytesIO
from pathlib import Path
from typing import Any

from vinflow import khqr
from vinflow.bakong import CannotTell, Client, Failed, Found, NotFound, SourceInfo, StaticQr, TrackingStatus
from vinflow.bakong.core import PRODUCTION_URL
from vinflow.bakong.results import Outcome
from vinflow.money import Currency

__all__ = ["KHQR", "CannotSay", "KHQRResponse"]

# What that package takes for an amount. A float is turned into a decimal before anything else is done.
Number = int | float | str | Decimal

DAY_MS = 86_400_000
BULK_MAX = 50
SENT_BACK = (TrackingStatus.REFUNDED_BY_RECEIVER, TrackingStatus.FAILED_AT_ACH)
PAUSES_S = ((300, 5), (900, 10), (3600, 15))  # (age of the QR, seconds until the next question)
PAUSE_LONGEST_S = 300
DEFAULT_ICON = "https://bakong.nbc.gov.kh/images/logo.svg"
DEFAULT_CALLBACK = "https://bakong.nbc.org.kh"


class CannotSay(ValueError):
    """Bakong told nothing about the payment: it may be paid. Ask later; reason says why.

    A ValueError, as that package raises for a network that fails. For a spent quota and a dead token it
    answers "UNPAID" instead; here they raise as well.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class KHQRResponse(str):
    """The text of a KHQR that also carries .qr, .md5, .tran_id, .checkout_url (always None) and .raw."""

    qr: str
    md5: str | None
    tran_id: str | None
    checkout_url: str | None
    raw: dict[str, Any]

    def __new__(
        cls,
        qr: str,
        md5: str | None = None,
        tran_id: str | None = None,
        checkout_url: str | None = None,
        raw: dict[str, Any] | None = None,
    ) -> KHQRResponse:
        """Return the text with what belongs to it."""
        made = super().__new__(cls, qr)
        made.qr, made.md5, made.tran_id, made.checkout_url = qr, md5, tran_id, checkout_url
        made.raw = raw or {}
        return made

    def get(self, key: str, default: Any = None) -> Any:
        """Return a part by its name, default where there is none."""
        try:
            found = self[key]
        except KeyError:
            return default
        return default if found is None else found

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return super().__getitem__(key)
        if key in ("qr", "md5", "tran_id", "checkout_url"):
            return getattr(self, key)
        return (self.raw | (self.raw.get("data") or {}))[key]

    def to_dict(self) -> dict[str, Any]:
        """Return the four parts by their names."""
        return {key: getattr(self, key) for key in ("qr", "md5", "tran_id", "checkout_url")}


class KHQR:
    """A token and what can be done with it. Threads may share one.

    bakong_token: a Bakong token; QRs are made without one. base_url: the bank's address, or KHQR_API_URL
    of the environment where that is set. A relay's token (rbk...) is refused: the relay is another
    company's service, which sees every payment.
    """

    def __init__(self, bakong_token: str | None = None, *, base_url: str | None = None) -> None:
        token = (bakong_token or "").strip()
        if token.startswith("rbk"):
            raise ValueError(
                "a relay's token: ask Bakong for one of your own, VinFlow speaks to Bakong itself"
            )
        url = base_url or os.environ.get("KHQR_API_URL") or PRODUCTION_URL
        self._client = Client(url, token) if token else None
        if self._client is not None:  # that package has nothing to close, so nobody will
            weakref.finalize(self, self._client.close)

    def create_qr(
        self,
        amount: Number = 0,
        return_url: str | None = None,
        success_url: str | None = None,
        cancel_url: str | None = None,
        account_id: str | None = None,
        merchant_name: str | None = None,
        merchant_city: str | None = None,
        currency: str | None = None,
        store_label: str | None = None,
        phone_number: str | None = None,
        bill_number: str | None = None,
        terminal_label: str | None = None,
        static: bool = False,
        expiration: int = 1,
        return_dict: bool = False,
        **more: Any,
    ) -> KHQRResponse | dict[str, Any]:
        """Return the text of a new KHQR, or that package's dictionary of it (return_dict).

        amount: none or 0 makes a static QR. expiration: whole days. return_url, success_url and cancel_url
        belong to the relay and are not used. Raises ValueError (KHQRError among it) for what no KHQR can
        hold, and for an amount with more digits than its currency has.
        """
        if "bank_account" in more:
            warnings.warn("bank_account is called account_id", DeprecationWarning, stacklevel=2)
            account_id = account_id or more.pop("bank_account")
        given = {"account_id": account_id, "merchant_name": merchant_name, "merchant_city": merchant_city}
        for name, value in (given | {"currency": currency}).items():
            if not value:
                raise ValueError(f"Missing required argument: '{name}'.")
        money = _currency(str(currency))
        text = None if static else _amount_text(amount, money)
        if text is not None and expiration < 1:
            raise ValueError(f"a KHQR lives a day at least, not {expiration}")
        now_ms = int(time.time() * 1000)
        payload = khqr.Individual(
            str(account_id),
            str(merchant_name),
            merchant_city=str(merchant_city),
            currency=money,
            amount=text,
            store_label=store_label or None,
            mobile_number=_phone(phone_number),
            bill_number=bill_number or None,
            terminal_label=terminal_label or None,
            creation_timestamp=now_ms,
            expiration_timestamp=now_ms + expiration * DAY_MS,
        )
        qr = khqr.encode(payload)
        parts: dict[str, Any] = {"qr": qr, "md5": khqr.md5(qr), "tran_id": bill_number, "checkout_url": None}
        raw = {"responseCode": 0, "responseMessage": "KHQR Generated Successfully.", "data": parts}
        return raw if return_dict else KHQRResponse(**parts, raw=raw)

    def generate_md5(self, qr: str) -> str:
        """Return the name Bakong knows a QR by: the MD5 of its text, 32 hex digits."""
        return khqr.md5(str(qr))

    def generate_deeplink(
        self,
        qr: str,
        appDeepLinkCallback: str | None = None,  # noqa: N803 - the names are that package's
        appIconUrl: str = DEFAULT_ICON,  # noqa: N803
        appName: str = "MyAppName",  # noqa: N803
        callback: str | None = None,
    ) -> str | None:
        """Return a link that opens the Bakong app with this QR, None when Bakong makes none. One call.

        Raises CannotSay where Bakong did not answer at all.
        """
        if callback is not None:
            warnings.warn("callback is called appDeepLinkCallback", DeprecationWarning, stacklevel=2)
        back = appDeepLinkCallback or callback or DEFAULT_CALLBACK
        link = self._bank().deeplink(str(qr), SourceInfo(appName, appIconUrl, back))
        if isinstance(link, CannotTell):
            if link.code is not None:  # Bakong's own refusal
                return None
            raise CannotSay(link.reason.value, link.detail)
        return link.url

    def check_payment(self, md5: str, start_time: float | None = None) -> str | tuple[str, int]:
        """Return "PAID" or "UNPAID"; with start_time (epoch seconds) also seconds until the next question.

        One call. Raises CannotSay when Bakong told nothing. Before you give anything for it, compare what
        get_payment says with what you asked for.
        """
        status = "UNPAID" if _paid(self._bank().check_md5(md5)) is None else "PAID"
        if start_time is None:
            return status
        if status == "PAID":
            return status, 0
        age_s = time.time() - start_time
        return status, next((pause for until, pause in PAUSES_S if age_s <= until), PAUSE_LONGEST_S)

    def get_payment(self, md5: str) -> dict[str, Any] | None:
        """Return what Bakong says of the transfer that paid this QR, None while there is none. One call."""
        found = _paid(self._bank().check_md5(md5))
        if found is None:
            return None
        told = dict(found.transfer.raw)
        if isinstance(told.get("amount"), str):
            told["amount"] = float(found.transfer.amount)  # the JSON number, which that package hands on
        return told

    def check_bulk_payments(self, md5_list: list[str]) -> list[str]:
        """Return those of at most 50 MD5s that are paid, in the order given.

        One call where Bakong's list is open to the token, else one for each. What is missing is not paid or
        not known. Raises CannotSay when nothing at all was told.
        """
        if len(md5_list) > BULK_MAX:
            raise ValueError(f"{len(md5_list)} in one question, at most {BULK_MAX} are taken")
        if not md5_list:
            return []
        told = self._bank().check_md5_many(md5_list)
        silent = [outcome for outcome in told.values() if isinstance(outcome, CannotTell)]
        if silent and len(silent) == len(told):
            raise CannotSay(silent[0].reason.value, silent[0].detail)
        known = {md5 for md5, outcome in told.items() if isinstance(outcome, Found) and not _is_back(outcome)}
        return [md5 for md5 in md5_list if md5.lower() in known]

    def qr_image(self, qr: str, format: str = "png", output_path: str | None = None) -> str | bytes:
        """Return the KHQR card: the path of a file (png, jpeg, webp), bytes, base64 or base64_uri.

        Without output_path each call makes a new file in the folder for temporary ones.
        """
        card = khqr.card_png(str(qr))
        kind = format.lower()
        if kind == "bytes":
            return card
        if kind == "base64":
            return base64.b64encode(card).decode()
        if kind == "base64_uri":
            return f"data:image/png;base64,{base64.b64encode(card).decode()}"
        ending = {"jpeg": "jpg", "jpg": "jpg", "webp": "webp"}.get(kind, "png")
        picture = card if ending == "png" else _converted(card, ending)
        if output_path is None:  # a name of its own: two payers at once must not be shown one QR
            with tempfile.NamedTemporaryFile(prefix="khqr_", suffix=f".{ending}", delete=False) as file:
                file.write(picture)
            return file.name
        Path(output_path).write_bytes(picture)
        return output_path

    def create_webcheckout(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Refuse: a checkout page of the relay. VinFlow's own is in vinflow.storefront."""
        raise ValueError("web checkouts belong to the relay; VinFlow's own checkout is vinflow.storefront")

    def get_webcheckout(self, session_id: str) -> dict[str, Any] | None:
        """Refuse, as create_webcheckout does."""
        raise ValueError("web checkouts belong to the relay; ask check_payment(md5)")

    def _bank(self) -> Client:
        if self._client is None:
            raise ValueError("a Bakong token is needed: KHQR('your_token')")
        return self._client


def _paid(outcome: Outcome) -> Found | None:
    """Return the transfer that paid, None for Bakong's own "not yet". Raises CannotSay for anything else."""
    match outcome:
        case Found():
            return None if _is_back(outcome) else outcome
        case NotFound() | Failed():
            return None
        case StaticQr():
            raise CannotSay("static", "a static QR may be paid many times and cannot be looked up")
        case CannotTell():
            raise CannotSay(outcome.reason.value, outcome.detail)


def _is_back(found: Found) -> bool:
    return found.transfer.tracking_status in SENT_BACK


def _currency(text: str) -> Currency:
    try:
        return Currency(text.upper())
    except ValueError:
        raise ValueError(f"currency is {text!r}: USD or KHR") from None


def _amount_text(given: Number, currency: Currency) -> str | None:
    """Return the amount as the QR writes it, None for none. Raises ValueError rather than round it.

    A float is taken for the decimal it prints as; what its binary form adds (0.1 + 0.2) is no digit of
    anybody's, so a float within a millionth of a cent of a whole cent is that.
    """
    try:
        exact = Decimal(str(given))
    except InvalidOperation:
        raise ValueError(f"no amount: {given!r}") from None
    if not exact.is_finite():
        raise ValueError(f"no amount: {given!r}")
    if exact <= 0:
        return None
    step = Decimal(1).scaleb(-currency.exponent)
    whole = exact.quantize(step)
    if whole != exact and not (isinstance(given, float) and abs(whole - exact) < step / 1_000_000):
        raise ValueError(f"{given} has more digits than {currency} has; say which amount is meant")
    return f"{whole:f}"


def _phone(given: str | None) -> str | None:
    """Return a telephone number as it is dialled in Cambodia: a 0 in place of 855."""
    digits = "".join(sign for sign in str(given or "") if sign in "0123456789")
    return "0" + digits.removeprefix("855").removeprefix("0") if digits else None


def _converted(png: bytes, ending: str) -> bytes:
    from PIL import Image

    out = BytesIO()
    picture = Image.open(BytesIO(png))
    if ending == "jpg":
        picture.convert("RGB").save(out, "JPEG", quality=95)
    else:
        picture.save(out, "WEBP", lossless=True)
    return out.getvalue()
