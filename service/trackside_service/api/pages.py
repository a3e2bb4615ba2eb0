"""Pages of a list: a bounded length, and a cursor that means something only to the service that made it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query

from trackside_service.api.errors import InvalidParameterError
from trackside_service.errors import Fault

MAX_LIMIT: Final = 500
TEXT_PATTERN: Final = r"^[^\x00]*$"  # Postgres holds no NUL in text

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many at most.", examples=[50])]
Cursor = Annotated[
    str | None,
    Query(
        max_length=1000,
        pattern=r"^[A-Za-z0-9_-]*$",
        description="The `next_cursor` of the page before; leave it out for the first page.",
    ),
]


def encode_cursor(position: Sequence[Any]) -> str:
    """Return a cursor for a place in a list: JSON values."""
    return base64.urlsafe_b64encode(json.dumps(list(position), separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> list[Any]:
    """Undo `encode_cursor`. Raises `InvalidParameterError` on anything else."""
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        position = None
    if not isinstance(position, list):
        raise bad_cursor()
    return position


def decode_time_and_id(cursor: str) -> tuple[datetime, UUID]:
    """Return the place that a cursor of [time, id] stands for. Raises `InvalidParameterError`."""
    place = decode_cursor(cursor)
    try:
        text, number = place
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            raise ValueError
        return time, UUID(number)
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise bad_cursor() from None


def bad_cursor() -> InvalidParameterError:
    """Return the refusal of a cursor that this list did not make."""
    return InvalidParameterError(
        "The cursor is not one that this list gave out.", faults=[Fault("/cursor", "take it from next_cursor")]
    )


def page(items: Sequence[Any], next_cursor: str | None) -> dict[str, Any]:
    """Return a page on the wire."""
    return {"items": list(items), "next_cursor": next_cursor}
