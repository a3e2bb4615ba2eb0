"""The courier while the database refuses: it asks again, and what arrived is not sent again."""

from __future__ import annotations

import logging
import threading
from math import inf

import pytest
import sqlalchemy as sa
from tests.courier.rig import Clock, Settled, courier, outcomes
from tests.support.outbox import NOW, add_channel, after, make_alert, tell
from tests.support.receiver import PATIENCE_S, Receiver

from trackside_service.courier import dispatching
from trackside_service.errors import StorageUnavailableError
from trackside_service.storage import turns
from trackside_service.storage.engine import open_engine, write_transaction


def test_a_database_that_is_away_for_a_while_is_asked_again(
    database_url: str, engine: sa.Engine, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    add_channel(engine, receiver.url("/hook"))
    tell(engine, make_alert())
    flaky = open_engine(database_url)
    back = threading.Event()
    tried = threading.Event()

    def refuse(*_: object) -> None:
        if not back.is_set():
            tried.set()
            raise sa.exc.OperationalError("", {}, Exception("the database is away"))

    sa.event.listen(flaky, "before_cursor_execute", refuse)
    one = courier(flaky, poll_s=0.05)
    with caplog.at_level(logging.WARNING):
        one.start()
        try:
            assert tried.wait(PATIENCE_S)
            back.set()
            receiver.wait(1)
        finally:
            one.stop()
            flaky.dispose()
    assert "could not be claimed" in caplog.text


class Refusals:
    """Lets the statements that settle a delivery fail, `count` times."""

    def __init__(self, engine: sa.Engine, count: float) -> None:
        self.left, self.made = count, 0
        sa.event.listen(engine, "before_cursor_execute", self)

    def __call__(self, *arguments: object) -> None:
        if "UPDATE deliveries SET status" in str(arguments[2]) and self.left > 0:
            self.left -= 1
            self.made += 1
            raise sa.exc.OperationalError("", {}, Exception("the database is busy"))


@pytest.mark.parametrize("threads", [False, True])
def test_a_message_that_arrived_is_settled_again_and_not_sent_again(
    engine: sa.Engine, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, threads: bool
) -> None:
    monkeypatch.setattr(dispatching, "SETTLE_PAUSES_S", (0.001,))
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    tell(engine, make_alert())
    refusals, settled = Refusals(engine, 5), Settled()
    one = courier(engine, on_attempt=settled)
    if threads:
        one.start()
        settled.wait(1)
        one.stop()
    else:
        assert one.run_once(NOW) == 1
    assert refusals.made == 5
    assert outcomes(engine, channel_id) == [("delivered", [200])]
    assert courier(engine).run_once(after(61)) == 0
    assert len(receiver.received) == 1
    assert settled.outcomes == ["delivered"]


def test_settling_is_given_up_before_the_lease_ends(
    engine: sa.Engine, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dispatching, "SETTLE_PAUSES_S", (0.01,))
    monkeypatch.setattr(dispatching, "SETTLE_SHARE", 0.01)  # of a lease of a minute
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    tell(engine, make_alert())
    refusals = Refusals(engine, inf)
    with pytest.raises(StorageUnavailableError):
        courier(engine).run_once(NOW)
    assert 1 <= refusals.made <= 60  # on a busy machine the time is over after the first
    assert outcomes(engine, channel_id) == [("pending", [])]
    refusals.left = 0
    assert courier(engine).run_once(after(60)) == 1
    assert outcomes(engine, channel_id) == [("delivered", [200])]


def test_stopping_does_not_wait_for_a_database_that_is_away(
    engine: sa.Engine, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    add_channel(engine, receiver.url("/hook"))
    tell(engine, make_alert())
    refusals = Refusals(engine, inf)
    one = courier(engine)
    with caplog.at_level(logging.INFO, "trackside_service.courier"):
        one.start()
        receiver.wait(1)
        one.stop(timeout_s=0.2)
        with one._changed:  # its thread gives up at once, not at the end of the lease
            assert one._changed.wait_for(lambda: not one._busy.total(), PATIENCE_S)
    assert refusals.made >= 1
    assert "could not be settled" in caplog.text


def test_a_limit_that_is_over_while_the_database_is_away_makes_nobody_spin(
    database_url: str, engine: sa.Engine, receiver: Receiver
) -> None:
    """Once the time of a limit has come there is nothing to wait for but the database: it is asked once a poll."""
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    with write_transaction(engine) as connection:
        turns.pause(connection, channel_id, after(5))
    tell(engine, make_alert())
    flaky = open_engine(database_url)
    clock, asked, away = Clock(), threading.Semaphore(0), threading.Event()

    def refuse(*arguments: object) -> None:
        if away.is_set():
            asked.release()
            raise sa.exc.OperationalError("", {}, Exception("the database is away"))
        if "FROM channels" in str(arguments[2]):
            clock.now = after(5)
            away.set()

    sa.event.listen(flaky, "before_cursor_execute", refuse)
    one = courier(flaky, clock=clock, poll_s=3600)
    one._listener.start = lambda: None  # type: ignore[method-assign]
    one.start()
    try:
        assert asked.acquire(timeout=PATIENCE_S), "when the limit is over"
        assert not asked.acquire(timeout=0.2), "and not again before the poll"
    finally:
        one.stop()
        flaky.dispose()
