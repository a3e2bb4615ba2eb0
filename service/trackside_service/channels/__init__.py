"""Where alerts go: one file a kind, told apart by `kind`, in one explicit table.

A new kind is one file with a `CHANNEL`, one line here and one test file; the API's union and the docs derive from the
table.
"""

from __future__ import annotations

from typing import Final

from trackside_service.channels import alertmanager, discord, email, slack, teams, webhook
from trackside_service.channels.base import (
    Answer,
    Channel,
    ChannelKind,
    Endpoint,
    Message,
    Outcome,
    Request,
    SendError,
    deliver,
)
from trackside_service.channels.targets import Targets, parse_targets
from trackside_service.errors import Fault, InvalidInputError

__all__ = [
    "CHANNELS",
    "Answer",
    "Channel",
    "ChannelKind",
    "Endpoint",
    "Message",
    "Outcome",
    "Request",
    "SendError",
    "Targets",
    "channel",
    "configure",
    "deliver",
    "parse_targets",
]

CHANNELS: Final[tuple[Channel, ...]] = (
    slack.CHANNEL,
    discord.CHANNEL,
    teams.CHANNEL,
    webhook.CHANNEL,
    alertmanager.CHANNEL,
    email.CHANNEL,
)


def channel(kind: str) -> Channel:
    """Return the channel of a kind. Raises `InvalidInputError` where there is none."""
    for each in CHANNELS:
        if each.kind == kind:
            return each
    reason = f"the kinds of channel are {', '.join(each.kind for each in CHANNELS)}"
    raise InvalidInputError(reason, faults=[Fault("/kind", reason)])


def configure(kind: str, url: str, secret: str | None, targets: Targets) -> Endpoint:
    """Check what a user gave for a new channel, and return where it will send.

    Raises `InvalidInputError` (kind, secret) and `TargetRefusedError` (address), with faults at /kind, /secret, /url.
    """
    return channel(kind).configure(url, secret, targets)
