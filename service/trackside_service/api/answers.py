"""Answers in JSON. NaN and the infinities travel as "NaN", "Infinity", "-Infinity"; times as RFC 3339 in UTC."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from starlette.responses import JSONResponse

from trackside_service.domain.numbers import wire_safe

NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv"
TEXT: Final = "text/plain"
MARKDOWN: Final = "text/markdown"


def encode(content: Any) -> bytes:
    """Return `content` as compact JSON."""
    try:
        text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_other)
    except ValueError:
        # Some float in it is not finite; the search through the whole answer is paid only then.
        text = json.dumps(
            wire_safe(content), allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_other
        )
    return text.encode(errors="replace")


def _other(value: object) -> str:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    raise TypeError(f"no JSON form for {type(value).__name__}")


class Answer(JSONResponse):
    """An answer in JSON."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return encode(content)
