"""KHQR text to typed payload and back: Cambodia's payment QR, as the National Bank specifies it."""

from .card import card_png, card_svg
from .decoder import decode, read_fields
from .describe import Description, describe, mask_account
from .digest import md5
from .emv import read_emv
from .encoder import encode
from .errors import KHQRError
from .image import modules, png, svg
from .payload import Individual, Merchant
from .verifier import Verdict, verify

__all__ = [
    "Description",
    "Individual",
    "KHQRError",
    "Merchant",
    "Verdict",
    "card_png",
    "card_svg",
    "decode",
    "describe",
    "encode",
    "mask_account",
    "md5",
    "modules",
    "png",
    "read_emv",
    "read_fields",
    "svg",
    "verify",
]
