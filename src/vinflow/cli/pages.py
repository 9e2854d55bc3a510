"""A web page as somebody without a browser reads it: its forms, its pictures, its links.

For `vinflow demo --once`, which goes the payer's way over HTTP and fills in the forms it is given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

__all__ = ["Form", "forms", "svg_inside"]

_INLINE_SVG = re.compile(r"<svg\b.*?</svg>", re.DOTALL)


@dataclass(slots=True)
class Form:
    """One form: where it goes, how, and what it would send if nothing were changed.

    fields: name -> value, radio buttons and boxes only when checked. choices: name -> every value offered by
    its radio buttons, select options or named buttons.
    """

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)

    def filled(self, **values: str) -> dict[str, str]:
        """Return what the form sends with these values. Raises KeyError for a field that it does not have."""
        for name in values:
            if name not in self.fields and name not in self.choices:
                raise KeyError(f"the form to {self.action or 'this page'} has no field {name!r}")
        return {**self.fields, **values}


def forms(html: str) -> list[Form]:
    """Return the forms of a page, in order."""
    reader = _Reader()
    reader.feed(html)
    return reader.forms


def svg_inside(html: str, testid: str) -> str | None:
    """Return the source of the picture drawn inside the element of this data-testid, None for none."""
    _, marker, rest = html.partition(f'data-testid="{testid}"')
    found = _INLINE_SVG.search(rest) if marker else None
    return found[0] if found else None


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None
        self._select: str | None = None
        self._textarea: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._open)
        elif self._open is None or "disabled" in given:
            return
        elif tag == "input" and given.get("name"):
            self._input(self._open, given)
        elif tag == "select":
            self._select = given.get("name")
        elif tag == "option" and self._select:
            self._open.choices.setdefault(self._select, []).append(given.get("value", ""))
            if "selected" in given or self._select not in self._open.fields:
                self._open.fields[self._select] = given.get("value", "")
        elif tag == "textarea" and given.get("name"):
            self._textarea = given["name"]
            self._open.fields[self._textarea] = ""
        elif tag == "button" and given.get("name"):
            # sent only when it is the one pressed, so: offered, not sent
            self._open.choices.setdefault(given["name"], []).append(given.get("value", ""))

    @staticmethod
    def _input(form: Form, given: dict[str, str]) -> None:
        name, kind, value = given["name"], given.get("type", "text").lower(), given.get("value", "")
        if kind in ("radio", "checkbox"):
            value = given.get("value", "on")
            form.choices.setdefault(name, []).append(value)
            if "checked" in given:
                form.fields[name] = value
        elif kind == "submit":
            form.choices.setdefault(name, []).append(value)
        elif kind not in ("button", "reset", "image", "file"):
            form.fields[name] = value

    def handle_data(self, data: str) -> None:
        if self._textarea and self._open is not None:
            self._open.fields[self._textarea] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._textarea = None
