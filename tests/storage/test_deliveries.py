"""The outbox: in which order, under whose lease, and what becomes of it."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from tests.support.outbox import NOW, add_channel, after, claim, make_alert, make_run, of_channel, tell

from trackside_service.errors import ChannelNotFoundError, DeliveryNotFoundError, InvalidInputError
from trackside_service.storage import channels, deliveries, delivery_log, settling, standing, turns
from trackside_service.storage.deliveries import Claimed
from trackside_service.storage.delivery_log import Attempt
from trackside_service.storage.engine import read_transaction, write_transaction
from trackside_service.storage.settling import Settlement
from trackside_service.storage.tables import deliveries as outbox

URL = "https://receiver.example/hook"


def due(connection: sa.Connection, now: datetime) -> list[UUID]:
    return [each.channel_id for each in deliveries.due_channels(connection, now)]


def settle(engine: sa.Engine, claimed: Claimed, settlement: Settlement | None = None) -> bool:
    with write_transaction(engine) as connection:
        return settling.settle(connection, claimed, settlement or DELIVERED)


DELIVERED = Settlement("delivered", Attempt(NOW, 12.5, 200, None), after(1))


LATER = Settlement("pending", Attempt(NOW, 7.0, 503, "the receiver answered 503"), after(1), due_at=after(300))


FAILED = Settlement("failed", Attempt(NOW, 3.0, 404, "the receiver answered 404"), after(1))


GONE = replace(FAILED, gone=True)


def test_what_is_due_is_leased_once(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, URL)
    idle, _ = add_channel(engine, URL, project="speech")
    tell(engine, *(make_alert() for _ in range(5)), now=NOW)
    with read_transaction(engine) as connection:
        assert due(connection, after(-1)) == []
        assert due(connection, NOW) == [channel_id]
    first = claim(engine, channel_id, limit=3)
    second = claim(engine, channel_id)
    assert [each.number for each in (*first, *second)] == sorted(each.number for each in (*first, *second))
    assert len({each.id for each in (*first, *second)}) == 5
    assert claim(engine, channel_id) == claim(engine, idle) == ()
    with read_transaction(engine) as connection:
        assert due(connection, after(59)) == []
        assert due(connection, after(60)) == [channel_id]
    assert {each.id for each in claim(engine, channel_id, after(60))} == {each.id for each in (*first, *second)}


def test_a_resolution_never_overtakes_its_opening(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, URL)
    alert, other = make_alert(), make_alert()
    tell(engine, alert)
    tell(engine, alert, event="resolved")
    tell(engine, other, event="resolved")
    [opening, unrelated] = claim(engine, channel_id)
    assert (opening.event, unrelated.snapshot["alert"]["id"]) == ("alert.opened", str(other.id))
    assert settle(engine, unrelated)
    assert settle(engine, opening, LATER)
    assert claim(engine, channel_id, after(299)) == (), "the resolution waits while its opening is retried"
    [again] = claim(engine, channel_id, after(300))
    assert (again.id, again.attempts) == (opening.id, 1)
    assert settle(engine, again, FAILED)
    [resolution] = claim(engine, channel_id, after(300))
    assert resolution.event == "alert.resolved"


def test_the_order_is_that_of_each_channel(engine: sa.Engine) -> None:
    slow, _ = add_channel(engine, URL)
    quick, _ = add_channel(engine, URL)
    alert = make_alert()
    tell(engine, alert)
    [_] = claim(engine, slow)
    [opening] = claim(engine, quick)
    settle(engine, opening)
    tell(engine, alert, event="resolved")
    assert claim(engine, slow) == ()
    assert [each.event for each in claim(engine, quick)] == ["alert.resolved"]


def test_settling_writes_the_log(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, URL)
    tell(engine, make_alert())
    [claimed] = claim(engine, channel_id)
    assert settle(engine, claimed, LATER)
    [shown] = of_channel(engine, channel_id)
    assert (shown.status, shown.due_at, shown.settled_at) == ("pending", after(300), None)
    [claimed] = claim(engine, channel_id, after(300))
    assert settle(engine, claimed)
    [shown] = of_channel(engine, channel_id)
    assert (shown.status, shown.due_at, shown.settled_at) == ("delivered", None, after(1))
    assert shown.attempts == (LATER.attempt, DELIVERED.attempt)


def test_what_was_paused_or_switched_off_since_it_was_found_is_not_leased(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, URL)
    tell(engine, make_alert())
    with read_transaction(engine) as connection:
        assert due(connection, NOW) == [channel_id]
    with write_transaction(engine) as connection:
        turns.pause(connection, channel_id, after(30))
    assert claim(engine, channel_id, after(29)) == ()
    assert len(claim(engine, channel_id, after(30))) == 1
    off, _ = add_channel(engine, URL)
    with write_transaction(engine) as connection:
        standing.switch_off(connection, off, "gone", NOW, told=False)
        assert turns.take(connection, off, NOW) is None


def test_only_the_holder_of_the_lease_settles(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, URL)
    tell(engine, make_alert())
    [late] = claim(engine, channel_id)
    [current] = claim(engine, channel_id, after(60))
    assert not settle(engine, late, FAILED)
    assert settle(engine, current)
    assert not settle(engine, current, FAILED)
    [shown] = of_channel(engine, channel_id)
    assert (shown.status, len(shown.attempts)) == ("delivered", 1)


def test_a_deleted_channel_takes_its_deliveries_along(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, URL)
    tell(engine, make_alert())
    [claimed] = claim(engine, channel_id)
    with write_transaction(engine) as connection:
        channels.delete(connection, channel_id)
    assert not settle(engine, claimed)


def test_a_channel_that_is_gone_is_switched_off_with_what_waits(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, URL)
    other, _ = add_channel(engine, URL)
    tell(engine, *(make_alert() for _ in range(3)))
    [claimed, leased] = claim(engine, channel_id, limit=2)
    with write_transaction(engine) as connection:
        assert settling.settle(connection, claimed, GONE)
        assert standing.switch_off(connection, channel_id, "the receiver answered 410", after(1), told=False)
        assert not standing.switch_off(connection, channel_id, "again", after(1))
    assert [each.status for each in of_channel(engine, channel_id)] == ["failed", "pending", "failed"]
    assert settle(engine, leased)
    assert {each.status for each in of_channel(engine, other)} == {"pending"}
    with read_transaction(engine) as connection:
        assert channels.get(connection, channel_id).disabled_reason == "the receiver answered 410"
        assert due(connection, after(1)) == [other]
    assert tell(engine, make_alert()) == 1
    failed = of_channel(engine, channel_id)[0]
    with pytest.raises(InvalidInputError, match="switched off"), write_transaction(engine) as connection:
        delivery_log.retry(connection, failed.id, NOW)


def test_switching_off_waits_for_no_courier(engine: sa.Engine) -> None:
    """One that settles holds its delivery and then asks for the channel's row: each would wait for the other."""
    channel_id, _ = add_channel(engine, URL)
    tell(engine, make_alert(), make_alert())

    def switch_off() -> None:
        with write_transaction(engine) as connection:
            standing.switch_off(connection, channel_id, "gone", NOW, told=False)

    with ThreadPoolExecutor(1) as pool:
        with write_transaction(engine) as connection:
            [claimed] = deliveries.claim(connection, channel_id, lease=uuid4(), now=NOW, until=after(60), limit=1)
            switching = pool.submit(switch_off)
            if engine.dialect.name == "postgresql":  # SQLite lets it wait before its first statement
                switching.result(20)
        switching.result(20)
    assert [each.status for each in of_channel(engine, channel_id)] == ["pending", "failed"]
    assert settle(engine, claimed)


@pytest.mark.parametrize("settlement", [FAILED, DELIVERED, LATER])
def test_a_delivery_is_retried_by_hand_under_its_id(engine: sa.Engine, settlement: Settlement) -> None:
    channel_id, _ = add_channel(engine, URL)
    tell(engine, make_alert())
    [claimed] = claim(engine, channel_id)
    settle(engine, claimed, settlement)
    assert claim(engine, channel_id, after(2)) == ()
    with write_transaction(engine) as connection:
        shown = delivery_log.retry(connection, claimed.id, after(2))
    assert (shown.status, shown.due_at, shown.settled_at) == ("pending", after(2), None)
    [again] = claim(engine, channel_id, after(2))
    assert (again.id, again.attempts) == (claimed.id, 1)
    assert settle(engine, again)
    assert len(of_channel(engine, channel_id)[0].attempts) == 2
    with pytest.raises(DeliveryNotFoundError), write_transaction(engine) as connection:
        delivery_log.retry(connection, uuid4(), NOW)


@pytest.mark.parametrize("settlement", [FAILED, LATER])
def test_a_retry_that_was_asked_for_during_an_attempt_is_made_after_it(
    engine: sa.Engine, settlement: Settlement
) -> None:
    channel_id, _ = add_channel(engine, URL)
    tell(engine, make_alert())
    [claimed] = claim(engine, channel_id)
    with write_transaction(engine) as connection:
        delivery_log.retry(connection, claimed.id, after(0.5))
    assert claim(engine, channel_id, after(0.6)) == (), "the attempt under way holds the lease"
    assert settle(engine, claimed, settlement)
    [shown] = of_channel(engine, channel_id)
    assert (shown.status, shown.due_at, shown.settled_at) == ("pending", after(0.5), None)
    assert shown.attempts == (settlement.attempt,)
    [again] = claim(engine, channel_id, after(2))
    assert settle(engine, again, settlement)
    [shown] = of_channel(engine, channel_id)
    assert (shown.status, len(shown.attempts)) == (settlement.status, 2), "one further attempt, and no more"


def test_a_retry_that_was_asked_for_during_an_attempt_that_arrives_is_not_made(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, URL)
    tell(engine, make_alert())
    [claimed] = claim(engine, channel_id)
    with write_transaction(engine) as connection:
        delivery_log.retry(connection, claimed.id, after(0.5))
    assert settle(engine, claimed)
    assert claim(engine, channel_id, after(2)) == ()
    # Nor where the channel is switched off by the answer.
    tell(engine, make_alert())
    [claimed] = claim(engine, channel_id)
    with write_transaction(engine) as connection:
        delivery_log.retry(connection, claimed.id, after(0.5))
    assert settle(engine, claimed, GONE)
    assert [each.status for each in of_channel(engine, channel_id)] == ["delivered", "failed"]


def test_deliveries_are_read_in_pages(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, URL)
    tell(engine, *(make_alert() for _ in range(5)))
    [claimed] = claim(engine, channel_id, limit=1)
    settle(engine, claimed)
    seen: list[int] = []
    with read_transaction(engine) as connection:
        while found := delivery_log.page(connection, channel_id, limit=2, before=seen[-1] if seen else None):
            seen += [each.number for each in found]
        delivered = delivery_log.page(connection, channel_id, limit=9, status="delivered")
        with pytest.raises(ChannelNotFoundError):
            delivery_log.page(connection, uuid4(), limit=2)
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 5
    assert [each.id for each in delivered] == [claimed.id]


def test_racing_couriers_never_share_a_lease(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, URL)
    alerts = [make_alert() for _ in range(60)]
    tell(engine, *alerts)
    tell(engine, *alerts, event="resolved")
    gate = threading.Barrier(4)

    def race() -> list[Claimed]:
        gate.wait(20)
        mine: list[Claimed] = []
        while found := claim(engine, channel_id, limit=7):
            mine += found
        return mine

    with ThreadPoolExecutor(4) as pool:
        claimed = [each for future in [pool.submit(race) for _ in range(4)] for each in future.result()]
    assert len(claimed) == len({each.id for each in claimed}) == 60
    assert {each.event for each in claimed} == {"alert.opened"}


def plan_of(engine: sa.Engine, channel_id: UUID) -> tuple[str, list[str]]:
    """Return how the database claims and looks for what is due, whatever values the parameters have."""
    given: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        given.append((statement, parameters))

    def explained(connection: sa.Connection, statement: str, parameters: Any) -> sa.CursorResult[Any]:
        if engine.dialect.name == "sqlite":
            return connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        places = {name: f"${place}" for place, name in enumerate(parameters, 1)}
        return connection.exec_driver_sql(
            "EXPLAIN (GENERIC_PLAN) " + re.sub(r"%\((\w+)\)s", lambda found: places[found[1]], statement)
        )

    with write_transaction(engine) as connection:
        sa.event.listen(connection, "before_cursor_execute", note)
        deliveries.claim(connection, channel_id, lease=uuid4(), now=after(-1), until=after(60), limit=3)
        deliveries.due_channels(connection, after(-1))
        sa.event.remove(connection, "before_cursor_execute", note)
        rows = [row for statement, parameters in given for row in explained(connection, statement, parameters)]
    return "\n".join(str(tuple(row)) for row in rows), [statement for statement, _ in given]


def test_the_backlog_of_one_channel_is_not_read_for_another(engine: sa.Engine) -> None:
    """The plan of a claim and of the look for due channels uses the indexes of what waits, on both databases."""
    channel_id, _ = add_channel(engine, URL)
    other, _ = add_channel(engine, URL)
    rows: list[dict[str, Any]] = [
        {
            "delivery_id": uuid4(),
            "channel_id": other if number % 50 else channel_id,
            "run_id": make_run().id,
            "alert_id": uuid4(),
            "event": "alert.opened",
            "snapshot": {},
            "status": "delivered" if number % 3 else "pending",
            "attempts": 0,
            "due_at": after(number),
            "created_at": NOW,
        }
        for number in range(10_000)
    ]
    with write_transaction(engine) as connection:
        connection.execute(outbox.insert(), rows)
        connection.exec_driver_sql("ANALYZE")
    plan, statements = plan_of(engine, channel_id)
    assert all("status = 'pending'" in each for each in statements), "SQLite looks at a parameter only where it must"
    assert "ix_deliveries_due" in plan, plan
    assert "ix_deliveries_order" in plan, plan
    whole = ("SCAN due", "SCAN earlier", "SCAN deliveries", "Seq Scan on deliveries")
    assert not any(words in plan for words in whole), plan


def test_a_claim_never_leases_more_than_its_limit(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, URL)
    tell(engine, *(make_alert() for _ in range(10)))
    with write_transaction(engine) as connection:
        if engine.dialect.name == "postgresql":  # the plan in which a subquery would run once for each row
            for kind in ("hashjoin", "mergejoin", "hashagg", "material", "sort"):
                connection.exec_driver_sql(f"SET LOCAL enable_{kind} = off")
        found = deliveries.claim(connection, channel_id, lease=uuid4(), now=NOW, until=after(60), limit=3)
    assert len(found) == 3
    assert len(claim(engine, channel_id)) == 7
