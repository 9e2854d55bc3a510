"""What a run listens to and what it sets: log records as text, Django settings that change on the way."""

from __future__ import annotations

import logging
import traceback
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from django.test.utils import override_settings

if TYPE_CHECKING:
    from tests.proof.world import World

__all__ = ["Listener", "Settings"]


class Listener(logging.Handler):
    """Keeps every record as the text it would become, and looks for errors nobody ordered."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.DEBUG)
        self.world = world

    def emit(self, record: logging.LogRecord) -> None:
        plain = {k: v for k, v in record.__dict__.items() if k not in logging.makeLogRecord({}).__dict__}
        text = f"{record.name} {record.getMessage()} {plain}"
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            text += "".join(traceback.format_exception(error))
            ordered = getattr(error, "ordered", False)
            if not ordered:
                where = traceback.extract_tb(error.__traceback__)[-1]
                self.world.violate(
                    f"an error was swallowed: {record.getMessage()}: {type(error).__name__}: {error}"
                    f" ({where.name}:{where.lineno})"
                )
        self.world.logged.append(text)


class Settings:
    """Django settings that may change on the way."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.flow = ExitStack()
        self.values = values

    def __enter__(self) -> Settings:
        self.change(self.values)
        return self

    def __exit__(self, *_: object) -> None:
        self.flow.close()

    def change(self, values: dict[str, Any]) -> None:
        self.flow.close()
        self.flow.enter_context(override_settings(**values))
