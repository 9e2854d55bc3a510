"""The test controls: what comes of a payment, how the gateway behaves, and the activity page's levers."""

from __future__ import annotations

import re
from typing import Any

from vinflow.sandbox.bank import Sandbox
from vinflow.sandbox.errors import SandboxError
from vinflow.sandbox.faults import Fault
from vinflow.sandbox.forms import Form
from vinflow.sandbox.phone_frame import GATEWAY_WORDS, RESULT_WORDS
from vinflow.sandbox.words import say

__all__ = ["CONTROLS", "Switchboard", "fault_label", "whole"]

SLOW_S = 5.0
BACK = re.compile(r"/phone/(?:activity|review/[A-Za-z0-9_-]{1,64})", re.ASCII)
CONTROLS = frozenset(
    {
        "/phone/controls",
        "/phone/faults",
        "/phone/faults/clear",
        "/phone/switches",
        "/phone/clock",
        "/phone/reset",
    }
)
GATEWAYS: dict[str, dict[str, Any]] = {
    "slow": {"style": "slow", "delay_s": SLOW_S},
    "500": {"style": "nginx", "status": 500},
    "timeout": {"style": "hang"},
    "401": {"style": "unauthorized"},
    "403": {"style": "nginx", "status": 403},
    "429": {"style": "throttled", "retry_after_s": 30},
    "quota": {"style": "quota"},
}


class Switchboard:
    """The levers of one phone, and where they stand."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.result = "ok"
        self.delay_s = 30
        self.other_amount = ""
        self._gateway: tuple[str, int] | None = None

    def work(self, path: str, form: Form) -> str:
        """Do what a control asks and return where the browser goes next."""
        match path:
            case "/phone/controls":
                self._set_controls(form)
                return _way_back(form)
            case "/phone/faults":
                details: dict[str, Any] = {}
                for name in ("times", "status"):
                    if form.text(name):
                        details[name] = int(form.text(name))
                if form.text("delay_s"):
                    details["delay_s"] = float(form.text("delay_s"))
                self.sandbox.fault(form.text("call", "*"), form.text("style", "nginx"), **details)
            case "/phone/faults/clear":
                if form.text("id"):
                    self.sandbox.clear_faults(fault_id=int(form.text("id")))
                else:
                    self.sandbox.clear_faults()
                    self._gateway, self.result = None, "ok"
                    return _way_back(form)
            case "/phone/clock":
                self.sandbox.advance(int(form.text("seconds", "0")))
            case "/phone/switches":
                self._set_switches(form)
            case _:
                self._gateway, self.result = None, "ok"
                self.sandbox.reset()
        return "/phone/activity"

    def _set_controls(self, form: Form) -> None:
        result, gateway = form.text("result", "ok"), form.text("gateway", "normal")
        if result not in RESULT_WORDS or gateway not in GATEWAY_WORDS:
            raise SandboxError("no such control")
        self.result = result
        self.delay_s = whole(form.text("delay_s"), self.delay_s)
        self.other_amount = form.text("other_amount")[:20]
        with self.sandbox.lock:
            if gateway == self.gateway:
                return
            if self._gateway is not None:
                self.sandbox.clear_faults(fault_id=self._gateway[1])
            self._gateway = None
            if gateway != "normal":
                self._gateway = (gateway, self.sandbox.fault("*", **GATEWAYS[gateway]).id)

    def _set_switches(self, form: Form) -> None:
        changes: dict[str, Any] = {}
        for name, old in self.sandbox.switches.as_dict().items():
            if name not in form.fields:
                continue
            text = form.text(name)
            if isinstance(old, bool):
                changes[name] = text == "true"
            elif text == "none":
                changes[name] = None
            else:
                changes[name] = int(text) if text.isascii() and text.isdigit() else text
        self.sandbox.switch(**changes)

    @property
    def gateway(self) -> str:
        """How the gateway behaves: "normal", or the name of the fault that was chosen and still stands."""
        if self._gateway is not None and any(f.id == self._gateway[1] for f in self.sandbox.faults):
            return self._gateway[0]
        return "normal"

    def chips(self, language: str) -> tuple[str, ...]:
        """Return the names of the faults that stand, the chosen one in the payer's words."""
        names = []
        for fault in self.sandbox.faults:
            ours = self._gateway is not None and fault.id == self._gateway[1]
            names.append(say(language, GATEWAY_WORDS[self.gateway]) if ours else fault_label(fault))
        return tuple(names)


def _way_back(form: Form) -> str:
    back = form.text("back")
    return back if BACK.fullmatch(back) else "/phone"


def whole(text: str, default: int) -> int:
    """Return a small whole number of a form, the default for anything else."""
    return min(int(text), 86_400) if text.isascii() and text.isdigit() and len(text) <= 6 else default


def fault_label(fault: Fault) -> str:
    """Return a fault in a few words: style, status, call, how often."""
    parts = [fault.style]
    if fault.status is not None:
        parts.append(str(fault.status))
    if fault.call != "*":
        parts.append(fault.call)
    if fault.times is not None:
        parts.append(f"×{fault.times}")
    return " ".join(parts)
