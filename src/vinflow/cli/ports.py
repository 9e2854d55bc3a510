"""TCP ports of this machine: free, taken, answering."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

import click

__all__ = ["answers", "free_port", "from_environment", "is_taken", "wait_until_answers"]

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Return a port of the loopback address that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def from_environment(variable: str, default: int) -> int:
    """Return the free port that an environment variable names, or the default.

    Raises ClickException, with the variable to change in its sentence, when the value is no port or when
    somebody already listens there.
    """
    text = os.environ.get(variable, "").strip() or str(default)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise click.ClickException(f"{variable} is {text!r}: it must be a port, 1 to 65535.")
    port = int(text)
    if is_taken(port):
        raise click.ClickException(
            f"Port {port} is in use: set {variable} to a free one, for example {port + 10}."
        )
    return port


def is_taken(port: int) -> bool:
    """Whether somebody listens on this port of the loopback address, or on every address."""
    with socket.socket() as probe:
        # as servers do: a connection of an earlier run that still lingers does not hold the port
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return answers(port)


def answers(port: int) -> bool:
    """Whether a connection to this port of the loopback address is accepted now."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


def wait_until_answers(port: int, *, alive: Callable[[], bool], wait_s_max: float) -> bool:
    """Return True once the port accepts connections, False when alive() ends or the time is over."""
    deadline = time.monotonic() + wait_s_max
    while time.monotonic() < deadline:
        if answers(port):
            return True
        if not alive():
            return False
        time.sleep(0.05)
    return False
