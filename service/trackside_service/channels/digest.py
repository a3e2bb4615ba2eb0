"""Many events as one message: what a group of them tells people (pure).

A person who is told the same forty times reads none of it. An alert is one line, told by its last event; where that
would be too many lines, alerts of one code and severity are counted over their runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import quote
from uuid import UUID, uuid5

from trackside_service.channels.base import Message
from trackside_service.channels.places import place
from trackside_service.channels.tones import MARKS, Tone

GROUP: Final = "alert.group"
MOST_LINES: Final = 10
_RUNS_NAMED: Final = 3
# Of a name or a title, so that no line crowds out the others; and of the project in a link, which can do without.
_WORDS: Final = 60
_IN_LINK: Final = 500
_NAMES: Final = UUID("5a0c2b1e-61a4-4f0e-9d5c-0d5cf3a1e7b4")
_WORST_FIRST: Final[tuple[Tone, ...]] = ("critical", "warning", "info", "acknowledged", "resolved")


@dataclass(frozen=True, slots=True)
class Summary:
    """What a group tells: `tone` is the worst in it, `runs` and `events` how many there are, `advice` that of the one
    defect that all of it is about (else empty).
    """

    tone: Tone
    headline: str
    lines: tuple[str, ...]
    advice: str
    runs: int
    events: int


@dataclass(frozen=True, slots=True)
class _Entry:
    """An alert of the group, by its last event."""

    tone: Tone
    title: str
    code: str
    run_id: str
    run: str
    project: str
    after: str
    advice: str


def together(messages: Sequence[Message], public_url: str | None) -> Message:
    """Return the one message that tells all of `messages` (at least one, in their order, none of them a test).

    About a single alert that is its last event, as it is told alone. The id follows from the ids of the messages, so
    the same group has the same id on every attempt.
    """
    last = messages[-1]
    if len({message.snapshot["alert"]["id"] for message in messages}) == 1:
        return last
    events = [{"type": each.type, "alert": each.snapshot["alert"], "run": each.snapshot["run"]} for each in messages]
    link = last.link
    if public_url is not None and len({event["run"]["id"] for event in events}) > 1:
        projects = {event["run"]["project"] for event in events}
        link = open_alerts(public_url, projects.pop() if len(projects) == 1 else None)
    name = " ".join(str(message.id) for message in messages)
    return Message(uuid5(_NAMES, name), GROUP, last.at, {"events": events}, link)


def open_alerts(public_url: str, project: str | None) -> str:
    """Return where people see the open alerts of a project (None: of all)."""
    only = "" if project is None else f"&project={quote(project, safe='')}"
    return f"{public_url}/v1/alerts?state=open{only if len(only) <= _IN_LINK else ''}"


def summary(snapshot: Mapping[str, Any]) -> Summary:
    """Return what a group's `snapshot` tells."""
    entries = _entries(snapshot["events"])
    codes, runs = {each.code for each in entries}, {each.run_id for each in entries}
    return Summary(
        tone=entries[0].tone,
        headline=_headline(entries, len(runs)),
        lines=_lines(entries),
        advice=next((each.advice for each in entries if each.advice), "") if len(codes) == 1 else "",
        runs=len(runs),
        events=len(snapshot["events"]),
    )


def _entries(events: Iterable[Mapping[str, Any]]) -> list[_Entry]:
    """Return the alerts, the worst first, else in the order of their first events."""
    of_alert: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        of_alert.setdefault(event["alert"]["id"], []).append(event)
    return sorted((_entry(each) for each in of_alert.values()), key=lambda each: _WORST_FIRST.index(each.tone))


def _entry(events: Sequence[Mapping[str, Any]]) -> _Entry:
    kinds = [event["type"].removeprefix("alert.") for event in events]
    alert, run, last = events[-1]["alert"], events[-1]["run"], kinds[-1]
    severity = cast("Tone", alert["severity"])
    tone: Tone = last if last in ("resolved", "acknowledged") else severity
    where = place(alert.get("resolved" if last == "resolved" else "detected"))
    said = {"changed": f"now {severity}", "reminder": f"still {severity}", "resolved": "resolved"}.get(last, "")
    if last == "acknowledged":
        by = (alert.get("acknowledged") or {}).get("by")
        said = f"acknowledged by {_short(by)}" if by else "acknowledged"
    if last == "resolved" and "opened" in kinds:
        said = "opened and resolved"
    return _Entry(
        tone=tone,
        title=_short(alert["title"]),
        code=str(alert["code"]),
        run_id=str(run["id"]),
        run=_short(run["name"]),
        project=_short(run["project"]),
        after="".join(f", {each}" for each in (where, said) if each),
        advice="" if last == "resolved" else str(alert.get("advice") or ""),
    )


def _headline(entries: Sequence[_Entry], runs: int) -> str:
    """Say how many of each there are, and where: "2 critical, 5 warnings and 1 resolved in 3 runs of vision"."""
    counts = Counter(each.tone for each in entries)
    parts = [
        f"{counts[tone]} warnings" if tone == "warning" and counts[tone] > 1 else f"{counts[tone]} {tone}"
        for tone in _WORST_FIRST
        if counts[tone]
    ]
    counted = " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
    projects = sorted({each.project for each in entries})
    of = projects[0] if len(projects) == 1 else f"{len(projects)} projects"
    return f"{counted} in {entries[0].run if runs == 1 else f'{runs} runs'} of {of}"


def _lines(entries: Sequence[_Entry]) -> tuple[str, ...]:
    if len(entries) <= MOST_LINES:
        return tuple(f"{MARKS[each.tone]} {each.run}: {each.title} ({each.code}){each.after}" for each in entries)
    counted: dict[tuple[Tone, str, str], list[_Entry]] = {}
    for each in entries:
        counted.setdefault((each.tone, each.code, each.title), []).append(each)
    lines = [_counted(alike) for alike in counted.values()]
    if len(lines) <= MOST_LINES:
        return tuple(lines)
    left = sum(len(alike) for alike in list(counted.values())[MOST_LINES:])
    return (*lines[:MOST_LINES], f"and {left} more")


def _counted(alike: Sequence[_Entry]) -> str:
    """Say it once for alerts of one tone and code: how often, and in which runs."""
    first = alike[0]
    state = f", {first.tone}" if first.tone in ("resolved", "acknowledged") else ""
    runs = list({each.run_id: each.run for each in alike}.values())
    more = f" and {len(runs) - _RUNS_NAMED} more" if len(runs) > _RUNS_NAMED else ""
    count = f"{len(alike)} × " if len(alike) > 1 else ""
    return f"{MARKS[first.tone]} {count}{first.title} ({first.code}){state}: {', '.join(runs[:_RUNS_NAMED])}{more}"


def _short(text: object) -> str:
    whole = str(text)
    return whole if len(whole) <= _WORDS else whole[: _WORDS - 1] + "…"
