"""The catalogues: complete, equal in their holes, and the compiled files are theirs."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import vinflow.storefront
from vinflow.storefront import statements
from vinflow.storefront.badges import BADGES
from vinflow.storefront.pages import checkout, missing, wallet

ROOT = Path(vinflow.storefront.__file__).parent
HOLE = re.compile(r"\{\w*\}|%\(\w+\)[sd]|%[sd]")
SECTIONS = {"c": 29, "s": 8, "add": 25, "err": 16, "co": 80, "an": 12, "rc": 18, "wl": 29, "st": 59, "tx": 57}
SECTIONS |= {"mx": 37, "sb": 57}  # how many keys the specification gives each section


class Sentence(NamedTuple):
    """One entry of a catalogue."""

    keys: tuple[str, ...]
    context: str | None
    english: str
    translated: str


def read(language: str) -> list[Sentence]:
    text = (ROOT / "locale" / language / "LC_MESSAGES" / "django.po").read_text(encoding="utf-8")
    found = []
    for block in text.split("\n\n")[1:]:
        fields: dict[str, str] = {}
        keys: tuple[str, ...] = ()
        for line in block.splitlines():
            if line.startswith("#. "):
                keys = tuple(line[3:].split())
            elif match := re.fullmatch(r'(msg\w+(?:\[0\])?) "(.*)"', line):
                fields[match[1]] = ast.literal_eval(f'"{match[2]}"')
        if fields.get("msgid"):
            translated = fields.get("msgstr", fields.get("msgstr[0]", ""))
            found.append(Sentence(keys, fields.get("msgctxt"), fields["msgid"], translated))
    return found


def said() -> Iterator[tuple[str | None, str, str]]:
    """(context, sentence, where) of everything our pages say."""
    for path in ROOT.glob("templates/**/*.*"):
        for match in re.finditer(
            r"""\{% say (?:"([^"]*)"|'([^']*)')(.*?)%\}""", path.read_text(encoding="utf-8")
        ):
            context = re.search(r"""context=["'](\w+)["']""", match[3])
            yield (context[1] if context else None), match[1] or match[2], path.name
    for path in ROOT.glob("**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(getattr(node, "func", None), "id", "")
            if (
                name in ("say", "say_many")
                and isinstance(node, ast.Call)
                and isinstance(node.args[0], ast.Constant)
            ):
                yield None, str(node.args[0].value), path.name
    for text in [*checkout.TITLES.values(), *(text for text, _mode in checkout.ANNOUNCED.values())]:
        yield None, text, "checkout.py"
    for text in re.findall(r'Happening\("([^"]+)"', (ROOT / "timeline.py").read_text(encoding="utf-8")):
        yield None, text, "timeline.py"
    for text, _tone in missing.ANSWERS.values():
        yield None, text, "missing.py"
    for text in [*statements.TYPES.values(), "Refund", "Adjustment"]:
        yield None, text, "statements.py"
    for text in [*wallet.NAMES.values(), *(badge.word for badge in BADGES.values())]:
        yield None, text, "tables"


KHMER, ENGLISH = read("km"), read("en")


def test_every_key_of_the_string_table_stands_in_both_catalogues() -> None:
    for catalogue in (KHMER, ENGLISH):
        keys = [key for sentence in catalogue for key in sentence.keys if "." in key]
        assert len(keys) == len(set(keys))
        for section, least in SECTIONS.items():
            assert sum(key.split(".")[0] == section for key in keys) >= least, section


def test_both_catalogues_have_the_same_sentences() -> None:
    assert [(s.context, s.english) for s in KHMER] == [(s.context, s.english) for s in ENGLISH]
    assert all(sentence.translated for sentence in KHMER)


def test_holes_are_the_same_in_every_language() -> None:
    for sentence in KHMER:
        assert sorted(HOLE.findall(sentence.english)) == sorted(HOLE.findall(sentence.translated)), sentence


def test_everything_the_pages_say_is_in_the_catalogue() -> None:
    known = {(sentence.context, sentence.english) for sentence in KHMER}

    missing = {(context, text, where) for context, text, where in said() if (context, text) not in known}

    assert missing == set()


def test_khmer_sentences_have_no_invisible_signs_and_a_space_on_both_sides_of_or() -> None:
    for sentence in KHMER:
        text = sentence.translated
        assert not re.search("[\u200b-\u200f\u2060\ufeff]", text), sentence
        assert not re.search("(?<! )ឬ|ឬ(?! )", text), sentence
        assert not re.search("[០-៩]", text), sentence  # Latin digits in both languages


@pytest.mark.parametrize("language", ["en", "km"])
def test_the_compiled_catalogue_is_the_one_that_is_read(language: str) -> None:
    with (ROOT / "locale" / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)

    for sentence in read(language):
        if sentence.context:
            assert compiled.pgettext(sentence.context, sentence.english) == sentence.translated
        elif "python-format" not in sentence.keys:
            got = compiled.ngettext(sentence.english, sentence.english, 1)
            assert sentence.translated in (got, compiled.gettext(sentence.english))
