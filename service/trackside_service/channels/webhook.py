"""A webhook of your own: each event by itself, as JSON, signed by Standard Webhooks 1.0.0.

Every message carries `webhook-id` (the same on each attempt, so that a receiver can drop repetitions),
`webhook-timestamp` (seconds since 1970, of the attempt) and `webhook-signature` (`v1,` and the base64 of HMAC-SHA256
over "id.timestamp.body"). The secret is `whsec_` and the base64 of 32 random bytes; it is shown once, when the channel
is made. Any library of standardwebhooks.com verifies it.

The body is {"version", "type", "timestamp", "data"}: the version is that of the form, and rises when a receiver would
have to change; fields may be added without. The type is `alert.opened`, `alert.changed` (its severity rose),
`alert.resolved`, `alert.acknowledged`, `alert.reminder` or `channel.test`; the timestamp is when that happened; the
data is {"alert", "run"} as they were then, or {"channel"} for a test.

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
from datetime import UTC, datetime
from typing import Any, Final

from trackside_service.channels.base import Channel, Endpoint, Message, Out, Outcome, Request, judge
from trackside_service.channels.targets import Targets
from trackside_service.errors import Fault, InvalidInputError

PREFIX: Final = "whsec_"
VERSION: Final = 1
_SECRET_BYTES: Final = 32
_LEAST, _MOST = 24, 64


def make_secret() -> str:
    """Return a new signing secret."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature` (Standard Webhooks 1.0.0, "Signature scheme").

    `secret` may hold two secrets separated by a space, while one takes over from the other: then there are two
    signatures.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(_signature(each, signed) for each in secret.split())


def payload(message: Message) -> dict[str, Any]:
    """Return the body of `message`."""
    return {
        "version": VERSION,
        "type": message.type,
        "timestamp": message.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": {key: message.snapshot[key] for key in ("alert", "run", "channel") if key in message.snapshot},
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
    elif not _is_secret(secret):
        reason = (
            f"a signing secret is {PREFIX} and the base64 of {_LEAST} to {_MOST} random bytes; without one, we make it"
        )
        raise InvalidInputError(reason, faults=[Fault("/secret", reason)])
    return Endpoint(url, secret, target.origin)


def send(message: Message, endpoint: Endpoint, out: Out, now: datetime) -> Outcome:
    """Send one message."""
    return judge(out.post(render(message, endpoint, now), now), endpoint)


def _signature(secret: str, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode("ascii")


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX))


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
)
