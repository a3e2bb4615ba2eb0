"""Both wheels build, install alone into clean environments, and do their first work there."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.postgres import Server

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("wheels")
    for project in (ROOT / "client", ROOT):
        run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, project, cwd=out)
    found = {wheel.name.split("-", 1)[0]: wheel for wheel in out.glob("*.whl")}
    assert sorted(found) == ["trackside", "trackside_service"]
    return found


@pytest.fixture
def clean(tmp_path: Path) -> Callable[[Path, Path], Path]:
    """Make an environment that holds one wheel and, from the lock, what it needs; return its bin folder."""

    def make(wheel: Path, lock: Path) -> Path:
        folder = tmp_path / "venv"
        venv.create(folder, with_pip=True)
        pip = (folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, "--require-hashes", "-r", lock, cwd=tmp_path)
        run(*pip, "--no-deps", wheel, cwd=tmp_path)
        run(folder / "bin" / "python", "-m", "pip", "check", cwd=tmp_path)
        return folder / "bin"

    return make


def needs_of_client(lock: Path, folder: Path) -> Path:
    """Cut from the lock what httpx needs: nothing of the service can then hide a missing need of the client."""
    wanted = {"anyio", "certifi", "h11", "httpcore", "httpx", "idna", "typing-extensions"}
    kept, keep = [], False
    for line in lock.read_text().splitlines():
        if not line.startswith((" ", "#")):
            keep = line.partition("==")[0] in wanted
        if keep:
            kept.append(line)
    path = folder / "client.lock"
    path.write_text("\n".join(kept) + "\n")
    return path


def test_client_installs_alone(wheels: dict[str, Path], clean: Callable[[Path, Path], Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(wheels["trackside"]) as archive:
        names = archive.namelist()
    assert "trackside/py.typed" in names
    assert not [name for name in names if name.startswith("trackside_service") or "/tests/" in name]
    bin_folder = clean(wheels["trackside"], needs_of_client(ROOT / "requirements.lock", tmp_path))
    code = "import trackside\nrun = trackside.Run(project='p', name='n')\nrun.log(step=0, loss=1.0)\nrun.finish()"
    code += "\nprint('ok')"
    assert run(bin_folder / "python", "-W", "error", "-c", code, cwd=tmp_path).strip() == "ok"


def test_service_installs_alone_and_migrates(
    wheels: dict[str, Path], clean: Callable[[Path, Path], Path], tmp_path: Path, postgres_server: Server
) -> None:
    with zipfile.ZipFile(wheels["trackside_service"]) as archive:
        names = archive.namelist()
    assert any(name.startswith("trackside_service/_migrations/versions/") for name in names)
    assert not [name for name in names if name.startswith(("trackside/", "tests/"))]
    bin_folder = clean(wheels["trackside_service"], ROOT / "service" / "requirements.lock")
    on_postgres = postgres_server.url(postgres_server.create_database())
    for url in (f"sqlite:///{tmp_path / 'new.db'}", on_postgres):
        run(bin_folder / "trackside", "migrate", "--database-url", url, cwd=tmp_path)
    assert "LR001" in run(bin_folder / "trackside", "rule", "LR001", cwd=tmp_path)
    # What `serve` does not import by itself: the event loop that uvicorn is told by name.
    run(bin_folder / "python", "-W", "error", "-c", "import uvloop, httptools", cwd=tmp_path)
