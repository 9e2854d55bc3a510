"""Installs what `make build` makes into empty environments, on every Python there is, and tries it there.

    python scripts/wheel_test.py              every interpreter from 3.11 on; packages from the registry
    python scripts/wheel_test.py 3.11 3.13    only these

For each: the whole (`pip install vinflow`), and the light one (no Django: the codec, the client, the shim and
the stand-in with what they import and nothing else). Once: the source archive, and every extra.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".venv" / "bin" / "uv"
OLDEST = (3, 11)
OURS = (
    "KHQR_",
    "VINFLOW_",
    "SANDBOX_",
    "DJANGO_",
    "DATABASE_URL",
    "SECRET_KEY",
    "TEST_",
    "PYTHON",
    "VIRTUAL_ENV",
)
# What the rooms without Django import; versions are the wheel's own.
LIGHT = ("msgspec", "httpx2", "h11", "segno", "resvg-py", "pillow", "zxing-cpp", "cryptography", "click")
EXTRAS = ("postgres", "pdf", "admin", "all")
VENDORED = {"OFL-NotoSansKhmer.txt", "OFL-NunitoSans.txt", "OFL-Kantumruy-Pro.txt", "OFL-Nunito-Sans.txt",
            "noto-sans-khmer.OFL.txt", "LICENSE"}  # fmt: skip

IMPORTS = """
import importlib, importlib.metadata, importlib.resources, pathlib, sys
import vinflow
at = pathlib.Path(vinflow.__file__).resolve()
assert at.is_relative_to(pathlib.Path(sys.prefix).resolve()), at  # the wheel's, not a clone's
assert (at.parent / "py.typed").is_file()
for name in ROOMS:
    importlib.import_module(name)
licences = {file.name for file in importlib.metadata.files("vinflow") if "licenses" in file.parts}
assert licences >= VENDORED, VENDORED - licences
"""
ROOMS_LIGHT = (
    "vinflow.money",
    "vinflow.khqr",
    "vinflow.bakong",
    "vinflow.sandbox",
    "vinflow.contrib.bakong_khqr",
)
PAYMENT = """
import time
try:
    import django
except ImportError:
    pass
else:
    raise SystemExit("Django is installed here")
from vinflow import khqr
from vinflow.bakong import Client, Found, NotFound
from vinflow.contrib.bakong_khqr import KHQR
from vinflow.money import Currency
from vinflow.sandbox import Sandbox, SandboxServer
from vinflow.sandbox.phone import read_picture
with SandboxServer(Sandbox()) as server:
    bank, now = server.sandbox, int(time.time() * 1000)
    tea = khqr.Individual(bank.account, "Tea House", currency=Currency.USD, amount="10.50",
                          creation_timestamp=now, expiration_timestamp=now + 600_000)
    text = khqr.encode(tea)
    [seen] = read_picture(khqr.card_png(text))
    with Client(server.url, bank.token) as client:
        assert isinstance(client.check_md5(khqr.md5(text)), NotFound)
        bank.pay(seen)
        assert isinstance(client.check_md5(khqr.md5(text)), Found)
    assert KHQR(bank.token, base_url=server.url).check_payment(khqr.md5(text)) == "PAID"
"""


class Failed(Exception):
    """A step did not do what it must; what it printed is the message."""


def interpreters() -> dict[tuple[int, int], Path]:
    """Return the newest interpreter of each version from 3.11 on: on PATH and in version managers."""
    names = [f"python3.{minor}" for minor in range(OLDEST[1], OLDEST[1] + 12)]
    found = [Path(folder) / name for folder in os.environ.get("PATH", "").split(os.pathsep) for name in names]
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    managers = [
        Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions",
        Path(os.environ.get("ASDF_DATA_DIR") or Path.home() / ".asdf") / "installs" / "python",
        data / "mise" / "installs" / "python",
        data / "uv" / "python",
    ]
    for manager in managers:
        found += [path for name in names for path in sorted(manager.glob(f"*/bin/{name}"))]
    best: dict[tuple[int, int], tuple[tuple[int, ...], Path]] = {}
    for path in [Path(sys.executable), *found]:
        version = _version(path)
        if version is None or version[:2] < OLDEST:
            continue
        key = (version[0], version[1])
        if key not in best or version > best[key][0]:
            best[key] = (version, path)
    return {key: best[key][1] for key in sorted(best)}


def _version(path: Path) -> tuple[int, ...] | None:
    """Return what a program says of itself: a shim that leads nowhere is no interpreter."""
    if not path.is_file():
        return None
    asked = [str(path), "-c", "import sys, ssl, sqlite3; print(*sys.version_info[:3])"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return tuple(map(int, told.stdout.split())) if told.returncode == 0 else None


def run(*command: str | Path, folder: Path, timeout_s: float = 300, **more: str) -> str:
    """Run a program with nothing of ours in its environment and return what it printed. Raises Failed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    environment |= {"HOME": os.environ.get("HOME", str(folder)), "UV_PYTHON_DOWNLOADS": "never"} | more
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))[:200]}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def build(folder: Path) -> tuple[Path, Path]:
    """Build into folder; return the wheel and the source archive."""
    run(UV, "build", "--quiet", "--no-build-isolation", "--out-dir", folder, folder=ROOT)
    [wheel], [archive] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, archive


def requirements(wheel: Path, names: Sequence[str]) -> list[str]:
    """Return what the wheel itself demands of these packages."""
    with zipfile.ZipFile(wheel) as opened:
        [metadata] = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        lines = opened.read(metadata).decode().splitlines()
    demanded = {}
    for line in lines:
        if line.startswith("Requires-Dist: ") and "extra ==" not in line:
            demand = line.removeprefix("Requires-Dist: ")
            demanded[re.split(r"[<>=!\[ ;]", demand, maxsplit=1)[0]] = demand
    return [demanded[name] for name in names]


def try_imports(python: Path, rooms: Sequence[str], folder: Path) -> None:
    """Import rooms from the installed wheel, and look for its marks and licences."""
    program = IMPORTS.replace("ROOMS", repr(tuple(rooms)), 1).replace("VENDORED", repr(VENDORED))
    run(python, "-W", "error", "-c", program, folder=folder)


def try_commands(python: Path, folder: Path) -> None:
    """Make and read a KHQR by the command; start the stand-in, ask it, stop it."""
    command = python.parent / "vinflow"
    text = run(
        command, "khqr", "encode", "--account", "tea@devb", "--name", "Tea House", folder=folder
    ).strip()
    read = run(command, "khqr", "decode", "--json", text, folder=folder)
    if "Tea House" not in read:
        raise Failed(f"decoded otherwise: {read}")
    with serving(command, folder) as printed:
        if "phone" not in printed:
            raise Failed(f"the stand-in said: {printed}")


@contextmanager
def serving(command: Path, folder: Path) -> Iterator[str]:
    """Run `vinflow sandbox` for the body; gives what it printed until it could be asked."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    process = subprocess.Popen(
        [str(command), "sandbox", "--port", "0"],
        cwd=folder,
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    printed = ""
    try:
        for line in process.stdout:
            printed += line
            if "/phone" in line:
                break
        yield printed
    finally:
        process.terminate()
        process.communicate(timeout=30)


def try_demo(python: Path, folder: Path) -> None:
    """Go the payer's whole way, judged by the books."""
    home = folder / "home"
    told = run(python.parent / "vinflow", "demo", "--once", "--json", folder=folder, VINFLOW_HOME=str(home))
    facts = json.loads(told.splitlines()[-1])
    if facts["status"] != "completed" or facts["balance_after"] == facts["balance_before"]:
        raise Failed(f"the demonstration said: {facts}")


def environment_of(interpreter: Path, folder: Path) -> Path:
    """Make an empty environment; return its python."""
    run(UV, "venv", "--quiet", "--python", interpreter, folder, folder=folder.parent)
    return folder / "bin" / "python"


def install(python: Path, *what: str | Path) -> None:
    """Install into an environment, with what it depends on."""
    run(UV, "pip", "install", "--quiet", "--python", python, *what, folder=python.parent, timeout_s=900)


def main() -> None:
    """Try all; print a line for each step; exit with 1 at the first that fails."""
    wanted = {tuple(map(int, text.split("."))) for text in sys.argv[1:]}
    found = {key: path for key, path in interpreters().items() if not wanted or key in wanted}
    if not found or len(found) < len(wanted):
        sys.exit(f"wheel-test: not every Python asked for is here: {sorted(found)}")
    scratch = Path(tempfile.mkdtemp(prefix="vinflow-wheel-"))
    try:
        wheel, archive = build(scratch / "dist")
        for version, interpreter in found.items():
            name = ".".join(map(str, version))
            began = time.monotonic()
            folder = scratch / name
            folder.mkdir()
            whole = environment_of(interpreter, folder / "whole")
            # the newest Python gets the source archive, which must build the same wheel
            install(whole, archive if version == max(found) else wheel)
            try_imports(whole, [*ROOMS_LIGHT, "vinflow.cli", "vinflow.project"], folder)
            try_commands(whole, folder)
            try_demo(whole, folder)
            light = environment_of(interpreter, folder / "light")
            install(light, "--no-deps", wheel)
            install(light, *requirements(wheel, LIGHT))
            try_imports(light, ROOMS_LIGHT, folder)
            try_commands(light, folder)
            run(light, "-W", "error", "-c", PAYMENT, folder=folder)
            print(f"Python {name}: whole and light, {time.monotonic() - began:.0f} s", flush=True)
        newest = found[max(found)]
        for extra in EXTRAS:
            python = environment_of(newest, scratch / f"extra-{extra}")
            install(python, f"vinflow[{extra}] @ file://{wheel}")
            run(python, "-c", "import vinflow", folder=scratch)
            print(f"extra {extra}: installs", flush=True)
        if not wanted:
            measured = {"pythons": [".".join(map(str, version)) for version in found]}
            (ROOT / "var").mkdir(exist_ok=True)
            (ROOT / "var" / "wheel-tested.json").write_text(json.dumps(measured), "utf-8")
    except Failed as failure:
        sys.exit(f"wheel-test: {failure}")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
