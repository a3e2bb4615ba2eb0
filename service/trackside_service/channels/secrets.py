"""What is secret is encrypted before it is stored: addresses and signing secrets, with Fernet (AES-128-CBC and
HMAC-SHA256).

The first key encrypts and all of them decrypt, so a key is rotated by putting a new one in front.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import re
import secrets as random_secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from trackside_service.errors import InvalidInputError, SecretKeyMissingError

log: Final = logging.getLogger(__name__)

_KEY_BYTES: Final = 32
_HOW: Final = "make one with: openssl rand -base64 32"
_SQLITE: Final = re.compile(r"sqlite(\+\w+)?:///?(?P<path>[^?]*)")


class Secrets:
    """Encrypts and decrypts; without a key it refuses, with the reason. Shows nothing of itself."""

    __slots__ = ("_fernet",)

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Take keys of 32 bytes, the newest first. Raises `ValueError` on another length."""
        if any(len(key) != _KEY_BYTES for key in keys):
            raise ValueError("a key has 32 bytes")
        fernets = [Fernet(base64.urlsafe_b64encode(key)) for key in keys]
        self._fernet = MultiFernet(fernets) if fernets else None

    def __repr__(self) -> str:
        return f"<Secrets {'with a key' if self._fernet else 'without a key'}>"

    def encrypt(self, text: str) -> bytes:
        """Return what may be stored. Raises `SecretKeyMissingError` without a key."""
        if self._fernet is None:
            raise SecretKeyMissingError(
                f"set TRACKSIDE_SECRET_KEY, which encrypts channels' addresses at rest ({_HOW})"
            )
        return self._fernet.encrypt(text.encode("utf-8"))

    def decrypt(self, data: bytes) -> str:
        """Undo `encrypt`. Raises `SecretKeyMissingError` without the key that it was made with."""
        if self._fernet is None:
            raise SecretKeyMissingError("set TRACKSIDE_SECRET_KEY to the key that the channels were stored with")
        try:
            return self._fernet.decrypt(data).decode("utf-8")
        except InvalidToken:
            raise SecretKeyMissingError(
                "the channel was stored with another TRACKSIDE_SECRET_KEY (or another key file): give that one, too"
            ) from None


def open_secrets(key: str | None, database_url: str) -> Secrets:
    """Return the secrets of a service: by `TRACKSIDE_SECRET_KEY`, else on SQLite by the key file beside the database.

    `key` is base64 (either alphabet) or hexadecimal of 32 bytes, or several separated by commas, the newest first.
    The key file is made where it is missing. On any other database without a key the secrets refuse to work, and
    the rest of the service runs. Raises `InvalidInputError` on a key of another form.
    """
    if key is not None and key.strip():
        return Secrets([_read_key(part) for part in key.split(",")])
    match = _SQLITE.fullmatch(database_url.partition("?")[0])
    if match is None:
        return Secrets(())
    path = match["path"]
    if path in ("", ":memory:"):
        return Secrets([random_secrets.token_bytes(_KEY_BYTES)])
    return Secrets([_file_key(Path(path))])


def key_file(database: Path) -> Path:
    """Return where the key of a SQLite database lies."""
    return database.with_name(database.name + ".key")


def _read_key(text: str) -> bytes:
    text = text.strip()
    try:
        if len(text) == 2 * _KEY_BYTES:
            key = bytes.fromhex(text)
        else:
            key = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != _KEY_BYTES:
        raise InvalidInputError(f"TRACKSIDE_SECRET_KEY is 32 random bytes in base64 ({_HOW})")
    return key


def _file_key(database: Path) -> bytes:
    """Read the key file, or make it: whole or not at all, and one for all processes that start together."""
    path = key_file(database)
    if not path.exists():
        draft = path.with_name(f".{path.name}.{random_secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(base64.urlsafe_b64encode(random_secrets.token_bytes(_KEY_BYTES)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(draft, path)  # unlike a rename, it fails where another process was first
            _sync_folder(path.parent)
        finally:
            draft.unlink()
    if path.stat().st_mode & 0o077:
        log.warning("%s can be read by others than its owner: chmod 600 it", path)
    return _read_key(path.read_text(encoding="ascii"))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
