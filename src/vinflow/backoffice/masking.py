"""What staff see of a gateway's JSON: everything but secrets and other people's account names.

Exchanges are stored without tokens and e-mail addresses already; here the rest is masked, by the name
of the field, so that a payer called "token" stays readable.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["as_text", "masked", "masked_account"]

SECRET = re.compile(r"token|secret|password|authorization|api_?key|email", re.IGNORECASE)
PERSONAL = re.compile(r"account|phone|mobile|from_?id|to_?id", re.IGNORECASE)
DOTS = "••••"
SEEN = 4


def masked_account(account: str) -> str:
    """Return an account with all but its last four signs hidden, the bank kept: "••••4321@aclb"."""
    name, at, bank = account.partition("@")
    if not name:
        return ""
    return f"{DOTS}{name[-SEEN:] if len(name) > SEEN else name[-1:]}{at}{bank}"


def masked(value: Any, name: str = "") -> Any:
    """Return a JSON value with secrets and personal numbers hidden, whatever it is nested in."""
    if isinstance(value, dict):
        return {str(key): masked(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner, name) for inner in value]
    if value in (None, ""):
        return value
    if SECRET.search(name):
        return DOTS
    if PERSONAL.search(name):
        return masked_account(str(value))
    return value


def as_text(value: Any) -> str:
    """Return a JSON value masked and indented for reading; "" for none."""
    if value is None or value == {}:
        return ""
    if isinstance(value, str):  # the gateway answered something that is no JSON
        return value
    return json.dumps(masked(value), ensure_ascii=False, indent=2)
