"""What the caller would like to get: the Accept header, as RFC 9110 reads it."""

from __future__ import annotations

from collections.abc import Sequence


def preferred(accept: str | None, offered: Sequence[str]) -> str:
    """Return the media type of `offered` that `accept` likes best; ties, and headers that fit nothing, go to the
    first.
    """
    if not accept:
        return offered[0]
    ranges = [_parse(part) for part in accept.split(",") if part.strip()]
    best, best_quality = offered[0], 0.0
    for kind in offered:
        # The most specific range that covers a type decides its quality.
        fitting = [(specificity, quality) for pattern, specificity, quality in ranges if _covers(pattern, kind)]
        quality = max(fitting)[1] if fitting else 0.0
        if quality > best_quality:
            best, best_quality = kind, quality
    return best


def _parse(part: str) -> tuple[str, int, float]:
    pattern, *parameters = (piece.strip() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                quality = min(1.0, max(0.0, float(value)))
            except ValueError:
                quality = 0.0
    pattern = pattern.lower()
    return pattern, (0 if pattern == "*/*" else 1 if pattern.endswith("/*") else 2), quality


def _covers(pattern: str, kind: str) -> bool:
    return pattern in ("*/*", kind) or (pattern.endswith("/*") and kind.startswith(pattern[:-1]))
