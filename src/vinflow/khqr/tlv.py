"""Tag-length-value text: how every KHQR is built.

A field is two digits of tag, two digits of length, then that many UTF-16 code units: not bytes
(a Khmer letter counts one) and not letters (most emoji count two). That is JavaScript's
String.length, which the official SDK counts with.
"""

from __future__ import annotations

from collections.abc import Iterator

from .errors import BadHeader, NotText, Repeated, Truncated

__all__ = ["fields_of", "in_units", "split", "units", "whole"]


def units(text: str) -> int:
    """Return the length of a text in UTF-16 code units.

    >>> units("ABC"), units("កាហ្វេ"), units("☕"), units("😀")
    (3, 6, 1, 2)
    """
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


class _Headers(dict[str, tuple[str, int]]):
    """Header text -> (tag, length): "5908" -> ("59", 8), worked out once for each header met.

    One look-up does the work of two slices, a digit check and an int(). It can never hold more
    than the 10,000 headers there are, for nothing but four ASCII digits is let in.
    """

    def __missing__(self, header: str) -> tuple[str, int]:
        # isascii and isdigit: int() and isdigit() alone admit Khmer digits, signs and blanks.
        if len(header) != 4 or not (header.isascii() and header.isdigit()):
            raise KeyError(header)
        tag, length = header[:2], int(header[2:])
        self[header] = tag, length
        return tag, length


HEADERS = _Headers()


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
    if len(data) == 2 * len(text):
        return text
    return "".join(map(chr, memoryview(data).cast("H")))


def whole(value: str, path: str = "") -> str:
    """Return a slice of in_units() as ordinary text. Raises NotText when it cut a letter in two."""
    if value.isascii():
        return value
    try:
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise NotText("a length cuts a letter in two", path=path) from None


def split(text: str, *, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (tag, value) for each field of a tag-length-value text, in order.

    text: a whole KHQR or the value of a template, as in_units() gives it.
    path: the tag that holds this text, "" at the top; it only words the errors.
    Raises BadHeader when a header is not four ASCII digits, Truncated when a value runs past the end.
    Each character is read once: time is linear whatever the text is.
    """
    start, size = 0, len(text)
    while start < size:
        header = text[start : start + 4]
        try:
            tag, length = HEADERS[header]
        except KeyError:
            raise _bad_header(header, path) from None
        end = start + 4 + length
        if end > size:
            raise _truncated(tag, length, size - start - 4, path)
        yield tag, text[start + 4 : end]
        start = end


def _bad_header(header: str, path: str) -> BadHeader | Truncated:
    if len(header) < 4:
        return Truncated(f"{header!r} is less than a tag and a length", path=path)
    return BadHeader(f"two digits of tag and two of length wanted, found {header!r}", path=path)


def _truncated(tag: str, length: int, left: int, path: str) -> Truncated:
    return Truncated(f"{length} characters promised, {left} left", path=f"{path}.{tag}".strip("."))


def fields_of(text: str, *, path: str = "") -> dict[str, str]:
    """Return {tag: value} of a tag-length-value text, in its order. Raises as split(), and Repeated."""
    found: dict[str, str] = {}
    for tag, value in split(text, path=path):
        if tag in found:
            raise Repeated("this tag stands there twice", path=f"{path}.{tag}".strip("."))
        found[tag] = value
    return found
