"""What a bank app makes of a KHQR's text: the same refusals, in the order a payer would meet them."""

from __future__ import annotations

import binascii
import re

from vinflow import khqr
from vinflow.khqr import Individual, KHQRError, Merchant
from vinflow.sandbox.errors import Damaged, Expired, NotKhqr

__all__ = ["expires_ms", "read_khqr"]

LENGTH_MAX = 1000  # a KHQR is seldom over 400 characters
_CRC = re.compile(r"6304[0-9A-Fa-f]{4}\Z")
KHQR_EXPIRED = 46  # the codec's number for a tag 99 that has passed


def read_khqr(text: str, now_ms: int, *, expired_too: bool = False) -> Individual | Merchant:
    """Return the payload of a KHQR that may be paid at now_ms.

    expired_too: accept one whose time is over. The guide's "khqr://" in front is a scheme, not part of it.
    Raises NotKhqr, Damaged (checksum), Expired.
    """
    bare = text.strip().removeprefix("khqr://")
    if len(bare) > LENGTH_MAX or not bare.startswith("00") or not _CRC.search(bare):
        raise NotKhqr("this text is no KHQR")
    try:
        raw = bare.encode()
    except UnicodeEncodeError:
        raise NotKhqr("this text holds half a character") from None
    if f"{binascii.crc_hqx(raw[:-4], 0xFFFF):04X}" != bare[-4:].upper():
        raise Damaged("the checksum does not match")
    # A time that is over is the one fault that a driver of tests may wave through.
    verdict = khqr.verify(bare, now_ms=0 if expired_too else now_ms)
    if not verdict.valid:
        if verdict.code == KHQR_EXPIRED:
            raise Expired("its time is over")
        raise NotKhqr(f"no valid KHQR: {verdict.name}", verdict.code)
    try:
        return khqr.decode(bare)
    except KHQRError as error:
        raise NotKhqr(str(error), error.code) from None


def expires_ms(read: Individual | Merchant) -> int | None:
    """Return when a KHQR ends in epoch milliseconds, None for a static one."""
    return read.expiration_timestamp
