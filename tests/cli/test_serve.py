"""`trackside serve`, `migrate` and `deliver` as processes of their own."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.support import postgres
from tests.support.command import running, trackside
from tests.support.receiver import receiving

from trackside_service.cli.serve import listening
from trackside_service.settings import Settings, SettingsError

KEY = "a-key-of-the-tests-1"
SECRET = "A" * 43 + "="


def test_sqlite_migrates_itself_and_sigterm_ends_cleanly(tmp_path: Path) -> None:
    with running("serve", "--port", "0", folder=tmp_path) as service:
        line = service.wait_for("listening")
        assert (line["level"], line["workers"]) == ("info", 1)
        assert httpx.get(f"{service.url}/readyz", timeout=30).json() == {"status": "ready"}
        path = f"{service.url}/v1/runs/{uuid4()}"
        assert httpx.put(path, json={"project": "p", "name": "n"}, timeout=30).status_code == 201
        assert service.stop() == 0
        assert service.lines[-1]["event"] == "stopped"
    assert (tmp_path / "trackside.db").is_file()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_post_that_was_begun_is_answered_before_the_end(tmp_path: Path, how: signal.Signals) -> None:
    with running("serve", "--port", "0", folder=tmp_path) as service:
        service.wait_for("listening")
        path = f"/v1/runs/{uuid4()}"

        def slow_body() -> Iterator[bytes]:
            yield b'{"project": "p", '
            # What came later on another connection is answered: so this one is in the service's hands.
            assert httpx.get(f"{service.url}/healthz", timeout=30).status_code == 200
            service.process.send_signal(how)
            yield b'"name": "n"}'

        answer = httpx.put(
            service.url + path, content=slow_body(), headers={"Content-Type": "application/json"}, timeout=30
        )
        assert answer.status_code == 201
        assert service.stop(how) == 0
    with running("serve", "--port", "0", folder=tmp_path) as service:
        service.wait_for("listening")
        assert httpx.get(service.url + path, timeout=30).json()["name"] == "n"


def test_no_key_no_public_address(tmp_path: Path) -> None:
    done = trackside("serve", "--host", "0.0.0.0", "--port", "0", folder=tmp_path)
    assert done.returncode == 2
    assert "TRACKSIDE_ADMIN_KEY" in done.stderr
    assert not (tmp_path / "trackside.db").exists()


def test_a_name_that_the_resolver_takes_elsewhere_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def elsewhere(host: str, *arguments: Any, **options: Any) -> Any:
        assert host == "localhost"
        return resolve("0.0.0.0", *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", elsewhere)
    with pytest.raises(SettingsError, match="TRACKSIDE_ADMIN_KEY"), listening(Settings(host="localhost", port=0)):
        raise AssertionError("it listens beyond loopback")


def test_a_key_is_asked_for_and_never_logged(tmp_path: Path) -> None:
    environ = {"TRACKSIDE_ADMIN_KEY": KEY, "TRACKSIDE_LOG_LEVEL": "debug"}
    with running("serve", "--host", "0.0.0.0", "--port", "0", folder=tmp_path, environ=environ) as service:
        service.wait_for("listening")
        url = service.url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{url}/v1/runs", timeout=30).status_code == 401
        assert httpx.get(f"{url}/v1/runs", headers={"Authorization": f"Bearer {KEY}"}, timeout=30).status_code == 200
        assert service.stop() == 0
        assert KEY not in json.dumps(service.lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "x"], "--port"),
        (["--workers", "2"], "one writer"),
        (["--database-url", "sqlite:////nowhere/at/all.db"], "database"),
        (["--database-url", "postgresql://nobody@127.0.0.1:1/db"], "database"),
        (["--database-url", "postgresql://nobody@127.0.0.1:54x/db"], "the port is a whole number"),
        (["--host", "192.0.2.1"], "TRACKSIDE_ADMIN_KEY"),
        (["--host", "a.localhost"], "TRACKSIDE_ADMIN_KEY"),
    ],
)
def test_what_cannot_be_served_is_refused_with_the_reason(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = trackside("serve", "--port", "0", *arguments, folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with running("serve", "--port", "0", folder=tmp_path) as service:
        port = service.wait_for("listening")["address"].rpartition(":")[2]
        done = trackside("serve", "--port", port, folder=tmp_path)
        assert done.returncode == 2
        assert f"port {port}" in done.stderr


def test_migrate_twice_is_once(empty_database_url: str, tmp_path: Path) -> None:
    for _ in range(2):
        done = trackside("migrate", "--database-url", empty_database_url, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "revision" in done.stdout


def test_postgres_says_what_to_run(postgres_server: postgres.Server, tmp_path: Path) -> None:
    name = postgres_server.create_database()
    url = postgres_server.url(name)
    done = trackside("serve", "--port", "0", "--database-url", url, folder=tmp_path)
    assert done.returncode == 2
    assert "trackside migrate" in done.stderr
    assert "--migrate" in done.stderr
    with running("serve", "--port", "0", "--database-url", url, "--migrate", folder=tmp_path) as service:
        service.wait_for("listening")
        assert httpx.get(f"{service.url}/readyz", timeout=30).status_code == 200
        assert service.stop() == 0
    postgres_server.drop_database(name)


def test_several_workers_on_postgres(postgres_server: postgres.Server, postgres_template: str, tmp_path: Path) -> None:
    name = postgres_server.create_database(template=postgres_template)
    arguments = ["--port", "0", "--workers", "2", "--database-url", postgres_server.url(name)]
    with running("serve", *arguments, folder=tmp_path, environ={"TRACKSIDE_SECRET_KEY": SECRET}) as service:
        service.wait_for("listening")
        path = f"{service.url}/v1/runs/{uuid4()}"
        assert httpx.put(path, json={"project": "p", "name": "n"}, timeout=60).status_code == 201
        # Connections go to either process; both see what one has stored.
        assert {httpx.get(path, timeout=60).json()["name"] for _ in range(8)} == {"n"}
        assert service.stop() == 0
    postgres_server.drop_database(name)


def test_another_process_delivers(tmp_path: Path) -> None:
    environ = {"TRACKSIDE_ALLOW_TARGETS": "127.0.0.0/8", "TRACKSIDE_RETRY_SCHEDULE": "0,0.1,0.1"}
    with (
        receiving() as receiver,
        running("serve", "--port", "0", "--no-deliver", folder=tmp_path, environ=environ) as one,
    ):
        one.wait_for("listening")
        channel = {"kind": "webhook", "name": "ours", "url": receiver.url("/hook")}
        assert httpx.post(f"{one.url}/v1/channels", json=channel, timeout=30).status_code == 201
        path = f"{one.url}/v1/runs/{uuid4()}"
        httpx.put(path, json={"project": "p", "name": "n"}, timeout=30).raise_for_status()
        records = {"records": [{"step": 1, "metrics": {"loss": "NaN"}}]}
        httpx.post(f"{path}/records", json=records, timeout=30).raise_for_status()
        with running("deliver", folder=tmp_path, environ=environ) as other:
            other.wait_for("delivering")
            assert [each.json["type"] for each in receiver.wait(1)] == ["alert.opened"]
            assert other.stop() == 0
        assert one.stop() == 0
