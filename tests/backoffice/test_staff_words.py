"""The staff's words: all of them in Khmer, equal in their holes, and a crawl that finds no English left."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import vinflow.backoffice
import vinflow.storefront
from vinflow.backoffice import (
    clawback_views,
    connection,
    dossier,
    listing,
    meanings,
    refund_views,
    settings_form,
)
from vinflow.backoffice.pages import asking, exports, overview, statements
from vinflow.backoffice.templatetags.backoffice import ROOMS
from vinflow.money import Currency, Money

ROOT = Path(vinflow.backoffice.__file__).parent
CATALOGUES = [
    Path(package.__file__).parent / "locale" / "km" / "LC_MESSAGES"
    for package in (vinflow.backoffice, vinflow.storefront)
]
HOLE = re.compile(r"\{\w*\}")


def read(folder: Path) -> dict[str, str]:
    text = (folder / "django.po").read_text(encoding="utf-8")
    pairs = re.findall(r'^msgid "(.*)"\nmsgstr(?:\[0\])? "(.*)"$', text, re.MULTILINE)
    return {
        ast.literal_eval(f'"{english}"'): ast.literal_eval(f'"{khmer}"')
        for english, khmer in pairs
        if english
    }


OURS, THEIRS = (read(folder) for folder in CATALOGUES)


def said() -> Iterator[str]:
    """Every sentence of our pages: in templates, in code, in tables."""
    for path in ROOT.glob("templates/**/*.html"):
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(r"""\{% say (?:"([^"]*)"|'([^']*)')""", text):
            yield match[1] or match[2]
        yield from re.findall(r' (?:word|help)="([^"]+)"', text)
    for path in ROOT.glob("**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say"
            if called and node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)
    yield from (word for _name, word, _right in ROOMS)
    yield from settings_form.SWITCHES.values()
    for table in (settings_form.AMOUNTS, settings_form.SAFETY, settings_form.SPANS):
        yield from (row[0] for row in table.values())
    tables = (meanings.OUTCOMES, meanings.WHY_NOT, meanings.REASONS, meanings.FATES, listing.STATES)
    tables += (meanings.SENT, meanings.DIFFERENCES, meanings.MONEY_BACK, refund_views.STATES)
    tables += (clawback_views.STATES, clawback_views.HOW)
    tables += (meanings.KINDS, statements.COLUMNS)
    yield from (text for _tone, text in connection.MEANINGS.values())
    yield from (text for _asked, text in asking.TOLD.values())
    for words in (*tables, connection.KINDS, exports.FAULTS, dossier.PROPOSED, dossier.DECIDED, dossier.ACTS):
        yield from words.values()
    yield from (word for _state, word in overview.RESULTS)


def test_everything_our_pages_say_is_in_khmer() -> None:
    missing = {text for text in said() if not (OURS.get(text) or THEIRS.get(text))}

    assert missing == set()


def test_what_payments_refuses_at_the_review_desk_is_in_khmer() -> None:
    from vinflow.payments import reviewing, sending

    sentences = {
        node.args[0].value
        for module in (reviewing, sending)
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") in ("ReviewRefused", "SendingRefused")
        and isinstance(node.args[0], ast.Constant)
    }

    assert len(sentences) > 5
    assert {text for text in sentences if text not in OURS} == set()


def test_why_a_statement_is_refused_is_in_khmer() -> None:
    """Every sentence of the import, wherever in the call it stands; what fills it is no part of it."""
    from vinflow.backoffice.pages import statements as page
    from vinflow.payments.statements import cells, columns, importing, reading

    sentences: set[str] = set()
    for module in (cells, columns, importing, reading, page):
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))):
            named = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and named in ("StatementRefused", "BadCell"):
                words = node.args[1 if named == "StatementRefused" else 0]
                assert isinstance(words, ast.Constant), ast.dump(words)  # made up of parts it has no Khmer
                sentences.add(str(words.value))

    assert len(sentences) > 35
    assert {text for text in sentences if not (OURS.get(text) or THEIRS.get(text))} == set()


def test_holes_are_the_same_and_the_letters_are_clean() -> None:
    for english, khmer in OURS.items():
        assert sorted(HOLE.findall(english)) == sorted(HOLE.findall(khmer)), english
        assert not re.search("[\u200b-\u200f\u2060\ufeff]", khmer), english
        assert not re.search("(?<! )ឬ|ឬ(?! )", khmer), english
        assert not re.search("[០-៩]", khmer), english
    assert OURS.keys().isdisjoint(THEIRS)


def test_the_compiled_catalogue_is_the_one_that_is_read() -> None:
    with (CATALOGUES[0] / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)

    assert {english: compiled.gettext(english) for english in OURS} == OURS


class Shown(HTMLParser):
    """The words a reader sees, without codes, names and what carries its own language."""

    VOID = frozenset({"input", "link", "meta", "br", "path", "rect", "circle", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.quiet = 0
        self.stack: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.VOID:
            return
        given = dict(attrs)
        codes = set((given.get("class") or "").split()) & {"kw-code", "kw-brand", "kw-footer"}
        hush = bool(codes) or given.get("lang") == "en" or tag in ("script", "style", "pre", "title")
        self.stack.append(hush)
        self.quiet += hush

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID and self.stack:
            self.quiet -= self.stack.pop()

    def handle_data(self, data: str) -> None:
        if not self.quiet:
            self.words += re.findall(r"[A-Za-z][A-Za-z]+", data)


CODES = (
    "KHQR QR MD CSV XLSX JSON HTTP CRC px ms hash token USD KHR EMAIL API PROXY English gateway payment id"
)
NAMES = "VinFlow Test ests Phnom Penh test devb aclb sandbox bopha sok dara the manager shop example"
ALLOWED = {*CODES.split(), *NAMES.split()}


def test_a_crawl_in_khmer_finds_no_english_left(manager: Any, shop: Any) -> None:
    from django.conf import settings

    payment = shop.at_state("review", shop.payer("bopha"), Money(41_000, Currency.KHR))
    shop.exchange(payment, outcome="cannot_tell", reason="timeout")
    for state in ("completed", "late", "expired", "canceled"):
        shop.at_state(state)
    manager.cookies[settings.LANGUAGE_COOKIE_NAME] = "km"
    pages = (
        *("/admin/", "/admin/transactions/?status=late&q=sok", "/admin/review/", "/admin/ledger/"),
        *("/admin/settings/payments/", f"/admin/transactions/{payment.transaction_id}/"),
    )
    for address in pages:
        answer = manager.get(address)
        assert '<html lang="km"' in answer.content.decode()
        reader = Shown()
        reader.feed(answer.content.decode())
        assert {word for word in reader.words if word not in ALLOWED} == set(), address
