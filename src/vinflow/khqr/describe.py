"""A KHQR for human eyes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from vinflow.money import Currency, Money, MoneyError, format_money, parse_amount

from .crc import checksum
from .decoder import read_tree
from .tags import FIELDS, TEMPLATES

__all__ = ["Description", "Row", "describe", "mask_account"]

PHNOM_PENH = timezone(timedelta(hours=7), "+07")  # Cambodia has no summer time
LANGUAGES = {"km": "Khmer", "en": "English", "zh": "Chinese"}
MASK = "***"


@dataclass(frozen=True, slots=True)
class Row:
    """One field: where it stands, its name for people, its text, and what the text means ("" if clear)."""

    path: str
    label: str
    value: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Description:
    """The rows of a KHQR in the order of its text; str() of it is a table for a terminal."""

    kind: str  # "individual" or "merchant"; "neither" when there is no payee
    dynamic: bool
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        """Return the table: tag, name, value, meaning."""
        head = f"{'Dynamic' if self.dynamic else 'Static'} KHQR, {self.kind}"
        wide = max((len(row.label) for row in self.rows), default=0)
        lines = [
            f"{row.path:<6} {row.label:<{wide}}  {row.value}{f'  ({row.meaning})' if row.meaning else ''}"
            for row in self.rows
        ]
        return "\n".join([head, *lines])


def mask_account(account: str) -> str:
    """Return an account id that may be shown or logged: the first letter of the name, and the bank.

    >>> mask_account("sok_dara@aclb"), mask_account("nobank")
    ('s***@aclb', 'n***')
    """
    name, at, bank = account.partition("@")
    return f"{name[:1]}{MASK}{at}{bank}"


# Fields that name an account or a phone; masked by keeping the end, which people compare.
PRIVATE = frozenset({"account_information", "mobile_number", "upi_merchant_account"})


def describe(text: str, *, masked: bool = False) -> Description:
    """Return what a KHQR says, field by field, in the order of its text.

    masked: hide account names, account numbers and phone numbers but for a hint of them.
    Times are given in Cambodia's time. Nothing is judged but the checksum, whose row says whether
    it matches. Raises BrokenText as decode() for text that is not clean.
    """
    tree = read_tree(text)
    rows: list[Row] = []
    currency = {entry.numeric: entry for entry in Currency}.get(str(tree.get("53")))
    for tag, value in tree.items():
        if isinstance(value, dict):
            rows += [_row(f"{tag}.{sub}", part, currency, masked) for sub, part in value.items()]
        elif tag == "63":
            right = checksum(text[:-4])
            meaning = "matches" if right == value.upper() else f"does not match, {right} would"
            rows.append(Row("63", LABELS["63"], value, meaning))
        else:
            rows.append(_row(tag, value, currency, masked))
    kind = "individual" if "29" in tree else "merchant" if "30" in tree else "neither"
    return Description(kind, "54" in tree, tuple(rows))


LABELS = {entry.path: entry.label for entry in FIELDS}
NAMES = {entry.path: entry.name for entry in FIELDS}
METHODS = {"11": "static: the payer types the amount", "12": "dynamic: for one payment"}


def _row(path: str, value: str, currency: Currency | None, masked: bool) -> Row:
    name = NAMES.get(path, "")
    meaning = ""
    if name == "point_of_initiation_method":
        meaning = METHODS.get(value, "")
    elif name == "transaction_currency" and currency is not None:
        meaning = "US dollars" if currency is Currency.USD else "riel"
    elif name == "transaction_amount" and currency is not None:
        meaning = _amount(value, currency)
    elif name in ("creation_timestamp", "expiration_timestamp"):
        meaning = _moment(value)
    elif name == "language_preference":
        meaning = LANGUAGES.get(value.lower(), "")
    if masked and name == "bakong_account_id":
        value = mask_account(value)
    elif masked and name in PRIVATE:
        value = f"{MASK}{value[-3:]}" if len(value) > 6 else MASK
    return Row(path, LABELS.get(path) or _strange(path), _printable(value), meaning)


def _strange(path: str) -> str:
    tag, _, sub = path.partition(".")
    return f"(unknown, in {TEMPLATES[tag]})" if sub else "(unknown)"


def _amount(value: str, currency: Currency) -> str:
    try:
        money: Money = parse_amount(value, currency)
    except MoneyError:
        return "no plain amount"
    return format_money(money)


def _moment(value: str) -> str:
    if not (value.isascii() and value.isdigit() and len(value) == 13):
        return "no time"
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(value))
    return moment.astimezone(PHNOM_PENH).strftime("%Y-%m-%d %H:%M:%S +07")


def _printable(value: str) -> str:
    """Return a value in which control characters cannot act on a terminal."""
    if value.isprintable():
        return value
    return "".join(
        letter if letter.isprintable() or letter == "\u200b" else repr(letter)[1:-1] for letter in value
    )
