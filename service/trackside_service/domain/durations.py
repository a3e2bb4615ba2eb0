"""Durations in words."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second"))


def spoken(seconds: float) -> str:
    """Return a duration as people say it, with its two largest units: "1 hour 20 minutes", "45 seconds"."""
    left = round(seconds) if seconds >= 1 else 0
    if left == 0:
        return f"{seconds:.2g} seconds"
    parts: list[str] = []
    for length, unit in _UNITS:
        count, left = divmod(left, int(length))
        if count:
            parts.append(f"{count} {unit}" + ("s" if count > 1 else ""))
        elif parts:
            break  # the next largest is missing: what is smaller does not matter
        if len(parts) == 2:
            break
    return " ".join(parts)
