"""What a KHQR means, as frozen dataclasses."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar

from vinflow.money import Currency

__all__ = ["Individual", "Merchant"]

CITY_DEFAULT = "Phnom Penh"
KHR, USD = Currency.KHR, Currency.USD

CATEGORY_DEFAULT = "5999"  # miscellaneous retail

# [0-9], not \d: \d admits Khmer digits, which no bank reads in tag 54.
PLAIN_DECIMAL = re.compile(r"(0|[1-9][0-9]*)(?:\.([0-9]+))?")


def settle_amount(amount: str | None, currency: Currency) -> str | None:
    """Return an amount as tag 54 writes it, None for nothing to write (absent, empty or zero).

    Dollars with a point get two digits after it and stay whole without one; riel lose a
    fraction of zeros. Never rounds: what breaks a rule comes back as it was, for the encoder to
    refuse. Source: behaviour of npm bakong-khqr 1.0.20, so that texts and MD5s agree with it.

    >>> settle_amount("1.5", Currency.USD), settle_amount("50000.00", Currency.KHR)
    ('1.50', '50000')
    """
    if type(amount) is not str:
        return amount
    match = PLAIN_DECIMAL.fullmatch(amount)
    if match is None:
        return amount or None
    whole, decimals = match.groups()
    if decimals is None:
        return None if amount == "0" else amount
    if not decimals.strip("0"):
        if whole == "0":
            return None
        if currency is Currency.KHR:
            return whole
    if currency is Currency.USD and len(decimals) == 1:
        return amount + "0"
    return amount


Payload = TypeVar("Payload")


def quickly_built(frozen: type[Payload]) -> type[Payload]:
    """Return the same frozen dataclass with an __init__ that takes half the time.

    A frozen dataclass fills its fields through object.__setattr__, a call for each: 2.8 us for
    twenty, more than writing the whole KHQR. Here the new object is an unfrozen twin of the same
    layout while it is filled and settled, and takes its own class last. A value that is not given
    ("", None, 0) becomes the field's default, so that one meaning has one payload and
    decode(encode(x)) == x; an amount is settled by settle_amount.
    """
    signature, body = ["self"], []
    scope: dict[str, Any] = {"put": object.__setattr__, "settle": settle, "Frozen": frozen}
    for entry in fields(frozen):  # type: ignore[arg-type]
        if entry.kw_only and "*" not in signature:
            signature.append("*")
        if entry.default is MISSING:
            signature.append(entry.name)
            body.append(f"self.{entry.name} = {entry.name}")
            continue
        scope[f"default_{entry.name}"] = entry.default
        signature.append(f"{entry.name}=default_{entry.name}")
        # False is no way to say "no amount": it stays as it is, to be refused.
        given = entry.name if entry.name == "amount" else f"{entry.name} or default_{entry.name}"
        body.append(f"self.{entry.name} = {given}")
    own = getattr(frozen, "__slots__", ())
    unfrozen = {"__slots__": own, "__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    scope["Open"] = type(f"Open{frozen.__name__}", frozen.__bases__, unfrozen)
    # As dataclasses does it. Only names of our own fields are in these texts.
    opening, closing = "put(self, '__class__', Open)", "self.__class__ = Frozen"
    built = [f"def __init__({', '.join(signature)}):", opening, *body, "settle(self)", closing]
    names = [entry.name for entry in fields(frozen)]  # type: ignore[arg-type]
    kept = [f"self.{name} = {name}" for name in names]
    stands = [f"def stands(self, {', '.join(names)}):", opening, *kept, closing]
    exec("\n ".join(built), scope)  # noqa: S102
    exec("\n ".join(stands), scope)  # noqa: S102
    init = scope["__init__"]
    init.__qualname__ = f"{frozen.__name__}.__init__"
    init.__annotations__ = frozen.__init__.__annotations__
    type.__setattr__(frozen, "__init__", init)
    FILL[frozen] = scope["stands"]
    return frozen


FILL: dict[type[Any], Callable[..., None]] = {}


def as_it_stands(kind: type[Payload], *values: object) -> Payload:
    """Return a payload of one value for each field, in their order, none of them settled.

    Only for the decoder: what it read must be kept as it stands, "5000.0" riel included.
    """
    payload = object.__new__(kind)
    FILL[kind](payload, *values)
    return payload


def settle(payload: Any) -> None:
    """Settle the amount of a payload that is still open, and take the times from a static one."""
    if payload.extra:
        payload.extra = in_order(payload.extra)
    amount = payload.amount
    if amount is not None:
        # The two shapes nearly all amounts have are settled already: "10.50" dollars, "4000" riel.
        if type(amount) is str and not (
            (payload.currency is USD and amount[-3:-2] == "." and amount != "0.00")
            or (payload.currency is KHR and amount.isdigit() and amount != "0")
        ):
            payload.amount = amount = settle_amount(amount, payload.currency)
        if amount is not None:
            return
    payload.creation_timestamp = payload.expiration_timestamp = None


def in_order(extra: Any) -> Any:
    """Return extra fields sorted by path, as decode() gives them; what cannot be sorted, as it is."""
    try:
        return tuple(sorted((path, value) for path, value in extra))
    except (TypeError, ValueError):
        return extra


@dataclass(frozen=True, slots=True)
class _Payload:
    """The fields both kinds of account share; see Individual."""

    bakong_account_id: str
    merchant_name: str
    merchant_city: str = CITY_DEFAULT
    currency: Currency = field(default=KHR, kw_only=True)
    amount: str | None = field(default=None, kw_only=True)
    creation_timestamp: int | None = field(default=None, kw_only=True)
    expiration_timestamp: int | None = field(default=None, kw_only=True)
    bill_number: str | None = field(default=None, kw_only=True)
    mobile_number: str | None = field(default=None, kw_only=True)
    store_label: str | None = field(default=None, kw_only=True)
    terminal_label: str | None = field(default=None, kw_only=True)
    purpose_of_transaction: str | None = field(default=None, kw_only=True)
    language_preference: str | None = field(default=None, kw_only=True)
    merchant_name_alternate_language: str | None = field(default=None, kw_only=True)
    merchant_city_alternate_language: str | None = field(default=None, kw_only=True)
    upi_merchant_account: str | None = field(default=None, kw_only=True)
    merchant_category_code: str = field(default=CATEGORY_DEFAULT, kw_only=True)
    extra: tuple[tuple[str, str], ...] = field(default=(), kw_only=True)


@quickly_built
@dataclass(frozen=True, slots=True)
class Individual(_Payload):
    """A KHQR that pays a person's account (tag 29).

    bakong_account_id: "name@bank". merchant_name: what the payer's app shows.
    amount: plain decimal text as tag 54 will have it; it is settled on the way in ("1.5" dollars
    become "1.50", "50000.00" riel "50000", "0" and "" become None: a static QR). Text only, so
    that nothing is ever rounded: Money(...).plain is such a text.
    creation_timestamp, expiration_timestamp: epoch milliseconds, 13 digits; both needed with an
    amount, and dropped without one.
    extra: what stands in a decoded text and has no field here, as (path, value) in order:
    ("02", "4088..."), ("62.68", "0010PAYWAY@ABA"), sorted. The encoder writes it after the known tags.

    Nothing is checked here: encode() checks, and names the field at fault.
    """

    account_information: str | None = field(default=None, kw_only=True)
    acquiring_bank: str | None = field(default=None, kw_only=True)


@quickly_built
@dataclass(frozen=True, slots=True)
class Merchant(_Payload):
    """A KHQR that pays a registered merchant (tag 30); its id and bank are required.

    Everything else is as in Individual.
    """

    merchant_id: str = field(default="", kw_only=True)
    acquiring_bank: str = field(default="", kw_only=True)
