"""What a channel is: a frozen description, how it reads its settings and how it sends one message.

Nothing here knows the database or an HTTP library: a channel is handed a message and something that posts.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol, TypeAlias
from urllib.parse import unquote
from uuid import UUID

from trackside_service.channels.targets import Target, Targets

ChannelKind: TypeAlias = Literal["slack", "discord", "teams", "webhook", "alertmanager", "email"]
OutcomeStatus: TypeAlias = Literal["delivered", "retry", "failed", "gone"]

# Of what a receiver says, this much is read, and this much is kept.
MAX_ANSWER_BYTES: Final = 4096
MAX_SAID: Final = 300
_HIDDEN: Final = "[hidden]"
# Any shorter part of an address is no secret, and hiding it would make answers unreadable.
_SHORTEST_SECRET: Final = 6
_SHORTEST_CREDENTIAL: Final = 3
# Codes below 500 that may go away by themselves; every other code below 500 means that the same message will be
# refused again.
TEMPORARY: Final = frozenset({408, 425, 429})
GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a channel sends, in the clear. The address may itself be a secret, so neither is ever printed."""

    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    target: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be told. `id` is the same on every attempt; `at` is when it happened.

    `type` is "alert.opened", "alert.changed", "alert.resolved", "alert.acknowledged", "alert.reminder", "alert.group"
    (people's channels only), "digest", "channel.disabled" (another channel was switched off) or "channel.test".
    `snapshot` holds the alert and the run as they were then: {"alert", "run", "lr_plot"?}; {"events": [{"type",
    "alert", "run"}]} for a group; {"digest": what `Digest.as_wire` returns}; {"channel": {"id", "name", "kind",
    "target", "project"}, "disabled": {"at", "reason", "failing_since", "given_up"}}; or {"channel": {"id", "name"}} for
    a test. `link` is where that can be seen, where it is known.
    """

    id: UUID
    type: str
    at: datetime
    snapshot: Mapping[str, Any]
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One POST. Headers and address may carry secrets and are not printed."""

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail to one recipient, and the server that takes it. Nothing of it is printed."""

    server: Target = field(repr=False)
    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    content: bytes = field(repr=False)
    user: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the seconds asked for by `Retry-After` (None without), and the beginning of the text.

    `cut` says that there was more text than is read; `to` what was answered, where there is more than one thing (the
    commands of SMTP).
    """

    status_code: int
    retry_after: float | None = None
    text: str = ""
    cut: bool = False
    to: str = ""


class SendError(Exception):
    """No answer came. The reason is in our own words: a library's might repeat the address."""

    def __init__(self, reason: str, *, temporary: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.temporary = temporary


class Out(Protocol):
    """What sends; `trackside_service.channels.outbound.Outbound` does."""

    def post(self, request: Request, now: datetime) -> Answer:
        """Send a request and return the answer, whatever its status. Raises `SendError` where none came."""
        ...

    def mail(self, letter: Letter) -> Answer:
        """Hand a mail to its server and return what that answered. Raises `SendError` where it did not."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt went.

    delivered; retry (it may work later); failed (the same message would be refused again); gone (the receiver asks
    never to be called again: its channel is disabled). `said` is the receiver's answer, `error` our account of the
    failure; both are bounded and hide the address and the secret. `ours`: nothing was sent, for a reason of our own,
    which says nothing of the receiver.
    """

    status: OutcomeStatus
    status_code: int | None = None
    retry_after: float | None = None
    said: str | None = None
    error: str | None = None
    ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One kind of channel.

    `page` is the module's docstring. `configure` takes (address, secret or None, the targets that are allowed) and
    returns the endpoint to be stored; it raises `InvalidInputError` (its subclass `TargetRefusedError` for the
    address). `send` takes (message, endpoint, out, now) and raises `SendError` where no answer came. `payload` is what
    `send` sends of a message, as a JSON value (for docs and tests); `version` counts its forms, and rises when a
    receiver that reads it would have to change. `shows_secret`: the endpoint's secret is ours and is shown once, when
    the channel is made. `per_minute`: so many messages the other side takes in a minute (None: any number), unless the
    user has another limit. `takes_digest`: it can be sent the daily digest. `for_people`: people read it, so what comes
    in a burst is grouped (`digest.py`), and they are reminded unless they choose their events themselves.
    `rotate`, where a secret can be taken over from, takes (stored secret, new one or None, now, how long the old one
    goes on) and returns what is to be stored; the new one comes first in it. Raises `InvalidInputError`.
    """

    kind: ChannelKind
    title: str
    page: str
    configure: Callable[[str, str | None, Targets], Endpoint]
    payload: Callable[[Message], Any]
    send: Callable[[Message, Endpoint, Out, datetime], Outcome]
    version: int = 1
    shows_secret: bool = False
    per_minute: int | None = None
    takes_digest: bool = True
    for_people: bool = False
    rotate: Callable[[str, str | None, datetime, timedelta], str] | None = None


def judge(answer: Answer, endpoint: Endpoint) -> Outcome:
    """Tell delivered from refused and from "later", by the status.

    ======================  =========  ==========================================================================
    answer                  outcome    why
    ======================  =========  ==========================================================================
    2xx                     delivered  only these mean success
    410                     gone       the receiver asks never to be called again
    408, 425, 429, 5xx      retry      it may pass; `Retry-After` is honoured
    1xx, 3xx                failed     a redirect is never followed: it could lead anywhere
    any other               failed     400, 401, 403, 404, 405, ...: the same message would be refused again
    ======================  =========  ==========================================================================
    """
    said = bounded(answer.text, endpoint, cut=answer.cut) or None
    code = answer.status_code
    if 200 <= code < 300:
        return Outcome("delivered", code, said=said)
    told = f"the receiver answered {code}" + (f": {said}" if said else "")
    if code == GONE:
        return Outcome("gone", code, said=said, error=told)
    if code in TEMPORARY or code >= 500:
        return Outcome("retry", code, retry_after=answer.retry_after, said=said, error=told)
    if 300 <= code < 400:
        told = f"the receiver answered {code}, a redirect, which is never followed: give the final address"
    return Outcome("failed", code, said=said, error=told)


def deliver(channel: Channel, message: Message, endpoint: Endpoint, out: Out, now: datetime) -> Outcome:
    """Send `message` and say how it went; raises nothing that has to do with the message or the receiver."""
    try:
        return channel.send(message, endpoint, out, now)
    except SendError as error:
        return Outcome("retry" if error.temporary else "failed", error=bounded(error.reason, endpoint))


def bounded(text: str, endpoint: Endpoint, *, cut: bool = False) -> str:
    """Return `text` on one line, at most `MAX_SAID` characters, without any part of the endpoint's address beyond
    its host or secret.

    `cut`: `text` is the beginning of something longer, and may end in the middle of a secret.
    """
    secrets = _secrets_of(endpoint)
    for secret in secrets:
        text = re.sub(re.escape(secret), _HIDDEN, text, flags=re.IGNORECASE)
    if cut and secrets:
        text = text[: -len(secrets[0])]
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= MAX_SAID else text[: MAX_SAID - 1] + "…"


def _secrets_of(endpoint: Endpoint) -> list[str]:
    """Return the parts of an endpoint that no text may repeat, the longest first."""
    _, _, tail = endpoint.url.partition("://")
    authority = re.split(r"[/?#]", tail, maxsplit=1)[0]
    parts = {endpoint.url, *re.split(r"[/?&=#;,]", tail[len(authority) :])}
    parts |= {unquote(part) for part in parts}
    credentials: set[str] = set()
    for whole in ((endpoint.secret or ""), *(endpoint.secret or "").split(), authority.rpartition("@")[0]):
        named = [unquote(part) for part in whole.split(":")]
        credentials |= {whole, unquote(whole), *named, *whole.split(":"), "\0" + "\0".join(named)}
        credentials.add(whole.partition("!")[0])  # what follows is the end of a webhook's old secret
    credentials |= {each.removeprefix("whsec_") for each in credentials}
    # As they travel in an Authorization header and in SMTP's AUTH.
    credentials |= {base64.b64encode(each.encode()).decode("ascii") for each in credentials if each}
    found = {part for part in parts if len(part) >= _SHORTEST_SECRET}
    found |= {each for each in credentials if len(each) >= _SHORTEST_CREDENTIAL}
    return sorted(found, key=len, reverse=True)
