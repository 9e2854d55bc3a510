"""Checks a second of the stand-in with 100,000 transfers stored, over the same server answering a constant.

Both run in this process and take turns, so that whatever else the machine does falls on both alike. The ratio
has to be at least 0.5. Run: python bench/sandbox.py [rounds]
"""

from __future__ import annotations

import hashlib
import json
import socket
import statistics
import sys
import time
from decimal import Decimal

from vinflow.sandbox import Sandbox, SandboxServer
from vinflow.sandbox.answers import Answer, Request, failure
from vinflow.sandbox.records import Transfer

STORED = 100_000
CALLS = 100  # in one turn: short turns meet the same weather
LIMIT = 0.5


class Constant:
    """A site that says "not found" to everybody, without looking."""

    answered = failure(1)

    def is_slow(self, request: Request) -> bool:
        return False

    def answer(self, request: Request) -> Answer:
        return self.answered


def full_bank() -> tuple[Sandbox, list[str]]:
    """Return a stand-in with STORED transfers, and the md5s of all."""
    bank = Sandbox()
    bank.switch(quota=None)
    now_ms = bank.clock.now_ms()
    md5s = [hashlib.md5(str(n).encode()).hexdigest() for n in range(STORED)]
    bank.add_transfers(
        Transfer(
            hash=hashlib.sha256(md5.encode()).hexdigest(),
            md5=md5,
            from_account="abaakhppxxx@abaa",
            to_account=bank.account,
            currency="USD",
            amount=Decimal(n % 1000 + 1) / 100,
            created_ms=now_ms,
            acknowledged_ms=now_ms,
            visible_ms=now_ms,
            external_ref=f"100FT{n:011d}",
        )
        for n, md5 in enumerate(md5s)
    )
    return bank, md5s


def turn(server: SandboxServer, token: str, md5s: list[str]) -> float:
    """Return the calls a second of one connection that asks for these md5s one after the other."""
    with socket.create_connection((server.host, server.port)) as talk:
        talk.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        started = time.perf_counter()
        for md5 in md5s:
            body = json.dumps({"md5": md5}).encode()
            talk.sendall(
                b"POST /v1/check_transaction_by_md5 HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench/1\r\n"
                b"Content-Type: application/json\r\nAuthorization: Bearer " + token.encode() + b"\r\n"
                b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
            )
            seen = b""
            while b"\r\n\r\n" not in seen:
                seen += talk.recv(65_536)
            head, _, rest = seen.partition(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            while len(rest) < length:
                rest += talk.recv(65_536)
        return len(md5s) / (time.perf_counter() - started)


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 61
    bank, md5s = full_bank()
    plain = SandboxServer(Sandbox())
    plain._site = Constant()  # type: ignore[assignment]  # the same server, another answer
    asked, constant = [], []
    with SandboxServer(bank) as full, plain:
        turn(full, bank.token, md5s[:200])
        turn(plain, bank.token, md5s[:200])
        for n in range(rounds):
            some = [md5s[(n * CALLS + k) * 7919 % STORED] for k in range(CALLS)]
            asked.append(turn(full, bank.token, some))
            constant.append(turn(plain, bank.token, some))
    found = sum(record.code is None for record in bank.calls())
    if found != len(bank.calls()):
        print(f"FAIL  {len(bank.calls()) - found} answers were not the stored transfer")
        return 1
    ratio = statistics.median(one / two for one, two in zip(asked, constant, strict=True))
    print(f"stand-in, {STORED:,} transfers stored: {statistics.median(asked):,.0f} checks/s")
    print(f"same server, constant answer:      {statistics.median(constant):,.0f} answers/s")
    print(f"{'ok' if ratio >= LIMIT else 'FAIL'}    ratio {ratio:.2f} (at least {LIMIT})")
    return 0 if ratio >= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
