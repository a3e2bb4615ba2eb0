"""How often a channel is sent to: its kind's limit or its own, and the pause that a 429 asks for."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from tests.courier.rig import courier, outcomes
from tests.support.outbox import NOW, add_channel, after, make_alert, outbound, secrets, tell
from tests.support.receiver import HANG, Receiver, Reply

from trackside_service.backoff import LONGEST_PAUSE, LONGEST_UNTOLD_PAUSE
from trackside_service.courier import Courier
from trackside_service.storage import channels, turns
from trackside_service.storage.engine import open_engine, read_transaction, write_transaction


def ready_at(engine: sa.Engine, channel_id: object) -> datetime | None:
    with read_transaction(engine) as connection:
        return next(each.ready_at for each in channels.listed(connection) if each.id == channel_id)


@pytest.mark.parametrize(("kind", "limit", "seconds"), [("slack", None, 1), ("discord", None, 2), ("webhook", 6, 10)])
def test_messages_are_no_closer_than_the_limit(
    engine: sa.Engine, receiver: Receiver, kind: str, limit: int | None, seconds: float
) -> None:
    add_channel(engine, receiver.url("/limited"), kind, max_per_minute=limit)
    free, _ = add_channel(engine, receiver.url("/free"))
    tell(engine, *(make_alert() for _ in range(3)))
    one = courier(engine)
    assert one.run_once(NOW) == 1 + 3, "what is not limited does not wait for what is"
    assert len(outcomes(engine, free)) == len(receiver.at("/free")) == 3
    assert one.run_once(after(seconds - 0.01)) == 0
    assert one.run_once(after(seconds)) == 1
    assert one.run_once(after(2 * seconds)) == 1
    assert len(receiver.at("/limited")) == 3


def test_several_couriers_keep_one_limit(engine: sa.Engine, database_url: str, receiver: Receiver) -> None:
    add_channel(engine, receiver.url("/slack"), "slack")
    tell(engine, *(make_alert() for _ in range(4)))
    other = open_engine(database_url)
    assert [courier(each).run_once(NOW) for each in (engine, other)] == [1, 0]
    assert [courier(each).run_once(after(1)) for each in (other, engine)] == [1, 0]
    other.dispose()


def test_it_does_not_oversleep_a_limit(engine: sa.Engine, receiver: Receiver) -> None:
    add_channel(engine, receiver.url("/hook"), max_per_minute=6000)
    tell(engine, *(make_alert() for _ in range(20)))
    one = Courier(engine, secrets(), outbound(), poll_s=3600)
    one.start()
    try:
        receiver.wait(20)
    finally:
        one.stop()


def test_a_429_pauses_its_channel_and_no_other(engine: sa.Engine, receiver: Receiver) -> None:
    receiver.behave("/busy", Reply(429, {"retry-after": "90"}), Reply())
    busy, _ = add_channel(engine, receiver.url("/busy"))
    add_channel(engine, receiver.url("/free"))
    first, second = make_alert(), make_alert()
    tell(engine, first)
    one = courier(engine)
    assert one.run_once(NOW) == 2
    tell(engine, second, now=after(1))
    assert one.run_once(after(1)) == 1
    assert (len(receiver.at("/busy")), len(receiver.at("/free"))) == (1, 2)
    assert ready_at(engine, busy) == after(90)
    assert one.run_once(after(89.9)) == 0
    assert one.run_once(after(90)) == 2
    assert outcomes(engine, busy) == [("delivered", [429, 200]), ("delivered", [200])]


def test_a_pause_is_bounded(engine: sa.Engine, receiver: Receiver) -> None:
    receiver.behave("/busy", Reply(429, {"retry-after": "9000000"}))
    receiver.behave("/vague", Reply(429))
    busy, _ = add_channel(engine, receiver.url("/busy"))
    vague, _ = add_channel(engine, receiver.url("/vague"))
    tell(engine, make_alert())
    courier(engine, schedule=(0, 7200)).run_once(NOW)
    assert ready_at(engine, busy) == after(LONGEST_PAUSE)
    assert ready_at(engine, vague) == after(LONGEST_UNTOLD_PAUSE)


def test_the_longest_of_several_pauses_holds(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, "https://receiver.example/hook")
    with write_transaction(engine) as connection:
        for seconds in (10, 300, 20):
            turns.pause(connection, channel_id, after(seconds))
    assert ready_at(engine, channel_id) == after(300)


def test_a_503_is_about_the_message_and_pauses_nothing(engine: sa.Engine, receiver: Receiver) -> None:
    receiver.behave("/hook", Reply(503, {"retry-after": "90"}), Reply())
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    tell(engine, make_alert(), make_alert())
    courier(engine).run_once(NOW)
    assert sorted(outcomes(engine, channel_id)) == [("delivered", [200]), ("pending", [503])]


def test_channels_that_hang_leave_room_for_others(engine: sa.Engine, receiver: Receiver) -> None:
    for number in range(8):
        receiver.behave(f"/slow{number}", HANG)
        add_channel(engine, receiver.url(f"/slow{number}"))
    tell(engine, *(make_alert() for _ in range(4)))
    one = courier(engine, threads=16, per_channel=4, poll_s=3600)
    one.start()
    try:
        receiver.wait(8)
        add_channel(engine, receiver.url("/quick"), project="vision")
        tell(engine, *(make_alert() for _ in range(3)), now=NOW - timedelta(seconds=1))
        one.wake()
        receiver.wait(3, "/quick")
        receiver.release()
    finally:
        one.stop()
