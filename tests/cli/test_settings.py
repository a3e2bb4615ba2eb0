"""Settings: where they come from, what is refused, and that nothing secret is repeated."""

from __future__ import annotations

import re
from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path

import pytest

from trackside_service import settings
from trackside_service.settings import Settings, SettingsError

KEY = "a-key-of-the-tests-1"
ROOT = Path(__file__).resolve().parents[2]


def test_an_argument_goes_over_a_variable_and_that_over_the_default() -> None:
    environ = {"TRACKSIDE_PORT": "9000", "TRACKSIDE_HOST": "127.0.0.2", "TRACKSIDE_ADMIN_KEY": "  "}
    read = settings.read(environ, {"port": "9001", "host": None, "unrelated": 3})
    assert (read.port, read.host, read.database_url) == (9001, "127.0.0.2", "sqlite:///trackside.db")
    assert read.admin_key is None


def test_every_setting_is_read() -> None:
    texts = {
        "DATABASE_URL": "postgresql://u@h/db",
        "HOST": "::1",
        "PORT": "0",
        "WORKERS": "3",
        "MIGRATE": "yes",
        "ADMIN_KEY": KEY,
        "SECRET_KEY": "c2VjcmV0",
        "MAX_BODY_BYTES": "2048",
        "ALLOW_TARGETS": "10.0.0.0/8,192.168.1.7",
        "RETRY_SCHEDULE": "0,5,300",
        "PUBLIC_URL": "https://trackside.example.org",
        "DELIVER": "false",
        "GROUP_WINDOW_S": "0",
        "DISABLE_AFTER_H": "24",
        "SWEEP_S": "30",
        "GROUP_ONE_RUN": "1",
        "LOG_LEVEL": "Debug",
    }
    assert {name.lower() for name in texts} == {each.name for each in fields(Settings)}
    read = settings.read({f"TRACKSIDE_{name}": text for name, text in texts.items()})
    for each in fields(Settings):
        assert getattr(read, each.name) != each.default, each.name
    assert read.allow_targets.allowed == (ip_network("10.0.0.0/8"), ip_network("192.168.1.7"))
    assert read.retry_schedule == (0.0, 5.0, 300.0)
    # Worker processes get their settings through the environment.
    assert settings.read(settings.as_environment(read)) == read
    assert settings.read(settings.as_environment(Settings())) == Settings()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("PORT", "-1"),
        ("WORKERS", "0"),
        ("MIGRATE", "maybe"),
        ("DATABASE_URL", "mysql://u:hidden-1@h/db"),
        ("DATABASE_URL", "postgresql://u:p@h:hidden-1/db"),
        ("DATABASE_URL", "postgresql://u:hidden-1@h:54x/db"),
        ("DATABASE_URL", "postgresql://u:hidden-1@h:70000/db"),
        ("DATABASE_URL", "postgresql://u:hidden-1@[::1/db"),
        ("DATABASE_URL", "hidden-1"),
        ("ADMIN_KEY", "hidden-1"),
        ("ADMIN_KEY", "hidden-1 hidden-1 hidden-1"),
        ("ALLOW_TARGETS", "everything"),
        ("RETRY_SCHEDULE", "soon"),
        ("GROUP_WINDOW_S", "-1"),
        ("GROUP_WINDOW_S", "3601"),
        ("LOG_LEVEL", "loud"),
        ("MAX_BODY_BYTES", "1"),
        ("PUBLIC_URL", "trackside.example.org"),
        ("PUBLIC_URL", "javascript://trackside.example.org"),
        ("PUBLIC_URL", "https://ada:hidden-1@trackside.example.org"),
        ("PUBLIC_URL", "https://trackside.example.org/?key=hidden-1"),
        ("PUBLIC_URL", "https://trackside.example.org/<b>"),
        ("PUBLIC_URL", "https://[::1"),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings.read({f"TRACKSIDE_{name}": text})
    assert str(refused.value).startswith(f"TRACKSIDE_{name}: ")
    assert "hidden-1" not in str(refused.value)
    with pytest.raises(SettingsError, match=f"^--{name.lower().replace('_', '-')}: "):
        settings.read({}, {name.lower(): text})


def test_the_public_address_is_what_links_begin_with() -> None:
    read = settings.read({"TRACKSIDE_PUBLIC_URL": " https://ml.example.org:8443/trackside/ "})
    assert read.public_url == "https://ml.example.org:8443/trackside"


def test_secrets_are_not_shown() -> None:
    read = settings.read({"TRACKSIDE_ADMIN_KEY": KEY, "TRACKSIDE_DATABASE_URL": "postgresql://u:hidden-1@h/db"})
    assert KEY not in repr(read)
    assert "hidden-1" not in repr(read)


def test_a_misspelt_variable_is_remarked_upon() -> None:
    environ = {"TRACKSIDE_ADMIN_KAY": KEY, "TRACKSIDE_PORT": "1", "TRACKSIDE_API_KEY": KEY, "PATH": "/bin"}
    (remark,) = settings.unknown(environ)
    assert "TRACKSIDE_ADMIN_KEY" in remark
    assert KEY not in remark


def test_the_client_s_variables_are_known() -> None:
    """Those of the table in its README, which are those that its source reads; none of them is remarked upon."""
    client = ROOT / "client"
    table = set(re.findall(r"^\| `TRACKSIDE_(\w+)`", (client / "README.md").read_text(), re.MULTILINE))
    source = "".join(path.read_text() for path in sorted((client / "trackside").rglob("*.py")))
    assert set(re.findall(r"TRACKSIDE_([A-Z_]*[A-Z])", source)) == table == settings.CLIENTS
    assert settings.unknown(dict.fromkeys((f"TRACKSIDE_{name}" for name in table), "1")) == ()
    assert not table & {each.name.upper() for each in fields(Settings)}


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.168.1.7", "trackside.example", "a.localhost"])
def test_beyond_loopback_a_key_is_needed(host: str) -> None:
    with pytest.raises(SettingsError, match="TRACKSIDE_ADMIN_KEY"):
        settings.check_serving(Settings(host=host))
    settings.check_serving(Settings(host=host, admin_key=KEY))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_on_loopback_no_key_is_needed(host: str) -> None:
    settings.check_serving(Settings(host=host))


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.7", "fe80::1%eth0"])
def test_what_was_bound_is_looked_at_too(address: str) -> None:
    """`localhost` is what the resolver makes of it."""
    with pytest.raises(SettingsError, match="TRACKSIDE_ADMIN_KEY"):
        settings.check_bound(Settings(host="localhost"), address)
    settings.check_bound(Settings(host="localhost", admin_key=KEY), address)
    settings.check_bound(Settings(host="localhost"), "127.0.0.1")
    settings.check_bound(Settings(host="localhost"), "::1")


def test_sqlite_has_one_worker() -> None:
    with pytest.raises(SettingsError, match="one writer"):
        settings.check_serving(Settings(workers=2))
    settings.check_serving(Settings(workers=2, database_url="postgresql://h/db"))
