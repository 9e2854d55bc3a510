"""KHQR text to typed payload and back: Cambodia's payment QR, as the National Bank specifies it."""

from .decoder import decode, read_fields
from .digest import md5
from .encoder import encode
from .errors import KHQRError
from .image import modules, png, svg
from .payload import Individual, Merchant
from .verifier import Verdict, verify

__all__ = [
    "Individual",
    "KHQRError",
    "Merchant",
    "Verdict",
    "decode",
    "encode",
    "md5",
    "modules",
    "png",
    "read_fields",
    "svg",
    "verify",
]
