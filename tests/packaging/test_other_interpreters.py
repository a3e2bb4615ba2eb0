"""The client's own tests on the oldest and the newest other CPython that this machine has, from 3.9 on."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEAST = (3, 9)
NEWEST = (3, 13)  # the newest that the client's classifiers name
ASK = (
    "import json, platform, sys; "
    "print(json.dumps([*sys.version_info[:2], platform.python_implementation(), sys.base_prefix]))"
)


def candidates() -> list[Path]:
    """Return what may be an interpreter: on the path, and in the folder of versions of pyenv."""
    named = [shutil.which(f"python3.{minor}") for minor in range(LEAST[1], NEWEST[1] + 1)]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    return [Path(path) for path in named if path] + sorted(pyenv.glob("3.*/bin/python"))


def others() -> dict[tuple[int, int], Path]:
    """Return the other interpreters that really run, one a version: a shim without its version does not."""
    found: dict[tuple[int, int], Path] = {}
    for path in candidates():
        done = subprocess.run([path, "-I", "-c", ASK], capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != 0:
            continue
        major, minor, kind, _ = json.loads(done.stdout)
        version = (major, minor)
        if kind == "CPython" and LEAST <= version <= NEWEST and version != sys.version_info[:2]:
            found.setdefault(version, path)
    return dict(sorted(found.items()))


def call(*command: str | Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    assert done.returncode == 0, (
        f"{command} ended with {done.returncode}:\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    )
    return done.stdout


def client_tests(interpreter: Path, folder: Path) -> str:
    """Run the client's tests on an interpreter, in an environment of its own in `folder`; return their last line."""
    call(interpreter, "-m", "venv", folder)
    python = folder / "bin" / "python"
    call(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "httpx", "numpy", "pytest>=8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "client"), "PYTHONDONTWRITEBYTECODE": "1"}
    options = ("-q", "-p", "no:cacheprovider", "--confcutdir=tests/client", f"--basetemp={folder / 'tmp'}")
    said = call(python, "-m", "pytest", *options, "tests/client", environment=environment)
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None, said
    assert int(passed.group(1)) >= 130
    return said.splitlines()[-1]


def test_the_client_works_on_the_oldest_and_the_newest_interpreter_here(tmp_path: Path) -> None:
    """The locks hold hashes for 3.11 only (their versions refuse 3.9), so what the tests need is taken as it comes.

    Both at once: these tests wait for timeouts more than they compute.
    """
    found = others()
    if not found:
        print(f"no other CPython from {LEAST} to {NEWEST} on the path or in pyenv's folder; nothing to run here")
        return
    names = {version: "{}.{}".format(*version) for version in (min(found), max(found))}
    with ThreadPoolExecutor() as pool:
        ran = {name: pool.submit(client_tests, found[version], tmp_path / name) for version, name in names.items()}
    for name, one in ran.items():
        print(f"{name}: {one.result()}")
