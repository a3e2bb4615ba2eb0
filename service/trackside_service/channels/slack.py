"""Slack, by an incoming webhook: one message an event, made of Block Kit blocks.

The severity is the first thing seen; then the run, where in the run it is, the numbers of the evidence, and what to
try, with a link to the run. A resolved message says what is over and how long it lasted. Where the learning rate is the
matter and its points are known, a small plot shows the expected rate against the observed one.

The address of an incoming webhook is a secret: whoever knows it can post. It is stored encrypted and never shown
again. Slack takes about one message a second for a channel, so no more are sent; where it says `Retry-After` all the
same, the channel waits.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from trackside_service.channels.base import Channel, Endpoint, Message, Out, Outcome, Request, judge
from trackside_service.channels.targets import Targets
from trackside_service.channels.wording import ELLIPSIS, News, news, units
from trackside_service.errors import Fault, InvalidInputError

# Block Kit's limits (characters), and the undocumented one of a whole message, about 13,200, kept well clear of.
MAX_HEADER: Final = 150
MAX_SECTION: Final = 3000
MAX_FIELD: Final = 2000
MAX_FIELDS: Final = 10
MAX_BLOCKS: Final = 50
_PROSE: Final = 2500
_VALUE: Final = 200

Block = dict[str, Any]


def render(message: Message) -> dict[str, Any]:
    """Return the JSON body of `message`: `text` for notifications, and `blocks`."""
    told = news(message)
    headline = f"{told.mark} {told.headline}"
    if told.tone == "test":
        return {"text": escape(headline, MAX_SECTION), "blocks": [_section(f"{headline}. {told.detail}")]}
    blocks: list[Block] = [
        {"type": "header", "text": {"type": "plain_text", "text": escape(headline, MAX_HEADER), "emoji": True}},
        _section(told.detail),
        *_fields(told.about),
        *_fields(told.numbers),
    ]
    if told.listed:
        lines = "\n".join(f"• {escape(each, _VALUE)}" for each in told.listed)
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"*{told.listed_as}*\n{lines}"}})
    if told.plot:
        drawn = f"```\n{escape(told.plot, MAX_SECTION - 10)}\n```"
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": drawn}})
    if told.advice:
        blocks.append(_section(told.advice, before="*What to try*\n"))
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": _footer(told)}]})
    return {
        "text": escape(f"{told.mark} {told.line}", MAX_SECTION),
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
        room -= units(pieces[-1])
        if room < 0:
            while room < len(ELLIPSIS):
                room += units(pieces.pop())
            return "".join(pieces) + ELLIPSIS
    return "".join(pieces)


def configure(url: str, secret: str | None, targets: Targets) -> Endpoint:
    """Check the address. Raises `InvalidInputError`, `TargetRefusedError`."""
    if secret is not None:
        reason = "Slack's incoming webhooks take no secret: the address is the secret"
        raise InvalidInputError(reason, faults=[Fault("/secret", reason)])
    return Endpoint(url, None, targets.check(url).origin)


def send(message: Message, endpoint: Endpoint, out: Out, now: datetime) -> Outcome:
    """Send one message."""
    body = json.dumps(render(message), allow_nan=False).encode("ascii")
    return judge(out.post(Request(endpoint.url, body, {"content-type": "application/json"}), now), endpoint)


def _section(text: str, *, before: str = "") -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": before + escape(text or "-", _PROSE)}}


def _fields(pairs: Sequence[tuple[str, str]]) -> list[Block]:
    if not pairs:
        return []
    fields = [
        {"type": "mrkdwn", "text": f"*{escape(name, _VALUE)}*\n{escape(value or '-', _VALUE)}"} for name, value in pairs
    ]
    return [{"type": "section", "fields": fields[:MAX_FIELDS]}]


def _footer(told: News) -> str:
    """Return the last line: what machines call it, and the link, whose address may hold no character of Slack's own."""
    link = f" · <{escape(told.link, MAX_FIELD).replace('|', '%7C')}|{told.opens}>" if told.link else ""
    return escape(told.footer, MAX_FIELD - units(link)) + link


CHANNEL: Final = Channel(
    kind="slack",
    title="Slack",
    page=__doc__ or "",
    configure=configure,
    payload=render,
    send=send,
    per_minute=60,
    for_people=True,
)
