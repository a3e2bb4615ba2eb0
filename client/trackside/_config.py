"""Where to report and how: arguments over environment.

A wrong argument is a mistake in the script and raises at construction. A wrong environment variable is a mistake of
whoever started the job, and must not kill it: it is told on stderr and the default is used.
"""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from trackside import _marks, _say, _wire

T = TypeVar("T")

DEFAULT_PROJECT = "default"
DEFAULT_EXIT_TIMEOUT_S = 3.0
DEFAULT_QUEUE_SIZE = 20_000
DEFAULT_SPOOL_MB = 64.0

# The first of these that is set decides. RANK is the global rank (torchrun, accelerate, deepspeed); LOCAL_RANK comes
# last because rank 0 of every node has LOCAL_RANK=0.
RANK_VARIABLES = ("RANK", "PADDLE_TRAINER_ID", "SLURM_PROCID", "LOCAL_RANK")


@dataclass(frozen=True)
class Settings:
    """What the sender needs to know. `url` has no trailing slash."""

    url: str
    api_key: str | None
    exit_timeout_s: float
    queue_size: int
    spool_dir: Path
    spool_mb: float


def check_url(url: object) -> str:
    """Return `url` without a trailing slash. Raises `TypeError` or `ValueError` when it is no http(s) address."""
    if not isinstance(url, str):
        raise TypeError(f"url must be text such as 'http://127.0.0.1:8000', not {type(url).__name__}")
    text = url.strip().rstrip("/")
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid or any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError("url must be an http or https address such as 'http://127.0.0.1:8000'")
    if parts.query or parts.fragment:
        raise ValueError("url must not carry a query or a fragment")
    if parts.username or parts.password:
        raise ValueError("url must not carry a name or password; pass api_key or set TRACKSIDE_API_KEY")
    return text


def load(url: str | None, api_key: str | None) -> Settings | None:
    """Return the settings, or None (told once) when neither `url` nor TRACKSIDE_URL says where to report."""
    address: str | None = None
    if url is not None:
        address = check_url(url)
    elif os.environ.get("TRACKSIDE_URL", "").strip():
        try:
            address = check_url(os.environ["TRACKSIDE_URL"])
        except ValueError as error:
            _say.once("TRACKSIDE_URL", f"TRACKSIDE_URL is not usable ({error}); this run is not reported.")
            return None
    if address is None:
        _say.once(
            "unconfigured",
            "neither url nor TRACKSIDE_URL is set, so this run is not reported. Training is not affected.",
        )
        return None
    if api_key is None:
        api_key = os.environ.get("TRACKSIDE_API_KEY", "").strip() or None
        if api_key is not None and not is_header_text(api_key):
            _say.once("TRACKSIDE_API_KEY", "TRACKSIDE_API_KEY holds characters that no key has; it is not used.")
            api_key = None
    return Settings(
        url=address,
        api_key=None if api_key is None else api_key.strip(),  # a key read from a file ends in a line break
        exit_timeout_s=_number("TRACKSIDE_EXIT_TIMEOUT", DEFAULT_EXIT_TIMEOUT_S, lowest=0.0),
        queue_size=int(_number("TRACKSIDE_QUEUE_SIZE", DEFAULT_QUEUE_SIZE, lowest=1)),
        spool_dir=spool_dir(),
        spool_mb=_number("TRACKSIDE_SPOOL_MB", DEFAULT_SPOOL_MB, lowest=0.0),
    )


def is_header_text(text: str) -> bool:
    """Tell whether `text` can travel in an HTTP header."""
    return bool(text) and text.isascii() and text.isprintable()


def spool_dir() -> Path:
    """Return TRACKSIDE_SPOOL_DIR, else a folder in the user's state directory. It need not exist."""
    named = os.environ.get("TRACKSIDE_SPOOL_DIR", "").strip()
    if named:  # for good: scripts go to other folders
        named = os.path.expanduser(named)
        with contextlib.suppress(OSError):  # the folder that the process is in may be gone
            named = os.path.abspath(named)
        return Path(named)
    home = os.path.expanduser("~")
    if not os.path.isabs(home):  # a container's user whom nobody knows
        return _marks.shelter() / "spool"
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Application Support")
    else:
        base = os.environ.get("XDG_STATE_HOME") or os.path.join(home, ".local", "state")
    return Path(base) / "trackside" / "spool"


def run_id_from_environment() -> uuid.UUID | None:
    """Return TRACKSIDE_RUN_ID, or None when unset or not a UUID (told)."""
    return _read("TRACKSIDE_RUN_ID", uuid.UUID, "a UUID")


def project_from_environment() -> str:
    """Return TRACKSIDE_PROJECT or the default project."""
    return _wire.text(os.environ.get("TRACKSIDE_PROJECT", "").strip())[:200] or DEFAULT_PROJECT


def other_rank(environ: Mapping[str, str]) -> tuple[str, int] | None:
    """Return (variable, rank) when the environment says that this process is not rank 0 of its job, else None."""
    for name in RANK_VARIABLES:
        try:
            rank = int(environ[name])
        except (KeyError, ValueError):
            continue
        return (name, rank) if rank != 0 else None
    return None


def other_torch_rank() -> int | None:
    """Return the rank that torch.distributed gives this process when it is initialised and not 0, else None.

    Processes of `torch.multiprocessing.spawn` are told their rank by an argument, and no variable says it.
    """
    distributed = sys.modules.get("torch.distributed")
    try:
        if distributed is None or not distributed.is_available() or not distributed.is_initialized():
            return None
        return int(distributed.get_rank()) or None
    except Exception:
        return None


def world_size() -> int | None:
    """Return of how many processes the job is made, where torch or Paddle knows it and it is more than one."""
    for name in ("torch.distributed", "paddle.distributed"):
        distributed = sys.modules.get(name)
        try:
            if distributed is not None and distributed.is_initialized() and distributed.get_world_size() > 1:
                return int(distributed.get_world_size())
        except Exception:  # noqa: S112 - a build without it, or one that is half set up
            continue
    return None


def all_ranks_from_environment() -> bool:
    """Tell whether TRACKSIDE_ALL_RANKS asks every rank to report."""
    return os.environ.get("TRACKSIDE_ALL_RANKS", "").strip().lower() in ("1", "true", "yes", "on")


def _number(name: str, default: float, *, lowest: float) -> float:
    def parse(text: str) -> float:
        value = float(text)
        if not lowest <= value <= 1e9:  # also refuses NaN
            raise ValueError
        return value

    value = _read(name, parse, f"a number of at least {lowest:g}")
    return default if value is None else value


def _read(name: str, parse: Callable[[str], T], wanted: str) -> T | None:
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    try:
        return parse(text)
    except ValueError:
        _say.once(name, f"{name} is not {wanted}; it is ignored.")
        return None
