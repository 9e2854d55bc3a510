#!/usr/bin/env python3
"""Makes `.venv` with what the other targets need, and looks for the programs the tests drive.

    python3 scripts/setup.py runtime   the site, the command, the stand-in (make demo)
    python3 scripts/setup.py dev       the same, the tools, Chromium, fonts, PostgreSQL, Node (make setup)

Standard library only: it runs before anything is installed. A stamp inside `.venv` remembers what was
installed from which files, so that a second run looks at a handful of files and returns.
On Debian as root the missing programs are installed; anywhere else they are named and the run fails.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "vinflow-setup.json"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"

# program -> Debian's package for it
PACKAGES = {
    "Chromium": "chromium",
    "a Khmer font": "fonts-khmeros fontconfig",
    "PostgreSQL (initdb)": "postgresql",
    "Node.js with npm": "nodejs npm",
}


def main() -> None:
    """Return once everything the profile needs is there. Exits 1 with one sentence otherwise."""
    profile = sys.argv[1] if len(sys.argv) == 2 else ""
    if profile not in ("runtime", "dev"):
        fail("usage: setup.py runtime|dev")
    if sys.version_info < (3, 11):  # noqa: UP036 - it is this file that tells somebody with an older one
        have = ".".join(map(str, sys.version_info[:3]))
        fail(f"VinFlow needs Python 3.11 or newer, this is {have}: try make PYTHON=python3.12")
    stamp = read_stamp()
    if profile == "runtime" and stamp.get("profile") == "dev":
        profile = "dev"  # never take the tools away from somebody who has them
    wanted = {"profile": profile, "files": fingerprint(profile), "root": str(ROOT), "python": sys.version}
    if stamp != wanted:
        install(profile, keep=stamp.get("root") == str(ROOT) and stamp.get("python") == sys.version)
        STAMP.write_text(json.dumps(wanted), "utf-8")
    if profile == "dev" and sys.argv[1] == "dev":
        install_programs()
        # Two clients that nobody here wrote, for the tests of the stand-in; the script has its own stamp.
        run(["sh", "scripts/third_party.sh"])


def read_stamp() -> dict:
    """What the last complete run installed, {} when there was none."""
    if not PYTHON.exists():
        return {}
    try:
        return json.loads(STAMP.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def fingerprint(profile: str) -> str:
    """One hash over the files that decide what is installed."""
    digest = hashlib.sha256()
    for name in ("requirements/uv.txt", f"requirements/{profile}.txt", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def install(profile: str, *, keep: bool) -> None:
    """Fill `.venv` exactly from the pinned, hashed files. keep: build on the environment that is there."""
    if VENV.exists() and not keep:
        # Made for another folder or another Python: its programs name paths that may be gone.
        shutil.rmtree(VENV)
    if not UV.exists():
        if importlib.util.find_spec("ensurepip") is None:
            install_venv_module()
        say("making .venv")
        run([sys.executable, "-m", "venv", str(VENV)])
        pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "--require-hashes", "-r", "requirements/uv.txt"])
    say(f"installing requirements/{profile}.txt")
    run([str(UV), "pip", "sync", "--quiet", "--require-hashes", f"requirements/{profile}.txt"])
    editable = ["--quiet", "--no-deps", "--no-build-isolation", "-e", "."]
    run([str(UV), "pip", "install", *editable])


def install_venv_module() -> None:
    """Bring Debian's python3-venv, which its own python3 comes without."""
    if not may_apt():
        fail("this Python has no ensurepip, so it cannot make .venv: install python3-venv (Debian, Ubuntu)")
    apt("python3-venv")


def install_programs() -> None:
    """Make sure the real parts of the tests are there: a browser, Khmer letters, a database, Node."""
    found = {
        "Chromium": chromium(),
        "a Khmer font": khmer_font(),
        "PostgreSQL (initdb)": initdb(),
        "Node.js with npm": shutil.which("node") and shutil.which("npm"),
    }
    missing = [name for name, where in found.items() if not where]
    if not missing:
        return
    packages = " ".join(PACKAGES[name] for name in missing).split()
    if not may_apt():
        fail(f"the tests need {', '.join(missing)} (Debian: {' '.join(packages)}); install what is missing")
    apt(*packages)


def chromium() -> "str | None":
    """Path of the browser, None when there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for path in map(shutil.which, names) if path), None)


def khmer_font() -> bool:
    """Whether the browser would find letters for a Khmer page."""
    if not shutil.which("fc-list"):
        return False
    listed = subprocess.run(["fc-list", ":lang=km", "family"], capture_output=True, text=True, check=False)
    return bool(listed.stdout.strip())


def initdb() -> "str | None":
    """Path of PostgreSQL's initdb; Debian keeps it out of PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return shutil.which("initdb") or (str(debian[-1]) if debian else None)


def may_apt() -> bool:
    """Whether packages can be installed here without asking anybody."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and bool(shutil.which("apt-get"))


def apt(*packages: str) -> None:
    """Install Debian packages, without what they merely recommend."""
    say("installing " + " ".join(packages))
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], quiet)
    run(["apt-get", "install", "-qq", "--yes", "--no-install-recommends", *packages], quiet)


def run(command: "list[str]", environment: "dict[str, str] | None" = None) -> None:
    """Run one program; what it prints goes to standard error. Exits with its status when it fails."""
    # uv would otherwise fetch an interpreter of its own, and obey an environment that happens to be active
    own = {**(environment or os.environ), "UV_PYTHON_DOWNLOADS": "never", "VIRTUAL_ENV": str(VENV)}
    done = subprocess.run(command, cwd=ROOT, env=own, stdout=sys.stderr, check=False)
    if done.returncode:
        say(f"failed: {' '.join(command)}")
        sys.exit(done.returncode)


def say(line: str) -> None:
    """One line of progress."""
    print(f"setup: {line}", file=sys.stderr, flush=True)


def fail(sentence: str) -> None:
    """Say what is wrong and stop."""
    print(f"setup: {sentence}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
