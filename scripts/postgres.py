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
from dataclasses import dataclass
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
    with stoppable_cluster(durable=durable) as cluster:
        yield cluster.url


@contextmanager
def stoppable_cluster(*, durable: bool = True) -> Iterator[Cluster]:
    """Yield a fresh server that can be stopped and started again; it is removed at the end.

    durable: what was committed is there after a hard stop. Without it a hard stop may lose some of it.
    Raises as scratch_cluster does.
    """
    initdb = find_initdb()
    folder = Path(tempfile.mkdtemp(prefix="vinflow-postgres-"))
    account = _unprivileged_account()
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid)
    cluster = Cluster(initdb=initdb, folder=folder, account=account, port=free_port(), durable=durable)
    try:
        _run_initdb(initdb, folder / "data", account)
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Cluster:
    """One server in a folder of its own, on one port for as long as the folder is there."""

    initdb: Path
    folder: Path
    account: pwd.struct_passwd | None
    port: int
    durable: bool
    _server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of its `postgres` database."""
        return f"postgres://vinflow@127.0.0.1:{self.port}/postgres"

    def program(self, name: str) -> str:
        """Return the path of one of PostgreSQL's programs, of the server's own version."""
        return str(self.initdb.with_name(name))

    def start(self) -> None:
        """Start it and return when it takes connections; after a hard stop it has recovered by then."""
        data, log = self.folder / "data", self.folder / "log"
        options = [f"port={self.port}", "listen_addresses=127.0.0.1"]
        options += [f"unix_socket_directories={self.folder}", "max_connections=200", "shared_buffers=128MB"]
        command = [self.program("postgres"), "-D", str(data)]
        for option in [*options, *(() if self.durable else CARELESS)]:
            command += ["-c", option]
        with log.open("ab") as out:
            self._server = subprocess.Popen(
                command,
                stdout=out,
                stderr=out,
                cwd=self.folder,
                preexec_fn=lambda: _become(self.account, die_with_parent=True),
            )
        _wait_until_ready(self._server, self.initdb.with_name("pg_isready"), self.port, log)

    def stop(self, *, hard: bool = False) -> None:
        """Stop it; nothing happens where it does not run. hard: as if the machine had lost its power.

        Not quite: what the kernel holds is still written. The server itself writes nothing more.
        """
        server, self._server = self._server, None
        if server is None or server.poll() is not None:
            return
        server.send_signal(signal.SIGQUIT if hard else signal.SIGINT)  # "immediate", else "fast"
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


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
