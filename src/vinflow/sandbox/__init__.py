"""A Bakong that runs offline: ten calls, the guide's dialect, a phone that pays, and every way to fail."""

from vinflow.sandbox.bank import Sandbox
from vinflow.sandbox.clock import Clock
from vinflow.sandbox.server import SandboxServer
from vinflow.sandbox.switches import Switches

__all__ = ["Clock", "Sandbox", "SandboxServer", "Switches"]
