"""Floor 5: a finished log as its tool wrote it (JSON, JSON lines, CSV, plain text) to a run's records. Pure.

Nothing is guessed that matters: what a column or a word means is told by one table (`names`), what cannot be placed is
counted and said, and a file that holds no record is refused with what was looked for.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from trackside_service.domain.metrics import canonical
from trackside_service.errors import InvalidInputError
from trackside_service.logfiles import objects, tables, texts
from trackside_service.logfiles.read import Form, LogFile

__all__ = ["FORMS", "Form", "LogFile", "described", "read"]

FORMS: Final[tuple[Form, ...]] = ("json", "csv", "text")
MAX_BYTES: Final = 512 * 1024 * 1024
_SHOWN: Final = 8


def read(
    raw: bytes, form: Form | None = None, *, steps_per_epoch: int | None = None, name: str | None = None
) -> LogFile:
    """Return the run's declaration, if the file holds one, and its records as POST /v1/check takes them.

    `form` is told by the content where it is not given. `steps_per_epoch` is what the run declares, `name` the file's.
    Raises `InvalidInputError` with what to change.
    """
    if len(raw) > MAX_BYTES:
        raise InvalidInputError(f"the file is larger than {MAX_BYTES // 2**20} MiB; cut it into the runs that it holds")
    text = _decoded(raw)
    if not text.strip():
        raise InvalidInputError("the file is empty")
    chosen = form or _form(text, name or "")
    if chosen == "csv":
        return tables.read(text, steps_per_epoch, name)
    return (objects.read if chosen == "json" else texts.read)(text, steps_per_epoch)


def described(log: LogFile) -> str:
    """Return what was read in a sentence, so that whoever looks sees what was taken for what."""
    bodies = [body for body in log.records if isinstance(body, dict) and isinstance(body.get("metrics"), dict)]
    counted = Counter(name for body in bodies for name in body["metrics"])
    shown = []
    for name, count in counted.most_common(_SHOWN):
        known = canonical(name, {})
        shown.append(f"{name} {count}" if known == name else f"{name} (as {known}) {count}")
    more = [f"{len(counted) - _SHOWN} more"] if len(counted) > _SHOWN else []
    ranges = []
    for counter in ("epoch", "step"):
        places = [body[counter] for body in bodies if isinstance(body.get(counter), (int, float))]
        if places:
            ranges.append(f"{counter} {places[0]:g} to {places[-1]:g}")
    sentence = f"read {len(log.records)} records as {log.form}"
    return "; ".join([sentence, *ranges, *([", ".join([*shown, *more])] if shown else [])])


def _decoded(raw: bytes) -> str:
    """UTF-8 with or without a mark, UTF-16 with one (PowerShell's `>` writes that); a stray byte loses only itself."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    return raw.decode("utf-8-sig", errors="replace")


def _form(text: str, name: str) -> Form:
    first = text.lstrip()
    if first.startswith(("{", "[")) and objects.looks_like(first):
        return "json"
    return "csv" if name.lower().endswith((".csv", ".tsv")) or tables.looks_like(text) else "text"
