"""Slack, by an incoming webhook: one message an event, made of Block Kit blocks.

The severity is the first thing seen; then the run, where in the run it is, the numbers of the evidence, and what to
try. A resolved message says what is over and how long it lasted. Where the learning rate is the matter and its points
are known, a small plot shows the expected rate against the observed one.

The address of an incoming webhook is a secret: whoever knows it can post. It is stored encrypted and never shown
again. Slack takes about one message a second for a channel and says `Retry-After` beyond that, which is honoured.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from trackside_service.channels.base import Channel, Endpoint, Message, Outcome, Post, Request, judge
from trackside_service.channels.plot import plot
from trackside_service.channels.targets import Targets
from trackside_service.errors import Fault, InvalidInputError

# Block Kit's limits (characters), and the undocumented one of a whole message, about 13,200, kept well clear of.
MAX_HEADER: Final = 150
MAX_SECTION: Final = 3000
MAX_FIELD: Final = 2000
MAX_FIELDS: Final = 10
MAX_BLOCKS: Final = 50
_PROSE: Final = 2500
_VALUE: Final = 200
_ELLIPSIS: Final = "…"

_MARKS: Final[Mapping[str, str]] = {
    "critical": "🔴",
    "warning": "🟠",
    "info": "🔵",
    "resolved": "🟢",
    "acknowledged": "👀",
    "test": "🏁",
}

Block = dict[str, Any]


def render(message: Message) -> dict[str, Any]:
    """Return the JSON body of `message`: `text` for notifications, and `blocks`."""
    if message.type == "channel.test":
        return _test(message)
    alert, run = message.snapshot["alert"], message.snapshot["run"]
    headline = _headline(message.type, alert)
    blocks: list[Block] = [
        {"type": "header", "text": {"type": "plain_text", "text": escape(headline, MAX_HEADER), "emoji": True}}
    ]
    if message.type == "alert.resolved":
        blocks.append(_section(f"This is over{_lasted(alert)}: {alert['detail']}"))
    else:
        blocks.append(_section(str(alert["detail"])))
    blocks += _fields(_about(message.type, alert, run))
    blocks += _fields(_numbers(alert.get("evidence") or {}))
    blocks += _symptoms(alert.get("symptoms") or ())
    blocks += _plotted(message.snapshot.get("lr_plot"))
    if message.type != "alert.resolved" and alert.get("advice"):
        blocks.append(_section(str(alert["advice"]), before="*What to try*\n"))
    blocks.append(
        {
            "type": "context",
            "elements": [
                {
                    "type": "mrkdwn",
                    "text": escape(f"{alert['code']} on {alert['subject']} · run {run['id']}", MAX_FIELD),
                }
            ],
        }
    )
    where = _place(alert.get("resolved" if message.type == "alert.resolved" else "detected"))
    text = f"{headline} ({alert['code']}) in {run['name']} of {run['project']}" + (f", {where}" if where else "")
    return {
        "text": escape(text, MAX_SECTION),
        "blocks": blocks[:MAX_BLOCKS],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def escape(text: str, limit: int) -> str:
    """Return `text` with Slack's control characters `& < >` escaped, at most `limit` long, no escape cut in two.

    A character beyond the basic plane counts twice, as it does where Slack counts.
    """
    pieces: list[str] = []
    room = limit
    for char in text:
        pieces.append({"&": "&amp;", "<": "&lt;", ">": "&gt;"}.get(char, char))
        room -= _units(pieces[-1])
        if room < 0:
            while room < len(_ELLIPSIS):
                room += _units(pieces.pop())
            return "".join(pieces) + _ELLIPSIS
    return "".join(pieces)


def configure(url: str, secret: str | None, targets: Targets) -> Endpoint:
    """Check the address. Raises `InvalidInputError`, `TargetRefusedError`."""
    if secret is not None:
        reason = "Slack's incoming webhooks take no secret: the address is the secret"
        raise InvalidInputError(reason, faults=[Fault("/secret", reason)])
    return Endpoint(url, None, targets.check(url).origin)


def send(message: Message, endpoint: Endpoint, post: Post, now: datetime) -> Outcome:
    """Send one message."""
    body = json.dumps(render(message), allow_nan=False).encode("ascii")
    return judge(post(Request(endpoint.url, body, {"content-type": "application/json"}), now), endpoint)


def _units(piece: str) -> int:
    return 2 if piece > "\uffff" else len(piece)


def _test(message: Message) -> dict[str, Any]:
    text = f"{_MARKS['test']} A test from Trackside: channel {message.snapshot['channel']['name']} works"
    return {
        "text": escape(text, MAX_SECTION),
        "blocks": [_section(f"{text}. Alerts about training runs will arrive here.")],
    }


def _headline(kind: str, alert: Mapping[str, Any]) -> str:
    severity = str(alert["severity"])
    if kind == "alert.resolved":
        return f"{_MARKS['resolved']} Resolved: {alert['title']}"
    if kind == "alert.acknowledged":
        held = alert.get("acknowledged") or {}
        by = f" by {held['by']}" if held.get("by") else ""
        return f"{_MARKS['acknowledged']} Acknowledged{by}: {alert['title']}"
    words = {"alert.changed": f"Now {severity}", "alert.reminder": f"Still {severity}"}
    word = words.get(kind, severity.capitalize())
    return f"{_MARKS[severity]} {word}: {alert['title']}"


def _about(kind: str, alert: Mapping[str, Any], run: Mapping[str, Any]) -> list[tuple[str, str]]:
    about = [
        ("Run", str(run["name"])),
        ("Project", str(run["project"])),
        ("Since", _place(alert.get("opened")) or "before training"),
    ]
    if kind == "alert.resolved":
        about.append(("Until", _place(alert.get("resolved")) or "an unknown place"))
    elif alert.get("detected") and alert["detected"] != alert.get("opened"):
        about.append(("Seen", _place(alert["detected"]) or "an unknown place"))
    if run.get("tags"):
        about.append(("Tags", ", ".join(str(tag) for tag in run["tags"])))
    return about


def _section(text: str, *, before: str = "") -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": before + escape(text or "-", _PROSE)}}


def _fields(pairs: Sequence[tuple[str, str]]) -> list[Block]:
    if not pairs:
        return []
    fields = [
        {"type": "mrkdwn", "text": f"*{escape(name, _VALUE)}*\n{escape(value or '-', _VALUE)}"} for name, value in pairs
    ]
    return [{"type": "section", "fields": fields[:MAX_FIELDS]}]


def _symptoms(symptoms: Sequence[Mapping[str, Any]]) -> list[Block]:
    if not symptoms:
        return []
    lines = [f"• {each['title']} ({each['code']})" for each in symptoms[:MAX_FIELDS]]
    lines += [f"• and {len(symptoms) - MAX_FIELDS} more"] if len(symptoms) > MAX_FIELDS else []
    return [_section("\n".join(lines), before="*What follows from it*\n")]


def _plotted(points: Mapping[str, Any] | None) -> list[Block]:
    if not points:
        return []
    drawn = plot(
        [float(x) for x in points["at"]],
        [_number(rate) for rate in points["expected"]],
        [_number(rate) for rate in points["observed"]],
        unit=str(points.get("unit", "step")),
    )
    return (
        [{"type": "section", "text": {"type": "mrkdwn", "text": f"```\n{escape(drawn, MAX_SECTION - 10)}\n```"}}]
        if drawn
        else []
    )


def _number(rate: object) -> float | None:
    """Return a rate that can be drawn; on the wire a NaN is a string."""
    return float(rate) if isinstance(rate, (int, float)) else None


def _numbers(evidence: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the single values of the evidence; objects and lists in it are for machines."""
    return [(_label(name), _value(value)) for name, value in evidence.items() if isinstance(value, (str, int, float))]


def _label(name: str) -> str:
    words = [word.upper() if word == "lr" else word for word in re.split(r"[_\s]+", name.strip())]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.6g}"
    return str(value)


def _place(place: Mapping[str, Any] | None) -> str:
    """Say where in the run; empty where that is not known."""
    parts = [f"{name} {place[name]:g}" for name in ("epoch",) if place and place.get(name) is not None]
    parts += [f"step {place['step']}"] if place and place.get("step") is not None else []
    return ", ".join(parts)


def _lasted(alert: Mapping[str, Any]) -> str:
    """Say for how long, from the alert's own times (RFC 3339)."""
    opened, resolved = alert.get("opened_at"), alert.get("resolved_at")
    if not isinstance(opened, str) or not isinstance(resolved, str):
        return ""
    seconds = (datetime.fromisoformat(resolved) - datetime.fromisoformat(opened)).total_seconds()
    return f" after {_duration(max(0.0, seconds))}"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "less than a second"
    whole = round(seconds)
    units = [(86400, "d"), (3600, "h"), (60, "min"), (1, "s")]
    parts = []
    for size, name in units:
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])


CHANNEL: Final = Channel(
    kind="slack", title="Slack", page=__doc__ or "", configure=configure, send=send, for_people=True
)
