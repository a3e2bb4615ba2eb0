"""Dead letters over all channels, and how they are sent anew."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from tests.support.outbox import NOW, add_channel, after, make_alert, of_channel, tell

from trackside_service.errors import ChannelNotFoundError, InvalidInputError
from trackside_service.storage import channels, deliveries, delivery_log, settling, standing
from trackside_service.storage.delivery_log import Attempt, Replayed
from trackside_service.storage.engine import read_transaction, write_transaction
from trackside_service.storage.settling import Settlement

URL = "https://receiver.example/hook"


def give_up(engine: sa.Engine, channel_id: UUID, count: int, at: datetime = NOW) -> None:
    """Write `count` deliveries and let them fail for good."""
    tell(engine, *(make_alert() for _ in range(count)), now=at)
    with write_transaction(engine) as connection:
        failed = Settlement("failed", Attempt(at, 3.0, 404, "the receiver answered 404"), at)
        for each in deliveries.claim(connection, channel_id, lease=uuid4(), now=at, until=after(9e6), limit=count):
            settling.settle(connection, each, failed)


def replay(engine: sa.Engine, now: datetime = NOW, **given: object) -> Replayed:
    with write_transaction(engine) as connection:
        return delivery_log.replay(connection, now, **given)  # type: ignore[arg-type]


def dead(engine: sa.Engine) -> list[UUID]:
    with read_transaction(engine) as connection:
        return [each.id for each in delivery_log.page(connection, None, limit=99, status="failed")]


def test_dead_letters_of_all_channels_are_listed_the_latest_first(engine: sa.Engine) -> None:
    first, second = add_channel(engine, URL)[0], add_channel(engine, URL, project="speech")[0]
    give_up(engine, first, 2)
    tell(engine, make_alert())
    with write_transaction(engine) as connection:
        everything = {"name": "n", "route": channels.EVERYTHING, "max_per_minute": None, "digest_at": None}
        channels.change(connection, second, **everything, now=NOW)  # type: ignore[arg-type]
        standing.switch_off(connection, first, "gone", NOW, told=False)
    give_up(engine, second, 1)
    found = dead(engine)
    assert found == [of_channel(engine, second)[0].id, *(each.id for each in of_channel(engine, first)[::-1])]
    with read_transaction(engine) as connection:
        assert len(delivery_log.page(connection, None, limit=99)) == 4
        numbers = [each.number for each in delivery_log.page(connection, None, limit=99, status="failed")]
        older = delivery_log.page(connection, None, limit=1, status="failed", before=numbers[0])
        assert [each.number for each in older] == numbers[1:2]


def test_all_of_them_are_sent_anew(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, URL)
    give_up(engine, channel_id, 3)
    tell(engine, make_alert(), now=after(900))
    assert replay(engine, after(60)) == Replayed(3, 0, 0)
    assert dead(engine) == []
    assert [each.due_at for each in of_channel(engine, channel_id)] == [after(60)] * 3 + [after(900)]
    assert replay(engine, after(61)) == Replayed(0, 0, 0)
    with write_transaction(engine) as connection:
        again = deliveries.claim(connection, channel_id, lease=uuid4(), now=after(60), until=after(90), limit=9)
    assert [(each.attempts, each.in_round) for each in again] == [(1, 0)] * 3, (
        "the schedule begins anew, the log goes on"
    )


def test_some_of_them_by_channel_and_time(engine: sa.Engine) -> None:
    first = add_channel(engine, URL)[0]
    give_up(engine, first, 2)
    with write_transaction(engine) as connection:
        standing.switch_off(connection, first, "for the moment", NOW, told=False)
    second = add_channel(engine, URL)[0]
    give_up(engine, second, 3, after(100))
    with write_transaction(engine) as connection:
        standing.switch_on(connection, first, NOW)
    assert replay(engine, since=after(1), until=after(100)) == Replayed(0, 0, 0)
    assert replay(engine, since=after(100), until=after(101), limit=2) == Replayed(2, 1, 0)
    assert replay(engine, channel_id=first, until=after(1)) == Replayed(2, 0, 0)
    assert len(dead(engine)) == 1
    with pytest.raises(ChannelNotFoundError):
        replay(engine, channel_id=uuid4())


def test_those_of_a_channel_that_is_off_stay(engine: sa.Engine) -> None:
    first, second = add_channel(engine, URL)[0], add_channel(engine, URL)[0]
    give_up(engine, first, 2)
    give_up(engine, second, 1)
    with write_transaction(engine) as connection:
        standing.switch_off(connection, first, "gone", NOW, told=False)
    assert replay(engine) == Replayed(1, 0, 3), "what waited for it was given up as well"
    with pytest.raises(InvalidInputError, match="switched off"):
        replay(engine, channel_id=first)
    assert len(dead(engine)) == 3
