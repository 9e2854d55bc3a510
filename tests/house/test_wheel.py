"""The wheel in an environment of its own; `make wheel-test` does it on every Python, with empty ones.

Here the dependencies are those of the clone, so that nothing is downloaded: a path file leads to them, and an
editable install is not followed from there.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest
from scripts import wheel_test


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment with the wheel in it."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel, archive = wheel_test.build(folder / "dist")
    assert archive.name.startswith("vinflow-")
    python = wheel_test.environment_of(Path(sys.executable), folder / "env")
    wheel_test.install(python, "--offline", "--no-deps", wheel)
    [site] = (folder / "env" / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return python


def test_everything_is_imported_from_the_wheel_with_its_licences_and_its_mark_of_types(
    installed: Path, tmp_path: Path
) -> None:
    rooms = [*wheel_test.ROOMS_LIGHT, "vinflow.cli", "vinflow.project"]

    wheel_test.try_imports(installed, rooms, tmp_path)


def test_the_commands_run_from_it(installed: Path, tmp_path: Path) -> None:
    wheel_test.try_commands(installed, tmp_path)


def test_the_demonstration_runs_from_it(installed: Path, tmp_path: Path) -> None:
    wheel_test.try_demo(installed, tmp_path)


def test_a_payment_is_made_and_found_where_django_is_not(installed: Path, tmp_path: Path) -> None:
    program = "import sys\nsys.modules['django'] = None\n" + wheel_test.PAYMENT

    wheel_test.run(installed, "-c", program, folder=tmp_path)


def test_what_the_light_install_takes_is_demanded_by_the_wheel(tmp_path: Path) -> None:
    wheel, _archive = wheel_test.build(tmp_path)

    demanded = wheel_test.requirements(wheel, wheel_test.LIGHT)

    assert len(demanded) == len(wheel_test.LIGHT)
    assert not any("django" in demand for demand in demanded)


def test_this_python_is_among_those_that_are_found() -> None:
    assert sys.version_info[:2] in wheel_test.interpreters()


def test_a_step_that_fails_says_what_was_printed(tmp_path: Path) -> None:
    with pytest.raises(wheel_test.Failed, match="no such thing"):
        wheel_test.run(sys.executable, "-c", "raise SystemExit('no such thing')", folder=tmp_path)
