"""What holds for every payload and every text."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.khqr.strategies import many, payloads

from vinflow.khqr import (
    Individual,
    KHQRError,
    Merchant,
    decode,
    describe,
    encode,
    read_emv,
    read_fields,
    verify,
)
from vinflow.khqr.batch import answer, answer_line
from vinflow.khqr.encoder import _step_by_step
from vinflow.khqr.shortcut import at_once
from vinflow.money import Currency

NOW_MS = 1735689600000


@given(payloads())
@many
def test_what_is_written_reads_back_as_the_same_payload(payload):
    text = encode(payload)

    assert decode(text) == payload
    assert decode(text, lenient=True) == payload
    assert encode(decode(text)) == text


@given(payloads())
@many
def test_both_roads_of_the_encoder_agree(payload):
    try:
        short = at_once(payload)
    except (TypeError, IndexError):
        short = None

    assert short in (None, _step_by_step(payload))


@given(payloads())
@many
def test_what_is_written_is_valid_until_it_expires(payload):
    text = encode(payload)

    assert verify(text, now_ms=payload.expiration_timestamp or NOW_MS).valid
    if payload.amount is not None:
        assert verify(text, now_ms=payload.expiration_timestamp + 1).code == 46


ASCII_QR = encode(
    Merchant(
        "coffee.shop@abaa",
        "Coffee Shop",
        merchant_id="123456",
        acquiring_bank="Dev Bank",
        currency=Currency.USD,
        amount="10.50",
        creation_timestamp=NOW_MS,
        expiration_timestamp=NOW_MS + 600_000,
        bill_number="TXN0123456789ABCDEF012345",
    )
)


def test_no_single_changed_character_of_an_ascii_qr_passes_verify():
    """Exhaustive: every place, every printable character; only the case inside the CRC may change."""
    for place, letter in enumerate(ASCII_QR):
        for other in string.printable:
            if other == letter or (place >= len(ASCII_QR) - 4 and other.upper() == letter.upper()):
                continue
            text = ASCII_QR[:place] + other + ASCII_QR[place + 1 :]
            assert not verify(text, now_ms=NOW_MS).valid, (place, other)


@given(st.integers(0, len(ASCII_QR) - 1), st.characters())
@many
def test_no_single_changed_letter_of_any_script_passes_verify(place, letter):
    if letter.upper() != ASCII_QR[place].upper():
        assert not verify(ASCII_QR[:place] + letter + ASCII_QR[place + 1 :], now_ms=NOW_MS).valid


@given(payloads())
@many
def test_no_prefix_of_a_khqr_is_read_or_valid(payload):
    text = encode(payload)
    for end in range(len(text)):
        with pytest.raises(KHQRError):
            read_fields(text[:end])
        assert not verify(text[:end], now_ms=NOW_MS).valid


@given(st.text(st.characters(), max_size=300) | st.text("0123456789abc@", max_size=120))
@many
def test_any_text_is_answered_or_refused_with_a_khqr_error(text):
    for read in (decode, read_fields, describe, lambda text: decode(text, lenient=True)):
        try:
            read(text)
        except KHQRError as error:
            assert error.code in (5, 8, 9, 28)  # noqa: PT017
    assert len(read_fields(text, lenient=True)) == 25
    assert isinstance(read_emv("0002" + text) if text.isascii() else {}, dict)
    verify(text, now_ms=NOW_MS)


@given(st.binary(max_size=200))
@many
def test_any_bytes_are_answered_in_one_line(data):
    reply = answer_line(data, now_ms=NOW_MS)

    assert reply.isascii()
    assert "\n" not in reply


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=40),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
NAMES = [*Merchant.__slots__, *Individual.__slots__, *Individual.__mro__[1].__slots__, "merchant_type"]


@given(
    st.dictionaries(st.sampled_from(NAMES), JSON_VALUES, max_size=8),
    st.sampled_from(["individual", "merchant"]),
)
@many
def test_any_types_in_a_payload_are_written_or_refused(fields, kind):
    given = {"merchant_type": kind, "bakong_account_id": "a@b", "merchant_name": "N", "merchant_id": "1"}
    given |= {"acquiring_bank": "B", "expiration_timestamp": NOW_MS, **fields}

    result = answer({"operation": "encode", "now_ms": NOW_MS, "input": given})

    if result["ok"]:
        assert verify(result["qr"], now_ms=NOW_MS).valid


@given(JSON_VALUES)
@many
def test_any_request_is_answered(request_):
    assert answer(request_)["ok"] is False
    assert answer({"operation": "verify", "input": {"qr": request_}, "now_ms": 1})["valid"] is False
    assert answer({"operation": "decode", "input": {"qr": request_}}).keys() >= {"ok"}
    assert answer({"operation": request_, "input": request_, "now_ms": request_})["ok"] is False
