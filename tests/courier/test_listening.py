"""A courier hears of what other processes write: at once on Postgres, by its poll on SQLite."""

from __future__ import annotations

import threading
import time

import sqlalchemy as sa
from tests.support.outbox import add_channel, make_alert, outbound, secrets, tell
from tests.support.receiver import Receiver

from trackside_service.courier import Courier
from trackside_service.courier.listening import Listener
from trackside_service.storage import notices
from trackside_service.storage.engine import is_sqlite, open_engine, write_transaction


def test_what_another_process_writes_is_sent_without_a_wake(
    database_url: str, engine: sa.Engine, receiver: Receiver
) -> None:
    """The other one has an engine, and so connections, of its own, and nobody wakes the courier."""
    add_channel(engine, receiver.url("/hook"))
    poll_s = 0.05 if is_sqlite(engine) else 3600.0
    theirs = open_engine(database_url)
    one = Courier(theirs, secrets(), outbound(), poll_s=poll_s)
    one.start()
    try:
        for count in range(1, 4):
            tell(engine, make_alert())
            receiver.wait(count)
    finally:
        one.stop()
        theirs.dispose()


def test_a_notice_comes_with_the_commit_and_not_before(database_url: str, engine: sa.Engine) -> None:
    if is_sqlite(engine):
        with write_transaction(engine) as connection:
            notices.announce(connection)  # says nothing, and hurts nobody
        return
    theirs = open_engine(database_url)
    with notices.listening(theirs) as wait:
        with write_transaction(engine) as connection:
            notices.announce(connection)
            assert not wait(0.05)
        assert wait(30)
        assert not wait(0)
    theirs.dispose()


def test_a_connection_that_breaks_is_made_anew(database_url: str, engine: sa.Engine) -> None:
    woken = threading.Semaphore(0)
    theirs = open_engine(database_url)
    one = Listener(theirs, woken.release, rest_s=0.01)
    one.start()
    try:
        if is_sqlite(engine):
            assert not woken.acquire(timeout=0)
            return
        assert woken.acquire(timeout=30), "it looks once when it begins to listen"
        with engine.begin() as connection:
            ended = connection.execute(
                sa.text(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                )
            ).scalar_one()
        assert ended == 1
        assert woken.acquire(timeout=30), "and again when it has come back"
        with write_transaction(engine) as connection:
            notices.announce(connection)
        assert woken.acquire(timeout=30)
    finally:
        one.stop()
        theirs.dispose()


def test_it_stops_soon(database_url: str) -> None:
    engine = open_engine(database_url)
    one = Courier(engine, secrets(), outbound(), poll_s=3600)
    one.start()
    began = time.monotonic()
    one.stop()
    assert time.monotonic() - began < 10
    engine.dispose()
