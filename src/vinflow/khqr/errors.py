"""What can be wrong with a KHQR.

KHQRError (ValueError)   .code .name .message are the official ones; .field and .path say where
  BrokenText             the text is no clean run of tag, length and value (code 8)
    NotText              not a str, or half a surrogate pair in it
    Truncated            a length promises more than is left
    BadHeader            a tag or a length is not two ASCII digits
    Repeated             one tag twice, or both 29 and 30: readers would disagree on the meaning
  WrongChecksum          tag 63 does not match the text before it, or is not last (code 8)
  WrongField             one field breaks its own rule
    MissingField         required and absent, empty or blank
    FieldTooLong         over its limit, or a template over 99 UTF-16 units
    UnknownValue         present, but no value this field may have

Where the official SDK has no code for what we refuse (a control character, say) the code is 8.
Source of codes, names and messages: npm bakong-khqr 1.0.20.
"""

from __future__ import annotations

from .codes import CODES, KHQR_INVALID

__all__ = [
    "BadHeader",
    "BrokenText",
    "FieldTooLong",
    "KHQRError",
    "MissingField",
    "NotText",
    "Repeated",
    "Truncated",
    "UnknownValue",
    "WrongChecksum",
    "WrongField",
]


class KHQRError(ValueError):
    """The text or payload breaks the format.

    code, name, message: the official ones. field: the payload's field, None when the fault is in
    no single one. path: the tag, "29.00" for sub-tag 00 of tag 29, "" when there is none.
    """

    def __init__(
        self, detail: str = "", *, code: int = KHQR_INVALID, field: str | None = None, path: str = ""
    ) -> None:
        self.code = code
        self.name, self.message = CODES[code]
        self.field = field
        self.path = path
        self.detail = detail
        where = f" ({field or 'tag'}{f' {path}' if path else ''})" if field or path else ""
        super().__init__(f"{self.message}{where}{f': {detail}' if detail else ''}")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.detail, self.code, self.field, self.path)


def _rebuild(kind: type[KHQRError], detail: str, code: int, field: str | None, path: str) -> KHQRError:
    return kind(detail, code=code, field=field, path=path)


class BrokenText(KHQRError):
    """The text is no clean run of tag, length and value."""


class NotText(BrokenText):
    """Not a str at all, or text that no UTF-8 can hold (half a surrogate pair)."""


class Truncated(BrokenText):
    """A length promises more than is left, as in a scan cut short."""


class BadHeader(BrokenText):
    """A tag or a length is not two ASCII digits."""


class Repeated(BrokenText):
    """One tag twice, or both 29 and 30: two readers would take two meanings."""


class WrongChecksum(KHQRError):
    """Tag 63 is not the last field, not four hex digits, or not the checksum of the rest."""


class WrongField(KHQRError):
    """One field breaks its own rule."""


class MissingField(WrongField):
    """A field that must be there is absent, empty or blank."""


class FieldTooLong(WrongField):
    """A value is over its limit, counted in UTF-16 code units."""


class UnknownValue(WrongField):
    """A value is there, but this field cannot have it."""
