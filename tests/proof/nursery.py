"""A process that forks workers on demand, so that a new one costs milliseconds; it is started by kills.py.

    python -m tests.proof.nursery      one order a line on its input, one answer a line on its output

    {"do": "watch", "name": "w1"}             fork a watcher that runs until it is killed -> {"pid": 1234}
    {"do": "step", "now": "...", "die_at": 7} fork one step of a watcher that kills itself before its 7th
                                              statement or commit; wait -> {"died": true, "steps": 7, ...}
    {"do": "buried", "pid": 1234}             wait for the end of a child -> {"signal": 9}

It has no thread and no connection of its own when it forks. It ends with its input, its children with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
from datetime import datetime
from typing import Any


def main() -> None:
    """Answer orders until the input ends."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vinflow.project.settings")
    import django

    django.setup()
    # What a worker needs is imported before it is born.
    import vinflow.payments.watching
    import vinflow.project.urls  # noqa: F401

    print(json.dumps({"ready": os.getpid()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(obey(json.loads(line))), flush=True)


def obey(order: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to one order."""
    match order["do"]:
        case "watch":
            return {"pid": fork(lambda _say: watch(order["name"]))[0]}
        case "step":
            pid, told = fork(lambda say: step(datetime.fromisoformat(order["now"]), order["die_at"], say))
            words = told.read()
            status = os.waitpid(pid, 0)[1]
            names = words.splitlines()
            died = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            failed = not died and os.waitstatus_to_exitcode(status) != 0
            return {"died": died, "failed": failed, "steps": len(names), "last": names[-1] if names else ""}
        case "buried":
            status = os.waitpid(order["pid"], 0)[1]
            return {"signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}
    raise ValueError(order["do"])


def fork(work: Any) -> tuple[int, Any]:
    """Return (pid, a file of what the child says); the child does the work and never returns."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, os.fdopen(reading)
    os.close(reading)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no worker outlives the test
    status = 1
    try:
        work(lambda word: os.write(writing, f"{word}\n".encode()))
        status = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def watch(name: str) -> None:
    """Be a watcher, as `vinflow watch` is one, until killed."""
    from vinflow.payments import watching

    watching.run(stop=threading.Event(), worker=name, poll_s=0.02)


def step(now: datetime, die_at: int, say: Any) -> None:
    """Do one step of a watcher at this moment, and die by SIGKILL just before one of its statements."""
    from tests.proof.rivals import Step, at_steps

    from vinflow.payments import clock, watching

    def see(step: Step) -> None:
        say(step.name)
        if step.number == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    with clock.used(lambda: now), at_steps(see):
        watching.step()


if __name__ == "__main__":
    main()
