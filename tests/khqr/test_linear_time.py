"""The work of a reader is linear in its text, whatever the text is.

Work is counted, not timed: every step of the interpreter inside the reader, and every character that a
slice or an encoding copies. Both counts are the same on every machine and at every load; the seconds are
`bench.khqr`'s.
"""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from tests.steps import steps_of

from vinflow.khqr import KHQRError, decode, describe, read_emv, read_fields, verify
from vinflow.khqr.crc import checksum
from vinflow.khqr.segments import cut

# Texts that have hung or slowed a reader somewhere: many empty fields, one long run of text, a field
# repeated, digits that are all headers, letters beyond U+FFFF, a template of nothing but sub-tags.
HOSTILE = {
    "empty fields": lambda size: "9100" * (size // 4),
    "all unknown": lambda size: "0299" + ("x" * 99 + "0399") * (size // 103),
    "one letter": lambda size: "x" * size,
    "repeats": lambda size: "5901N6001C" * (size // 10),
    "zeros": lambda size: "0" * size,
    "emoji": lambda size: "5902😀" * (size // 5),
    "khmer": lambda size: "5903ហាង" * (size // 7),
    "loose lengths": lambda size: "59 1N" * (size // 5),
    "commas": lambda size: "2904abcd" * (size // 8),
    "sealed": lambda size: "9100" * (size // 4) + "6304" + checksum("9100" * (size // 4) + "6304"),
}


def quietly(read, text):
    with contextlib.suppress(KHQRError):
        read(text)


READERS = {
    "decode": lambda text: quietly(decode, text),
    "lenient": lambda text: quietly(lambda text: decode(text, lenient=True), text),
    "fields, lenient": lambda text: quietly(lambda text: read_fields(text, lenient=True), text),
    "verify": lambda text: verify(text, now_ms=1),
    "emv": read_emv,
    "describe": lambda text: quietly(describe, text),
    "cut": lambda text: cut(text, 40),
}


class Weighed(str):
    """A text that counts the characters copied out of it, and out of its long parts."""

    __slots__ = ()
    copied = 0

    def __getitem__(self, key: Any) -> str:
        part = super().__getitem__(key)
        Weighed.copied += len(part)
        return Weighed(part) if len(part) > 100 else part

    def encode(self, *how: str) -> bytes:
        Weighed.copied += len(self)
        return super().encode(*how)


def work(read: Any, text: str) -> int:
    """Return the steps of the interpreter plus the characters copied while a text is read."""
    Weighed.copied = 0
    return steps_of(lambda: read(Weighed(text))) + Weighed.copied


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("shape", HOSTILE)
def test_ten_times_the_characters_are_ten_times_the_work_at_most(reader, shape):
    read = READERS[reader]
    small, large = HOSTILE[shape](1_000), HOSTILE[shape](10_000)

    assert 0 < work(read, large) <= 1.2 * work(read, small) * len(large) / len(small)


@pytest.mark.parametrize(
    "read",
    [
        lambda text: [text[start:] for start in range(0, len(text), 10)],
        lambda text: [letter for end in range(0, len(text), 100) for letter in text[:end]],
    ],
    ids=["copies the rest each time", "starts again each time"],
)
def test_a_quadratic_reader_is_told_from_a_linear_one(read):
    assert work(read, "0" * 10_000) > 50 * work(read, "0" * 1_000)
