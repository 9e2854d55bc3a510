"""What a demonstration keeps between two runs, so that the second finds the first one's money."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import click

__all__ = ["DemoHome"]

# No letters or digits that are taken for one another: somebody types these from a terminal.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class _Kept:
    secret_key: str
    ledger_key: str
    sandbox_secret: str
    payer_password: str
    staff_password: str

    @classmethod
    def new(cls) -> Self:
        return cls(
            secret_key=secrets.token_urlsafe(50),
            ledger_key=secrets.token_urlsafe(40),
            sandbox_secret=secrets.token_hex(32),
            payer_password=_password(),
            staff_password=_password(),
        )


class DemoHome:
    """A folder with the demonstration's databases, logs and secrets.

    folder: made when it is not there. The secrets are made once, in demo.json, readable by its owner only.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._kept = self._load()

    @property
    def passwords(self) -> dict[str, str]:
        """The password of each user of the demonstration, by user name."""
        return {"payer": self._kept.payer_password, "staff": self._kept.staff_password}

    @property
    def sandbox_secret(self) -> str:
        """The key the stand-in signs its tokens with: a restarted one accepts the tokens of the last run."""
        return self._kept.sandbox_secret

    @property
    def database_url(self) -> str:
        """The site's database: apart from the one that a real configuration would use."""
        return f"sqlite:///{self.folder / 'demo.sqlite3'}"

    @property
    def sandbox_database(self) -> Path:
        """The stand-in's own database: what was paid stays paid."""
        return self.folder / "sandbox.sqlite3"

    @property
    def clock_file(self) -> Path:
        """Whole seconds by which the site's clock is moved; absent: not at all."""
        return self.folder / "clock-offset"

    @property
    def env_file(self) -> Path:
        """The running site's settings: with VINFLOW_ENV_FILE naming it, `vinflow balance` reads its books."""
        return self.folder / "demo.env"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the folder for this process inside the body; the system lets go of it when the process ends.

        Two demonstrations in one folder would share databases, secrets and clocks. Raises ClickException
        when another has it, with the number of its process.
        """
        with (self.folder / "demo.lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                raise click.ClickException(
                    f"Another demonstration (process {file.read().strip() or 'unknown'}) runs in "
                    f"{self.folder}: stop it with Ctrl-C there, or give this one a folder of its own, "
                    "VINFLOW_HOME=var/second, and ports, VINFLOW_PORT and SANDBOX_PORT."
                ) from None
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield

    def keep_environment(self, environment: Mapping[str, str]) -> None:
        """Write the site's settings down, for its owner's eyes only: there are secrets among them."""
        lines = [f"{name}={value}\n" for name, value in environment.items() if name != "VINFLOW_ENV_FILE"]
        _write_privately(self.env_file, "".join(lines))

    def log(self, name: str) -> Path:
        """Where a part of the demonstration writes its log."""
        return self.folder / f"{name}.log"

    def environment(self) -> dict[str, str]:
        """The part of the site's environment that does not depend on where the stand-in listens."""
        return {
            "SECRET_KEY": self._kept.secret_key,
            "VINFLOW_LEDGER_KEY": self._kept.ledger_key,
            "VINFLOW_HOME": str(self.folder),
            "VINFLOW_CLOCK_OFFSET_FILE": str(self.clock_file),
        }

    def _load(self) -> _Kept:
        file = self.folder / "demo.json"
        try:
            return _Kept(**json.loads(file.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            kept = _Kept.new()
            _write_privately(file, json.dumps(asdict(kept), indent=2))
            return kept


def _write_privately(file: Path, text: str) -> None:
    file.unlink(missing_ok=True)  # an older file may be open to others
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)


def _password() -> str:
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(3))
