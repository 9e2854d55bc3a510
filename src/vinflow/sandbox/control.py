"""A client of the control interface, for tests in Python that run beside a stand-in in another process.

control = Control("http://127.0.0.1:8900")
control.pay(qr, delay_s=30)
control.advance(30)
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from vinflow.sandbox.errors import ControlError

__all__ = ["Control"]


class Control:
    """Drives a stand-in over HTTP. Every method raises ControlError when it is refused, OSError when alone.

    secret: what the stand-in was started with. ca_path: the authority it printed, when it serves HTTPS.
    """

    def __init__(
        self,
        url: str,
        secret: str | None = None,
        *,
        ca_path: str | Path | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self.url = url.rstrip("/")
        self._secret = secret
        self._timeout_s = timeout_s
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if ca_path is not None:
            context = ssl.create_default_context(cafile=str(ca_path))
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def call(self, method: str, name: str, body: Any = None) -> Any:
        """Return the JSON answer of one operation."""
        headers = {"Content-Type": "application/json", "User-Agent": "vinflow-sandbox-control"}
        if self._secret:
            headers["X-Sandbox-Secret"] = self._secret
        data = None if body is None else json.dumps(body, default=str).encode()
        request = urllib.request.Request(  # noqa: S310 - the address is the tester's own
            f"{self.url}/_control/{name}", data, headers, method=method
        )
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raw = error.read()
            try:
                said = json.loads(raw)
            except ValueError:
                said = raw.decode("utf-8", "replace")
            raise ControlError(error.code, said) from None

    def state(self) -> dict[str, Any]:
        """Return accounts, tokens, clock, switches, faults and counts."""
        found: dict[str, Any] = self.call("GET", "state")
        return found

    def qr(self, amount: str | None = "1.00", currency: str = "USD", **details: Any) -> str:
        """Return the text of a KHQR to try things with."""
        text: str = self.call("POST", "qr", {"amount": amount, "currency": currency, **details})["qr"]
        return text

    def pay(self, qr: str, **options: Any) -> dict[str, Any]:
        """Pay a KHQR and return the transfer; options as in Sandbox.pay."""
        transfer: dict[str, Any] = self.call("POST", "pay", {"qr": qr, **options})
        return transfer

    def transfers(self) -> list[dict[str, Any]]:
        """Return every transfer."""
        rows: list[dict[str, Any]] = self.call("GET", "transfers")
        return rows

    def advance(self, seconds: float) -> dict[str, Any]:
        """Move the clock and return it."""
        clock: dict[str, Any] = self.call("POST", "clock", {"advance_s": seconds})
        return clock

    def set_clock(self, moment_ms: int, *, frozen: bool | None = None) -> dict[str, Any]:
        """Put the clock somewhere and return it."""
        wish: dict[str, Any] = {"set_ms": moment_ms}
        if frozen is not None:
            wish["frozen"] = frozen
        clock: dict[str, Any] = self.call("POST", "clock", wish)
        return clock

    def fault(self, call: str = "*", style: str = "nginx", **details: Any) -> dict[str, Any]:
        """Set a fault and return it."""
        fault: dict[str, Any] = self.call("POST", "faults", {"call": call, "style": style, **details})
        return fault

    def clear_faults(self, call: str | None = None) -> None:
        """Clear all faults, or those of one call."""
        self.call("DELETE", "faults", {"call": call})

    def item_fault(self, key: str, style: str | None) -> None:
        """Spoil one item of list answers."""
        self.call("POST", "item-faults", {"key": key, "style": style})

    def switch(self, **changes: Any) -> dict[str, Any]:
        """Set switches and return all."""
        switches: dict[str, Any] = self.call("POST", "switches", changes)
        return switches

    def quota(self, **changes: Any) -> dict[str, Any]:
        """Return limit and use; set limit= (None for none) or used=, for token= or the test token."""
        quota: dict[str, Any] = self.call("POST", "quota", changes)
        return quota

    def issue_token(self, **details: Any) -> str:
        """Return a new token; details as in Sandbox.issue_token."""
        token: str = self.call("POST", "tokens", details)["token"]
        return token

    def revoke_token(self, token: str) -> None:
        """Have a token refused from now on."""
        self.call("DELETE", "tokens", {"token": token})

    def add_account(self, account_id: str, **details: Any) -> dict[str, Any]:
        """Create an account."""
        account: dict[str, Any] = self.call("POST", "accounts", {"id": account_id, **details})
        return account

    def remove_account(self, account_id: str) -> None:
        """Remove an account."""
        self.call("DELETE", "accounts", {"id": account_id})

    def add_email(self, email: str) -> None:
        """Register an e-mail address."""
        self.call("POST", "emails", {"email": email})

    def remove_email(self, email: str) -> None:
        """Forget an e-mail address."""
        self.call("DELETE", "emails", {"email": email})

    def log(self, call: str | None = None, *, after: int = 0) -> list[dict[str, Any]]:
        """Return the call log, of one call when named, after a line's number."""
        query = urllib.parse.urlencode({"after": after} | ({"call": call} if call else {}))
        rows: list[dict[str, Any]] = self.call("GET", f"log?{query}")
        return rows

    def reset(self) -> None:
        """Forget every payment, fault and setting."""
        self.call("POST", "reset")
