"""Every setting: a `TRACKSIDE_*` variable or an argument of the same name. Read once at the top, passed down."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from trackside_service.backoff import parse_schedule
from trackside_service.channels import Targets, parse_targets
from trackside_service.errors import InvalidInputError

PREFIX: Final = "TRACKSIDE_"
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
MIN_KEY: Final = 16
_NO_TARGETS: Final = Targets()
_DATABASES: Final = "sqlite:///file.db or postgresql://user@host:5432/name is wanted"
_BEYOND_LOOPBACK: Final = (
    "without a key the service listens on loopback only, since anybody who reaches it could read and write "
    "everything: set TRACKSIDE_ADMIN_KEY ('trackside keys' makes one), or listen on 127.0.0.1"
)
_PORT: Final = "the port is a whole number from 1 to 65535"
# The client's own variables, which may stand in the same environment: those of the table in its README.
CLIENTS: Final = frozenset(
    {
        "URL",
        "API_KEY",
        "PROJECT",
        "RUN_ID",
        "ALL_RANKS",
        "EXIT_TIMEOUT",
        "QUEUE_SIZE",
        "SPOOL_DIR",
        "SPOOL_MB",
        "SIGNALS",
    }
)


class SettingsError(Exception):
    """A setting that cannot be used; the message says which, and what is wanted. It never repeats a secret."""


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.strip().isdigit() or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high} is wanted")
        return int(text)

    return read


def _flag(text: str) -> bool:
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    try:
        return known[text.strip().lower()]
    except KeyError:
        raise ValueError("true or false is wanted") from None


def _level(text: str) -> str:
    level = text.strip().lower()
    if level not in LOG_LEVELS:
        raise ValueError(f"one of {', '.join(LOG_LEVELS)} is wanted")
    return level


def _key(text: str) -> str:
    key = text.strip()
    if len(key) < MIN_KEY or not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError(f"at least {MIN_KEY} ASCII characters without spaces are wanted; 'trackside keys' makes one")
    return key


def _database(text: str) -> str:
    url = text.strip()
    try:
        parsed = sa.make_url(url)
    except ArgumentError:
        raise ValueError(_DATABASES) from None
    except ValueError:  # its words repeat a part of the address, which may be one of the password
        raise ValueError(f"{_DATABASES}; {_PORT} (in a user or password, write / : @ as %2F %3A %40)") from None
    if parsed.get_backend_name() not in ("sqlite", "postgresql", "postgres"):
        raise ValueError(_DATABASES)
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise ValueError(f"{_DATABASES}; {_PORT}")
    return url


def _public_url(text: str) -> str:
    url = text.strip().rstrip("/")
    parts = urlsplit(url)
    fits = url.isascii() and url.isprintable() and not set(url) & set('<>"\\ ') and len(url) <= 500
    if not fits or parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("https://name of the service as people reach it is wanted")
    if parts.query or parts.fragment:
        raise ValueError("the address ends with its path: no ?query and no #fragment")
    return url


def _setting(default: Any, read: Callable[[str], Any], doc: str, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"read": read, "doc": doc})


@dataclass(frozen=True, slots=True)
class Settings:
    """What the service runs with."""

    database_url: str = _setting(
        "sqlite:///trackside.db", _database, "sqlite:///file.db or postgresql://...", secret=True
    )
    host: str = _setting("127.0.0.1", str.strip, "the address to listen on")
    port: int = _setting(8000, _whole(0, 65535), "the port to listen on; 0 takes a free one")
    workers: int = _setting(1, _whole(1, 64), "how many processes (Postgres only)")
    migrate: bool = _setting(False, _flag, "migrate a Postgres database before serving")
    admin_key: str | None = _setting(None, _key, "the key that every request must carry", secret=True)
    secret_key: str | None = _setting(
        None, str.strip, "32 bytes in base64 that encrypt channels' addresses", secret=True
    )
    max_body_bytes: int = _setting(32 * 1024 * 1024, _whole(1024, 2**30), "the longest body that is accepted, in bytes")
    allow_targets: Targets = _setting(  # noqa: RUF009 - a field, as the others are
        _NO_TARGETS, parse_targets, "private networks that channels may send to"
    )
    public_url: str | None = _setting(None, _public_url, "where people reach the service, for links in messages")
    retry_schedule: tuple[float, ...] | None = _setting(
        None, parse_schedule, "seconds between the attempts to deliver, separated by commas"
    )
    deliver: bool = _setting(True, _flag, "false leaves deliveries to 'trackside deliver'")
    group_window_s: int = _setting(
        30, _whole(0, 3600), "seconds in which what follows a message to people becomes one; 0 sends each by itself"
    )
    disable_after_h: int = _setting(
        72, _whole(0, 8760), "hours after which a channel at which nothing arrives is switched off; 0 never"
    )
    sweep_s: int = _setting(5, _whole(0, 3600), "seconds between looks for silent runs; 0 leaves them to others")
    group_one_run: bool = _setting(False, _flag, "one run a transaction, for a distributed Postgres")
    log_level: str = _setting("info", _level, "debug, info, warning or error")

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a SQLite file."""
        return self.database_url.startswith("sqlite")


def read(environ: Mapping[str, str], arguments: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings: an argument (None: not given) over its variable over its default.

    Raises `SettingsError` on a value that cannot be used.
    """
    given = arguments or {}
    values: dict[str, Any] = {}
    for each in fields(Settings):
        name = PREFIX + each.name.upper()
        argument = given.get(each.name)
        text = argument if argument is not None else environ.get(name)
        if isinstance(text, bool):
            values[each.name] = text
        elif text is not None and (argument is not None or str(text).strip()):
            where = "--" + each.name.replace("_", "-") if argument is not None else name
            try:
                values[each.name] = each.metadata["read"](str(text))
            except (ValueError, InvalidInputError) as error:
                raise SettingsError(f"{where}: {error}") from None
    return Settings(**values)


def as_environment(settings: Settings) -> dict[str, str]:
    """Return the variables from which `read` makes these settings again, in a child process."""
    texts: dict[str, str] = {}
    for each in fields(Settings):
        value = getattr(settings, each.name)
        if isinstance(value, (str, bool, int)):
            texts[PREFIX + each.name.upper()] = str(value)
        elif isinstance(value, Targets):
            texts[PREFIX + each.name.upper()] = ",".join(map(str, value.allowed))
        elif isinstance(value, tuple):
            texts[PREFIX + each.name.upper()] = ",".join(map(str, value))
    return texts


def unknown(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return a remark on each `TRACKSIDE_*` variable that is neither a setting of ours nor one of the client's."""
    ours = [PREFIX + each.name.upper() for each in fields(Settings)]
    remarks = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in ours and name.removeprefix(PREFIX) not in CLIENTS:
            near = difflib.get_close_matches(name, ours, n=1)
            remarks.append(f"{name} is no setting" + (f"; did you mean {near[0]}?" if near else ""))
    return tuple(remarks)


def check_serving(settings: Settings) -> None:
    """Refuse what must not be served: beyond loopback without a key, or several processes on one SQLite file.

    Raises `SettingsError` with the reason.
    """
    if settings.admin_key is None and not _names_loopback(settings.host):
        raise SettingsError(_BEYOND_LOOPBACK)
    if settings.is_sqlite and settings.workers > 1:
        raise SettingsError(
            "SQLite has one writer at a time, so more processes would only wait for each other: "
            "use one worker, or Postgres"
        )


def check_bound(settings: Settings, address: str) -> None:
    """Refuse, without a key, an IP `address` that was bound and is not loopback: a name is what the resolver makes of
    it.

    Raises `SettingsError` with the reason.
    """
    if settings.admin_key is None and not _is_loopback_address(address):
        raise SettingsError(_BEYOND_LOOPBACK)


def _names_loopback(host: str) -> bool:
    # Other names that end in .localhost are whatever the resolver says.
    return host.lower() == "localhost" or _is_loopback_address(host.strip("[]"))


def _is_loopback_address(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
