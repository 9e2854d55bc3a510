"""Any EMVCo merchant QR, KHQR or not, as a tree of tags.

For QRs of other countries and wallets, where only the outer form is known. Source: EMVCo QR Code
Specification for Payment Systems, Merchant-Presented Mode 1.1, section 4: templates are tags 26 to
51, 62, 64 and 80 to 99; inside 62 also sub-tags 50 to 99.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from .errors import KHQRError
from .tlv import HEADERS, in_units, whole

__all__ = ["EmvTree", "read_emv"]

EmvTree: TypeAlias = "dict[str, str | EmvTree]"

TEMPLATE_TAGS = frozenset(f"{tag:02}" for tag in (*range(26, 52), 62, 64, *range(80, 100)))
NESTED_IN_62 = frozenset(f"{tag:02}" for tag in range(50, 100))
TEMPLATE_UNITS_MIN = 6  # a shorter value can hold no sub-tag of a letter or more: it is text


def read_emv(text: str) -> EmvTree:
    """Return {tag: text or sub-tree} of any EMVCo QR, as far as it is clean.

    A template whose value is not itself tag-length-value text stays text. Reading ends at the first
    field that is no field (a header that is not four digits, a value cut short), and what stands
    before is the answer: {} for text that is no such QR at all. Of a repeated tag the last counts.
    Nothing is judged: no checksum, no required tag. Raises NotText.

    >>> read_emv("000201" "2611" "0007com.abc" "5802TH")
    {'00': '01', '26': {'00': 'com.abc'}, '58': 'TH'}
    """
    units = in_units(text)
    tree: EmvTree = {}
    for tag, value in _fields(units):
        tree[tag] = _value(tag, value, deeper=True) if tag in TEMPLATE_TAGS else _text(value)
    return tree


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """Yield (tag, value) of the clean fields at the start of a text."""
    start, size = 0, len(text)
    while start < size:
        header = HEADERS.get(text[start : start + 4])
        if header is None or start + 4 + header[1] > size:
            break
        end = start + 4 + header[1]
        yield header[0], text[start + 4 : end]
        start = end


def _value(tag: str, value: str, *, deeper: bool) -> str | EmvTree:
    subs: EmvTree = {}
    if len(value) >= TEMPLATE_UNITS_MIN:
        for sub, part in _fields(value):
            nested = deeper and tag == "62" and sub in NESTED_IN_62
            subs[sub] = _value(sub, part, deeper=False) if nested else _text(part)
    return subs or _text(value)


def _text(value: str) -> str:
    """Return a value as ordinary text, U+FFFD in place of half a letter."""
    try:
        return whole(value)
    except KHQRError:
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
