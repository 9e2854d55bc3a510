"""The statement reader: any amounts, dates and formats come back as written; the rest is refused."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vinflow.money import Currency, Money
from vinflow.payments.statements.columns import ColumnMap, guess
from vinflow.payments.statements.errors import StatementRefused
from vinflow.payments.statements.reading import BYTES_MAX, Line, read, table

PP = timezone(timedelta(hours=7))
KHMER = str.maketrans("0123456789", "០១២៣៤៥៦៧៨៩")
HEADS = {
    "en": {
        "date": "Transaction Date",
        "reference": "Reference No.",
        "description": "Details",
        "currency": "Currency",
    },
    "km": {"date": "កាលបរិច្ឆេទ", "reference": "លេខយោង", "description": "បរិយាយ", "currency": "រូបិយប័ណ្ណ"},
}
MONEY_HEADS = {
    "en": {"amount": "Amount", "credit": "Credit", "debit": "Debit"},
    "km": {"amount": "ចំនួនទឹកប្រាក់", "credit": "ឥណទាន", "debit": "ឥណពន្ធ"},
}


def written(minor: int, currency: Currency, mark: str, group: str) -> str:
    """An amount as a bank prints it."""
    places = currency.exponent
    whole, cents = divmod(minor, 10**places)
    return f"{whole:,}".replace(",", group) + (f"{mark}{cents:0{places}d}" if places else "")


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, ColumnMap, list[tuple[datetime, bool, Money, str, str]]]:
    """A statement in some bank's way of writing, the map of its columns, and what it says."""
    language = draw(st.sampled_from(["en", "km"]))
    encoding = draw(
        st.sampled_from(["utf-8", "utf-8-sig", "utf-16"] + (["cp1252"] if language == "en" else []))
    )
    delimiter = draw(st.sampled_from(",;\t|"))
    mark = draw(st.sampled_from(".,"))
    group = draw(st.sampled_from(["", " ", "'", "," if mark == "." else "."]))
    order = draw(st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d", "%d-%m-%y", "%d.%m.%Y", "%d %b %Y"]))
    clock = draw(st.sampled_from(["", " %H:%M", " %H:%M:%S", " %I:%M:%S %p"]))
    two = draw(st.booleans())
    digits = language == "km" and encoding != "cp1252" and draw(st.booleans())
    words = "abcxyzABC éñ" + ("" if encoding == "cp1252" else "សុខដារា")
    facts, rows = [], []
    for _ in range(draw(st.integers(1, 6))):
        currency = draw(st.sampled_from(list(Currency)))
        minor = draw(st.integers(1, 10**14)) * draw(st.sampled_from([1, 1, -1]))
        at = draw(st.datetimes(datetime(2020, 1, 1), datetime(2029, 12, 31))).replace(microsecond=0)
        if "%S" not in clock:
            at = at.replace(second=0)
        reference = "R" + draw(st.text("0123456789ABC", max_size=20))
        note = " ".join(draw(st.text(words, max_size=30)).split())
        day = at.strftime(order + clock)
        text = written(abs(minor), currency, mark, group)
        if digits:
            day, text = day.translate(KHMER), text.translate(KHMER)
        amounts = ([text, ""] if minor > 0 else ["", text]) if two else [("-" if minor < 0 else "") + text]
        rows.append([day, reference, note, *amounts, currency.value])
        moment = at if clock else at.replace(hour=12, minute=0, second=0)
        facts.append(
            (moment.replace(tzinfo=PP).astimezone(UTC), bool(clock), Money(minor, currency), reference, note)
        )
    heads, sums = HEADS[language], MONEY_HEADS[language]
    kinds = ("credit", "debit") if two else ("amount",)
    names = [
        heads["date"],
        heads["reference"],
        heads["description"],
        *(sums[k] for k in kinds),
        heads["currency"],
    ]
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerows([["Bank of Somewhere"], [], names, *rows])
    columns = ColumnMap(
        **heads,
        **{kind: sums[kind] for kind in kinds},
        order="mdy" if order.startswith("%m") else "dmy",
        mark=mark,
        encoding="cp1252" if encoding == "cp1252" else "",
        delimiter=delimiter,
    )
    return out.getvalue().encode(encoding), columns, facts


@given(files())
def test_any_statement_comes_back_as_it_was_written(made: Any) -> None:
    content, columns, facts = made

    lines = read(content, columns)

    assert [(one.at, one.has_time, one.money, one.reference, one.description) for one in lines] == facts


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused_with_a_reason(content: bytes) -> None:
    try:
        lines = read(content, ColumnMap(date="Date", amount="Amount", unit="USD"))
    except StatementRefused as refused:
        why = refused.why
    else:
        why = "read" * all(isinstance(line, Line) for line in lines)
    assert why


SIMPLE = ColumnMap(date="Date", amount="Amount", reference="Ref", unit="USD", order="dmy")


def text_of(*rows: str) -> bytes:
    return "\n".join(["Date,Amount,Ref", *rows]).encode()


@pytest.mark.parametrize(
    ("content", "code", "row"),
    [
        (b"", "empty", None),
        (b"   \n", "empty", None),
        (b"x" * (BYTES_MAX + 1), "too_large", None),
        (bytes(50_000_000), "too_large", None),
        (b"PK\x03\x04 a workbook", "binary", None),
        (b"\x00\x01\x02\x03" * 100, "binary", None),
        (b"no table here\nonly words\n", "not_csv", None),
        (b'Date,Amount,Ref\n"24/11/2026,1.00,a\n', "not_csv", 2),
        (b"When,How much\n24/11/2026,1.00\n", "missing_columns", None),
        (text_of("24/11/2026,=1+1,a"), "formula", 2),
        (text_of("24/11/2026,1.00,a", "24/11/2026,1.00,+cmd|' /C calc'!A0"), "formula", 3),
        (text_of("24/11/2026,1.00,@SUM(A1)"), "formula", 2),
        (text_of("31/11/2026,1.00,a"), "date", 2),
        (text_of("soon,1.00,a"), "date", 2),
        (text_of("24/11/2026 25:00,1.00,a"), "date", 2),
        (text_of("24/11/2026,one,a"), "amount", 2),
        (text_of("24/11/2026,,a"), "amount", 2),
        (text_of("24/11/2026,1.005,a"), "amount", 2),
        (text_of('24/11/2026,"1,50",a'), "amount", 2),
        (text_of('24/11/2026,"12,34,567.00",a'), "amount", 2),
        (text_of("24/11/2026,100 KHR,a"), "amount", 2),
        (text_of("24/11/2026,1.00,a,b"), "not_csv", 2),
        (text_of(), "empty", None),
    ],
)
def test_what_is_no_statement_is_refused_with_the_reason(content: bytes, code: str, row: int | None) -> None:
    with pytest.raises(StatementRefused) as refused:
        read(content, SIMPLE)

    assert (refused.value.code, refused.value.row) == (code, row)


def test_a_wrong_encoding_is_refused() -> None:
    with pytest.raises(StatementRefused) as refused:
        read(
            "Date,Amount,Ref\n24/11/2026,1.00,សុខ".encode("utf-16"),
            ColumnMap(**{**SIMPLE.as_json(), "encoding": "utf-8"}),
        )

    assert refused.value.code == "encoding"


def test_dates_that_can_be_read_either_way_are_refused_and_others_decide_themselves() -> None:
    free = ColumnMap(**{**SIMPLE.as_json(), "order": ""})
    with pytest.raises(StatementRefused) as refused:
        read(text_of("05/11/2026,1.00,a"), free)
    assert refused.value.code == "date_order"

    assert read(text_of("05/11/2026,1.00,a", "25/11/2026,1.00,b"), free)[0].at.month == 11
    assert read(text_of("05/11/2026,1.00,a", "05/25/2026,1.00,b"), free)[0].at.month == 5


@pytest.mark.parametrize(
    ("said", "minor"),
    [
        ("(12.50)", -1250),
        ("12.50-", -1250),
        ("12.50 DR", -1250),
        ("12.50 CR", 1250),
        ("-$12.50", -1250),
        ("$ -12.50", -1250),
        ("USD 1,000.5", 100050),
        ("\u2212១២,៥០០.០០", -1250000),
        ("+1", 100),
    ],
)
def test_every_way_of_writing_an_amount(said: str, minor: int) -> None:
    (line,) = read(text_of(f'24/11/2026,"{said}",a'), SIMPLE)

    assert line.money == Money(minor, Currency.USD)


def test_headings_suggest_their_map() -> None:
    made = guess(["ថ្ងៃខែឆ្នាំ", "Details", "Money In", "Money Out", "Ccy", "Balance", "Bakong hash"])

    assert (made.date, made.credit, made.debit) == ("ថ្ងៃខែឆ្នាំ", "Money In", "Money Out")
    assert (made.currency, made.balance, made.hash, made.amount) == ("Ccy", "Balance", "Bakong hash", "")


def test_a_hash_is_found_in_the_description_too() -> None:
    columns = ColumnMap(date="Date", amount="Amount", description="Note", unit="USD", order="dmy")
    digest = "ab" * 32

    (line,) = read(f"Date,Amount,Note\n24/11/2026,1.00,KHQR {digest.upper()} thanks\n".encode(), columns)

    assert line.hash == digest


def test_a_table_shows_what_is_in_the_file_before_any_map() -> None:
    seen = table("Account 123\n\nDate;Amount\n24/11/2026;1,00\n".encode("utf-8-sig"))

    assert seen.headings == ("Date", "Amount")
    assert seen.rows == ((4, ("24/11/2026", "1,00")),)
