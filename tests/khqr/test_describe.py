"""A KHQR for human eyes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vinflow.khqr import Individual, KHQRError, describe, encode, mask_account

NOW_MS = 1735689600000


def row(text: str, path: str, *, masked: bool = False) -> tuple[str, str, str]:
    found = next(row for row in describe(text, masked=masked).rows if row.path == path)
    return found.label, found.value, found.meaning


def test_every_field_is_named_and_explained(top_up_text):
    description = describe(top_up_text)

    assert (description.kind, description.dynamic) == ("merchant", True)
    assert row(top_up_text, "30.00") == ("Bakong account", "coffee.shop@abaa", "")
    assert row(top_up_text, "53") == ("Currency", "840", "US dollars")
    assert row(top_up_text, "54") == ("Amount", "10.50", "$10.50")
    assert row(top_up_text, "62.01") == ("Bill number", "TXN0123456789ABCDEF012345", "")
    assert row(top_up_text, "99.01") == ("Expires", "1735690200000", "2025-01-01 07:10:00 +07")
    assert row(top_up_text, "63")[2] == "matches"
    assert str(description).startswith("Dynamic KHQR, merchant\n00 ")


def test_masking_hides_accounts_and_phones_and_leaves_a_hint(top_up):
    text = encode(replace(top_up, mobile_number="85512345678", merchant_id="M-1"))
    plain, masked = str(describe(text)), str(describe(text, masked=True))

    assert "coffee.shop@abaa" in plain
    assert "coffee.shop" not in masked
    assert row(text, "30.00", masked=True)[1] == "c***@abaa"
    assert row(text, "62.02", masked=True)[1] == "***678"
    private = encode(Individual("a@b", "N", account_information="012"))
    assert row(private, "29.01", masked=True)[1] == "***"


def test_an_account_is_masked_whatever_it_is():
    assert mask_account("sok_dara@aclb") == "s***@aclb"
    assert mask_account("@aclb") == "***@aclb"
    assert mask_account("") == "***"
    assert mask_account("no_bank") == "n***"


def test_a_wrong_checksum_is_said_and_not_refused(static_text):
    label, value, meaning = row(static_text[:-4] + "0000", "63")

    assert (label, value) == ("Checksum", "0000")
    assert meaning == f"does not match, {static_text[-4:]} would"


def test_strangers_and_nonsense_are_shown_for_what_they_are():
    clean = "0002010204408854055.0.0530311629070003a@b6207680310x5903a\x1bb9909000539CA063040000"

    assert row(clean, "02")[0] == "(unknown)"
    assert row(clean, "62.68")[0] == "(unknown, in additional data)"
    assert row(clean, "54")[2] == "no plain amount"
    assert row(clean, "59")[1] == "a\\x1bb"
    assert row(clean, "99.00")[2] == "no time"


def test_a_broken_text_is_refused(static_text):
    for text in (None, "", static_text[:-1], "hello"):
        with pytest.raises(KHQRError):
            describe(text)
