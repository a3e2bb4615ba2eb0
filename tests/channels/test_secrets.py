"""Secrets at rest."""

from __future__ import annotations

import base64
import logging
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.outbox import KEY

from trackside_service.channels.secrets import Secrets, key_file, open_secrets
from trackside_service.errors import InvalidInputError, SecretKeyMissingError

POSTGRES = "postgresql://trackside@db/trackside"
URL = "https://hooks.slack.com/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx"


def test_what_is_encrypted_comes_back_and_does_not_show() -> None:
    secrets = open_secrets(KEY, POSTGRES)
    data = secrets.encrypt(URL)
    assert secrets.decrypt(data) == URL
    assert b"hooks" not in data
    assert KEY not in repr(secrets)
    assert not hasattr(secrets, "__dict__")


def test_keys_are_rotated_by_putting_a_new_one_in_front() -> None:
    new = base64.b64encode(b"x" * 32).decode()
    old = open_secrets(KEY, POSTGRES).encrypt(URL)
    both = open_secrets(f"{new},{KEY}", POSTGRES)
    assert both.decrypt(old) == URL
    assert open_secrets(new, POSTGRES).decrypt(both.encrypt(URL)) == URL
    with pytest.raises(SecretKeyMissingError, match="another"):
        open_secrets(new, POSTGRES).decrypt(old)


def test_keys_in_either_alphabet_and_in_hexadecimal() -> None:
    raw = bytes(range(220, 252))
    data = Secrets([raw]).encrypt("x")
    for text in (base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode().rstrip("="), raw.hex()):
        assert open_secrets(f" {text}\n", POSTGRES).decrypt(data) == "x"


@pytest.mark.parametrize("key", ["hunter2", "a" * 43 + "!", base64.b64encode(b"short").decode(), "zz" * 32])
def test_other_keys_are_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        open_secrets(key, POSTGRES)
    assert key not in str(caught.value)


def test_without_a_key_postgres_is_refused_with_the_reason() -> None:
    secrets = open_secrets(None, POSTGRES)
    with pytest.raises(SecretKeyMissingError, match="TRACKSIDE_SECRET_KEY"):
        secrets.encrypt(URL)
    with pytest.raises(SecretKeyMissingError, match="TRACKSIDE_SECRET_KEY"):
        secrets.decrypt(b"anything")


def test_without_a_key_sqlite_gets_a_key_file_beside_the_database(tmp_path: Path) -> None:
    database = tmp_path / "trackside.db"
    data = open_secrets("", f"sqlite:///{database}").encrypt(URL)
    assert key_file(database) == tmp_path / "trackside.db.key"
    assert stat.S_IMODE(key_file(database).stat().st_mode) == 0o600
    assert open_secrets(None, f"sqlite:///{database}?timeout=5").decrypt(data) == URL
    assert [path.name for path in tmp_path.iterdir()] == ["trackside.db.key"]


def test_a_relative_database_has_its_key_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_secrets(None, "sqlite:///trackside.db")
    assert (tmp_path / "trackside.db.key").exists()


def test_processes_that_start_together_share_one_key(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'trackside.db'}"
    with ThreadPoolExecutor(16) as pool:
        opened = list(pool.map(lambda _: open_secrets(None, url), range(16)))
    data = opened[0].encrypt(URL)
    assert {each.decrypt(data) for each in opened} == {URL}
    assert len(list(tmp_path.iterdir())) == 1


def test_a_key_file_that_others_can_read_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = f"sqlite:///{tmp_path / 'trackside.db'}"
    open_secrets(None, url)
    key_file(tmp_path / "trackside.db").chmod(0o644)
    with caplog.at_level(logging.WARNING):
        open_secrets(None, url)
    assert "chmod 600" in caplog.text
