"""What a message tells people, in plain text and in parts: every channel that people read dresses the same words."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from trackside_service.channels import daily
from trackside_service.channels.base import Message
from trackside_service.channels.digest import GROUP, open_alerts, summary
from trackside_service.channels.places import place
from trackside_service.channels.plot import plot
from trackside_service.channels.tones import MARKS, Tone

ELLIPSIS: Final = "…"
_SYMPTOMS: Final = 10
_NUMBERS: Final = 10


@dataclass(frozen=True, slots=True)
class News:
    """The parts of a message, none of them escaped or bounded.

    `line` is all of it in one line; `detail` what happened; `about` where, and `numbers` the single values of the
    evidence, both as (name, value); `listed` the alerts that follow from this one, or those of a group, under
    `listed_as`; `plot` lines of text for a font of one width; `advice` what to try (empty once resolved); `footer` what
    it is called by machines; `link` leads to the run or, as `opens` says, elsewhere. Any of them may be empty.
    """

    tone: Tone
    headline: str
    line: str
    detail: str
    about: tuple[tuple[str, str], ...] = ()
    numbers: tuple[tuple[str, str], ...] = ()
    listed: tuple[str, ...] = ()
    listed_as: str = "What follows from it"
    plot: str = ""
    advice: str = ""
    footer: str = ""
    link: str | None = None
    opens: str = "Open the run"

    @property
    def mark(self) -> str:
        """The tone as one character."""
        return MARKS[self.tone]


def news(message: Message) -> News:
    """Return what `message` tells."""
    if message.type == "channel.test":
        headline = f"A test from Trackside: channel {message.snapshot['channel']['name']} works"
        detail = "Alerts about training runs will arrive here."
        return News("test", headline, headline, detail, link=message.link)
    if message.type == GROUP:
        return _group(message)
    if message.type == "channel.disabled":
        return _disabled(message)
    if message.type == daily.DIGEST:
        return _digest(message)
    alert, run = message.snapshot["alert"], message.snapshot["run"]
    resolved = message.type == "alert.resolved"
    tone, headline = _headline(message.type, alert)
    where = place(alert.get("resolved" if resolved else "detected"))
    return News(
        tone=tone,
        headline=headline,
        line=f"{headline} ({alert['code']}) in {run['name']} of {run['project']}" + (f", {where}" if where else ""),
        detail=_detail(message, alert),
        about=_about(resolved, alert, run),
        numbers=_numbers(alert.get("evidence") or {}),
        listed=_follows(alert.get("symptoms") or ()),
        plot=_plotted(message.snapshot.get("lr_plot")),
        advice="" if resolved else str(alert.get("advice") or ""),
        footer=f"{alert['code']} on {alert['subject']} · run {run['id']}",
        link=message.link,
    )


def link_of(public_url: str | None, snapshot: Mapping[str, Any]) -> str | None:
    """Return where people see the run, the channel or the alerts that a message is about; None where there is none, or
    the service does not know its own address.
    """
    if public_url is None:
        return None
    if run := snapshot.get("run"):
        return f"{public_url}/v1/runs/{run['id']}/health"
    if channel := snapshot.get("channel"):
        return f"{public_url}/v1/channels/{channel['id']}"
    if digest := snapshot.get("digest"):
        return open_alerts(public_url, digest["project"])
    return None


def shortened(text: str, limit: int) -> str:
    """Return at most `limit` characters, one beyond the basic plane counted twice, as chat services do."""
    if units(text) <= limit:
        return text
    text = text[:limit]
    while (excess := units(text) - limit + len(ELLIPSIS)) > 0:
        text = text[: -max(1, excess // 2)]
    return text + ELLIPSIS


def units(text: str) -> int:
    """Return the length of `text` as JavaScript counts it (UTF-16)."""
    return len(text) + sum(char > "\uffff" for char in text)


def printable(text: str) -> str:
    """Return `text` on one line, each run of white space and of what cannot be printed as one space."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _group(message: Message) -> News:
    told = summary(message.snapshot)
    return News(
        tone=told.tone,
        headline=told.headline,
        line=told.headline,
        detail="What happened since the last message here, the worst first.",
        listed=told.lines,
        listed_as="Alerts",
        advice=told.advice,
        footer=f"{told.events} events in one message",
        link=message.link,
        opens="Open the run" if told.runs == 1 else "Open the alerts",
    )


def _digest(message: Message) -> News:
    digest = message.snapshot["digest"]
    headline = daily.headline(digest)
    return News(
        tone=daily.tone_of(digest),
        headline=headline,
        line=headline,
        detail=daily.happened(digest),
        listed=daily.lines(digest),
        listed_as="Open alerts",
        footer=f"digest of {digest['since']} to {digest['until']}",
        link=message.link,
        opens="Open the alerts",
    )


def _disabled(message: Message) -> News:
    lost, how = message.snapshot["channel"], message.snapshot["disabled"]
    headline = f"No alerts reach the channel {lost['name']} any more"
    given_up = int(how.get("given_up") or 0)
    waited = {0: "", 1: " One message that waited was given up."}.get(
        given_up, f" {given_up} messages that waited were given up."
    )
    about = [("Channel", str(lost["name"])), ("Kind", str(lost["kind"])), ("Target", str(lost["target"]))]
    about.append(("Project", str(lost.get("project") or "all")))
    if lasted := _between(how.get("failing_since"), how.get("at")):
        about.append(("Failing for", lasted))
    return News(
        tone="critical",
        headline=headline,
        line=headline,
        detail=f"It was switched off: {how['reason']}.{waited}",
        about=tuple(about),
        advice=(
            f"Mend the other side, then POST /v1/channels/{lost['id']}/test: a test that succeeds switches it on. "
            "POST /v1/replays sends what was given up. Or delete the channel."
        ),
        footer=f"channel {lost['id']}",
        link=message.link,
        opens="Open the channel",
    )


def _headline(kind: str, alert: Mapping[str, Any]) -> tuple[Tone, str]:
    severity, title = str(alert["severity"]), str(alert["title"])
    if kind == "alert.resolved":
        return "resolved", f"Resolved: {title}"
    if kind == "alert.acknowledged":
        by = (alert.get("acknowledged") or {}).get("by")
        return "acknowledged", f"Acknowledged{f' by {by}' if by else ''}: {title}"
    words = {"alert.changed": f"Now {severity}", "alert.reminder": f"Still {severity}"}
    return cast("Tone", severity), f"{words.get(kind, severity.capitalize())}: {title}"


def _detail(message: Message, alert: Mapping[str, Any]) -> str:
    detail = str(alert["detail"])
    if message.type == "alert.resolved":
        lasted = _between(alert.get("opened_at"), alert.get("resolved_at"))
        return f"This is over{f' after {lasted}' if lasted else ''}: {detail}"
    if message.type == "alert.reminder":
        lasted = _between(alert.get("opened_at"), message.at.isoformat())
        return f"This has been open{f' for {lasted}' if lasted else ''}, and nobody has taken it: {detail}"
    note = (alert.get("acknowledged") or {}).get("note")
    return f"{note} ({detail})" if message.type == "alert.acknowledged" and note else detail


def _about(resolved: bool, alert: Mapping[str, Any], run: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    about = [
        ("Run", str(run["name"])),
        ("Project", str(run["project"])),
        ("Since", place(alert.get("opened")) or "before training"),
    ]
    if resolved:
        about.append(("Until", place(alert.get("resolved")) or "an unknown place"))
    elif alert.get("detected") and alert["detected"] != alert.get("opened"):
        about.append(("Seen", place(alert["detected"]) or "an unknown place"))
    if run.get("tags"):
        about.append(("Tags", ", ".join(str(tag) for tag in run["tags"])))
    return tuple(about)


def _follows(symptoms: Any) -> tuple[str, ...]:
    lines = [f"{each['title']} ({each['code']})" for each in symptoms[:_SYMPTOMS]]
    return (*lines, f"and {len(symptoms) - _SYMPTOMS} more") if len(symptoms) > _SYMPTOMS else tuple(lines)


def _plotted(points: Mapping[str, Any] | None) -> str:
    if not points:
        return ""
    return plot(
        [float(x) for x in points["at"]],
        [_number(rate) for rate in points["expected"]],
        [_number(rate) for rate in points["observed"]],
        unit=str(points.get("unit", "step")),
    )


def _number(rate: object) -> float | None:
    """Return a rate that can be drawn; on the wire a NaN is a string."""
    return float(rate) if isinstance(rate, (int, float)) else None


def _numbers(evidence: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the single values of the evidence; objects and lists in it are for machines."""
    found = [(_label(name), _value(value)) for name, value in evidence.items() if isinstance(value, (str, int, float))]
    return tuple(found[:_NUMBERS])


def _label(name: str) -> str:
    words = [word.upper() if word == "lr" else word for word in re.split(r"[_\s]+", name.strip())]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.6g}"
    return str(value)


def _between(opened: object, until: object) -> str:
    """Say how long that was, from times in RFC 3339; empty where one is missing."""
    if not isinstance(opened, str) or not isinstance(until, str):
        return ""
    seconds = (datetime.fromisoformat(until) - datetime.fromisoformat(opened)).total_seconds()
    return _duration(max(0.0, seconds))


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "less than a second"
    whole = round(seconds)
    units_of = [(86400, "d"), (3600, "h"), (60, "min"), (1, "s")]
    parts = []
    for size, name in units_of:
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])
