"""A webhook of your own: each event by itself, as JSON, signed by Standard Webhooks 1.0.0.

Every message carries `webhook-id` (the same on each attempt, so that a receiver can drop repetitions),
`webhook-timestamp` (seconds since 1970, of the attempt) and `webhook-signature` (`v1,` and the base64 of HMAC-SHA256
over "id.timestamp.body"). The secret is `whsec_` and the base64 of 32 random bytes; it is shown once, when the channel
is made. Any library of standardwebhooks.com verifies it. `POST /v1/channels/{id}/rotate` lets another secret take over:
until the time that it answers, messages carry a signature by each, and a receiver that knows either of them verifies.

The body is {"version", "type", "timestamp", "data"}: the version is that of the form, and rises when a receiver would
have to change; fields may be added without. The type is `alert.opened`, `alert.changed` (its severity rose),
`alert.resolved`, `alert.acknowledged`, `alert.reminder`, `digest`, `channel.disabled` (another channel was switched
off) or `channel.test`; the timestamp is when that happened. The data is {"alert", "run"} as they were then; {"digest"};
{"channel", "disabled"} of a channel that was switched off; or {"channel"} for a test. A receiver may answer 200 to what
it does not know, and forget it.

Answer 2xx within 20 seconds. 410 disables the channel; 408, 425, 429 and 5xx are tried again, with `Retry-After`
honoured; redirects are not followed, and any other answer is final.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from trackside_service.channels.base import Channel, Endpoint, Message, Out, Outcome, Request, judge
from trackside_service.channels.targets import Targets
from trackside_service.errors import Fault, InvalidInputError

PREFIX: Final = "whsec_"
VERSION: Final = 1
_DATA: Final = ("alert", "run", "channel", "disabled", "digest")
_SECRET_BYTES: Final = 32
_LEAST, _MOST = 24, 64
# A secret that another took over from stands after it, with the time at which it ends: "whsec_A whsec_B!1764000000".
_UNTIL: Final = "!"
# So many take-overs may be under way at once.
MAX_OLD: Final = 2


def make_secret() -> str:
    """Return a new signing secret."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature` (Standard Webhooks 1.0.0, "Signature scheme").

    While one secret takes over from another (`rotate`), there is a signature by each.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(_signature(each, signed) for each in _valid(secret, timestamp))


def rotate(secret: str, given: str | None, now: datetime, overlap: timedelta) -> str:
    """Return the stored form of the secret that takes over from `secret` (stored form), which goes on for `overlap`.

    The new one is `given`, or made. Raises `InvalidInputError`.
    """
    new = make_secret() if given is None else _checked(given)
    seconds = int(now.timestamp())
    current, *old = _valid(secret, seconds)
    kept = [each for each in secret.split()[1:] if each.partition(_UNTIL)[0] in old]
    if new == current or new in old:
        reason = "this secret is in use already"
        raise InvalidInputError(reason, faults=[Fault("/secret", reason)])
    until = seconds + int(overlap.total_seconds())
    return " ".join([new, f"{current}{_UNTIL}{until}", *kept[: MAX_OLD - 1]])


def payload(message: Message) -> dict[str, Any]:
    """Return the body of `message`."""
    return {
        "version": VERSION,
        "type": message.type,
        "timestamp": message.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": {key: message.snapshot[key] for key in _DATA if key in message.snapshot},
    }


def render(message: Message, endpoint: Endpoint, now: datetime) -> Request:
    """Return the signed request of an attempt made at `now`."""
    body = json.dumps(payload(message), separators=(",", ":"), allow_nan=False).encode("ascii")
    timestamp = int(now.timestamp())
    return Request(
        endpoint.url,
        body,
        {
            "content-type": "application/json",
            "webhook-id": str(message.id),
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(endpoint.secret or "", str(message.id), timestamp, body),
        },
    )


def verify(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether one of the signatures in `headers` (names in any case) is that of `body`; the age is not judged.

    What a receiver does; Trackside's own receivers (the demo's) use it.
    """
    found = {name.lower(): value for name, value in headers.items()}
    signed = f"{found.get('webhook-id', '')}.{found.get('webhook-timestamp', '')}.".encode() + body
    right = [_signature(each, signed) for each in secret.split()]
    given = found.get("webhook-signature", "").encode("utf-8", "replace").split()
    return any(hmac.compare_digest(one.encode(), other) for one in right for other in given)


def configure(url: str, secret: str | None, targets: Targets) -> Endpoint:
    """Check the address, and the secret or make one. Raises `InvalidInputError`, `TargetRefusedError`."""
    target = targets.check(url)
    if secret is None:
        secret = make_secret()
    return Endpoint(url, _checked(secret), target.origin)


def send(message: Message, endpoint: Endpoint, out: Out, now: datetime) -> Outcome:
    """Send one message."""
    return judge(out.post(render(message, endpoint, now), now), endpoint)


def _valid(secret: str, timestamp: int) -> list[str]:
    """Return the secrets of a stored form that sign at `timestamp` (seconds), the newest first."""
    parts = [each.partition(_UNTIL) for each in secret.split()]
    return [plain for plain, mark, until in parts if not mark or int(until) > timestamp]


def _signature(secret: str, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode("ascii")


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX))


def _checked(secret: str) -> str:
    if not _is_secret(secret):
        reason = (
            f"a signing secret is {PREFIX} and the base64 of {_LEAST} to {_MOST} random bytes; without one, we make it"
        )
        raise InvalidInputError(reason, faults=[Fault("/secret", reason)])
    return secret


def _is_secret(secret: str) -> bool:
    if not secret.startswith(PREFIX):
        return False
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (ValueError, binascii.Error):
        return False
    return _LEAST <= len(key) <= _MOST


CHANNEL: Final = Channel(
    kind="webhook",
    title="Webhook",
    page=__doc__ or "",
    configure=configure,
    payload=payload,
    send=send,
    version=VERSION,
    shows_secret=True,
    rotate=rotate,
)
