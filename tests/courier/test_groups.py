"""Messages to people in groups, on both databases: a burst is told in two, and nothing of it is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from tests.courier.rig import Clock, Settled, courier, outcomes
from tests.courier.test_kill import process
from tests.support.outbox import NOW, add_channel, after, make_alert, make_run, of_channel
from tests.support.receiver import HANG, Hold, Receiver, Reply

from trackside_service.backoff import JITTER
from trackside_service.courier import LEASE_S, Courier
from trackside_service.domain.alerts import Alert, AlertChange, AlertEvent
from trackside_service.storage import channels, deliveries, delivery_log, groups, tables, turns
from trackside_service.storage.engine import open_engine, read_transaction, write_transaction

SLACK = "/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx"
WINDOW_S = 30


def grouping(engine: sa.Engine, **settings: object) -> Courier:
    return courier(engine, group_window_s=WINDOW_S, **settings)


@pytest.fixture
def slack(engine: sa.Engine, receiver: Receiver) -> UUID:
    return add_channel(engine, receiver.url(SLACK), "slack")[0]


def warning(run_id: UUID | None = None, **changes: Any) -> Alert:
    return make_alert(severity="warning", **({"run_id": run_id} if run_id else {}), **changes)


def tell(
    engine: sa.Engine, *alerts: Alert, event: AlertEvent = "opened", now: datetime = NOW, run: str = "resnet-7"
) -> None:
    """Enqueue an event of each alert of a run of that name."""
    of = replace(make_run(name=run), id=alerts[0].run_id)
    with write_transaction(engine) as connection:
        deliveries.enqueue_all(connection, [AlertChange(event, alert) for alert in alerts], of, now)


def headlines(receiver: Receiver) -> list[str]:
    return [each.json["text"] for each in receiver.at(SLACK)]


def statuses(engine: sa.Engine, channel_id: UUID) -> set[str]:
    return {status for status, _ in outcomes(engine, channel_id)}


def test_a_burst_of_a_sweep_is_two_messages_to_people_and_all_of_it_to_a_webhook(
    engine: sa.Engine, receiver: Receiver, slack: UUID
) -> None:
    hook, _ = add_channel(engine, receiver.url("/hook"))
    one = grouping(engine)
    for number in range(20):
        run_id, at = uuid4(), after(number / 2)
        for code in ("LR001", "LOSS003"):
            tell(engine, warning(run_id, code=code), now=at, run=f"run-{number}")
            one.run_once(at)
    assert len(receiver.at("/hook")) == 40
    assert headlines(receiver) == [
        "🟠 Warning: Learning rate off schedule (LR001) in run-0 of vision, epoch 3, step 1210"
    ]
    assert {each.due_at for each in of_channel(engine, slack)[1:]} == {after(WINDOW_S)}
    assert one.run_once(after(WINDOW_S - 0.1)) == 0
    assert one.run_once(after(WINDOW_S)) == 1
    assert headlines(receiver)[1] == "🟠 39 warnings in 20 runs of vision"
    assert "19 × Learning rate off schedule (LR001): run-1, run-2, run-3 and 16 more" in str(receiver.at(SLACK)[1].json)
    assert outcomes(engine, slack) == outcomes(engine, hook) == [("delivered", [200])] * 40
    tell(engine, warning(), now=after(61))
    assert one.run_once(after(61)) == 2, "after the window the next goes at once"


def test_a_window_of_zero_sends_each_by_itself(engine: sa.Engine, receiver: Receiver, slack: UUID) -> None:
    tell(engine, *(warning() for _ in range(5)))
    one = courier(engine, group_window_s=0)
    assert [one.run_once(after(second)) for second in range(6)] == [1, 1, 1, 1, 1, 0], "one a second, as Slack has it"
    assert outcomes(engine, slack) == [("delivered", [200])] * 5
    assert len(receiver.at(SLACK)) == 5


def test_one_that_was_held_alone_reads_as_it_does_alone(engine: sa.Engine, receiver: Receiver, slack: UUID) -> None:
    first, second = warning(), warning()
    one = grouping(engine)
    for alert in (first, second):
        tell(engine, alert)
        one.run_once(NOW)
    one.run_once(after(WINDOW_S))
    assert receiver.at(SLACK)[0].json == receiver.at(SLACK)[1].json
    assert statuses(engine, slack) == {"delivered"}


def test_a_critical_alert_breaks_the_window_but_not_once_for_each_run(
    engine: sa.Engine, receiver: Receiver, slack: UUID
) -> None:
    one = grouping(engine)
    for alert in (warning(), warning(), make_alert(), make_alert()):
        tell(engine, alert)
        one.run_once(NOW)
    assert len(receiver.at(SLACK)) == 1
    one.run_once(after(5))
    assert headlines(receiver)[1] == "🔴 2 critical and 1 warning in resnet-7 of vision"
    tell(engine, make_alert(), now=after(20))
    one.run_once(after(20))
    assert headlines(receiver)[2].startswith("🔴 Critical: ")
    assert statuses(engine, slack) == {"delivered"}


def test_a_critical_alert_is_not_hidden_behind_more_than_one_message_tells(
    engine: sa.Engine, receiver: Receiver, slack: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "MOST", 4)
    one = grouping(engine)
    tell(engine, warning())
    assert one.run_once(NOW) == 1
    early, first, last = warning(), *(make_alert() for _ in range(2))
    tell(engine, early, *(warning() for _ in range(9)))
    assert one.run_once(after(1)) == 0
    assert {each.due_at for each in of_channel(engine, slack)[1:]} == {after(WINDOW_S)}
    tell(engine, *(warning() for _ in range(9)), first)
    worse = AlertChange("changed", replace(early, severity="critical"), previous="warning")
    with write_transaction(engine) as connection:
        deliveries.enqueue_all(connection, [worse], make_run(), NOW)
    tell(engine, last)
    assert one.run_once(after(4.9)) == 0
    one.run_once(after(5))
    assert "critical" in headlines(receiver)[1]
    one.run_once(after(6))
    one.run_once(after(7))
    told = [event["alert"]["id"] for event in _told(engine, slack)]
    assert {str(first.id), str(last.id)} <= set(told)
    mine = [event for event in _told(engine, slack) if event["alert"]["id"] == str(early.id)]
    assert [event["alert"]["severity"] for event in mine] == ["warning", "critical"]


def test_thousands_that_wait_are_looked_through_in_a_moment(engine: sa.Engine, slack: UUID) -> None:
    # A tenth of a second. With a subquery for each it was ten, on a Postgres that has no statistics yet.
    tell(engine, *(warning() for _ in range(5_000)))
    with write_transaction(engine) as connection:
        turn = turns.take(connection, slack, NOW)
        assert turn is not None
        before = time.perf_counter()
        leaving = groups.claim_group(connection, turn, lease=uuid4(), until=after(60), window=timedelta(seconds=30))
        assert len(leaving) == groups.MOST
        assert time.perf_counter() - before < 5


def _told(engine: sa.Engine, channel_id: UUID) -> list[dict[str, Any]]:
    """The snapshots that have left, in the order in which they did."""
    with read_transaction(engine) as connection:
        rows = connection.execute(
            sa.select(tables.deliveries.c.snapshot)
            .where(tables.deliveries.c.channel_id == channel_id, tables.deliveries.c.status == "delivered")
            .order_by(tables.deliveries.c.settled_at, tables.deliveries.c.number)
        )
        return [row.snapshot for row in rows]


def test_what_opens_and_ends_within_the_window_is_one_line(engine: sa.Engine, receiver: Receiver, slack: UUID) -> None:
    one, alert = grouping(engine), warning()
    tell(engine, warning())
    one.run_once(NOW)
    for event in ("opened", "resolved"):
        tell(engine, alert, event=event)
    tell(engine, warning())
    one.run_once(NOW)
    one.run_once(after(WINDOW_S))
    assert headlines(receiver)[1] == "🟠 1 warning and 1 resolved in resnet-7 of vision"
    assert str(receiver.at(SLACK)[1].json).count("opened and resolved") == 1
    assert outcomes(engine, slack) == [("delivered", [200])] * 4


def test_a_group_that_failed_in_passing_is_tried_again_as_one(
    engine: sa.Engine, receiver: Receiver, slack: UUID
) -> None:
    receiver.behave(SLACK, Reply(500), Reply())
    one = grouping(engine)
    tell(engine, *(warning() for _ in range(3)))
    assert one.run_once(NOW) == 1
    rows = of_channel(engine, slack)
    [due] = {each.due_at for each in rows}
    assert due is not None
    assert after(5) <= due <= after(5 * (1 + JITTER))
    assert {each.status for each in rows} == {"pending"}
    tell(engine, warning(), now=after(1))
    assert one.run_once(after(1)) == 0
    assert one.run_once(due) == 1
    assert receiver.at(SLACK)[0].body == receiver.at(SLACK)[1].body, "nothing joined it"
    assert outcomes(engine, slack) == [("delivered", [500, 200])] * 3 + [("pending", [])]
    assert one.run_once(after(1 + WINDOW_S)) == 1
    assert statuses(engine, slack) == {"delivered"}


def test_a_group_that_is_refused_fails_as_one_and_each_can_be_sent_again(
    engine: sa.Engine, receiver: Receiver, slack: UUID
) -> None:
    receiver.behave(SLACK, Reply(404), Reply())
    one = grouping(engine)
    tell(engine, warning(), warning())
    assert one.run_once(NOW) == 1
    assert outcomes(engine, slack) == [("failed", [404])] * 2
    with write_transaction(engine) as connection:
        delivery_log.retry(connection, of_channel(engine, slack)[1].id, after(1))
    assert one.run_once(after(1)) == 1
    assert outcomes(engine, slack) == [("failed", [404]), ("delivered", [404, 200])]


def test_a_group_to_a_receiver_that_is_gone_switches_the_channel_off(
    engine: sa.Engine, receiver: Receiver, slack: UUID
) -> None:
    receiver.behave(SLACK, Reply(410))
    tell(engine, warning(), warning())
    assert grouping(engine).run_once(NOW) == 1
    assert outcomes(engine, slack) == [("failed", [410])] * 2
    with read_transaction(engine) as connection:
        assert "410" in str(channels.get(connection, slack).disabled_reason)


def test_one_that_was_held_and_is_asked_for_by_hand_goes_at_once(
    engine: sa.Engine, receiver: Receiver, slack: UUID
) -> None:
    one = grouping(engine)
    for _ in range(2):
        tell(engine, warning())
        one.run_once(NOW)
    with write_transaction(engine) as connection:
        delivery_log.retry(connection, of_channel(engine, slack)[1].id, after(1))
    assert one.run_once(after(1)) == 1
    assert statuses(engine, slack) == {"delivered"}
    assert len(receiver.at(SLACK)) == 2


def test_a_resolution_waits_for_an_opening_that_is_tried_again(
    engine: sa.Engine, receiver: Receiver, slack: UUID
) -> None:
    receiver.behave(SLACK, Reply(503), Reply())
    one, alert = grouping(engine, schedule=(0, 60)), warning()
    tell(engine, alert)
    one.run_once(NOW)
    tell(engine, alert, event="resolved", now=after(40))
    assert one.run_once(after(40)) == 0
    one.run_once(after(70))
    one.run_once(after(100))
    assert [text[:10] for text in headlines(receiver)] == ["🟠 Warning:", "🟠 Warning:", "🟢 Resolved"]
    assert outcomes(engine, slack) == [("delivered", [503, 200]), ("delivered", [200])]


def test_what_cannot_be_told_takes_nobody_along(engine: sa.Engine, receiver: Receiver, slack: UUID) -> None:
    tell(engine, warning(), warning(), warning())
    with write_transaction(engine) as connection:
        first = delivery_log.page(connection, slack, limit=9)[-1]
        table = sa.table("deliveries", sa.column("number"), sa.column("snapshot", sa.JSON))
        connection.execute(table.update().where(table.c.number == first.number).values(snapshot={"alert": {}}))
    grouping(engine).run_once(NOW)
    assert [status for status, _ in outcomes(engine, slack)] == ["failed", "delivered", "delivered"]
    assert headlines(receiver) == ["🟠 2 warnings in resnet-7 of vision"]


def test_a_group_that_a_killed_courier_held_is_sent_again_as_it_was(
    engine: sa.Engine, database_url: str, receiver: Receiver, slack: UUID
) -> None:
    receiver.behave(SLACK, HANG, Reply())
    tell(engine, *(warning() for _ in range(3)))
    with process(database_url, 0, WINDOW_S):
        receiver.wait(1)
    assert outcomes(engine, slack) == [("pending", [])] * 3
    one = grouping(engine)
    tell(engine, warning(), now=after(LEASE_S))
    assert one.run_once(after(LEASE_S - 1)) == 0, "the lease of the dead courier still runs"
    assert one.run_once(after(LEASE_S)) == 1
    assert receiver.at(SLACK)[0].body == receiver.at(SLACK)[1].body
    assert outcomes(engine, slack) == [("delivered", [200])] * 3 + [("pending", [])]
    assert one.run_once(after(LEASE_S + WINDOW_S)) == 1
    assert statuses(engine, slack) == {"delivered"}


def test_a_group_is_settled_by_none_whose_lease_was_lost(engine: sa.Engine, receiver: Receiver, slack: UUID) -> None:
    receiver.behave(SLACK, Hold(404), Reply())
    tell(engine, warning(), warning())
    settled, clock = Settled(), Clock()
    late = grouping(engine, clock=clock, on_attempt=settled, poll_s=3600)
    late.start()
    try:
        receiver.wait(1)
        assert grouping(engine).run_once(after(LEASE_S)) == 1
        receiver.release()
        settled.wait(1)
    finally:
        late.stop()
    assert outcomes(engine, slack) == [("delivered", [200])] * 2


@pytest.fixture
def others(database_url: str) -> Iterator[list[sa.Engine]]:
    engines = [open_engine(database_url) for _ in range(2)]
    yield engines
    for each in engines:
        each.dispose()


def test_two_couriers_take_turns(engine: sa.Engine, others: list[sa.Engine], receiver: Receiver, slack: UUID) -> None:
    clock, tally = Clock(), Settled()
    both = [grouping(each, clock=clock, on_attempt=tally, poll_s=0.02) for each in others]
    for each in both:
        each.start()
    try:
        tell(engine, warning())
        tally.wait(1)
        alerts = [warning() for _ in range(40)]
        for alert in alerts:
            tell(engine, alert)
            for each in both:
                each.wake()
        tell(engine, *alerts, event="resolved")
        clock.now = after(WINDOW_S)
        tally.wait(2)
    finally:
        for each in both:
            each.stop()
    grouping(engine).run_once(after(2 * WINDOW_S))
    told = headlines(receiver)
    assert 2 <= len(told) <= 3, "the clock may go on between two looks"
    assert outcomes(engine, slack) == [("delivered", [200])] * 81
