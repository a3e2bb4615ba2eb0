"""What make does where Python cannot make an environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HALF = """#!/bin/sh
# like Debian's python3 without python3-venv: the folder and the interpreter are made, pip is not
if [ "$1" = -c ]; then exec {python} "$@"; fi
mkdir -p "$3/bin" && ln -sf {python} "$3/bin/python"
exit 1
"""


@pytest.mark.parametrize("folder", [".venv", ".venv-frameworks"])
def test_half_an_environment_is_removed_and_the_package_named(tmp_path: Path, folder: str) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.lock", "pyproject.toml", "client/pyproject.toml", "client/trackside/_version.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "tests").mkdir()
    for name in ("requirements.lock", "requirements-frameworks.txt"):
        (tmp_path / "tests" / name).touch()
    python = tmp_path / "python3.11"
    python.write_text(HALF.format(python=sys.executable))
    python.chmod(0o755)
    target = f"{folder}/.run" if folder == ".venv" else f"{folder}/.test"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    for _ in range(2):  # the second make says the same, not "No module named pip"
        done = subprocess.run(
            ["make", target, f"PYTHON={python}"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode != 0
        assert "apt install python3-venv" in done.stderr
        assert "No module named pip" not in done.stderr
        assert not (tmp_path / folder).exists()
