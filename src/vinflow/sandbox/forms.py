"""Fields and files of a posted HTML form, both encodings, read without surprises."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

__all__ = ["Form", "read_form"]

FIELDS_MAX = 100
_BOUNDARY = re.compile(r'boundary="?([^";,]{1,200})"?', re.IGNORECASE)
_NAME = re.compile(rb'\bname="([^"\r\n]{0,100})"')
_FILE = re.compile(rb"\bfilename\*?=")


@dataclass(slots=True)
class Form:
    """fields: text by name, the first of a repeated name. files: bytes by name, empty ones left out."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        """Return a field without the space around it."""
        return self.fields.get(name, default).strip()


def read_form(content_type: str, body: bytes) -> Form:
    """Return what a form sent; nonsense gives an empty form, never an error."""
    kind = content_type.split(";", 1)[0].strip().lower()
    if kind == "multipart/form-data":
        return _multipart(content_type, body)
    form = Form()
    if kind == "application/x-www-form-urlencoded":
        try:
            pairs = parse_qsl(
                body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=FIELDS_MAX
            )
        except ValueError:
            return form
        for name, value in pairs:
            form.fields.setdefault(name, value)
    return form


def _multipart(content_type: str, body: bytes) -> Form:
    form = Form()
    found = _BOUNDARY.search(content_type)
    if found is None:
        return form
    mark = b"\r\n--" + found[1].encode("latin-1", "replace")
    # A line break in front lets the first boundary look like all others.
    for part in (b"\r\n" + body).split(mark, FIELDS_MAX + 1)[1:]:
        head, gap, value = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if not gap or name is None or part.startswith(b"--"):
            continue
        key = name[1].decode("utf-8", "replace")
        if _FILE.search(head):
            if value:
                form.files.setdefault(key, value)
        else:
            form.fields.setdefault(key, value.decode("utf-8", "replace"))
    return form
