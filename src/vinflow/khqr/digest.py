"""The name Bakong knows a KHQR by."""

from __future__ import annotations

from hashlib import md5 as _md5

from .errors import NotText

__all__ = ["md5"]


def md5(text: str) -> str:
    """Return the MD5 of a KHQR's UTF-8 bytes, checksum included: 32 lower-case hex digits.

    The look-up by MD5 finds a transfer only when payer and merchant hold the same bytes, so keep
    the text itself, never a re-encoding of it. Raises NotText.

    >>> md5("00020101021129170013sok_dara@aclb5204599953031165802KH5908Sok Dara6010Phnom Penh63046D8E")
    'cbdafbdaa4083ddc0e04d0f336315100'
    """
    try:
        return _md5(text.encode(), usedforsecurity=False).hexdigest()
    except (UnicodeEncodeError, AttributeError, TypeError):
        raise NotText(f"an MD5 is taken of well-formed text, not of {type(text).__name__}") from None
