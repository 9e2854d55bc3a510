"""The forms of a page, as somebody without a browser reads them."""

from __future__ import annotations

import pytest

from vinflow.cli.pages import forms, svg_inside

PAGE = """
<form action="/search"><input name="q" value="old"></form>
<form method="POST" action="/pay?x=1&amp;y=2">
  <input type="hidden" name="csrf" value="a&amp;b">
  <input name="amount" value=""><input name="gone" value="1" disabled>
  <input type="radio" name="currency" value="USD"><input type="radio" name="currency" value="KHR" checked>
  <input type="checkbox" name="agree"><input type="file" name="picture">
  <input type="submit" name="go" value="Go">
  <select name="bank"><option value="aba">ABA</option><option value="wing" selected>Wing</option></select>
  <textarea name="note">two
lines</textarea>
  <button name="press" value="pay">Pay</button>
</form>
<input name="outside" value="1">
"""


def test_a_form_sends_what_a_browser_would_send() -> None:
    search, pay = forms(PAGE)

    assert (search.method, search.action, search.fields) == ("get", "/search", {"q": "old"})
    assert (pay.method, pay.action) == ("post", "/pay?x=1&y=2")
    assert pay.fields == {
        "csrf": "a&b",
        "amount": "",
        "currency": "KHR",
        "bank": "wing",
        "note": "two\nlines",
    }
    assert pay.choices["currency"] == ["USD", "KHR"]
    assert pay.choices["press"] == ["pay"]
    assert pay.choices["agree"] == ["on"]


def test_filling_in_a_field_that_the_form_lacks_is_refused() -> None:
    pay = forms(PAGE)[1]

    assert pay.filled(amount="1.00", currency="USD")["currency"] == "USD"
    with pytest.raises(KeyError, match="no field 'price'"):
        pay.filled(price="1.00")


def test_the_picture_is_taken_from_the_element_that_holds_it() -> None:
    qr = '<div data-testid="khqr-qr" class="x"><svg id="qr"><path/></svg></div>'
    page = f'<svg id="icon"></svg>{qr}<svg id="z"></svg>'

    assert svg_inside(page, "khqr-qr") == '<svg id="qr"><path/></svg>'
    assert svg_inside(page, "other") is None
