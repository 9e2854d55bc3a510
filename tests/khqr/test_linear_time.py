"""The time of a reader is linear in its text, whatever the text is."""

from __future__ import annotations

import contextlib
import time

import pytest

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
    "cut": lambda text: cut(text[: len(text) // 50], 40),  # a QR holds 7,089 digits at most
}


def best_of(rounds: int, read, text: str) -> float:
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        read(text)
        best = min(best, time.process_time() - started)
    return best


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("shape", HOSTILE)
def test_a_million_characters_cost_little_more_than_ten_times_a_hundred_thousand(reader, shape):
    read = READERS[reader]
    small, large = HOSTILE[shape](100_000), HOSTILE[shape](1_000_000)

    took_small, took_large = best_of(4, read, small), best_of(2, read, large)

    # 15 times, and 2 ms for a clock that ticks coarsely beside readers that stop at once.
    assert took_large <= 15 * took_small + 0.002, f"{took_small:.6f} s, {took_large:.6f} s"
