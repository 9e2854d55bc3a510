"""Payload to text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vinflow.khqr import Individual, KHQRError, Merchant, decode, encode, md5
from vinflow.khqr.batch import payload_of
from vinflow.khqr.encoder import _step_by_step
from vinflow.khqr.errors import FieldTooLong, MissingField, NotText, Repeated, UnknownValue
from vinflow.khqr.shortcut import at_once
from vinflow.money import Currency, Money

NOW_MS = 1735689600000


def refused(payload: Any) -> KHQRError:
    with pytest.raises(KHQRError) as caught:
        encode(payload)
    return caught.value


def test_every_encode_vector_gives_the_official_text_and_md5(vectors):
    for vector in vectors("encode"):
        text = encode(payload_of(vector["input"], now_ms=vector["now_ms"]))

        assert text == vector["expected"]["qr"], vector["id"]
        assert md5(text) == vector["expected"]["md5"], vector["id"]


def test_every_encode_error_vector_gives_the_official_code_name_and_message(vectors):
    for vector in vectors("errors"):
        if vector["operation"] != "encode":
            continue
        with pytest.raises(KHQRError) as caught:
            encode(payload_of(vector["input"], now_ms=vector["now_ms"]))

        error, wanted = caught.value, vector["expected"]
        found = {"error_code": error.code, "error_name": error.name, "message": error.message}
        assert found == wanted, vector["id"]


def test_both_roads_write_the_same_text_for_every_vector(vectors):
    short_roads = 0
    for vector in vectors("encode"):
        payload = payload_of(vector["input"], now_ms=vector["now_ms"])
        short = at_once(payload)

        assert short in (None, _step_by_step(payload)), vector["id"]
        short_roads += short is not None
    assert short_roads > 400  # only letters beyond U+FFFF and unprintable ones take the long road


@pytest.mark.parametrize(
    ("change", "code", "field", "path"),
    [
        ({"bakong_account_id": None}, 1, "bakong_account_id", "30.00"),
        ({"bakong_account_id": "a@b@c"}, 3, "bakong_account_id", "30.00"),
        ({"bakong_account_id": 12345}, 3, "bakong_account_id", "30.00"),
        ({"bakong_account_id": b"sok_dara@aclb"}, 3, "bakong_account_id", "30.00"),
        ({"bakong_account_id": "a\u00a0b@aclb"}, 3, "bakong_account_id", "30.00"),
        ({"bakong_account_id": "a" * 30 + "@bb"}, 6, "bakong_account_id", "30.00"),
        ({"merchant_id": ""}, 30, "merchant_id", "30.01"),
        ({"acquiring_bank": None}, 31, "acquiring_bank", "30.02"),
        ({"merchant_category_code": "59999"}, 18, "merchant_category_code", "52"),
        ({"merchant_category_code": "៥៩៩៩"}, 51, "merchant_category_code", "52"),
        ({"currency": "840"}, 28, "currency", "53"),
        ({"currency": "08400"}, 19, "currency", "53"),
        ({"amount": "abc"}, 4, "amount", "54"),
        ({"amount": True}, 4, "amount", "54"),
        ({"amount": False}, 4, "amount", "54"),
        ({"amount": float("nan")}, 4, "amount", "54"),
        ({"amount": 1.5}, 4, "amount", "54"),
        ({"amount": 0}, 4, "amount", "54"),
        ({"amount": "1.005"}, 4, "amount", "54"),
        ({"amount": "៥.០០"}, 4, "amount", "54"),
        ({"amount": "01"}, 4, "amount", "54"),
        ({"merchant_name": " "}, 2, "merchant_name", "59"),
        ({"merchant_name": "Sok\nDara"}, 8, "merchant_name", "59"),
        ({"merchant_name": "\ud800"}, 8, "merchant_name", "59"),
        ({"merchant_name": ["Sok"]}, 7, "merchant_name", "59"),
        ({"merchant_city": "\u3000"}, 27, "merchant_city", "60"),
        ({"bill_number": "x" * 26}, 10, "bill_number", "62.01"),
        ({"bill_number": 5}, 10, "bill_number", "62.01"),
        ({"store_label": "a\x85b"}, 8, "store_label", "62.03"),
        ({"purpose_of_transaction": "😀" * 13}, 42, "purpose_of_transaction", "62.08"),
        ({"language_preference": "km"}, 39, "merchant_name_alternate_language", "64.01"),
        ({"merchant_name_alternate_language": "ហាង"}, 37, "language_preference", "64.00"),
        ({"upi_merchant_account": "x"}, 44, "upi_merchant_account", "15"),
        ({"upi_merchant_account": "x" * 100}, 43, "upi_merchant_account", "15"),
        ({"expiration_timestamp": None}, 45, "expiration_timestamp", "99.01"),
        ({"expiration_timestamp": True}, 45, "expiration_timestamp", "99.01"),
        ({"expiration_timestamp": 1735689660}, 49, "expiration_timestamp", "99.01"),
        ({"expiration_timestamp": NOW_MS - 1}, 50, "expiration_timestamp", "99.01"),
        ({"creation_timestamp": None}, 8, "creation_timestamp", "99.00"),
        ({"creation_timestamp": 5}, 8, "creation_timestamp", "99.00"),
    ],
)
def test_what_is_wrong_is_refused_with_the_official_code_and_the_field_named(
    top_up, change, code, field, path
):
    error = refused(replace(top_up, **change))

    assert (error.code, error.field, error.path) == (code, field, path)


def test_the_kind_of_an_error_says_what_the_caller_can_do(top_up):
    assert type(refused(replace(top_up, merchant_name=""))) is MissingField
    assert type(refused(replace(top_up, merchant_name="x" * 26))) is FieldTooLong
    assert type(refused(replace(top_up, amount="-5"))) is UnknownValue
    assert type(refused(replace(top_up, store_label="\udfff"))) is NotText
    assert type(refused(replace(top_up, extra=(("54", "5"),)))) is Repeated
    assert refused("no payload at all").code == 5


def test_a_template_over_99_units_is_refused_where_the_sdk_writes_three_digits():
    labels = {"bill_number": "x" * 25, "mobile_number": "y" * 25, "store_label": "z" * 25}
    just = Individual("a@b", "N", terminal_label="t" * 8, **labels)
    over = Individual("a@b", "N", terminal_label="t" * 9, **labels)

    assert "6299" in encode(just)
    error = refused(over)
    assert (error.code, error.path) == (8, "62")
    wide = Merchant("a" * 28 + "@b", "N", merchant_id="1" * 32, acquiring_bank="B" * 32)
    assert refused(wide).path == "30"


def test_lengths_count_utf_16_units():
    emoji = encode(Individual("a@b", "😀 Shop"))
    khmer = encode(Individual("a@b", "កាហ្វេ"))

    assert "5907😀 Shop" in emoji
    assert "5906កាហ្វេ" in khmer
    assert encode(Individual("a@b", "😀" * 12))
    assert refused(Individual("a@b", "😀" * 13)).code == 7


def test_a_checksum_keeps_its_leading_zeros():
    # ts-khqr writes 00D here.
    text = encode(Individual("a@b", "S14032", "C"))

    assert text.endswith("6304000D")


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        ("1", Currency.USD, "540115802KH"),
        ("1.5", Currency.USD, "54041.50"),
        ("1.0", Currency.USD, "54041.00"),
        ("9999999999.99", Currency.USD, "54139999999999.99"),
        ("50000.00", Currency.KHR, "540550000"),
        ("9999999999999", Currency.KHR, "54139999999999999"),
    ],
)
def test_amounts_are_written_as_the_official_sdk_writes_them(amount, currency, written):
    times = {"creation_timestamp": NOW_MS, "expiration_timestamp": NOW_MS}
    text = encode(Individual("a@b", "N", amount=amount, currency=currency, **times))

    assert written in text


def test_money_hands_in_its_own_plain_text():
    times = {"creation_timestamp": NOW_MS, "expiration_timestamp": NOW_MS}
    amount = Money(1050, Currency.USD).plain

    assert "540510.50" in encode(Individual("a@b", "N", amount=amount, currency=Currency.USD, **times))


@pytest.mark.parametrize("amount", [None, "", "0", "0.00"])
def test_nothing_to_pay_is_a_static_qr_without_times(amount):
    text = encode(Individual("a@b", "N", amount=amount, expiration_timestamp=1))

    assert text[6:12] == "010211"
    assert "99340013" not in text


def test_extra_fields_are_written_after_the_known_ones_of_their_template(top_up):
    extra = (("02", "4088"), ("62.05", "REF"), ("64.09", "x"))
    text = encode(replace(top_up, extra=extra))

    assert "0703Web0503REF" in text
    assert "64050901x" in text
    assert text[:-8].endswith("02044088")
    assert decode(text).extra == extra


@pytest.mark.parametrize(
    "extra",
    [
        (("62.01", "again"),),
        (("63", "ABCD"),),
        (("29.00", "evil@bank"),),
        (("62", "raw"),),
        (("59.00", "x"),),
        (("6205", "x"),),
        (("៦២", "x"),),
        (("62.05", 5),),
        (("62.05", "a\nb"),),
        (("62.05", "\ud800"),),
        (("02", "x" * 100),),
        (("62.05", "x" * 60),),
        (("02", "x"), ("02", "y")),
        "02",
        5,
        ((1, 2, 3),),
    ],
)
def test_extra_fields_that_clash_or_make_no_sense_are_refused(top_up, extra):
    error = refused(replace(top_up, extra=extra))

    assert error.code == 8


def test_an_error_survives_pickling_and_keeps_its_fields():
    import pickle

    error = refused(Individual("a@b", ""))
    again = pickle.loads(pickle.dumps(error))

    assert (type(again), again.code, again.field, again.path) == (MissingField, 2, "merchant_name", "59")
    assert str(again) == str(error)
