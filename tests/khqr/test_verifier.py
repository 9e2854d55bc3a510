"""May this text be paid, and why not?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from vinflow.khqr import Individual, Merchant, encode, verify
from vinflow.khqr.crc import checksum
from vinflow.khqr.errors import BrokenText, FieldTooLong, MissingField, UnknownValue, WrongChecksum
from vinflow.khqr.tlv import fields_of, in_units
from vinflow.khqr.verifier import _faulty, _missing, _sound
from vinflow.money import Currency

NOW_MS = 1735689600000
PAYEE = "29170013sok_dara@aclb"
REST = "5204599953031165802KH5908Sok Dara6003BMC"


def sealed(body: str) -> str:
    return body + "6304" + checksum(body + "6304")


def code(text: str, now_ms: int = NOW_MS) -> int | None:
    return verify(text, now_ms=now_ms).code


def test_every_verify_vector_gives_the_official_answer(vectors):
    for vector in vectors("verify"):
        verdict = verify(vector["input"]["qr"], now_ms=vector["now_ms"])
        wanted = vector["expected"]

        assert verdict.valid == wanted["valid"], vector["id"]
        assert wanted["reason_code"] in (None, verdict.code), vector["id"]


def test_every_verify_error_vector_gives_the_official_code(vectors):
    for vector in vectors("errors"):
        if vector["operation"] == "verify":
            verdict = verify(vector["input"]["qr"], now_ms=vector["now_ms"])

            assert verdict.code == vector["expected"]["error_code"], vector["id"]
            assert verdict.name == vector["expected"]["error_name"]


def test_the_short_cut_agrees_with_the_rules_one_by_one(vectors):
    taken = 0
    for vector in vectors("verify") + vectors("decode"):
        text = vector["input"]["qr"]
        try:
            tops = fields_of(in_units(text))
            sound = _sound(tops, NOW_MS)
        except BrokenText:
            continue
        if sound:
            taken += 1
            assert _missing(tops) is None
            assert _faulty(tops, NOW_MS) is None, vector["id"]
    assert taken > 100


def test_a_khqr_may_be_paid_in_its_last_millisecond_and_not_after(top_up, top_up_text):
    last = top_up.expiration_timestamp

    assert verify(top_up_text, now_ms=last).valid
    assert code(top_up_text, last + 1) == 46


@pytest.mark.parametrize("end", ["", "0", "\n", " ", "6304ABCD"])
def test_nothing_may_stand_after_the_checksum(static_text, end):
    assert verify(static_text, now_ms=NOW_MS)
    assert verify(static_text + end, now_ms=NOW_MS).valid == (end == "")


def test_the_case_of_the_checksum_does_not_matter(static_text):
    assert verify(static_text[:-4] + static_text[-4:].lower(), now_ms=NOW_MS).valid


@pytest.mark.parametrize("text", [None, 5, b"000201", [], {}, object(), "", "6304", "\ud800" * 12])
def test_what_is_no_khqr_text_is_invalid_and_never_an_exception(text):
    verdict = verify(text, now_ms=NOW_MS)

    assert (verdict.valid, verdict.code, verdict.name) == (False, 8, "KHQR_INVALID")


@pytest.mark.parametrize("now_ms", [None, 1.5, True, "1735689600000"])
def test_a_clock_that_is_no_whole_number_is_the_callers_mistake(static_text, now_ms):
    with pytest.raises(UnknownValue):
        verify(static_text, now_ms=now_ms)


@pytest.mark.parametrize(
    ("body", "wanted", "path"),
    [
        ("000201010212" + PAYEE + REST, 47, "54"),
        ("000201010212" + PAYEE + REST + "540510.50", 45, "99"),
        ("000201010211" + PAYEE + REST + "540510.50", 45, "99"),
        ("010211" + PAYEE + REST, 23, "00"),
        ("000201" + REST, 5, "29"),
        ("000201" + PAYEE + REST[8:], 25, "52"),
        ("0000" + PAYEE + REST, 23, "00"),
        ("0003011" + PAYEE + REST, 16, "00"),
        ("0002010100" + PAYEE + REST, 48, "01"),
        ("0002010103110" + PAYEE + REST, 17, "01"),
        ("000201010213" + PAYEE + REST, 48, "01"),
        ("0002012900" + REST, 1, "29.00"),
        ("00020129050001@" + REST, 3, "29.00"),
        ("00020129370033" + "a" * 31 + "@b" + REST, 6, "29.00"),
        ("0002012911" + "0003a@b" + "0200" + REST, 31, "29.02"),
        ("0002013044" + "0003a@b" + "0133" + "1" * 33 + REST, 35, "30.01"),
        ("000201" + PAYEE + REST + "62040200", 34, "62.02"),
        ("000201" + PAYEE + REST + "64060002km", 39, "64.01"),
        ("000201" + PAYEE + REST + "64050101x", 37, "64.00"),
        ("000201" + PAYEE + REST + "64090000" + "0101x", 38, "64.00"),
        ("000201" + PAYEE + REST + "64040200", 41, "64.02"),
        ("000201" + PAYEE + REST.replace("5908Sok Dara", "5903 \u3000 "), 2, "59"),
        ("000201" + PAYEE + REST.replace("6003BMC", "6001 "), 27, "60"),
        ("000201" + PAYEE + REST.replace("Sok Dara", "Sok\nDara"), 8, ""),
        ("000201" + PAYEE + REST + "6204abcd", 8, "62"),
        ("000201" + PAYEE + REST + "5303840", 8, "53"),
        ("000201" + PAYEE + "30070003c@d" + REST, 8, "30"),
    ],
)
def test_each_fault_has_its_code_and_its_place(body, wanted, path):
    verdict = verify(sealed(body), now_ms=NOW_MS)

    assert (verdict.valid, verdict.code, verdict.path) == (False, wanted, path)


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        ("99340013173568960000001131735689660000", None),
        ("9900", 45),
        ("99170013" + "1735689600000", 45),
        ("99170113" + "1735689660000", None),
        ("9907" + "0103abc", 45),
        ("99080104" + "0000", 45),
        ("9914" + "0110" + "1735689660", 49),
        ("9918" + "0114" + "17356896600000", 49),
        ("9934" + "0013" + "1735689660001" + "0113" + "1735689660000", 50),
        ("9934" + "0013" + "1735689500000" + "0113" + "1735689599999", 46),
        ("9922" + "0005" + "39CA0" + "0109" + "173568966", 49),
        ("9917" + "0113" + "១៧៣៥៦៨៩៦៦០០០០", 45),
    ],
)
def test_the_times_of_a_dynamic_khqr(times, wanted):
    body = "000201010212" + PAYEE + "52045999530311654031005802KH5908Sok Dara6003BMC" + times

    assert code(sealed(body)) == wanted


def test_expiry_is_found_wherever_its_tags_stand(top_up_text):
    amount, times = "5403100", "99340013173568960000001131735689660000"
    late = 1735689660001
    orders = [
        "000201" + times + "010212" + PAYEE + amount + REST,
        "000201" + PAYEE + amount + REST + times,  # no tag 01: the amount makes it dynamic
        times + amount + REST + PAYEE + "010212" + "000201",
    ]

    for body in orders:
        assert code(sealed(body), late - 1) is None
        assert code(sealed(body), late) == 46


def test_a_bank_may_write_what_encode_would_not(top_up_text):
    for amount in ("5000.0", "100000000000", "1.234", "0"):
        body = (
            "000201010212"
            + PAYEE
            + f"54{len(amount):02}{amount}"
            + REST
            + "99340013173568960000001131735689660000"
        )
        assert verify(sealed(body), now_ms=NOW_MS).valid, amount
    for amount in ("abc", "1e3", "-5", "+5", " 5", "1,0", "5.", ".5", "៥"):
        body = (
            "000201010212"
            + PAYEE
            + f"54{len(amount):02}{amount}"
            + REST
            + "99340013173568960000001131735689660000"
        )
        assert code(sealed(body)) == 4, amount


def test_a_verdict_can_be_raised_as_the_error_it_stands_for(static_text, top_up, top_up_text):
    assert verify(static_text, now_ms=NOW_MS).error is None
    assert type(verify("x" + static_text, now_ms=NOW_MS).error) is WrongChecksum
    assert type(verify(sealed("0"), now_ms=NOW_MS).error) is BrokenText
    assert type(verify(sealed("000201" + REST), now_ms=NOW_MS).error) is MissingField
    assert type(verify(top_up_text, now_ms=top_up.expiration_timestamp + 1).error) is UnknownValue
    long_name = sealed("000201" + PAYEE + REST.replace("5908Sok Dara", "5926" + "x" * 26))
    error = verify(long_name, now_ms=NOW_MS).error
    assert (type(error), error.code, error.path) == (FieldTooLong, 7, "59")


def test_what_encode_writes_is_valid():
    payloads = [
        Individual("sok_dara@aclb", "Sok Dara"),
        Individual("a@b", "😀", "☕", bill_number="🍜"),
        Merchant("a@b", "ហាង", "ភ្នំពេញ", merchant_id="1", acquiring_bank="B", upi_merchant_account="x" * 99),
    ]
    for payload in payloads:
        assert verify(encode(payload), now_ms=NOW_MS).valid
        dynamic = replace(
            payload,
            amount="5.50" if payload.currency is Currency.USD else "5",
            creation_timestamp=NOW_MS,
            expiration_timestamp=NOW_MS,
        )
        assert verify(encode(dynamic), now_ms=NOW_MS).valid
