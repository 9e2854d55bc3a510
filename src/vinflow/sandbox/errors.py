"""What can go wrong for the person who drives the stand-in. None of these ever travels on Bakong's wire.

SandboxError (Exception)
  PayRefused                 the payer's bank will not pay; .code is the key of its sentence in words.py
    NoQrFound                no QR in the picture
    SeveralQrs               more than one; .texts holds them
    BadPicture               not a PNG, JPEG or WebP of at most 10 MB
    NotKhqr                  a QR of another kind
    Damaged                  the checksum does not match the text
    Expired                  the KHQR's own time is over
    AlreadyPaid              a transfer for this KHQR exists
    UnknownReceiver          no such account here
    NotEnoughMoney           the payer's account of that currency is too small
    AmountNeeded             a static KHQR, and the payer named no amount
    WrongPin                 not four digits
    BankRefused              the test control said so
  WrongSwitch (ValueError)   no such switch, or a value it does not know
  WrongFault (ValueError)    no such call or style
  WrongMoment (ValueError)   a clock or a delay outside the years 1970 to 9998
  UnsafeControl              the control interface was asked for on an open address without a secret
  ControlError               the control interface refused; .status and .answer hold what it said
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AlreadyPaid",
    "AmountNeeded",
    "BadPicture",
    "BankRefused",
    "ControlError",
    "Damaged",
    "Expired",
    "NoQrFound",
    "NotEnoughMoney",
    "NotKhqr",
    "PayRefused",
    "SandboxError",
    "SeveralQrs",
    "UnknownReceiver",
    "UnsafeControl",
    "WrongFault",
    "WrongMoment",
    "WrongPin",
    "WrongSwitch",
]


class SandboxError(Exception):
    """The root: something the driver of the stand-in asked for cannot be done."""


class PayRefused(SandboxError):
    """The payer's bank will not pay. Nothing has changed."""

    code = "e_refused"


class NoQrFound(PayRefused):
    """No QR could be read in the picture."""

    code = "e_none"


class SeveralQrs(PayRefused):
    """The picture holds more than one QR; somebody has to choose."""

    code = "e_many"

    def __init__(self, texts: list[str]) -> None:
        super().__init__(f"{len(texts)} QR codes in one picture")
        self.texts = texts


class BadPicture(PayRefused):
    """Not a PNG, JPEG or WebP picture, too large, or broken."""

    code = "e_file"


class NotKhqr(PayRefused):
    """The text is no KHQR; .khqr_code is the codec's reason when it has one."""

    code = "e_not_khqr"

    def __init__(self, message: str, khqr_code: int | None = None) -> None:
        super().__init__(message)
        self.khqr_code = khqr_code


class Damaged(PayRefused):
    """The four digits of tag 63 do not belong to the text before them."""

    code = "e_crc"


class Expired(PayRefused):
    """The time in tag 99 is over."""

    code = "e_expired"


class AlreadyPaid(PayRefused):
    """A transfer for this KHQR has succeeded before."""

    code = "e_paid"


class UnknownReceiver(PayRefused):
    """The receiving account does not exist here."""

    code = "e_account"


class NotEnoughMoney(PayRefused):
    """The payer's account of that currency holds less than the amount."""

    code = "e_funds"


class AmountNeeded(PayRefused):
    """The KHQR carries no amount and the payer named none, or none that can be paid."""

    code = "e_amount"


class WrongPin(PayRefused):
    """A PIN is four digits."""

    code = "e_pin"


class BankRefused(PayRefused):
    """The payer's bank was told to refuse."""

    code = "e_refused"


class WrongSwitch(SandboxError, ValueError):
    """No such switch, or a value outside its list."""


class WrongFault(SandboxError, ValueError):
    """No such call, no such style, or a number out of range."""


class WrongMoment(SandboxError, ValueError):
    """A moment no calendar of ours can show, or a delay of more than ten years."""


class UnsafeControl(SandboxError):
    """An address that others can reach, and no secret: the control interface is not opened there."""


class ControlError(SandboxError):
    """The control interface said no. status: the HTTP status; answer: its JSON."""

    def __init__(self, status: int, answer: Any) -> None:
        super().__init__(f"the stand-in answered {status}: {answer}")
        self.status = status
        self.answer = answer
