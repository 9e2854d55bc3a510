"""Any EMVCo QR as a tree."""

from __future__ import annotations

import pytest

from vinflow.khqr import read_emv
from vinflow.khqr.errors import NotText


def test_templates_are_read_one_level_down_and_62_two():
    text = "000201" + "2611" + "0007com.abc" + "62240505HELLO5011" + "0007com.xyz" + "5802SG" + "63041234"

    assert read_emv(text) == {
        "00": "01",
        "26": {"00": "com.abc"},
        "62": {"05": "HELLO", "50": {"00": "com.xyz"}},
        "58": "SG",
        "63": "1234",
    }


def test_sub_tags_after_a_nested_one_keep_their_own_values():
    # The official reader gives every sub-tag after the first nested one that one's object.
    text = "6222" + "5011" + "0007com.xyz" + "0703Web"

    assert read_emv(text)["62"] == {"50": {"00": "com.xyz"}, "07": "Web"}


def test_a_template_that_holds_plain_text_stays_text():
    assert read_emv("2605hello" + "2808notatree") == {"26": "hello", "28": "notatree"}


def test_a_khqr_is_read_too(top_up_text):
    tree = read_emv(top_up_text)

    assert tree["30"] == {"00": "coffee.shop@abaa", "01": "123456", "02": "Dev Bank"}
    assert tree["59"] == "Coffee Shop"
    assert tree["99"] == {"00": "1735689600000", "01": "1735690200000"}


@pytest.mark.parametrize("text", ["", "x", "hello world", "00", "0002", "00-1ab", "៥៩០១N"])
def test_text_that_is_no_such_qr_gives_an_empty_tree(text):
    assert read_emv(text) == {}


def test_reading_ends_where_the_text_stops_being_clean():
    assert read_emv("000201" + "5908Sok") == {"00": "01"}
    assert read_emv("5901A" + "5901B") == {"59": "B"}


def test_half_a_letter_is_replaced():
    assert read_emv("5901😀") == {"59": "\ufffd"}


@pytest.mark.parametrize("value", [None, 5, b"000201", "\ud800"])
def test_what_is_no_text_is_refused(value):
    with pytest.raises(NotText):
        read_emv(value)
