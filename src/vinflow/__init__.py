"""VinFlow: take money by KHQR, credited once, whatever happens to the page."""

__version__ = "0.1.0"
