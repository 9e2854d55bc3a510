"""The control interface: JSON under /_control/, for whoever drives the stand-in. Not a part of Bakong.

Closed unless asked for. With a secret, every request must show it, as X-Sandbox-Secret or as a Bearer token;
without one only this machine is served, and no web page may reach in from a browser.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from vinflow.money import Currency
from vinflow.sandbox.answers import NOT_JSON, Answer, Request, json_answer, json_value
from vinflow.sandbox.bank import PAYER, Sandbox, ready
from vinflow.sandbox.errors import PayRefused, SandboxError
from vinflow.sandbox.faults import ITEM_STYLES, STYLES

__all__ = ["OPERATIONS", "answer_control", "may_control", "same_origin"]

PREFIX = "/_control"
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class _Wish(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The root of what may be asked: a field nobody knows is refused, not ignored."""


class Nothing(_Wish):
    """No fields."""


class Pay(_Wish):
    """Pay a KHQR; the options are those of Sandbox.pay."""

    qr: str
    amount: Decimal | None = None
    currency: Literal["USD", "KHR"] | None = None
    receiver: str | None = None
    payer: str = PAYER
    delay_s: float | None = None
    fail: bool = False
    twice: bool = False
    again: bool = False
    late: bool = False
    debit: bool = False
    hash: str | None = None
    external_ref: str | None = ""  # "" draws one
    instruction_ref: str | None = None
    tracking_status: str | None = None
    description: str | None = None
    receiver_bank: str | None = None
    receiver_bank_account: str | None = None
    overrides: dict[str, Any] = {}
    drop: list[str] = []


class MakeQr(_Wish):
    """Make the text of a KHQR to try things with; no amount makes a static one."""

    amount: Decimal | None = None
    currency: Literal["USD", "KHR"] = "USD"
    account: str | None = None
    name: str | None = None
    bill_number: str | None = None
    life_s: int = 600


class MoveClock(_Wish):
    """Move, set, stop or start the clock."""

    advance_s: float = 0
    set_ms: int | None = None
    frozen: bool | None = None


class SetFault(_Wish):
    """Set a fault; see the styles under GET /_control/."""

    call: str = "*"
    style: str = "nginx"
    times: int | None = None
    status: int | None = None
    code: int | None = None
    message: str | None = None
    retry_after_s: int | None = None
    location: str | None = None
    body: str | None = None
    content_type: str = "application/json"
    delay_s: float = 0
    skip: int = 0


class ClearFaults(_Wish):
    """Clear all faults, those of a call, or one."""

    call: str | None = None
    id: int | None = None


class ItemFault(_Wish):
    """Spoil one item of list answers, or stop spoiling it."""

    key: str
    style: Literal["SERVICE_FAILED", "EMPTY_SUCCESS"] | None = None


class SetQuota(_Wish):
    """Set the limit of all tokens, or what one has used today."""

    limit: int | msgspec.UnsetType | None = msgspec.UNSET
    used: int | None = None
    token: str | None = None


class MakeToken(_Wish):
    """Issue a token."""

    email: str | None = None
    hosted: bool = False
    merchant: str | None = None
    life_s: int = 7_776_000
    age_s: int = 0
    environment: str | None = None


class Token(_Wish):
    """A token to be refused from now on."""

    token: str


class MakeAccount(_Wish):
    """Create or replace an account; balances in minor units."""

    id: str
    name: str = ""
    bank: str = ""
    balances: dict[Literal["USD", "KHR"], int] | None = None


class AccountId(_Wish):
    """An account that exists no more."""

    id: str


class MakeMerchant(_Wish):
    """Create a merchant of the hosted dialect."""

    md5: str
    account: str
    name: str
    merchant_id: str = "merchant_123"


class Email(_Wish):
    """An e-mail address."""

    email: str


class LogWish(_Wish):
    """Which lines of the log: of one call, after a number."""

    call: str | None = None
    after: int = 0


def _pay(sandbox: Sandbox, wish: Pay) -> Any:
    options = {name: getattr(wish, name) for name in wish.__struct_fields__ if name != "qr"}
    options["drop"] = tuple(wish.drop)
    options["external_ref"] = ... if wish.external_ref == "" else wish.external_ref
    return sandbox.pay(wish.qr, **options)


def _qr(sandbox: Sandbox, wish: MakeQr) -> Any:
    text = sandbox.qr(
        None if wish.amount is None else format(wish.amount, "f"),
        Currency(wish.currency),
        account=wish.account,
        name=wish.name,
        bill_number=wish.bill_number,
        life_s=wish.life_s,
    )
    return {"qr": text}


def _clock(sandbox: Sandbox, wish: MoveClock) -> Any:
    clock = sandbox.clock
    if wish.set_ms is not None:
        clock.set_ms(wish.set_ms)
    clock.advance(wish.advance_s)
    if wish.frozen is not None:
        (clock.freeze if wish.frozen else clock.run)()
    sandbox.keep_clock()
    return _time(sandbox)


def _time(sandbox: Sandbox) -> dict[str, Any]:
    clock = sandbox.clock
    return {
        "now_ms": clock.now_ms(),
        "now": clock.now().isoformat(timespec="milliseconds"),
        "frozen": clock.frozen_at_ms is not None,
    }


def _fault(sandbox: Sandbox, wish: SetFault) -> Any:
    return sandbox.fault(**{name: getattr(wish, name) for name in wish.__struct_fields__})


def _quota(sandbox: Sandbox, wish: SetQuota) -> Any:
    if wish.limit is not msgspec.UNSET:
        sandbox.switch(quota=wish.limit)
    if wish.used is not None:
        sandbox.set_used(wish.used, wish.token)
    return {"limit": sandbox.switches.quota, "used": sandbox.used(wish.token)}


def _token(sandbox: Sandbox, wish: MakeToken) -> Any:
    return {"token": sandbox.issue_token(**{name: getattr(wish, name) for name in wish.__struct_fields__})}


def _account(sandbox: Sandbox, wish: MakeAccount) -> Any:
    balances = None if wish.balances is None else {str(unit): held for unit, held in wish.balances.items()}
    return sandbox.add_account(wish.id, name=wish.name, bank=wish.bank, balances=balances)


def _merchant(sandbox: Sandbox, wish: MakeMerchant) -> Any:
    return sandbox.add_merchant(wish.md5, account=wish.account, name=wish.name, merchant_id=wish.merchant_id)


def _state(sandbox: Sandbox, wish: Nothing) -> Any:
    return {
        "account": sandbox.account,
        "email": sandbox.email,
        "token": sandbox.token,
        "merchant_md5": sandbox.merchant_md5,
        "hosted_token": sandbox.hosted_token,
        "clock": _time(sandbox),
        "transfers": len(sandbox.transfers),
        "quota": {"limit": sandbox.switches.quota, "used": sandbox.used()},
        "switches": sandbox.switches.as_dict(),
        "faults": [fault.as_dict() for fault in sandbox.faults],
        "accounts": [ready(account) for account in sandbox.accounts.values()],
    }


def _help(sandbox: Sandbox, wish: Nothing) -> Any:
    return {
        "operations": [f"{method} {PREFIX}/{name}" for method, name in OPERATIONS],
        "fault_styles": sorted(STYLES),
        "item_fault_styles": list(ITEM_STYLES),
    }


Work = Callable[[Sandbox, Any], Any]


def _done(work: Callable[[Sandbox, Any], None]) -> Work:
    """Return the operation that does work and then says so."""

    def do(sandbox: Sandbox, wish: Any) -> Any:
        work(sandbox, wish)
        return {"done": True}

    return do


OPERATIONS: Mapping[tuple[str, str], tuple[type[_Wish], Work]] = {
    ("GET", ""): (Nothing, _help),
    ("GET", "state"): (Nothing, _state),
    ("POST", "qr"): (MakeQr, _qr),
    ("POST", "pay"): (Pay, _pay),
    ("GET", "transfers"): (Nothing, lambda sandbox, wish: sandbox.transfers),
    ("GET", "clock"): (Nothing, lambda sandbox, wish: _time(sandbox)),
    ("POST", "clock"): (MoveClock, _clock),
    ("GET", "faults"): (Nothing, lambda sandbox, wish: sandbox.faults),
    ("POST", "faults"): (SetFault, _fault),
    ("DELETE", "faults"): (
        ClearFaults,
        _done(lambda sandbox, wish: sandbox.clear_faults(wish.call, fault_id=wish.id)),
    ),
    ("POST", "item-faults"): (
        ItemFault,
        _done(lambda sandbox, wish: sandbox.item_fault(wish.key, wish.style)),
    ),
    ("GET", "switches"): (Nothing, lambda sandbox, wish: sandbox.switches.as_dict()),
    ("GET", "quota"): (Nothing, lambda sandbox, wish: _quota(sandbox, SetQuota())),
    ("POST", "quota"): (SetQuota, _quota),
    ("POST", "tokens"): (MakeToken, _token),
    ("DELETE", "tokens"): (Token, _done(lambda sandbox, wish: sandbox.revoke_token(wish.token))),
    ("POST", "accounts"): (MakeAccount, _account),
    ("DELETE", "accounts"): (AccountId, _done(lambda sandbox, wish: sandbox.remove_account(wish.id))),
    ("POST", "merchants"): (MakeMerchant, _merchant),
    ("POST", "emails"): (Email, _done(lambda sandbox, wish: sandbox.add_email(wish.email))),
    ("DELETE", "emails"): (Email, _done(lambda sandbox, wish: sandbox.remove_email(wish.email))),
    ("GET", "log"): (
        LogWish,
        lambda sandbox, wish: [line for line in sandbox.calls(wish.call) if line.seq > wish.after],
    ),
    ("POST", "reset"): (Nothing, _done(lambda sandbox, wish: sandbox.reset())),
}
NAMES = frozenset(name for _, name in OPERATIONS) | {"switches"}


def same_origin(request: Request) -> bool:
    """Whether a request comes from our own page or from no page at all; others' pages send their origin."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()


def _local_host(request: Request) -> bool:
    # A page whose name was made to resolve to this machine arrives with that name in Host.
    try:
        name = urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        return False
    return name in LOCAL_NAMES or name is None


def may_control(request: Request, *, secret: str | None, open_address: bool) -> bool:
    """Whether the sender of a request may drive the stand-in."""
    if not same_origin(request):
        return False
    if secret:
        shown = request.headers.get("x-sandbox-secret")
        if shown is None:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            shown = token.strip() if scheme.lower() == "bearer" else ""
        return hmac.compare_digest(shown.encode(), secret.encode())
    return not open_address and _local_host(request)


def answer_control(sandbox: Sandbox, request: Request) -> Answer:
    """Return the answer to a request under /_control/ whose sender may drive the stand-in."""
    name = request.path.removeprefix(PREFIX).strip("/")
    if (request.method, name) == ("POST", "switches"):
        return _switches(sandbox, request)
    found = OPERATIONS.get((request.method, name))
    if found is None:
        status = 405 if name in NAMES else 404
        return json_answer({"error": "no such operation", "code": status}, status)
    kind, work = found
    try:
        wish = msgspec.convert(_body(request), type=kind, strict=bool(request.body))
        return json_answer(ready(work(sandbox, wish)))
    except PayRefused as refused:
        return json_answer({"error": str(refused), "code": refused.code}, 409)
    except (msgspec.ValidationError, SandboxError, ValueError, OverflowError) as error:
        return json_answer({"error": str(error), "code": "wrong"}, 400)


def _switches(sandbox: Sandbox, request: Request) -> Answer:
    body = json_value(request.body)
    if not isinstance(body, dict):
        return json_answer({"error": "a JSON object is needed", "code": "wrong"}, 400)
    try:
        return json_answer(sandbox.switch(**body).as_dict())
    except SandboxError as error:
        return json_answer({"error": str(error), "code": "wrong"}, 400)


def _body(request: Request) -> Any:
    if not request.body:
        return request.query
    value = json_value(request.body)
    if value is NOT_JSON:
        raise ValueError("the body is not JSON")
    return value
