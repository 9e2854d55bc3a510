"""Text to payload."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vinflow.khqr import Individual, KHQRError, Merchant, decode, encode, read_fields
from vinflow.khqr.errors import BadHeader, MissingField, NotText, Repeated, Truncated, UnknownValue
from vinflow.money import Currency

SEALED = "63040000"  # decode() does not judge the checksum


def test_every_clean_decode_vector_gives_its_25_fields(vectors):
    clean = [vector for vector in vectors("decode") if vector["well_formed"]]
    for vector in clean:
        assert read_fields(vector["input"]["qr"]) == vector["expected"]["fields"], vector["id"]
    assert len(clean) > 200


def test_every_unclean_decode_vector_is_refused(vectors):
    for vector in vectors("decode"):
        if not vector["well_formed"]:
            with pytest.raises(KHQRError) as caught:
                read_fields(vector["input"]["qr"])
            assert caught.value.code == 8, vector["id"]


def test_lenient_reading_gives_what_the_official_sdk_gives_for_every_vector(vectors):
    for vector in vectors("decode"):
        fields = read_fields(vector["input"]["qr"], lenient=True)

        assert fields == vector["expected"]["fields"], vector["id"]


def test_decode_agrees_with_the_fields_for_every_vector_that_is_a_khqr(vectors):
    for vector in vectors("decode"):
        fields = vector["expected"]["fields"]
        if not vector["well_formed"] or fields["transaction_currency"] not in ("116", "840"):
            continue
        if fields["merchant_type"] is None:
            continue
        payload = decode(vector["input"]["qr"])

        assert isinstance(payload, Individual if fields["merchant_type"] == "individual" else Merchant)
        assert payload.bakong_account_id == (fields["bakong_account_id"] or "")
        assert payload.merchant_name == (fields["merchant_name"] or "")
        assert payload.amount == fields["transaction_amount"], vector["id"]
        assert payload.terminal_label == fields["terminal_label"]
        assert payload.upi_merchant_account == fields["upi_merchant_account"]


def test_every_encode_vector_reads_back_as_the_payload_it_was(vectors):
    from vinflow.khqr.batch import payload_of

    for vector in vectors("encode"):
        payload = payload_of(vector["input"], now_ms=vector["now_ms"])

        assert decode(encode(payload)) == payload, vector["id"]


def test_bank_tags_are_kept_and_written_back():
    text = (
        "00020101021129170013sok_dara@aclb5204599953031165802KH5908Sok Dara6003BMC"
        + "62260503REF6815PAYWAY@ABA00000"
        + SEALED
    )

    payload = decode(text)

    assert payload.extra == (("62.05", "REF"), ("62.68", "PAYWAY@ABA00000"))
    assert "62260503REF6815PAYWAY@ABA00000" in encode(payload)


def test_values_stay_as_they_stand():
    text = (
        "00020101021229170013sok_dara@aclb5204000053031165406"
        + "5000.05802KH5908Sok Dara6003BMC9917000539CA0680201"
        + SEALED
    )
    text = text.replace("9917000539CA0680201", "9922000539CA06803mmp6902xx")

    payload = decode(text)

    assert payload.amount == "5000.0"
    assert (payload.creation_timestamp, payload.expiration_timestamp) == (None, None)
    assert payload.extra == (("99.00", "39CA0"), ("99.68", "mmp"), ("99.69", "xx"))


def test_unusual_constants_are_kept_as_extra():
    text = "00020201021129170013sok_dara@aclb52045999530311654045.005802US5908Sok Dara6003BMC" + SEALED

    assert decode(text).extra == (("00", "02"), ("01", "11"), ("58", "US"))


def test_an_old_static_qr_keeps_its_creation_time():
    text = (
        "00020101021129170013sok_dara@aclb5204599953031165802KH5908Sok Dara6003BMC991700131687316821609"
        + SEALED
    )

    assert decode(text).creation_timestamp == 1687316821609


@pytest.mark.parametrize(
    ("text", "kind", "path"),
    [
        ("", Truncated, "63"),
        ("000201", Truncated, "63"),
        ("2904abcd" + SEALED, BadHeader, "29"),
        ("290400-4" + SEALED, BadHeader, "29"),
        ("000201010211291700", Truncated, "29"),
        ("00020101", Truncated, ""),
        ("0", Truncated, ""),
        ("59 8Sok Dara" + SEALED, BadHeader, ""),
        ("80+3abc" + SEALED, BadHeader, ""),
        ("៥៩០៣abc" + SEALED, BadHeader, ""),
        ("5303116" + "5303840" + SEALED, Repeated, "53"),
        ("2914" + "0001a" + "0001b" + "0100" + SEALED, Repeated, "29.00"),
        ("29050001a" + "30050001b" + SEALED, Repeated, "30"),
        (SEALED + "5901N", Truncated, "63"),
        ("6304ZZZZ", Truncated, "63"),
        ("6303ABC", Truncated, "63"),
        ("5912016304ABCD12", Truncated, "63"),
        ("\ud800", NotText, ""),
        ("5901😀x" + SEALED, BadHeader, ""),
        ("6405" + "00😀1" + SEALED, BadHeader, "64"),
    ],
)
def test_text_that_is_not_clean_is_refused_with_its_place(text, kind, path):
    with pytest.raises(KHQRError) as caught:
        read_fields(text)

    assert (type(caught.value), caught.value.code, caught.value.path) == (kind, 8, path)


@pytest.mark.parametrize("value", [None, 5, b"000201", ["00"], {}, 1.5, object()])
def test_what_is_no_text_is_refused_by_every_reader(value):
    for read in (decode, read_fields, lambda text: decode(text, lenient=True)):
        with pytest.raises(NotText):
            read(value)


def test_a_text_without_payee_or_currency_is_no_payload():
    with pytest.raises(MissingField) as caught:
        decode("5303116" + SEALED)
    assert (caught.value.code, caught.value.path) == (5, "29")
    with pytest.raises(MissingField) as caught:
        decode("29070003a@b" + SEALED)
    assert (caught.value.code, caught.value.path) == (9, "53")
    with pytest.raises(UnknownValue) as caught:
        decode("29070003a@b5303764" + SEALED)
    assert (caught.value.code, caught.value.path) == (28, "53")


def test_lenient_reading_takes_what_it_can():
    assert read_fields("5908Sok", lenient=True)["merchant_name"] == "Sok"
    assert read_fields("59 8Sok Dara", lenient=True)["merchant_name"] == "Sok Dara"
    assert read_fields("2904abcd", lenient=True)["merchant_type"] == "individual"
    assert read_fields("530311658025303840", lenient=True)["transaction_currency"] == "116"
    half = read_fields("5901😀", lenient=True)["merchant_name"]
    assert half == "\ufffd"
    with pytest.raises(KHQRError):
        decode("hello world", lenient=True)


def test_a_lenient_payload_has_the_same_fields_as_a_strict_one(top_up, top_up_text):
    assert decode(top_up_text, lenient=True) == decode(top_up_text) == top_up


def test_the_case_of_the_checksum_is_kept_in_the_fields(static_text):
    text = static_text[:-4] + static_text[-4:].lower()

    assert read_fields(text)["crc"] == text[-4:]


def test_emoji_are_read_by_their_two_units():
    payload = Individual("a@b", "☕️🍜 Noodles", "🏠🏠", bill_number="😀", currency=Currency.USD)

    assert decode(encode(payload)) == payload
    assert decode(encode(payload), lenient=True) == payload


def test_a_decoded_payload_can_be_changed_and_written_again(top_up, top_up_text):
    payload = replace(decode(top_up_text), amount="11")

    assert "540211" in encode(payload)
    assert payload.bill_number == top_up.bill_number
