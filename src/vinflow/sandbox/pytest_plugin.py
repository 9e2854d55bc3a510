"""A Bakong for each test: the `bakong` fixture.

In the root conftest.py:  pytest_plugins = ["vinflow.sandbox.pytest_plugin"]

    def test_paid(bakong):
        shop = Shop(bakong.url, bakong.token, bakong.account)
        order = shop.open("1.50")
        bakong.pay(order.qr)
        assert shop.is_paid(order)

    @pytest.mark.bakong(md5_list="open", quota=3)    # switches; also seed=, frozen_at_ms=, tls=, control=
    def test_batches(bakong): ...
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vinflow.sandbox.asgi import App
from vinflow.sandbox.bank import Sandbox
from vinflow.sandbox.clock import Clock
from vinflow.sandbox.server import SandboxServer
from vinflow.sandbox.switches import Switches

__all__ = ["Bakong", "bakong", "pytest_configure"]


class Bakong(Sandbox):
    """A Sandbox that listens when somebody asks for its address, and not before.

    .url starts a server on a free port of this machine; .app is the same stand-in without a socket.
    """

    def __init__(
        self, *args: Any, tls: bool = False, control: bool = False, tls_folder: Path | None = None, **kw: Any
    ):
        super().__init__(*args, **kw)
        self._server = SandboxServer(self, tls=tls, control=control, tls_folder=tls_folder)
        self._control = control

    @property
    def url(self) -> str:
        """The address of the server, started by the first look at it."""
        return self._server.start().url

    @property
    def ca_path(self) -> Path | None:
        """The authority to trust when it serves HTTPS, else None."""
        self._server.start()
        return self._server.ca_path

    @property
    def app(self) -> App:
        """The same stand-in as an ASGI application."""
        return App(self, control=self._control)

    def close(self) -> None:
        """Stop listening and close the file, when there are any."""
        self._server.stop()
        super().close()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "bakong(**switches, seed=0, frozen_at_ms=None, tls=False, control=False): how the stand-in is set",
    )


@pytest.fixture
def bakong(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bakong]:
    """A fresh stand-in, gone after the test."""
    wish: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("bakong"))):
        wish |= marker.kwargs
    frozen = wish.pop("frozen_at_ms", None)
    tls = wish.pop("tls", False)
    bank = Bakong(
        wish.pop("seed", 0),
        clock=Clock(frozen_at_ms=frozen),
        tls=tls,
        control=wish.pop("control", False),
        tls_folder=tmp_path_factory.mktemp("authority") if tls else None,
        settings=Switches().change(**wish),
    )
    yield bank
    bank.close()
