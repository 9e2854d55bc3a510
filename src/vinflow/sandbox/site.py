"""Which desk a request goes to: the API, the phone, the control interface, or nobody."""

from __future__ import annotations

from vinflow.sandbox.answers import Answer, Request, redirect
from vinflow.sandbox.bank import Sandbox
from vinflow.sandbox.front import answer_api

__all__ = ["Site"]


class Site:
    """All that one stand-in answers, without a socket.

    control: whether the control interface is open. secret: what its callers show. open_address: others than
    this machine can reach us. phone: whether the bank app is served.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        control: bool = False,
        secret: str | None = None,
        open_address: bool = False,
        phone: bool = True,
    ) -> None:
        self.sandbox = sandbox
        self.control = control
        self.secret = secret
        self.open_address = open_address
        self.phone = phone

    def is_slow(self, request: Request) -> bool:
        """Whether a request needs a thread of its own: a picture has to be read."""
        return request.path == "/phone/read"

    def answer(self, request: Request) -> Answer:
        """Return the answer to any request."""
        path = request.path
        if path.startswith("/v1/"):
            return answer_api(self.sandbox, request)
        if path == "/" and self.phone:
            return redirect("/phone")
        return answer_api(self.sandbox, request)
