"""Which desk a request goes to: the API, the phone, the control interface, or nobody."""

from __future__ import annotations

from vinflow.sandbox.answers import Answer, Request, json_answer, redirect
from vinflow.sandbox.bank import Sandbox
from vinflow.sandbox.control_desk import answer_control, may_control
from vinflow.sandbox.front import answer_api
from vinflow.sandbox.phone_desk import PhoneDesk

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
        self.phone = PhoneDesk(sandbox, secret=secret, open_address=open_address) if phone else None

    def is_slow(self, request: Request) -> bool:
        """Whether a request needs a thread of its own: a picture has to be read."""
        return request.path == "/phone/read"

    def answer(self, request: Request) -> Answer:
        """Return the answer to any request."""
        path = request.path
        if path.startswith("/v1/"):
            return answer_api(self.sandbox, request)
        if self.control and (path == "/_control" or path.startswith("/_control/")):
            if not may_control(request, secret=self.secret, open_address=self.open_address):
                return json_answer({"error": "not allowed", "code": 403}, 403)
            return answer_control(self.sandbox, request)
        if self.phone is not None:
            if path == "/":
                return redirect("/phone")
            if path == "/phone" or path.startswith(("/phone/", "/d/")):
                return self.phone.answer(request)
        return answer_api(self.sandbox, request)
