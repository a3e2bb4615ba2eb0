"""Microsoft Teams, by a workflow: "Post to a channel when a webhook request is received". One Adaptive Card an event.

In Teams, choose Workflows at the channel, take that template, and give its address. (The older connectors' addresses
and message cards are no longer served by Microsoft.) The severity is the colour of the card's head; then the run, where
in the run it is, the numbers of the evidence, what to try, and a button that opens the run. Texts are runs of plain
text, in which neither markdown nor a mention means anything.

The address carries its signature and is a secret. It is stored encrypted and never shown again. A workflow answers 202
before it posts; why it did not post is to be read in its run history.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from trackside_service.channels.base import Channel, Endpoint, Message, Out, Outcome, Request, judge
from trackside_service.channels.targets import Targets
from trackside_service.channels.tones import Tone
from trackside_service.channels.wording import News, news, shortened
from trackside_service.errors import Fault, InvalidInputError

# Teams takes about 28 KB, of which its own form of the message needs a part.
MAX_BYTES: Final = 20_000
MAX_ITEMS: Final = 60
_PROSE: Final = 1500
_WORDS: Final = 200
_STYLES: Final[Mapping[Tone, str]] = {
    "critical": "attention",
    "warning": "warning",
    "info": "accent",
    "resolved": "good",
    "acknowledged": "emphasis",
    "test": "emphasis",
}

Element = dict[str, Any]


def render(message: Message) -> dict[str, Any]:
    """Return the JSON body of `message`: a message with one card."""
    told = news(message)
    body = _body(told)[:MAX_ITEMS]
    while len(encode(_card(told, body))) > MAX_BYTES:
        body.pop()
    return _card(told, body)


def encode(body: Mapping[str, Any]) -> bytes:
    """Return the bytes of a body."""
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")


def configure(url: str, secret: str | None, targets: Targets) -> Endpoint:
    """Check the address. Raises `InvalidInputError`, `TargetRefusedError`."""
    if secret is not None:
        reason = "a Teams workflow takes no secret: the address is the secret"
        raise InvalidInputError(reason, faults=[Fault("/secret", reason)])
    return Endpoint(url, None, targets.check(url).origin)


def send(message: Message, endpoint: Endpoint, out: Out, now: datetime) -> Outcome:
    """Send one message."""
    request = Request(endpoint.url, encode(render(message)), {"content-type": "application/json; charset=utf-8"})
    return judge(out.post(request, now), endpoint)


def _card(told: News, body: list[Element]) -> dict[str, Any]:
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": shortened(f"{told.mark} {told.line}", _PROSE),
        "msteams": {"width": "Full"},
        "body": body,
    }
    if told.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": told.opens, "url": told.link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _body(told: News) -> list[Element]:
    """Return the card's parts, the dearest first: what has no room is left out from the end."""
    head = _text(f"{told.mark} {told.headline}", weight="Bolder", size="Medium")
    body: list[Element] = [
        {"type": "Container", "style": _STYLES[told.tone], "bleed": True, "items": [head]},
        _text(told.detail),
        *(_pair(name, value) for name, value in told.about),
    ]
    if told.advice:
        body += [_title("What to try"), _text(told.advice)]
    body += [_pair(name, value) for name, value in told.numbers]
    if told.listed:
        body += [_title(told.listed_as), *(_text(f"• {each}", "None") for each in told.listed)]
    if told.footer:
        body.append(_text(told.footer, isSubtle=True, size="Small"))
    # No-break spaces, and a line an element: a client may join spaces and lines.
    body += [_text(line.replace(" ", "\u00a0"), "None", fontType="Monospace") for line in told.plot.splitlines()]
    return body


def _text(text: str, spacing: str = "Default", **looks: Any) -> Element:
    run = {"type": "TextRun", "text": shortened(text or "-", _PROSE), **looks}
    return {"type": "RichTextBlock", "spacing": spacing, "inlines": [run]}


def _title(text: str) -> Element:
    return _text(text, "Medium", weight="Bolder")


def _pair(name: str, value: str) -> Element:
    runs = [
        {"type": "TextRun", "text": f"{shortened(name or '-', _WORDS)}: ", "weight": "Bolder"},
        {"type": "TextRun", "text": shortened(value or "-", _WORDS)},
    ]
    return {"type": "RichTextBlock", "spacing": "None", "inlines": runs}


CHANNEL: Final = Channel(
    kind="teams",
    title="Teams",
    page=__doc__ or "",
    configure=configure,
    payload=render,
    send=send,
    per_minute=240,
    for_people=True,
)
