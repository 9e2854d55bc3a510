"""A PostgreSQL server of our own for a while: unprivileged, on a free port, in a folder that goes away.

    with scratch_cluster() as url: ...        postgres://vinflow@127.0.0.1:PORT/postgres

The tests and the benchmarks use it unless they are given a server by TEST_DATABASE_URL.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vinflow.cli.ports import free_port

START_S_MAX = 60
# Nothing in a scratch cluster has to survive a power cut; a benchmark that must pay for it says durable=True.
CARELESS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@contextmanager
def scratch_cluster(*, durable: bool = False) -> Iterator[str]:
    """Yield the URL of a fresh server's `postgres` database; stop it and remove its folder at the end.

    As root it runs as the user postgres, or nobody, since PostgreSQL refuses root. The server dies with
    this process, however this process ends. Raises RuntimeError, with the server's own words, when it
    does not start, and FileNotFoundError when PostgreSQL is not installed.
    """
    initdb = find_initdb()
    folder = Path(tempfile.mkdtemp(prefix="vinflow-postgres-"))
    account = _unprivileged_account()
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid)
    data, log = folder / "data", folder / "log"
    server = None
    try:
        _run_initdb(initdb, data, account)
        port = free_port()
        options = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}"]
        options += ["max_connections=200", "shared_buffers=128MB", *(() if durable else CARELESS)]
        command = [str(initdb.with_name("postgres")), "-D", str(data)]
        for option in options:
            command += ["-c", option]
        with log.open("wb") as out:
            server = subprocess.Popen(
                command,
                stdout=out,
                stderr=out,
                cwd=folder,
                preexec_fn=lambda: _become(account, die_with_parent=True),
            )
        _wait_until_ready(server, initdb.with_name("pg_isready"), port, log)
        yield f"postgres://vinflow@127.0.0.1:{port}/postgres"
    finally:
        if server is not None and server.poll() is None:
            server.send_signal(signal.SIGINT)  # "fast": ends sessions, then stops
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def find_initdb() -> Path:
    """Return the path of initdb, the newest where there are several. Raises FileNotFoundError."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    if debian:
        return debian[-1]
    if on_path:
        return Path(on_path)
    raise FileNotFoundError("PostgreSQL is not installed (no initdb found): run make setup")


def _unprivileged_account() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError(
        "PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as"
    )


def _become(account: pwd.struct_passwd | None, *, die_with_parent: bool = False) -> None:
    """In the child, before the program starts: drop root, and ask the kernel for the parent's death."""
    if account:
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    if die_with_parent and os.uname().sysname == "Linux":
        # after setuid: a change of user clears it
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGQUIT)
    # Ctrl-C at the terminal is for the tests; they stop the server when they have finished with it
    os.setpgid(0, 0)


def _run_initdb(initdb: Path, data: Path, account: pwd.struct_passwd | None) -> None:
    command = [
        str(initdb),
        "-D",
        str(data),
        "-U",
        "vinflow",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "--no-sync",
    ]
    made = subprocess.run(
        command,
        cwd=data.parent,
        capture_output=True,
        text=True,
        preexec_fn=lambda: _become(account),
        check=False,
    )
    if made.returncode:
        raise RuntimeError(f"initdb failed: {made.stderr.strip() or made.stdout.strip()}")


def _wait_until_ready(server: subprocess.Popen[bytes], pg_isready: Path, port: int, log: Path) -> None:
    asking = [str(pg_isready), "-q", "-h", "127.0.0.1", "-p", str(port)]
    deadline = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        if subprocess.run(asking, check=False).returncode == 0:
            return
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text('utf-8', 'replace')[-2000:]}")
