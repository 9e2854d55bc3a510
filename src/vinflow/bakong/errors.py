"""What a caller can do wrong. What Bakong answers is never an exception: see results.py.

BakongError (ValueError)   the caller's own mistake, found before anything is sent
  WrongArgument            not an md5, not a hash, an account without @; .argument names it
  TooMany                  more than 50 in one question
  NotConfigured            no token, no address, no e-mail; .setting names it
"""

from __future__ import annotations

__all__ = ["BakongError", "NotConfigured", "TooMany", "WrongArgument"]


class BakongError(ValueError):
    """The caller's own mistake. No request has left, nothing has changed."""


class WrongArgument(BakongError):
    """An argument that cannot be what it should be. The message never repeats a secret."""

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(f"{argument}: {message}")
        self.argument = argument


class TooMany(BakongError):
    """More than Bakong takes in one question."""

    def __init__(self, count: int, count_max: int) -> None:
        super().__init__(f"{count} in one question, at most {count_max} are taken")
        self.count = count
        self.count_max = count_max


class NotConfigured(BakongError):
    """A setting is missing or cannot be meant; .setting is the argument of the client that holds it."""

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(f"{setting}: {message}")
        self.setting = setting
