"""The parts of a demonstration: the stand-in Bakong and the site, started in order, stopped in the other."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click
import httpx2

from vinflow.cli.children import Child
from vinflow.cli.demo_home import DemoHome
from vinflow.cli.ports import LOOPBACK, wait_until_answers
from vinflow.cli.site import setup_site

__all__ = ["Demo", "running_demo"]

START_S_MAX = 60.0  # a first start compiles every module it imports
FIRST_ANSWER_S_MAX = 30.0
_INTRODUCED = re.compile(r"^([A-Z][A-Za-z -]*): +(\S+)", re.MULTILINE)  # "Token:   eyJ..."


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demonstration: where its parts answer, and who may sign in."""

    home: DemoHome
    site: Child
    sandbox: Child
    site_url: str
    sandbox_url: str
    environment: dict[str, str]  # what a further process of the same site has to be given

    def dead_part(self) -> Child | None:
        """The part that has ended by itself, None while both run."""
        return next((part for part in (self.sandbox, self.site) if not part.is_alive()), None)


@contextmanager
def running_demo(
    home: DemoHome,
    *,
    site_port: int,
    sandbox_port: int,
    protocol: str,
    database_url: str | None = None,
    say: Callable[[str], None],
) -> Iterator[Demo]:
    """Yield a demonstration whose two parts answer; stop both at the end, however it comes.

    protocol: open-api or hosted. database_url: in place of the SQLite file in the home. say: hears each step.
    Raises ClickException with the last words of a part that does not start.
    """
    ours = {**home.environment(), **_fixed_settings(site_port, sandbox_port)}
    ours["DATABASE_URL"] = database_url or home.database_url
    say("starting the stand-in Bakong")
    with _start_sandbox(home, sandbox_port) as sandbox:
        say("preparing the site's database")
        os.environ.update(ours)
        prepare_database(home.passwords)
        _wait(sandbox, sandbox_port)
        ours |= _credentials(sandbox, protocol)
        home.keep_environment(ours)
        environment = {**os.environ, **ours}
        say("starting the site")
        with _start_site(home, site_port, environment) as site:
            _wait(site, site_port)
            site_url = f"http://{LOOPBACK}:{site_port}"
            _ask_once(site, site_url)
            yield Demo(home, site, sandbox, site_url, f"http://{LOOPBACK}:{sandbox_port}", environment)
            say("stopping")


def _fixed_settings(site_port: int, sandbox_port: int) -> dict[str, str]:
    """What a demonstration decides, over any .env: it must never meet the real bank or a real database."""
    return {
        "DJANGO_SETTINGS_MODULE": "vinflow.project.settings",
        "VINFLOW_ENV_FILE": "",  # it has been read already; what it says must not come back over this
        "DEBUG": "off",
        "VINFLOW_HTTPS": "off",
        "VINFLOW_BEHIND_PROXY": "off",
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "CSRF_TRUSTED_ORIGINS": "",
        "REDIS_URL": "",
        "VINFLOW_WATCHER": "inline",
        "VINFLOW_STAFF_TWO_FACTOR": "off",  # its staff is there to be tried, by its printed password
        "VINFLOW_PUBLIC_URL": f"http://{LOOPBACK}:{site_port}",
        "KHQR_API_URL": f"http://{LOOPBACK}:{sandbox_port}",
        "KHQR_ENVIRONMENT": "sandbox",
        "KHQR_API_EMAIL": "",
        "KHQR_PROXY": "",
        "KHQR_RECEIVERS": "",
        "KHQR_DAILY_CALLS": "none",
        "KHQR_MERCHANT_NAME": os.environ.get("KHQR_MERCHANT_NAME") or "VinFlow Demo",
    }


def _credentials(sandbox: Child, protocol: str) -> dict[str, str]:
    """Return the settings that the stand-in's introduction gives, as an operator would copy them."""
    merchant, token = {"open-api": ("Account", "Token"), "hosted": ("Merchant id", "Merchant token")}[
        protocol
    ]
    deadline = time.monotonic() + FIRST_ANSWER_S_MAX
    while time.monotonic() < deadline and sandbox.is_alive():
        said = dict(_INTRODUCED.findall(sandbox.log.read_text("utf-8")))
        if merchant in said and token in said:
            return {
                "KHQR_PROTOCOL": protocol,
                "KHQR_MERCHANT_ID": said[merchant],
                "KHQR_API_KEY": said[token],
            }
        time.sleep(0.05)
    raise click.ClickException(f"{sandbox.name} did not say its credentials:\n{sandbox.last_words()}")


def prepare_database(passwords: dict[str, str]) -> None:
    """Bring the tables up to date and make the users: `staff` may use the admin, the others pay.

    passwords: by user name. A user who is there keeps the password given here.
    """
    setup_site()
    from allauth.account.models import EmailAddress
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
    users = get_user_model()
    for name, password in passwords.items():
        mail = f"{name}@example.com"
        is_staff = name == "staff"
        user, _ = users.objects.get_or_create(
            username=name, defaults={"email": mail, "is_staff": is_staff, "is_superuser": is_staff}
        )
        if not user.check_password(password):
            user.set_password(password)
            user.save(update_fields=["password"])
        EmailAddress.objects.get_or_create(
            user=user, email=mail, defaults={"verified": True, "primary": True}
        )


def _start_sandbox(home: DemoHome, port: int) -> Child:
    command = [sys.executable, "-m", "vinflow.cli", "sandbox", "--host", LOOPBACK, "--port", str(port)]
    command += [
        "--database",
        str(home.sandbox_database),
        "--control",
        "--own-links",
        "--clock-now",  # the site's clock begins anew as well
        "--switch",
        "quota=none",
    ]
    environment = {**os.environ, "SANDBOX_SECRET": home.sandbox_secret}
    return Child("the stand-in Bakong", command, log=home.log("sandbox"), environment=environment)


def _start_site(home: DemoHome, port: int, environment: dict[str, str]) -> Child:
    command = [sys.executable, "-m", "granian", "vinflow.project.asgi:application", "--interface", "asgi"]
    command += [
        "--host",
        LOOPBACK,
        "--port",
        str(port),
        "--workers",
        "1",
        "--no-ws",
        "--log-level",
        "warning",
    ]
    # granian loses a SIGTERM that comes while its worker starts, and without this ignores every later one
    command += ["--workers-kill-timeout", "3"]
    return Child("the site", command, log=home.log("site"), environment=environment)


def _wait(part: Child, port: int) -> None:
    if not wait_until_answers(port, alive=part.is_alive, wait_s_max=START_S_MAX):
        raise click.ClickException(
            f"{part.name} did not start. Its last words ({part.log}):\n{part.last_words()}"
        )


def _ask_once(site: Child, url: str) -> None:
    """The port opens before the pages answer; the first request also loads what the later ones need."""
    try:
        answer = httpx2.get(f"{url}/accounts/login/", timeout=FIRST_ANSWER_S_MAX, trust_env=False)
    except httpx2.HTTPError as error:
        raise click.ClickException(
            f"{site.name} does not answer ({error!r}):\n{site.last_words()}"
        ) from error
    if answer.status_code != 200:
        raise click.ClickException(f"{site.name} answered {answer.status_code}:\n{site.last_words()}")
