"""Tag-length-value text: how every KHQR is built.

A field is two digits of tag, two digits of length, then that many UTF-16 code units: not bytes
(a Khmer letter counts one) and not letters (most emoji count two). That is JavaScript's
String.length, which the official SDK counts with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .errors import BadHeader, NotText, Repeated, Truncated

__all__ = ["apart", "fields_of", "in_units", "read_loosely", "units", "whole"]


def units(text: str) -> int:
    """Return the length of a text in UTF-16 code units.

    >>> units("ABC"), units("កាហ្វេ"), units("☕"), units("😀")
    (3, 6, 1, 2)
    """
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


# Header text -> (tag, length): "5908" -> ("59", 8). One look-up does the work of two slices, a check
# for digits (int() and isdigit() admit Khmer digits, signs, blanks) and an int(). It holds every header
# there is, 1.2 MB, for a plain dict is looked up faster than one that fills itself.
HEADERS = {f"{tag:02}{length:02}": (f"{tag:02}", length) for tag in range(100) for length in range(100)}


def in_units(text: str) -> str:
    """Return a text in which every UTF-16 code unit is one character, so that slices count units.

    Text without letters beyond U+FFFF comes back as it is. Raises NotText for what is no str, or
    holds half a surrogate pair.
    """
    if not isinstance(text, str):
        raise NotText(f"text wanted, not {type(text).__name__}")
    if text.isascii():
        return text
    try:
        data = text.encode("utf-16-le")
    except UnicodeEncodeError:
        raise NotText("half a surrogate pair") from None
    return text if len(data) == 2 * len(text) else apart(data)


def apart(data: bytes) -> str:
    """Return UTF-16 (little endian) as text in which every code unit, half pairs too, is one character.

    Each unit is made a UTF-32 one by two bytes of zero behind it: a loop over chr() takes ten times as long.
    """
    wide = bytearray(2 * len(data))
    wide[0::4], wide[1::4] = data[0::2], data[1::2]
    return wide.decode("utf-32-le", "surrogatepass")


def whole(value: str, path: str = "") -> str:
    """Return a slice of in_units() as ordinary text. Raises NotText when it cut a letter in two."""
    if value.isascii():
        return value
    try:
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise NotText("a length cuts a letter in two", path=path) from None


def fields_of(text: str, *, path: str = "") -> dict[str, str]:
    """Return {tag: value} of a tag-length-value text, in its order.

    text: a whole KHQR or the value of a template, as in_units() gives it.
    path: the tag that holds this text, "" at the top; it only words the errors.
    Raises BadHeader when a header is not four ASCII digits, Truncated when a value runs past the
    end, Repeated when a tag comes twice. Each character is read once: time is linear in the text.
    """
    found: dict[str, str] = {}
    start, size, count = 0, len(text), 0
    headers = HEADERS
    try:
        while start < size:
            tag, length = headers[text[start : (middle := start + 4)]]
            found[tag] = text[middle : (start := middle + length)]
            count += 1
    except KeyError:
        raise _bad_header(text[start : start + 4], path) from None
    if start > size:
        left = size - start + length
        raise Truncated(f"{length} characters promised, {left} left", path=f"{path}.{tag}".strip("."))
    if count != len(found):
        raise _repeated(text, path)
    return found


def _bad_header(header: str, path: str) -> BadHeader | Truncated:
    if len(header) < 4:
        return Truncated(f"{header!r} is less than a tag and a length", path=path)
    return BadHeader(f"two digits of tag and two of length wanted, found {header!r}", path=path)


def _repeated(text: str, path: str) -> Repeated:
    """Return the error for a clean text in which a tag comes twice, naming the first that does."""
    seen: set[str] = set()
    for tag, _ in read_loosely(text):
        if tag in seen:
            break
        seen.add(tag)
    return Repeated("this tag stands there twice", path=f"{path}.{tag}".strip("."))


def read_loosely(text: str) -> Iterator[tuple[str, str]]:
    """Yield (tag, value) as the official SDK reads a text that need not be clean.

    A length is what JavaScript's parseInt makes of two characters ("8a" and " 8" are 8), a value
    that runs past the end is what is left of it. Where the SDK would never return (no number, or a
    negative one) this stops; the tag it stopped at comes with an empty value, as there.
    """
    start, size = 0, len(text)
    while start < size:
        tag = text[start : start + 2]
        match = LOOSE_LENGTH.match(text, start + 2, start + 4)
        if match is None:
            yield tag, ""
            return
        end = start + 4 + int(match[1])
        yield tag, text[start + 4 : end]
        start = end


# What parseInt reads from at most two characters; a minus is left out on purpose.
LOOSE_LENGTH = re.compile(
    r"[ \t\n\v\f\r\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]?\+?([0-9]{1,2})"
)
