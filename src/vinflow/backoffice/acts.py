"""Writing down what a person did by hand; rows are only ever added."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from vinflow.backoffice.models import StaffAct
from vinflow.payments.models import Payment

__all__ = ["keep"]


def keep(
    what: StaffAct.What,
    *,
    by: Any,
    at: datetime,
    payment: Payment | None = None,
    result: str = "",
    note: str = "",
) -> StaffAct:
    """Store one act of one person; return it."""
    return StaffAct.objects.create(what=what, actor=by, payment=payment, at=at, result=result, note=note)
