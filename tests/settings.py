"""The settings of the tests: the site's own, with nobody's environment in them, on the chosen database.

TEST_DATABASE=sqlite (default) or postgres. PostgreSQL is TEST_DATABASE_URL when that is given; otherwise a
scratch server is started here, once, before the first worker, and stopped when pytest ends.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from scripts.postgres import scratch_cluster

for _name in [name for name in os.environ if name.startswith(("KHQR_", "VINFLOW_"))]:
    if _name != "VINFLOW_TEST_FOLDER":
        del os.environ[_name]
for _name in ("DATABASE_URL", "REDIS_URL", "EMAIL_URL", "DEBUG", "ALLOWED_HOSTS"):
    os.environ.pop(_name, None)

_endings = ExitStack()
atexit.register(_endings.close)


def _folder() -> Path:
    """One folder for this run; the workers of pytest-xdist inherit its name by the environment."""
    given = os.environ.get("VINFLOW_TEST_FOLDER")
    if not given:
        given = os.environ["VINFLOW_TEST_FOLDER"] = tempfile.mkdtemp(prefix="vinflow-tests-")
        _endings.callback(shutil.rmtree, given, ignore_errors=True)
    return Path(given)


TEST_DATABASE = os.environ.get("TEST_DATABASE", "sqlite")
if TEST_DATABASE not in ("sqlite", "postgres"):
    raise RuntimeError(f"TEST_DATABASE is {TEST_DATABASE!r}: it must be sqlite or postgres")
if TEST_DATABASE == "postgres" and not os.environ.get("TEST_DATABASE_URL"):
    os.environ["TEST_DATABASE_URL"] = _endings.enter_context(scratch_cluster())

os.environ.update(
    VINFLOW_ENV_FILE="",
    VINFLOW_HOME=str(_folder() / "home"),
    SECRET_KEY="only-the-tests-use-this-key-" + "0123456789" * 3,
    VINFLOW_LEDGER_KEY="only-the-tests-sign-with-this-key-0123456789",
    VINFLOW_HTTPS="off",
    VINFLOW_WATCHER="none",
    VINFLOW_STAFF_TWO_FACTOR="off",  # the tests of it switch it on
    LOG_LEVEL="warning",
    KHQR_API_URL="http://127.0.0.1:9",  # nobody answers there: a test that forgets its stand-in is refused
    KHQR_MERCHANT_ID="vinflow_test@devb",
    KHQR_API_KEY="a-token-of-the-tests",
    KHQR_ENVIRONMENT="sandbox",
    KHQR_MERCHANT_NAME="VinFlow Test",
)

from vinflow.project.settings import *  # noqa: E402, F403
from vinflow.project.settings import database  # noqa: E402

if TEST_DATABASE == "postgres":
    DATABASES = {"default": database(os.environ["TEST_DATABASE_URL"])}
    # A thread's connection that outlived its request would keep the test database from being dropped.
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    DATABASES["default"]["TEST"] = {"NAME": "vinflow_test"}
else:
    DATABASES = {"default": database(f"sqlite:///{_folder() / 'site.sqlite3'}")}
    # A file, not memory: live pages and many-writer tests open it from several threads.
    DATABASES["default"]["TEST"] = {"NAME": str(_folder() / "test.sqlite3")}
    DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a slow hash proves nothing here
