"""Channels are stored with their secrets encrypted, and found by project."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from tests.support.outbox import NOW, add_channel, after, make_alert, make_run, of_channel, secrets, tell

from trackside_service.channels.secrets import Secrets
from trackside_service.domain.alerts import AlertChange
from trackside_service.domain.routing import Route
from trackside_service.errors import ChannelNotFoundError, SecretKeyMissingError
from trackside_service.storage import channels, deliveries, standing
from trackside_service.storage.engine import read_transaction, write_transaction
from trackside_service.storage.tables import channels as table
from trackside_service.storage.tables import deliveries as outbox

TOKEN = "abcdefghijklmnopqrstuvwx"
SLACK = f"https://hooks.slack.com/services/T00000000/B00000000/{TOKEN}"


def test_a_channel_is_stored_listed_and_deleted(engine: sa.Engine) -> None:
    first, _ = add_channel(engine, SLACK, "slack", name="team", project="vision", events=("opened",), now=NOW)
    second, _ = add_channel(engine, "https://receiver.example/hook", now=after(1))
    with read_transaction(engine) as connection:
        found = channels.listed(connection)
        assert [each.id for each in found] == [first, second]
        assert found[0] == channels.get(connection, first)
        assert found[0] == channels.StoredChannel(
            first, "slack", "team", "https://hooks.slack.com", Route("vision", events=("opened",)), None, NOW
        )
        assert found[1].route == Route(None, "warning", (), (), ("opened", "changed", "resolved"))
    tell(engine, make_alert())
    with write_transaction(engine) as connection:
        channels.delete(connection, first)
    with read_transaction(engine) as connection:
        assert [each.id for each in channels.listed(connection)] == [second]
    assert len(of_channel(engine, second)) == 1


def test_what_is_not_there_is_named(engine: sa.Engine) -> None:
    unknown = uuid4()
    with write_transaction(engine) as connection:
        for function in (channels.get, channels.sealed, channels.delete):
            with pytest.raises(ChannelNotFoundError, match=str(unknown)):
                function(connection, unknown)


def test_addresses_and_secrets_are_encrypted_at_rest(engine: sa.Engine, database_url: str) -> None:
    channel_id, _ = add_channel(engine, SLACK, "slack")
    other, endpoint = add_channel(engine, "https://receiver.example/hook/q1w2e3r4t5")
    tell(engine, make_alert())
    with read_transaction(engine) as connection:
        sealed = channels.sealed(connection, channel_id)
        assert (secrets().decrypt(sealed.url), sealed.secret) == (SLACK, None)
        sealed = channels.sealed(connection, other)
        assert sealed.secret is not None
        assert secrets().decrypt(sealed.secret) == endpoint.secret
        everything = repr([tuple(row) for row in connection.execute(sa.select(table))])
    hidden = (TOKEN, "T00000000", "q1w2e3r4t5", str(endpoint.secret), str(endpoint.secret).removeprefix("whsec_"))
    assert not any(secret in everything for secret in hidden)
    if database_url.startswith("sqlite"):
        folder = Path(database_url.removeprefix("sqlite:///")).parent
        data = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
        assert b"receiver.example" in data, "the bytes that were looked at hold the channel"
        assert not any(secret.encode() in data for secret in hidden)


def test_a_secret_that_takes_over_is_encrypted_too(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, "https://receiver.example/hook")
    other, endpoint = add_channel(engine, "https://receiver.example/hook")
    with write_transaction(engine) as connection:
        channels.set_secret(connection, secrets(), channel_id, f"whsec_{TOKEN}")
    with read_transaction(engine) as connection:
        sealed, untouched = channels.sealed(connection, channel_id), channels.sealed(connection, other)
        assert sealed.secret is not None
        assert untouched.secret is not None
        assert secrets().decrypt(sealed.secret) == f"whsec_{TOKEN}"
        assert secrets().decrypt(untouched.secret) == endpoint.secret
        assert TOKEN not in repr([tuple(row) for row in connection.execute(sa.select(table))])


def test_without_a_key_nothing_is_stored(engine: sa.Engine) -> None:
    with pytest.raises(SecretKeyMissingError), write_transaction(engine) as connection:
        channels.create(
            connection,
            Secrets(()),
            channel_id=uuid4(),
            kind="slack",
            name="team",
            url=SLACK,
            secret=None,
            target="https://hooks.slack.com",
            now=NOW,
        )
    with read_transaction(engine) as connection:
        assert channels.listed(connection) == ()


def test_a_project_has_its_channels_and_those_of_every_project(engine: sa.Engine) -> None:
    every, _ = add_channel(engine, SLACK, "slack", now=NOW)
    own, _ = add_channel(engine, SLACK, "slack", project="vision", now=after(1))
    add_channel(engine, SLACK, "slack", project="speech")
    off, _ = add_channel(engine, SLACK, "slack")
    with write_transaction(engine) as connection:
        standing.switch_off(connection, off, "gone", NOW, told=False)
    with write_transaction(engine) as connection:
        assert [each.id for each in channels.enabled_for(connection, "vision")] == [every, own]
        assert channels.get(connection, off).disabled_reason == "gone"


def test_deleting_a_channel_waits_for_the_post_that_tells_it(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, "https://receiver.example/hook")
    asking = threading.Event()

    def delete() -> None:
        with write_transaction(engine) as connection:
            channels.delete(connection, channel_id)

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("DELETE"):
            asking.set()

    with ThreadPoolExecutor(1) as pool:
        with write_transaction(engine) as connection:
            [found] = channels.enabled_for(connection, "vision")
            assert found.id == channel_id
            sa.event.listen(engine, "before_cursor_execute", note)
            deletion = pool.submit(delete)
            if engine.dialect.name == "postgresql":  # SQLite lets it wait before its first statement
                assert asking.wait(20)
                with suppress(TimeoutError):
                    deletion.result(0.2)  # without the lock it is over by now
            changes = [AlertChange("opened", make_alert())]
            assert deliveries.enqueue_all(connection, changes, make_run(), NOW) == 1
        deletion.result(20)
    with read_transaction(engine) as connection:
        assert channels.listed(connection) == ()
        assert connection.scalar(sa.select(sa.func.count()).select_from(outbox)) == 0
