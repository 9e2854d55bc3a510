"""The ten calls of the Bakong Open API: what each demands, and what it answers.

Each function gets the state and the decoded body, after the edge, the token and the quota have been passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from vinflow.sandbox.answers import Answer, envelope, failure
from vinflow.sandbox.bank import Sandbox
from vinflow.sandbox.records import Transfer, on_the_wire

__all__ = ["CALL_OF", "Auth", "Call", "account_shape"]

LIST_LENGTH_MAX = 50
FIELD_LENGTH_MAX = 255
EMAIL_LENGTH_MAX = 30
ACCOUNT_LENGTH_MAX = 32
FAILED_ITEM = "Transaction failed."
NOT_FOUND_ITEM = "Transaction could not be found. Please check and try again"


class Auth(Enum):
    """Whether a call demands a Bearer token."""

    NEVER = 0
    OPTIONAL = 1
    ALWAYS = 2


@dataclass(frozen=True, slots=True)
class Call:
    """One of the ten. key: which field names what was asked about, for the log. work: body to answer."""

    name: str
    auth: Auth
    key: str
    work: Callable[[Sandbox, Any, str], Answer]

    @property
    def is_list(self) -> bool:
        """Whether its body is a bare array."""
        return self.name.endswith("_list")


def _fields_missing(sandbox: Sandbox) -> Answer:
    return failure(5, status=sandbox.switches.bad_request_status)


def _text(body: Any, name: str, longest: int = FIELD_LENGTH_MAX) -> str | None:
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) and 1 <= len(value) <= longest else None


def _found(sandbox: Sandbox, transfer: Transfer) -> Answer:
    switches = sandbox.switches
    return envelope(
        "Getting transaction successfully.",
        on_the_wire(transfer, switches),
        error_code=switches.error_code_on_success,
        reverse=switches.key_order == "reversed",
    )


def _told(sandbox: Sandbox, transfer: Transfer | None) -> Answer:
    if transfer is None:
        return failure(1)
    if transfer.failed:
        # One NBC paper prints the failed text with code 1; the others say 3.
        if sandbox.switches.failed_attempt == "code_1":
            return failure(1, message="Transaction failed.")
        return failure(3)
    return _found(sandbox, transfer)


def renew_token(sandbox: Sandbox, body: Any, base: str) -> Answer:
    """{"email"} -> a fresh token, or code 10 for an address nobody registered."""
    email = _text(body, "email", EMAIL_LENGTH_MAX)
    if email is None:
        return _fields_missing(sandbox)
    token = sandbox.renew(email)
    if token is None:
        return failure(10)
    return envelope("Token has been issued", {"token": token})


def generate_deeplink_by_qr(sandbox: Sandbox, body: Any, base: str) -> Answer:
    """{"qr", "sourceInfo"?} -> a short link, another one at every call. Refusals are HTTP 200 here."""
    qr = _text(body, "qr", 4000)
    if qr is None:
        return failure(5)
    source = body.get("sourceInfo")
    callback = app_name = None
    if source is not None:
        names = ("appIconUrl", "appName", "appDeepLinkCallback")
        if not isinstance(source, dict) or any(_text(source, name, 2000) is None for name in names):
            return failure(5)
        callback, app_name = source["appDeepLinkCallback"], source["appName"]
    link = sandbox.add_link(qr, callback=callback, app_name=app_name)
    root = f"{base}/d/" if sandbox.switches.short_link == "own" else "https://bakongsit.page.link/"
    return envelope("Getting deep link successfully", {"shortLink": root + link.id})


def check_transaction_by_md5(sandbox: Sandbox, body: Any, base: str) -> Answer:
    """{"md5"} -> the transfer that paid this QR."""
    md5 = _text(body, "md5")
    if md5 is None:
        return _fields_missing(sandbox)
    transfer = sandbox.by_md5(md5)
    if transfer is not None and transfer.static and sandbox.switches.static_qr != "found":
        return failure(2 if sandbox.switches.static_qr == "code_2" else 1)
    return _told(sandbox, transfer)


def check_transaction_by_hash(sandbox: Sandbox, body: Any, base: str) -> Answer:
    """{"hash"} -> the transfer of a full hash."""
    hash_ = _text(body, "hash")
    return _fields_missing(sandbox) if hash_ is None else _told(sandbox, sandbox.by_hash(hash_))


def check_transaction_by_short_hash(sandbox: Sandbox, body: Any, base: str) -> Answer:
    """{"hash": 8 characters, "amount", "currency"} -> the transfer on a payer's receipt."""
    hash_ = _text(body, "hash", 8)
    if hash_ is None or len(hash_) != 8:
        return _fields_missing(sandbox)
    amount, currency = body.get("amount"), body.get("currency")
    if type(amount) not in (int, Decimal) or currency not in ("USD", "KHR"):
        return _fields_missing(sandbox)
    return _told(sandbox, sandbox.by_short_hash(hash_, Decimal(amount), currency))


def account_shape(account_id: str) -> bool:
    """Whether a text has the shape of a Bakong account: one @, text on both sides, at most 32 characters."""
    name, at, bank = account_id.partition("@")
    return len(account_id) <= ACCOUNT_LENGTH_MAX and bool(name and at and bank) and "@" not in bank


def check_bakong_account(sandbox: Sandbox, body: Any, base: str) -> Answer:
    """{"accountId"} -> exists, 11 or 12."""
    account_id = _text(body, "accountId")
    if account_id is None:
        return _fields_missing(sandbox)
    if not account_shape(account_id):
        return failure(12)
    if sandbox.find_account(account_id) is None and not sandbox.switches.any_receiver:
        return failure(11)
    return envelope("Account ID exists", None)


def check_transaction_by_instruction_ref(sandbox: Sandbox, body: Any, base: str) -> Answer:
    """{"instructionRef"} -> the transfer of a payment instruction."""
    reference = _text(body, "instructionRef")
    if reference is None:
        return _fields_missing(sandbox)
    return _told(sandbox, sandbox.by_instruction_ref(reference))


def check_transaction_by_external_ref(sandbox: Sandbox, body: Any, base: str) -> Answer:
    """{"externalRef"} -> the transfer of a payer bank's reference (not of a bill number)."""
    reference = _text(body, "externalRef")
    if reference is None:
        return _fields_missing(sandbox)
    return _told(sandbox, sandbox.by_external_ref(reference))


def _item(sandbox: Sandbox, name: str, key: str, transfer: Transfer | None) -> dict[str, Any]:
    """Return one entry of a list answer. name: "md5" or "hash"."""
    item: dict[str, Any] = {name: key} if sandbox.switches.list_keys else {}
    style = sandbox.item_style(key)
    if style == "SERVICE_FAILED":
        return item | {"status": style, "message": "Service failed.", "data": None}
    if style == "EMPTY_SUCCESS":
        return item | {"status": "SUCCESS", "message": "Transaction success", "data": None}
    if transfer is None or (transfer.failed and name == "md5"):
        return item | {"status": "NOT_FOUND", "message": NOT_FOUND_ITEM, "data": None}
    if transfer.failed:
        return item | {"status": "FAILED", "message": FAILED_ITEM, "data": None}
    if transfer.static and name == "md5":
        message = "Sorry, the system does not support static QR code."
        return item | {"status": "STATIC_QR", "message": message, "data": None}
    item |= {"status": "SUCCESS", "message": "Transaction success"}
    data = on_the_wire(transfer, sandbox.switches)
    match sandbox.switches.list_shape:
        case "inline":
            return data | item
        case "transaction":
            return item | {"transaction": data}
        case _:
            return item | {"data": data}


def _list(sandbox: Sandbox, body: Any, name: str, find: Callable[[str], Transfer | None]) -> Answer:
    if not isinstance(body, list) or not 1 <= len(body) <= LIST_LENGTH_MAX:
        return failure(5, status=sandbox.switches.list_bounds_status)
    if any(not isinstance(key, str) or not 1 <= len(key) <= FIELD_LENGTH_MAX for key in body):
        return _fields_missing(sandbox)
    items = [_item(sandbox, name, key, find(key)) for key in body]
    if sandbox.switches.list_short:
        items = items[:-1]
    return envelope(
        "Getting transaction data successfully.", items, error_code=sandbox.switches.error_code_on_success
    )


def check_transaction_by_md5_list(sandbox: Sandbox, body: Any, base: str) -> Answer:
    """["md5", ...] -> an item for each, in order."""
    return _list(sandbox, body, "md5", sandbox.by_md5)


def check_transaction_by_hash_list(sandbox: Sandbox, body: Any, base: str) -> Answer:
    """["hash", ...] -> an item for each, in order."""
    return _list(sandbox, body, "hash", sandbox.by_hash)


CALL_OF: Mapping[str, Call] = {
    f"/v1/{call.name}": call
    for call in (
        Call("renew_token", Auth.NEVER, "", renew_token),
        Call("generate_deeplink_by_qr", Auth.OPTIONAL, "", generate_deeplink_by_qr),
        Call("check_transaction_by_md5", Auth.ALWAYS, "md5", check_transaction_by_md5),
        Call("check_transaction_by_hash", Auth.ALWAYS, "hash", check_transaction_by_hash),
        Call("check_transaction_by_short_hash", Auth.ALWAYS, "hash", check_transaction_by_short_hash),
        Call("check_bakong_account", Auth.OPTIONAL, "accountId", check_bakong_account),
        Call(
            "check_transaction_by_instruction_ref",
            Auth.ALWAYS,
            "instructionRef",
            check_transaction_by_instruction_ref,
        ),
        Call(
            "check_transaction_by_external_ref", Auth.ALWAYS, "externalRef", check_transaction_by_external_ref
        ),
        Call("check_transaction_by_md5_list", Auth.ALWAYS, "", check_transaction_by_md5_list),
        Call("check_transaction_by_hash_list", Auth.ALWAYS, "", check_transaction_by_hash_list),
    )
}
