"""The daily digest in words: what stands, the worst first, and what happened since the one before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from trackside_service.channels.places import place
from trackside_service.channels.tones import MARKS, Tone

DIGEST: Final = "digest"
MOST_LINES: Final = 10
_WORDS: Final = 60
_WORST_FIRST: Final[tuple[Tone, ...]] = ("critical", "warning", "info")


def tone_of(digest: Mapping[str, Any]) -> Tone:
    """Return that of the worst alert that stands."""
    standing = digest["open"]
    return next((each for each in _WORST_FIRST if standing.get(each)), "resolved")


def headline(digest: Mapping[str, Any]) -> str:
    """Say in one line what stands: "Digest of vision: 2 critical and 1 warning open in 2 runs"."""
    of = f"Digest of {digest['project']}" if digest["project"] else "Digest"
    counts = digest["open"]
    parts = [
        f"{counts[each]} {each}s" if each == "warning" and counts[each] > 1 else f"{counts[each]} {each}"
        for each in _WORST_FIRST
        if counts.get(each)
    ]
    if not parts:
        return f"{of}: nothing is open"
    counted = " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
    return f"{of}: {counted} open in {digest['runs']} run{'' if digest['runs'] == 1 else 's'}"


def happened(digest: Mapping[str, Any]) -> str:
    """Say how many alerts opened and resolved since the last one."""
    return f"Since the last digest {digest['opened']} opened and {digest['resolved']} resolved."


def lines(digest: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a line for each of the worst alerts, and how many more there are."""
    named = [_line(each) for each in digest["alerts"][:MOST_LINES]]
    left = sum(digest["open"].values()) - len(named)
    return (*named, f"and {left} more") if left > 0 else tuple(named)


def _line(alert: Mapping[str, Any]) -> str:
    where = place(alert.get("detected"))
    held = " (acknowledged)" if alert.get("acknowledged") else ""
    tail = f", {where}" if where else ""
    title, run = _short(alert["title"]), _short(alert["run"]["name"])
    return f"{MARKS[cast('Tone', alert['severity'])]} {run}: {title} ({alert['code']}){tail}{held}"


def _short(text: object) -> str:
    whole = str(text)
    return whole if len(whole) <= _WORDS else whole[: _WORDS - 1] + "…"
