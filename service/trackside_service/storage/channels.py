"""The table of channels: where alerts go. Addresses and secrets are encrypted before they are written.

What an address may look like is not known here (`trackside_service.channels.configure` says), only that it is kept
secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, cast
from uuid import UUID

import sqlalchemy as sa

from trackside_service.domain.digests import DIGEST_AT, EVENT, next_digest
from trackside_service.domain.findings import Severity
from trackside_service.domain.routing import ChannelEvent, Route
from trackside_service.errors import ChannelNotFoundError
from trackside_service.storage.tables import channels

EVERYTHING: Final = Route()


class Cipher(Protocol):
    """What encrypts; `trackside_service.channels.secrets.Secrets` does."""

    def encrypt(self, text: str) -> bytes:
        """Return what may be stored. Raises `SecretKeyMissingError` where there is no key."""
        ...


@dataclass(frozen=True, slots=True)
class StoredChannel:
    """A channel as it may be shown. `target` is the scheme and host of its address, `route` what it is told of.

    `disabled_reason`: nothing is sent while there is one, which is since `disabled_at`. `max_per_minute` is the user's
    own limit of messages (None: that of the kind). Nothing is sent before `ready_at`. A message last arrived at
    `delivered_at`, to about a minute; nothing has since the attempt at `failing_since`. `digest_at` is the time of day
    (HH:MM, UTC) of its digest, where it asks for one.
    """

    id: UUID
    kind: str
    name: str
    target: str
    route: Route
    disabled_reason: str | None
    created_at: datetime
    max_per_minute: int | None = None
    ready_at: datetime | None = None
    disabled_at: datetime | None = None
    delivered_at: datetime | None = None
    failing_since: datetime | None = None
    digest_at: str | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """Where a channel sends, still encrypted."""

    kind: str
    url: bytes
    secret: bytes | None
    target: str


def create(
    connection: sa.Connection,
    cipher: Cipher,
    *,
    channel_id: UUID,
    kind: str,
    name: str,
    url: str,
    secret: str | None,
    target: str,
    now: datetime,
    route: Route = EVERYTHING,
    max_per_minute: int | None = None,
    digest_at: str | None = None,
) -> StoredChannel:
    """Store a channel whose settings were checked. Raises `SecretKeyMissingError` where nothing can encrypt them."""
    connection.execute(
        channels.insert().values(
            channel_id=channel_id,
            kind=kind,
            name=name,
            **_of_route(route),
            url=cipher.encrypt(url),
            secret=None if secret is None else cipher.encrypt(secret),
            target=target,
            max_per_minute=max_per_minute,
            **_of_digest(route, digest_at, now),
            created_at=now,
        )
    )
    return get(connection, channel_id)


def listed(connection: sa.Connection) -> tuple[StoredChannel, ...]:
    """Return every channel, in the order in which they were made."""
    rows = connection.execute(_SHOWN.order_by(channels.c.created_at, channels.c.channel_id))
    return tuple(_stored(row) for row in rows)


def get(connection: sa.Connection, channel_id: UUID, *, lock: bool = False) -> StoredChannel:
    """Return a channel. `lock`: whoever else wants to change it waits for this transaction.

    Raises `ChannelNotFoundError`.
    """
    query = _SHOWN.where(channels.c.channel_id == channel_id)
    # Not FOR UPDATE: new deliveries, which refer to the channel, are not to wait for this.
    row = connection.execute(query.with_for_update(key_share=True) if lock else query).one_or_none()
    if row is None:
        raise _unknown(channel_id)
    return _stored(row)


def sealed(connection: sa.Connection, channel_id: UUID, *, lock: bool = False) -> Sealed:
    """Return where a channel sends, encrypted. `lock`: whoever else wants to change it waits for this transaction.

    Raises `ChannelNotFoundError`.
    """
    query = sa.select(channels.c.kind, channels.c.url, channels.c.secret, channels.c.target)
    query = query.where(channels.c.channel_id == channel_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise _unknown(channel_id)
    return Sealed(row.kind, bytes(row.url), None if row.secret is None else bytes(row.secret), row.target)


def delete(connection: sa.Connection, channel_id: UUID) -> None:
    """Delete a channel with its deliveries. Raises `ChannelNotFoundError`."""
    if connection.execute(channels.delete().where(channels.c.channel_id == channel_id)).rowcount == 0:
        raise _unknown(channel_id)


def change(
    connection: sa.Connection,
    channel_id: UUID,
    *,
    name: str,
    route: Route,
    max_per_minute: int | None,
    digest_at: str | None,
    now: datetime,
) -> None:
    """Change what a channel is called, told of (and when, of the digest) and limited to. A digest whose time of day
    stays is due when it was, however late it is.
    """
    digest = _of_digest(route, digest_at, now)
    if (at := digest["digest_at"]) is not None:
        due_at = sa.literal(digest["digest_due_at"], channels.c.digest_due_at.type)
        digest["digest_due_at"] = sa.case((channels.c.digest_at == at, channels.c.digest_due_at), else_=due_at)
    values = {"name": name, **_of_route(route), "max_per_minute": max_per_minute, **digest}
    connection.execute(channels.update().where(channels.c.channel_id == channel_id).values(values))


def set_secret(connection: sa.Connection, cipher: Cipher, channel_id: UUID, secret: str) -> None:
    """Store another secret for a channel. Raises `SecretKeyMissingError` where nothing can encrypt it."""
    encrypted = cipher.encrypt(secret)
    connection.execute(channels.update().where(channels.c.channel_id == channel_id).values(secret=encrypted))


def enabled_for(connection: sa.Connection, project: str) -> tuple[StoredChannel, ...]:
    """Return the enabled channels of a project, those of every project among them: one query.

    They stay to the end of the transaction, which has to be a writing one: whoever deletes one of them waits, and then
    deletes what was enqueued for it as well.
    """
    found = connection.execute(
        _SHOWN.where(
            channels.c.disabled_reason.is_(None),
            sa.or_(channels.c.project.is_(None), channels.c.project == project),
        )
        .order_by(channels.c.created_at, channels.c.channel_id)
        .with_for_update(read=True, key_share=True)
    )
    return tuple(_stored(row) for row in found)


_SHOWN: Final = sa.select(
    channels.c.channel_id,
    channels.c.kind,
    channels.c.name,
    channels.c.target,
    channels.c.project,
    channels.c.min_severity,
    channels.c.events,
    channels.c.codes,
    channels.c.tags,
    channels.c.disabled_reason,
    channels.c.created_at,
    channels.c.max_per_minute,
    channels.c.ready_at,
    channels.c.disabled_at,
    channels.c.delivered_at,
    channels.c.failing_since,
    channels.c.digest_at,
)


def _of_route(route: Route) -> dict[str, Any]:
    """Return the columns of a route."""
    return {
        "project": route.project,
        "min_severity": route.min_severity,
        "events": list(route.events),
        "codes": list(route.codes) or None,
        "tags": list(route.tags) or None,
    }


def _of_digest(route: Route, at: str | None, now: datetime) -> dict[str, Any]:
    """Return the columns that say when a digest is due. Raises `ValueError` where `at` is no time of day."""
    if EVENT not in route.events:
        return {"digest_at": None, "digest_due_at": None}
    at = at or DIGEST_AT
    return {"digest_at": at, "digest_due_at": next_digest(at, now)}


def _stored(row: sa.Row[*tuple[Any, ...]]) -> StoredChannel:
    return StoredChannel(
        row.channel_id,
        row.kind,
        row.name,
        row.target,
        Route(
            row.project,
            cast(Severity, row.min_severity),
            tuple(row.codes or ()),
            tuple(row.tags or ()),
            tuple(cast("list[ChannelEvent]", row.events)),
        ),
        row.disabled_reason,
        row.created_at,
        row.max_per_minute,
        row.ready_at,
        row.disabled_at,
        row.delivered_at,
        row.failing_since,
        row.digest_at,
    )


def _unknown(channel_id: UUID) -> ChannelNotFoundError:
    return ChannelNotFoundError(f"no channel has the id {channel_id}")
