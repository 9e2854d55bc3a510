"""The checksum in tag 63."""

from __future__ import annotations

from binascii import crc_hqx

__all__ = ["checksum"]


def checksum(text: str) -> str:
    """Return the CRC-16/CCITT-FALSE of a text's UTF-8 bytes: four upper-case hex digits.

    text: all that stands before the four digits, the literal "6304" included.
    crc_hqx with start value 0xFFFF is this CRC: polynomial 0x1021, nothing reflected, no final
    xor. Always four digits: a port that dropped leading zeros wrote 1 QR in 16 that banks refuse.
    Raises UnicodeEncodeError for half a surrogate pair.

    >>> checksum("123456789")
    '29B1'
    """
    return f"{crc_hqx(text.encode(), 0xFFFF):04X}"
