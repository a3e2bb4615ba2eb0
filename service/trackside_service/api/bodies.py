"""Reading a request's body: media type, length (counted while it streams), JSON. Parsed once, in compiled code."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json
from starlette.requests import Request

from trackside_service.api.context import context
from trackside_service.api.errors import BodyTooLargeError, MalformedBodyError, UnsupportedMediaError


async def read_json(request: Request, *, empty: Any = None) -> Any:
    """Return the parsed body. Bare NaN and Infinity tokens are accepted, since `json.dumps` writes them. Where it may
    be left out, with its content type, `empty` is what stands for none.

    Raises `UnsupportedMediaError`, `BodyTooLargeError`, `MalformedBodyError`.
    """
    limit = context(request).options.max_body_bytes
    if empty is not None and "content-type" not in request.headers and not await _read(request, limit):
        return empty
    _check_media_type(request)
    raw = await _read(request, limit)
    if not raw.strip():
        raise MalformedBodyError("The body is empty; JSON is wanted.")
    try:
        return from_json(raw, allow_inf_nan=True, cache_strings="keys")
    except ValueError as error:
        raise MalformedBodyError(f"The body is not JSON: {error}.") from None


def _check_media_type(request: Request) -> None:
    given = request.headers.get("content-type", "")
    kind = given.split(";", 1)[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMediaError("Send the body with 'Content-Type: application/json'.")
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedMediaError("Send the body without compression.")


async def _read(request: Request, limit: int) -> bytes:
    announced = request.headers.get("content-length")
    if announced is not None and announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    length = 0
    async for part in request.stream():
        length += len(part)
        if length > limit:
            raise _too_large(limit)
        parts.append(part)
    return b"".join(parts)


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"A body may have {limit} bytes; send the records in several posts.")
