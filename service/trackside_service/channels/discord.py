"""Discord, by a webhook of a text channel: one message an event, made of one embed.

The colour and the first character are the severity; then the run, where in the run it is, the numbers of the evidence,
and what to try. The title leads to the run. Whatever runs and metrics are called, it is shown as it is: markdown is
escaped, and nobody is called by `@`.

The address of a webhook is a secret: whoever knows it can post. It is stored encrypted and never shown again. Discord
answers 204. It takes 30 messages a minute for a channel, so no more are sent; a 429 says in its body for how long to
wait, which is honoured. A webhook that was deleted (404, code 10015) switches the channel off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from trackside_service.channels.base import Answer, Channel, Endpoint, Message, Out, Outcome, Request, judge
from trackside_service.channels.targets import Targets
from trackside_service.channels.tones import COLOURS
from trackside_service.channels.wording import ELLIPSIS, News, news, shortened, units
from trackside_service.errors import Fault, InvalidInputError

# Discord's limits of an embed (characters), and of all of it together.
MAX_TITLE: Final = 256
MAX_DESCRIPTION: Final = 4096
MAX_FIELDS: Final = 25
MAX_NAME: Final = 256
MAX_VALUE: Final = 1024
MAX_FOOTER: Final = 2048
MAX_TOTAL: Final = 6000
_PROSE: Final = 1200
_WORDS: Final = 200
_PLOT: Final = 1500
_LINE: Final = 85  # eleven of them make a value
# What begins bold, italics, code, spoilers, quotes, links, headings, mentions and emoji; and what makes a list item.
_MARKUP: Final = re.compile(r"[\\`*_~|<>\[\]()#@:]|^[ \t]*[-+](?= )", re.MULTILINE)
_UNKNOWN_WEBHOOK: Final = 10015


def render(message: Message) -> dict[str, Any]:
    """Return the JSON body of `message`."""
    told = news(message)
    embed: dict[str, Any] = {
        "title": escape(f"{told.mark} {told.headline}", MAX_TITLE),
        "description": _description(told),
        "color": COLOURS[told.tone],
        "timestamp": message.at.astimezone(UTC).isoformat(),
    }
    if told.link:
        embed["url"] = told.link
    if told.footer:
        embed["footer"] = {"text": shortened(told.footer, _WORDS)}
    embed["fields"] = _fitting(embed, _fields(told))
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def escape(text: str, limit: int) -> str:
    """Return `text` with every character of Discord's markdown escaped, at most `limit` long, no escape cut in two."""
    escaped = _MARKUP.sub(lambda found: found[0][:-1] + "\\" + found[0][-1], text)
    if units(escaped) <= limit:
        return escaped
    cut = shortened(escaped, limit).removesuffix(ELLIPSIS)
    dangling = len(cut) - len(cut.rstrip("\\"))
    return cut[: len(cut) - dangling % 2] + ELLIPSIS


def configure(url: str, secret: str | None, targets: Targets) -> Endpoint:
    """Check the address. Raises `InvalidInputError`, `TargetRefusedError`."""
    if secret is not None:
        reason = "Discord's webhooks take no secret: the address is the secret"
        raise InvalidInputError(reason, faults=[Fault("/secret", reason)])
    return Endpoint(url, None, targets.check(url).origin)


def send(message: Message, endpoint: Endpoint, out: Out, now: datetime) -> Outcome:
    """Send one message."""
    body = json.dumps(render(message), allow_nan=False).encode("ascii")
    answer = out.post(Request(endpoint.url, body, {"content-type": "application/json"}), now)
    outcome = judge(answer, endpoint)
    said = _said(answer)
    if answer.status_code == 429 and isinstance(wait := said.get("retry_after"), (int, float)) and 0 <= wait < 1e9:
        return replace(outcome, retry_after=float(wait))
    if answer.status_code == 404 and said.get("code") == _UNKNOWN_WEBHOOK:
        return replace(outcome, status="gone")
    return outcome


def _said(answer: Answer) -> dict[str, Any]:
    """Return the answer's JSON object, empty where it is none."""
    try:
        said = json.loads(answer.text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _description(told: News) -> str:
    parts = [escape(told.detail or "-", _PROSE)]
    if told.advice:
        parts.append("**What to try**\n" + escape(told.advice, _PROSE))
    if told.plot:
        parts.append("```\n" + shortened(told.plot.replace("`", "'"), _PLOT) + "\n```")
    return "\n\n".join(parts)


def _fields(told: News) -> list[dict[str, Any]]:
    fields = [
        {"name": escape(name or "-", _WORDS), "value": escape(value or "-", _WORDS), "inline": True}
        for name, value in (*told.about, *told.numbers)
    ]
    if told.listed:
        lines = "\n".join(f"• {escape(each, _LINE)}" for each in told.listed)
        fields.append({"name": told.listed_as, "value": lines, "inline": False})
    return fields[:MAX_FIELDS]


def _fitting(embed: dict[str, Any], fields: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return as many of the first `fields` as the whole has room for."""
    room = MAX_TOTAL - units(embed["title"]) - units(embed["description"])
    room -= units(embed.get("footer", {}).get("text", ""))
    fitting = []
    for field in fields:
        room -= units(field["name"]) + units(field["value"])
        if room < 0:
            break
        fitting.append(field)
    return fitting


CHANNEL: Final = Channel(
    kind="discord",
    title="Discord",
    page=__doc__ or "",
    configure=configure,
    payload=render,
    send=send,
    per_minute=30,
    for_people=True,
)
