"""Reading a request's body: media type, coding, length (counted while it streams). Parsed once, in compiled code."""

from __future__ import annotations

import zlib
from typing import Any, Final

from pydantic_core import from_json
from starlette.requests import Request

from trackside_service.api.context import context
from trackside_service.api.errors import (
    BodyTooLargeError,
    MalformedBodyError,
    UnsupportedEncodingError,
    UnsupportedMediaError,
)

_GZIP: Final = ("gzip", "x-gzip")  # RFC 9110 8.4.1.3 wants the second taken for the first
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS  # zlib's sign for a gzip header


async def read_json(request: Request, *, empty: Any = None) -> Any:
    """Return the parsed body. Bare NaN and Infinity tokens are accepted, since `json.dumps` writes them. Where it may
    be left out, with its content type, `empty` is what stands for none.

    A body may be compressed with gzip; the limit on its length is on what it says, and so on what becomes of it.

    Raises `UnsupportedMediaError`, `UnsupportedEncodingError`, `BodyTooLargeError`, `MalformedBodyError`.
    """
    limit = context(request).options.max_body_bytes
    if empty is not None and "content-type" not in request.headers and not await _read(request, limit):
        return empty
    _check_media_type(request)
    raw = await (_read_gzip if _is_gzip(request) else _read)(request, limit)
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


def _is_gzip(request: Request) -> bool:
    named = ",".join(request.headers.getlist("content-encoding")).lower().split(",")
    codings = [coding.strip() for coding in named if coding.strip() not in ("", "identity")]
    if not codings:
        return False
    if len(codings) > 1 or codings[0] not in _GZIP:
        raise UnsupportedEncodingError("Send the body with 'Content-Encoding: gzip', or without compression.")
    return True


def _check_announced(request: Request, limit: int) -> None:
    announced = request.headers.get("content-length")
    if announced is not None and announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)


async def _read(request: Request, limit: int) -> bytes:
    _check_announced(request, limit)
    parts: list[bytes] = []
    length = 0
    async for part in request.stream():
        length += len(part)
        if length > limit:
            raise _too_large(limit)
        parts.append(part)
    return b"".join(parts)


async def _read_gzip(request: Request, limit: int) -> bytes:
    """Decompress while the body streams, never more than the limit: a few kilobytes may stand for gigabytes."""
    _check_announced(request, limit)
    stream = zlib.decompressobj(_GZIP_WINDOW)
    parts: list[bytes] = []
    length = taken = 0
    async for part in request.stream():
        taken += len(part)
        if taken > limit:  # a stream may say nothing for ever: empty blocks are bytes too
            raise _too_large(limit)
        try:
            found = stream.decompress(part, limit - length + 1)
        except zlib.error:
            raise MalformedBodyError("The body is not gzip, though 'Content-Encoding' says so.") from None
        length += len(found)
        if length > limit:
            raise _too_large(limit)
        if stream.unused_data:
            raise MalformedBodyError("Something follows the end of the body's gzip stream.")
        parts.append(found)
    if taken and not stream.eof:
        raise MalformedBodyError("The body's gzip stream is cut off.")
    return b"".join(parts)


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"A body may have {limit} bytes, unpacked; send the records in several posts.")
