"""Floor 5: a finished log as its tool wrote it (JSON, JSON lines, CSV, plain text) to a run's records. Pure.

Nothing is guessed that matters: what a column or a word means is told by one table (`names`), what cannot be placed is
counted and said, and a file that holds no record is refused with what was looked for.
"""

from __future__ import annotations

from typing import Final

from trackside_service.errors import InvalidInputError
from trackside_service.logfiles import objects, tables, texts
from trackside_service.logfiles.read import Form, LogFile

__all__ = ["FORMS", "Form", "LogFile", "read"]

FORMS: Final[tuple[Form, ...]] = ("json", "csv", "text")
MAX_BYTES: Final = 512 * 1024 * 1024


def read(raw: bytes, form: Form | None = None, *, steps_per_epoch: int | None = None) -> LogFile:
    """Return the run's declaration, if the file holds one, and its records as POST /v1/check takes them.

    `form` is told by the content where it is not given. `steps_per_epoch` is what the run declares.
    Raises `InvalidInputError` with what to change.
    """
    if len(raw) > MAX_BYTES:
        raise InvalidInputError(f"the file is larger than {MAX_BYTES // 2**20} MiB; cut it into the runs that it holds")
    text = _decoded(raw)
    if not text.strip():
        raise InvalidInputError("the file is empty")
    chosen = form or _form(text)
    readers = {"json": objects.read, "csv": tables.read, "text": texts.read}
    return readers[chosen](text, steps_per_epoch)


def _decoded(raw: bytes) -> str:
    """UTF-8 with or without a mark, UTF-16 with one (PowerShell's `>` writes that); a stray byte loses only itself."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    return raw.decode("utf-8-sig", errors="replace")


def _form(text: str) -> Form:
    first = text.lstrip()
    if first.startswith(("{", "[")) and objects.looks_like(first):
        return "json"
    return "csv" if tables.looks_like(text) else "text"
