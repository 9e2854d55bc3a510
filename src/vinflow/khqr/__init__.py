"""KHQR text to typed payload and back: Cambodia's payment QR, as the National Bank specifies it."""

from .digest import md5
from .encoder import encode
from .errors import KHQRError
from .image import modules, png, svg
from .payload import Individual, Merchant

__all__ = ["Individual", "KHQRError", "Merchant", "encode", "md5", "modules", "png", "svg"]
