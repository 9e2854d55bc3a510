"""What has been told to go wrong: faults of calls, and spoilt items of list answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vinflow.sandbox.errors import SandboxError
from vinflow.sandbox.faults import ITEM_STYLES, Fault
from vinflow.sandbox.state import State

__all__ = ["CALLS", "Mischief"]


CALLS = frozenset(
    {
        "renew_token",
        "generate_deeplink_by_qr",
        "check_transaction_by_md5",
        "check_transaction_by_hash",
        "check_transaction_by_short_hash",
        "check_bakong_account",
        "check_transaction_by_instruction_ref",
        "check_transaction_by_external_ref",
        "check_transaction_by_md5_list",
        "check_transaction_by_hash_list",
    }
)


class Mischief(State):
    """Faults, oldest first; the first that fits a call strikes it."""

    def _forget(self) -> None:
        super()._forget()
        self._faults: list[Fault] = []
        self._item_faults: dict[str, str] = {}

    def _load(self) -> None:
        super()._load()
        self._faults = self._store.rows("fault", Fault)

    def fault(self, call: str = "*", style: str = "nginx", **details: Any) -> Fault:
        """Set a fault and return it. details: the fields of Fault. Raises WrongFault."""
        with self.lock:
            try:
                fault = Fault(call=call, style=style, **details).checked(CALLS)
            except TypeError as error:
                raise SandboxError(f"a fault has no such detail: {error}") from None
            fault = replace(fault, id=self.count())
            self._faults.append(fault)
            self._store.put("fault", f"{fault.id:012d}", fault)
            return fault

    def clear_faults(self, call: str | None = None, *, fault_id: int | None = None) -> None:
        """Clear every fault, or those of one call, or one of them."""
        with self.lock:
            for fault in list(self._faults):
                if call in (None, fault.call) and fault_id in (None, fault.id):
                    self._faults.remove(fault)
                    self._store.drop("fault", f"{fault.id:012d}")
            if call is None and fault_id is None:
                self._item_faults.clear()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that are set, oldest first."""
        with self.lock:
            return tuple(self._faults)

    def strike(self, call: str) -> Fault | None:
        """Return the fault that hits this call now, and use it up by one; None when it passes."""
        with self.lock:
            for index, fault in enumerate(self._faults):
                if fault.call not in ("*", call):
                    continue
                left = fault.once()
                if left is None:
                    del self._faults[index]
                    self._store.drop("fault", f"{fault.id:012d}")
                else:
                    self._faults[index] = left
                    if left is not fault:
                        self._store.put("fault", f"{fault.id:012d}", left)
                if not fault.skip:
                    return fault
            return None

    def item_fault(self, key: str, style: str | None) -> None:
        """Spoil one item (md5 or hash) of list answers: SERVICE_FAILED, EMPTY_SUCCESS, or None to stop."""
        if style is not None and style not in ITEM_STYLES:
            raise SandboxError(f"an item can be {' or '.join(ITEM_STYLES)}, not {style!r}")
        with self.lock:
            if style is None:
                self._item_faults.pop(key.lower(), None)
            else:
                self._item_faults[key.lower()] = style

    def item_style(self, key: str) -> str | None:
        """Return how an item is spoilt, None when it is not."""
        return self._item_faults.get(key.lower())
