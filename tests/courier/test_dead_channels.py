"""A channel at which nothing arrives is switched off, and somebody hears of it elsewhere."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from tests.courier.rig import courier, outcomes
from tests.support.outbox import NOW, add_channel, after, make_alert, of_channel, outbound, secrets, tell
from tests.support.receiver import CLOSE, Receiver, Reply

from trackside_service.channels import Outcome
from trackside_service.channels.secrets import Secrets
from trackside_service.courier import Courier, dispatching, send_test, sending
from trackside_service.dying import REFUSALS
from trackside_service.storage import channels, deliveries, delivery_log, standing
from trackside_service.storage.channels import StoredChannel
from trackside_service.storage.engine import read_transaction, write_transaction

HOUR = 3600.0


def shown(engine: sa.Engine, channel_id: UUID) -> StoredChannel:
    with read_transaction(engine) as connection:
        return channels.get(connection, channel_id)


def test_a_410_is_told_elsewhere(engine: sa.Engine, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    receiver.behave("/hidden-part", Reply(410, body=b"the hook /hidden-part is gone"))
    lost, _ = add_channel(engine, receiver.url("/hidden-part"), name="the lost one")
    tell(engine, *(make_alert() for _ in range(3)))
    hook, _ = add_channel(engine, receiver.url("/hook"))
    add_channel(engine, receiver.url("/slack"), "slack")
    elsewhere, _ = add_channel(engine, receiver.url("/elsewhere"), project="speech")
    one = courier(engine, per_channel=1, group_window_s=30)
    with caplog.at_level(logging.WARNING):
        assert one.run_once(NOW) == 1 + 2
    off = shown(engine, lost)
    assert (off.disabled_reason, off.disabled_at) == (
        "the receiver answered 410: the hook /[hidden] is gone",
        NOW,
    )
    assert f"channel {lost} is switched off" in caplog.text
    [message] = receiver.at("/hook")
    told = message.json
    assert (told["type"], told["data"]["channel"]["name"], told["data"]["disabled"]["given_up"]) == (
        "channel.disabled",
        "the lost one",
        2,
    )
    assert "No alerts reach the channel the lost one any more" in receiver.at("/slack")[0].json["text"]
    everything = b"".join(each.body for each in receiver.received if each.path != "/hidden-part")
    assert b"hidden-part" not in everything
    assert outcomes(engine, hook) == [("delivered", [200])]
    assert outcomes(engine, elsewhere) == [], "it hears of other runs"
    assert one.run_once(after(99999)) == 0, "it is told once"


def test_channels_of_the_same_project_hear_of_it_first(engine: sa.Engine, receiver: Receiver) -> None:
    receiver.behave("/lost", Reply(410))
    add_channel(engine, receiver.url("/lost"), project="vision")
    tell(engine, make_alert())
    for path, project in (("/vision", "vision"), ("/speech", "speech")):
        add_channel(engine, receiver.url(path), project=project)
    assert courier(engine).run_once(NOW) == 2
    assert (len(receiver.at("/vision")), len(receiver.at("/speech"))) == (1, 0)


def test_where_nobody_hears_of_the_same_runs_any_other_does(engine: sa.Engine, receiver: Receiver) -> None:
    receiver.behave("/lost", Reply(410))
    add_channel(engine, receiver.url("/lost"), project="vision")
    tell(engine, make_alert())
    add_channel(engine, receiver.url("/speech"), project="speech")
    assert courier(engine).run_once(NOW) == 2
    assert receiver.at("/speech")[0].json["type"] == "channel.disabled"


def test_many_refusals_over_an_hour_switch_a_channel_off(engine: sa.Engine, receiver: Receiver) -> None:
    receiver.behave("/hook", Reply(404, body=b"no_service"))
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    one = courier(engine)
    for number in range(REFUSALS):
        assert shown(engine, channel_id).disabled_reason is None
        tell(engine, make_alert(), now=after(number * HOUR / 2))
        one.run_once(after(number * HOUR / 2))
    reason = shown(engine, channel_id).disabled_reason
    assert reason == "10 messages in a row were refused for good; the last time, the receiver answered 404: no_service"
    assert tell(engine, make_alert()) == 0


def test_one_that_arrives_between_says_that_it_lives(engine: sa.Engine, receiver: Receiver) -> None:
    receiver.behave("/hook", *[Reply(404)] * 9, Reply(200), *[Reply(404)] * 9)
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    one = courier(engine)
    for number in range(19):
        tell(engine, make_alert(), now=after(number * HOUR))
        one.run_once(after(number * HOUR))
    found = shown(engine, channel_id)
    assert (found.disabled_reason, found.failing_since) == (None, after(10 * HOUR))
    assert found.delivered_at == after(9 * HOUR)


def test_two_failures_days_apart_are_no_dead_channel(engine: sa.Engine, receiver: Receiver) -> None:
    receiver.behave("/hook", Reply(400), Reply(503), Reply(200))
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    one = courier(engine)
    for seconds in (0, 96 * HOUR):
        tell(engine, make_alert(), now=after(seconds))
        one.run_once(after(seconds))
    assert shown(engine, channel_id).disabled_reason is None, "nobody tried in between"
    one.run_once(after(96 * HOUR + 10))
    assert outcomes(engine, channel_id) == [("failed", [400]), ("delivered", [503, 200])]


@pytest.mark.parametrize("others_deliver", [False, True])
def test_days_without_an_answer_do_so_only_while_others_answer(
    engine: sa.Engine, receiver: Receiver, others_deliver: bool
) -> None:
    receiver.behave("/hook", CLOSE)
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    tell(engine, make_alert())
    one = courier(engine, schedule=(0, HOUR, 72 * HOUR))
    one.run_once(NOW)
    if others_deliver:
        add_channel(engine, receiver.url("/other"), project="vision")
        tell(engine, make_alert(), now=after(HOUR))
    for seconds in (1.2 * HOUR, 90 * HOUR):
        one.run_once(after(seconds))
    reason = shown(engine, channel_id).disabled_reason
    assert (reason is not None) is others_deliver, reason
    assert reason is None or reason.startswith("nothing has arrived there for 90 hours; the last time, the receiver")


def test_what_is_our_own_fault_is_not_the_channels(engine: sa.Engine, receiver: Receiver) -> None:
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    tell(engine, make_alert())
    Courier(engine, Secrets([b"x" * 32]), outbound()).run_once(NOW)
    assert shown(engine, channel_id).failing_since is None


def test_a_test_that_succeeds_brings_it_back_with_what_was_given_up(engine: sa.Engine, receiver: Receiver) -> None:
    receiver.behave("/hook", Reply(410), Reply())
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    tell(engine, make_alert(), make_alert())
    one = courier(engine, per_channel=1)
    one.run_once(NOW)
    assert {each.status for each in of_channel(engine, channel_id)} == {"failed"}
    assert send_test(engine, secrets(), outbound(), channel_id, clock=lambda: after(60)).delivered
    found = shown(engine, channel_id)
    assert (found.disabled_reason, found.disabled_at, found.failing_since, found.delivered_at) == (
        None,
        None,
        None,
        after(60),
    )
    with write_transaction(engine) as connection:
        assert delivery_log.replay(connection, after(61), channel_id=channel_id).replayed == 2
    one.run_once(after(61))
    assert {each.status for each in of_channel(engine, channel_id)} == {"delivered"}


@pytest.mark.parametrize("ours", [False, True])
def test_what_was_under_way_when_it_was_switched_off_is_given_up_too(
    engine: sa.Engine, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, ours: bool
) -> None:
    receiver.behave("/hook", Reply(503))
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    tell(engine, make_alert())
    off = [True]

    def send(*args: Any) -> Outcome:
        if off.pop():
            with write_transaction(engine) as connection:
                standing.switch_off(connection, channel_id, "switched off by hand", NOW, told=False)
        return Outcome("retry", error="no key", ours=True) if ours else sending.send(*args)

    monkeypatch.setattr(dispatching, "send", send)
    courier(engine).run_once(NOW)
    [given_up] = of_channel(engine, channel_id)
    assert (given_up.status, given_up.settled_at, len(given_up.attempts)) == ("failed", NOW, 1)


def test_what_a_courier_died_with_while_it_was_off_is_given_up_when_it_is_on(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, "https://receiver.example/hook")
    tell(engine, make_alert())
    with write_transaction(engine) as connection:
        deliveries.claim(connection, channel_id, lease=uuid4(), now=NOW, until=after(60), limit=1)
        standing.switch_off(connection, channel_id, "switched off by hand", NOW, told=False)
    with write_transaction(engine) as connection:
        standing.switch_on(connection, channel_id, after(3600))
    assert [each.status for each in of_channel(engine, channel_id)] == ["failed"]
    tell(engine, make_alert())
    with write_transaction(engine) as connection:
        standing.switch_on(connection, channel_id, after(3601))
    assert [each.status for each in of_channel(engine, channel_id)] == ["failed", "pending"], "it was on already"
