"""A skip is a failure in CI, and only there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SKIPS = {
    "call": "import pytest\n\n\ndef test_a() -> None:\n    pytest.skip('nothing there')\n",
    "mark": "import pytest\n\n\n@pytest.mark.skipif(True, reason='nothing there')\ndef test_a() -> None:\n    pass\n",
    "module": "import pytest\n\npytest.skip('nothing there', allow_module_level=True)\n",
}
EXPECTED_FAILURE = "import pytest\n\n\n@pytest.mark.xfail\ndef test_a() -> None:\n    assert False\n"


@pytest.mark.parametrize("ci", [True, False])
def test_a_skip_is_a_failure_in_ci_and_only_there(tmp_path: Path, ci: bool) -> None:
    (tmp_path / "conftest.py").write_text(
        "from tests.support.skips import pytest_make_collect_report, pytest_runtest_makereport\n"
    )
    for kind, test in {**SKIPS, "xfail": EXPECTED_FAILURE}.items():
        (tmp_path / f"test_{kind}.py").write_text(test)
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment.update({"PYTHONPATH": str(ROOT)} | ({"CI": "true"} if ci else {}))
    options = ("-q", "-p", "no:cacheprovider", "--continue-on-collection-errors", "--rootdir", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    counts = done.stdout.splitlines()[-1]
    if ci:
        assert "1 failed, 1 xfailed, 2 errors in" in counts, done.stdout
        assert done.stdout.count("skipped, which is a failure in CI: ") >= 3
        assert done.returncode != 0
    else:
        assert "3 skipped, 1 xfailed in" in counts, done.stdout
        assert done.returncode == 0


def test_every_test_of_this_repository_is_under_it() -> None:
    """Those of the client run by themselves on other interpreters, where `tests/conftest.py` is not read."""
    for conftest in (ROOT / "tests" / "conftest.py", ROOT / "tests" / "client" / "conftest.py"):
        assert "from tests.support.skips import pytest_make_collect_report, pytest_runtest_makereport" in (
            conftest.read_text()
        )
