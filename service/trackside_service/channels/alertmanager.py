"""Prometheus Alertmanager, by its API v2: each alert with its labels, and its end when it is over.

The address is Alertmanager's own (`https://alertmanager.example.org`, or with the path that it is served under); the
messages go to `/api/v2/alerts` there. Where it asks who one is, the channel's secret is `user:password` (Basic), or a
token (Bearer).

The labels tell alerts apart and are the same from the opening to the end: `alertname` (the rule's name), `code`,
`severity`, `project`, `run`, `run_id`, `subject`, `episode`, and `source="trackside"`. `generatorURL` leads to the run.
The words are annotations: `summary`, `description`, `advice`, and `version`, that of this form.

An alert that is open ends a week from the message at the earliest, so that Alertmanager does not take it for over after
its `resolve_timeout`; a reminder puts that off, and a resolution brings the true end. A severity that changes makes
another alert of it, and the one with the old severity ends. The test fires for five minutes, and that another channel
was switched off (`TracksideChannelDisabled`) for a day.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from trackside_service.channels.base import Channel, Endpoint, Message, Out, Outcome, Request, judge
from trackside_service.channels.targets import Targets
from trackside_service.channels.wording import News, news, shortened
from trackside_service.errors import Fault, InvalidInputError, RuleNotFoundError
from trackside_service.rules import rule

PATH: Final = "/api/v2/alerts"
VERSION: Final = 1
OPEN_FOR: Final = timedelta(days=7)
DISABLED_FOR: Final = timedelta(days=1)
TEST_FOR: Final = timedelta(minutes=5)
_SEVERITIES: Final = ("critical", "warning", "info")
_LABEL: Final = 200
_ANNOTATION: Final = 2000


def render(message: Message) -> list[dict[str, Any]]:
    """Return the JSON body of `message`: alerts after Alertmanager's API v2."""
    told = news(message)
    if told.tone == "test":
        labels = {"alertname": "TracksideTest", "severity": "info", "source": "trackside"}
        return [_postable(labels, told, message.at, message.at + TEST_FOR)]
    if message.type == "channel.disabled":
        lost = message.snapshot["channel"]
        labels = {
            "alertname": "TracksideChannelDisabled",
            "severity": "critical",
            "channel": shortened(str(lost["name"]), _LABEL),
            "channel_id": str(lost["id"]),
            "source": "trackside",
        }
        return [_postable(labels, told, message.at, message.at + DISABLED_FOR)]
    alert = message.snapshot["alert"]
    severity = str(alert["severity"])
    since = datetime.fromisoformat(alert["opened_at"])
    until = message.at + OPEN_FOR
    if message.type == "alert.resolved":
        until = max(since, datetime.fromisoformat(alert["resolved_at"] or message.at.isoformat()))
    alerts = [_postable(_labels(message, severity), told, since, until)]
    if message.type in ("alert.changed", "alert.resolved"):
        # It may have been told with another severity before, which is over now. Of two messages about the same labels
        # Alertmanager keeps the earlier start: one that never fired has no time between start and end.
        over = max(since, min(until, message.at))
        alerts += [_postable(_labels(message, each), told, over, over) for each in _SEVERITIES if each != severity]
    return alerts


def configure(url: str, secret: str | None, targets: Targets) -> Endpoint:
    """Check the address and complete it. Raises `InvalidInputError`, `TargetRefusedError`."""
    target = targets.check(url)
    path, mark, query = target.path.partition("?")
    path = path.rstrip("/")
    whole = replace(target, path=(path if path.endswith(PATH) else path + PATH) + mark + query)
    if secret is not None and not (secret.isascii() and secret.isprintable() and secret.strip() == secret != ""):
        reason = "Alertmanager's secret is user:password, or a token, in printable ASCII"
        raise InvalidInputError(reason, faults=[Fault("/secret", reason)])
    return Endpoint(whole.origin + whole.path, secret, target.origin)


def send(message: Message, endpoint: Endpoint, out: Out, now: datetime) -> Outcome:
    """Send one message."""
    body = json.dumps(render(message), allow_nan=False).encode("ascii")
    headers = {"content-type": "application/json"}
    if endpoint.secret is not None:
        basic = base64.b64encode(endpoint.secret.encode()).decode("ascii")
        headers["authorization"] = f"Basic {basic}" if ":" in endpoint.secret else f"Bearer {endpoint.secret}"
    return judge(out.post(Request(endpoint.url, body, headers), now), endpoint)


def _labels(message: Message, severity: str) -> dict[str, str]:
    alert, run = message.snapshot["alert"], message.snapshot["run"]
    labels = {
        "alertname": _name(str(alert["code"])),
        "code": str(alert["code"]),
        "severity": severity,
        "project": str(run["project"]),
        "run": str(run["name"]),
        "run_id": str(run["id"]),
        "subject": str(alert["subject"]),
        "episode": str(alert.get("episode", 1)),
        "source": "trackside",
    }
    return {name: shortened(value, _LABEL) for name, value in labels.items() if value}


def _name(code: str) -> str:
    """Return the rule's name in the way of Prometheus' alerts; of an unknown rule, its code."""
    try:
        return "".join(word[:1].upper() + word[1:] for word in rule(code).name.replace("-", " ").split())
    except RuleNotFoundError:
        return code or "Trackside"


def _postable(labels: Mapping[str, str], told: News, since: datetime, until: datetime) -> dict[str, Any]:
    annotations = {
        "summary": told.headline,
        "description": told.detail,
        "advice": told.advice,
        "follows": "\n".join(told.listed),
        "version": str(VERSION),
    }
    annotations |= {name.lower(): value for name, value in told.about if name not in ("Run", "Project")}
    alert: dict[str, Any] = {
        "labels": dict(labels),
        "annotations": {name: shortened(value, _ANNOTATION) for name, value in annotations.items() if value},
        "startsAt": _time(since),
        "endsAt": _time(until),
    }
    return {**alert, "generatorURL": told.link} if told.link else alert


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


CHANNEL: Final = Channel(
    kind="alertmanager",
    title="Alertmanager",
    page=__doc__ or "",
    configure=configure,
    payload=render,
    send=send,
    version=VERSION,
    takes_digest=False,
)
