"""What every test may use, and which tests belong to which database."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

ON_POSTGRES = os.environ.get("TEST_DATABASE") == "postgres"


def pytest_report_header() -> str:
    """Name the database in pytest's first lines."""
    if ON_POSTGRES:
        return "database: PostgreSQL (tests marked both or postgres)"
    return "database: SQLite (all but those marked postgres; TEST_DATABASE=postgres runs them)"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of this run's database; the others are counted as deselected."""
    kept, left = [], []
    for item in items:
        needs_postgres = item.get_closest_marker("postgres") is not None
        both = item.get_closest_marker("both") is not None
        here = (needs_postgres or both) if ON_POSTGRES else not needs_postgres
        (kept if here else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def pytest_configure() -> None:
    """Let a test with real transactions be cleaned up after: the guards of both ledgers refuse a flush."""
    from django.db.backends.base.operations import BaseDatabaseOperations

    from vinflow.payments import testing as payments_testing
    from vinflow.wallet import testing as wallet_testing

    wallet_testing.allow_flush()
    flush = BaseDatabaseOperations.execute_sql_flush

    def execute_sql_flush(self: BaseDatabaseOperations, sql_list: list[str]) -> None:
        with payments_testing.allow_flush():
            return flush(self, sql_list)

    BaseDatabaseOperations.execute_sql_flush = execute_sql_flush


@pytest.fixture(autouse=True)
def nothing_counted_before() -> None:
    """Limits of signing in are counted in the cache, by address: no test stands in another one's way."""
    from django.core.cache import cache

    cache.clear()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of the browser that the tests drive; a run without one fails, it does not skip."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = next((found for found in map(shutil.which, names) if found), None)
    if path is None:
        pytest.fail("Chromium is not installed: run make setup")
    return path


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[object]:
    """A headless Chromium, new for each file of tests.

    Not for the whole session: while Playwright's blocking interface is open it keeps an event loop running
    in this thread, and the asynchronous tests of other files could not start theirs.
    """
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    flags += ["--disable-sync", "--no-first-run"]
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # the ORM beside that loop, in tests only
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=chromium_path, args=flags)
            yield chromium
            chromium.close()
    finally:
        if before is None:
            del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
        else:
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before
