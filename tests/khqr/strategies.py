"""Payloads and texts by the hundred, for Hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from vinflow.khqr import Individual, Merchant
from vinflow.money import Currency

# No deadline: the machine may be shared, and a slow example is no wrong one.
many = settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))

LETTERS = st.characters(
    codec="utf-8",
    exclude_categories=("Cc", "Cs", "Zl", "Zp"),  # control characters, half pairs, line separators
)


def texts(units_max: int) -> st.SearchStrategy[str]:
    """Texts of 1 to units_max UTF-16 units with a letter in them: Latin, Khmer, emoji, anything."""

    def fits(text: str) -> bool:
        return len(text.encode("utf-16-le")) // 2 <= units_max and bool(text.strip())

    latin = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=units_max)
    khmer = st.text(st.characters(min_codepoint=0x1780, max_codepoint=0x17DD), min_size=1, max_size=units_max)
    return st.one_of(latin, khmer, st.text(LETTERS, min_size=1, max_size=units_max).filter(fits))


def optional(units_max: int) -> st.SearchStrategy[str | None]:
    return st.none() | texts(units_max)


ACCOUNTS = st.from_regex(r"[a-z0-9_.]{1,16}@[a-z]{4}", fullmatch=True)
DOLLARS = st.integers(1, 10**12 - 1).map(lambda cents: f"{cents // 100}.{cents % 100:02}")
RIEL = st.integers(1, 10**13 - 1).map(str)


@st.composite
def payloads(draw: st.DrawFn) -> Individual | Merchant:
    """Payloads that encode() accepts, of every shape."""
    merchant = draw(st.booleans())
    currency = draw(st.sampled_from(Currency))
    amount = draw(st.none() | (DOLLARS if currency is Currency.USD else RIEL))
    created = draw(st.integers(10**12, 10**13 - 10**9))
    fields: dict[str, Any] = {
        "currency": currency,
        "amount": amount,
        "creation_timestamp": created,
        "expiration_timestamp": created + draw(st.integers(0, 10**8)),
        "merchant_category_code": draw(st.from_regex(r"[0-9]{4}", fullmatch=True)),
        # Three labels at most: five of 25 are more than the 99 units of tag 62.
        **{
            name: draw(optional(25))
            for name in draw(
                st.sets(
                    st.sampled_from(
                        [
                            "bill_number",
                            "mobile_number",
                            "store_label",
                            "terminal_label",
                            "purpose_of_transaction",
                        ]
                    ),
                    max_size=3,
                )
            )
        },
        "merchant_city_alternate_language": draw(optional(15)),
        "extra": draw(
            st.sampled_from(
                [(), (("02", "4088"),), (("61", "12000"), ("62.05", "REF"), ("62.68", "0010PAYWAY@ABA"))]
            )
        )
        if draw(st.booleans())
        else (),
    }
    if draw(st.booleans()):
        fields["language_preference"] = draw(st.sampled_from(["km", "en", "zh"]))
        fields["merchant_name_alternate_language"] = draw(texts(25))
    if currency is Currency.KHR and draw(st.booleans()):
        fields["upi_merchant_account"] = draw(st.from_regex(r"[0-9A-Z]{31}", fullmatch=True))
    labels = ("bill_number", "mobile_number", "store_label", "terminal_label", "purpose_of_transaction")
    room = 99 - 6 - 8 - len("0510") - len("0010PAYWAY@ABA")
    for name in labels:
        if (value := fields.get(name)) is not None:
            room -= 4 + len(value.encode("utf-16-le")) // 2
            if room < 0:
                fields[name] = None
    account, name, city = draw(ACCOUNTS), draw(texts(25)), draw(texts(15))
    if merchant:
        return Merchant(
            account, name, city, merchant_id=draw(texts(30)), acquiring_bank=draw(texts(30)), **fields
        )
    information, bank = draw(optional(30)), draw(optional(30))
    return Individual(account, name, city, account_information=information, acquiring_bank=bank, **fields)
