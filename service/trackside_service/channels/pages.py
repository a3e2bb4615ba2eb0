"""Writes docs/channels.md: `python -m trackside_service.channels.pages > docs/channels.md`."""

from __future__ import annotations

import json
import sys
from inspect import cleandoc
from typing import Final

from trackside_service.channels import CHANNELS
from trackside_service.channels.base import Channel
from trackside_service.channels.examples import DIGEST_EXAMPLE, EXAMPLES, GROUP_EXAMPLE

SHOWN: Final = ("opened", "resolved")
_INTRODUCTION: Final = """\
# The channels

Where alerts go, one page a kind. Generated from the channels' own files, with the messages that the tests pin.

A channel is made with `POST /v1/channels {"kind", "name", "url", ...}`; `POST /v1/channels/{id}/test` sends it a
message at once and says plainly what the other side answered. Every kind keeps the same rules:

- The address and the secret are encrypted at rest and never shown again, in no log, error or answer; of an address only
  scheme and host are shown.
- Targets on private, loopback, link-local and metadata networks are refused unless `TRACKSIDE_ALLOW_TARGETS` names
  them. The check is made on the address that is connected to, at the time of connecting. The connection is encrypted;
  only within those networks it need not be.
- Redirects are not followed. A receiver has 20 seconds, and no more than 4 KiB of its answer are read.
- What may pass is tried again, at the times of `TRACKSIDE_RETRY_SCHEDULE`, for about three days; what the receiver
  refuses for good is not. A message keeps its id on every attempt. Two messages about one alert leave in their order;
  one that is tried again holds up no other alert.
- No more is sent than the other side takes or the channel's `max_per_minute` allows. A 429 pauses its channel for as
  long as it asks.
- A channel is told of its `project`, `min_severity`, rules (`codes`), `tags` and `events`; all of it has to fit.
- 410, ten messages in a row that were refused for good over an hour, or three days in which nothing arrived, though it
  was tried again and again, switch a channel off, and the others are told of it.
- Where people read, events that follow a message within `TRACKSIDE_GROUP_WINDOW_S` (30 seconds unless set) become one
  message, as the last example of such a kind shows. A webhook and an Alertmanager get each event by itself.
- With `TRACKSIDE_PUBLIC_URL` set, messages link to their run.
- The form of a message has a version. It rises when a receiver that reads the message would have to change; things may
  be added without.

"""


def page(channel: Channel) -> str:
    """Return the page of one kind in Markdown."""
    title, _, body = cleandoc(channel.page).partition("\n")
    lines = [f"## {channel.title}", "", f"`{channel.kind}`, version {channel.version}. {title}", "", body.strip(), ""]
    for name in SHOWN:
        shown = json.dumps(channel.payload(EXAMPLES[name]), indent=2, ensure_ascii=False)
        lines += [f"An alert that {_HAPPENED[name]}:", "", "```json", shown, "```", ""]
    if channel.for_people:
        shown = json.dumps(channel.payload(GROUP_EXAMPLE), indent=2, ensure_ascii=False)
        lines += ["Three events of two runs in one message:", "", "```json", shown, "```", ""]
    if channel.takes_digest and channel.for_people:
        shown = json.dumps(channel.payload(DIGEST_EXAMPLE), indent=2, ensure_ascii=False)
        lines += ["The digest:", "", "```json", shown, "```", ""]
    return "\n".join(lines)


def document() -> str:
    """Return docs/channels.md."""
    listing = "".join(f"- [`{each.kind}`](#{each.title.lower().replace(' ', '-')})\n" for each in CHANNELS)
    return f"{_INTRODUCTION}{listing}\n" + "\n".join(page(each) for each in CHANNELS)


_HAPPENED: Final = {"opened": "was opened", "resolved": "is over"}

if __name__ == "__main__":
    sys.stdout.write(document())
