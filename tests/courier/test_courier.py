"""The courier against a real receiver, on both databases."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random
from uuid import UUID

import pytest
import sqlalchemy as sa
from standardwebhooks import Webhook
from tests.courier.rig import Clock, Settled, courier, outcomes
from tests.support.outbox import NOW, add_channel, after, make_alert, make_run, of_channel, outbound, secrets, tell
from tests.support.receiver import CLOSE, HANG, PATIENCE_S, Behaviour, Dribble, Hold, Receiver, Reply

from trackside_service.backoff import JITTER, STANDARD_WEBHOOKS
from trackside_service.channels import Targets
from trackside_service.channels.outbound import Outbound
from trackside_service.channels.secrets import Secrets
from trackside_service.courier import Courier, send_test
from trackside_service.courier.dispatching import PER_CHANNEL
from trackside_service.errors import ChannelNotFoundError
from trackside_service.storage import channels, delivery_log
from trackside_service.storage.engine import open_engine, read_transaction, write_transaction

SLACK_PATH = "/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx"


def test_a_webhook_arrives_signed_and_a_slack_message_beside_it(engine: sa.Engine, receiver: Receiver) -> None:
    hook, endpoint = add_channel(engine, receiver.url("/hook"))
    slack, _ = add_channel(engine, receiver.url(SLACK_PATH), "slack")
    alert = make_alert()
    tell(engine, alert)
    assert Courier(engine, secrets(), outbound()).run_once() == 2
    [message] = receiver.at("/hook")
    assert endpoint.secret is not None
    data = Webhook(endpoint.secret).verify(message.body, dict(message.headers))
    assert data["data"]["alert"]["id"] == str(alert.id)
    [delivery] = of_channel(engine, hook)
    assert message.id == str(delivery.id)
    assert "Learning rate off schedule" in receiver.at(SLACK_PATH)[0].json["text"]
    assert outcomes(engine, hook) == outcomes(engine, slack) == [("delivered", [200])]
    assert delivery.attempts[0].duration_ms > 0


def test_a_message_links_to_its_run_where_the_service_knows_its_address(engine: sa.Engine, receiver: Receiver) -> None:
    add_channel(engine, receiver.url(SLACK_PATH), "slack")
    tell(engine, make_alert())
    Courier(engine, secrets(), outbound(), public_url="https://ml.example.org/trackside").run_once(NOW)
    tell(engine, make_alert(), now=after(1))
    courier(engine).run_once(after(1))
    linked, bare = (each.body.decode() for each in receiver.at(SLACK_PATH))
    assert f"https://ml.example.org/trackside/v1/runs/{make_run().id}/" in linked
    assert "Open the run" not in bare


def test_every_answer_has_its_consequence(engine: sa.Engine, receiver: Receiver) -> None:
    behaviours: dict[str, Behaviour] = {
        "/ok": Reply(204, body=b""),
        "/error": Reply(500),
        "/busy": Reply(429, {"retry-after": "90"}),
        "/down": Reply(503, {"retry-after": "Sun, 01 Mar 2026 12:05:00 GMT"}),
        "/moved": Reply(301, {"location": receiver.url("/ok")}),
        "/unknown": Reply(404),
        "/gone": Reply(410),
        "/hang": HANG,
        "/close": CLOSE,
        "/dribble": Dribble(),
    }
    ids = {}
    for path, behaviour in behaviours.items():
        receiver.behave(path, behaviour)
        ids[path], _ = add_channel(engine, receiver.url(path))
    tell(engine, make_alert())
    assert courier(engine, outbound=outbound(read_s=1, total_s=2)).run_once(NOW) >= len(behaviours)
    found = {path: of_channel(engine, channel_id)[0] for path, channel_id in ids.items()}
    assert {path: each.status for path, each in found.items()} == {
        "/ok": "delivered",
        "/error": "pending",
        "/busy": "pending",
        "/down": "pending",
        "/moved": "failed",
        "/unknown": "failed",
        "/gone": "failed",
        "/hang": "pending",
        "/close": "pending",
        "/dribble": "pending",
    }
    # Who still listens hears of the end of /gone as well.
    alerts = {path: [each for each in receiver.at(path) if each.json["type"] == "alert.opened"] for path in behaviours}
    assert found["/busy"].due_at == after(90)
    assert found["/down"].due_at == after(300)
    for path in ("/error", "/hang", "/close", "/dribble"):
        due = found[path].due_at
        assert due is not None
        assert after(5) <= due <= after(5 * (1 + JITTER))
        assert len(alerts[path]) == 1
    assert len(alerts["/ok"]) == 1, "the redirect was not followed"
    assert all(each.attempts[0].error for path, each in found.items() if path != "/ok")
    with read_transaction(engine) as connection:
        disabled = {path: channels.get(connection, channel_id).disabled_reason for path, channel_id in ids.items()}
    assert [path for path, reason in disabled.items() if reason] == ["/gone"]


def test_a_temporary_failure_follows_the_written_schedule_to_its_end(engine: sa.Engine, receiver: Receiver) -> None:
    receiver.behave("/hook", Reply(500))
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    tell(engine, make_alert())
    one, now = courier(engine), NOW
    for attempt in range(1, len(STANDARD_WEBHOOKS) + 1):
        assert one.run_once(now) == 1
        [delivery] = of_channel(engine, channel_id)
        assert len(delivery.attempts) == attempt
        if delivery.due_at is not None:
            wait = (delivery.due_at - now).total_seconds()
            assert STANDARD_WEBHOOKS[attempt] <= wait <= STANDARD_WEBHOOKS[attempt] * (1 + JITTER)
            assert one.run_once(now) == 0
            now = delivery.due_at
    assert delivery.status == "failed"
    assert len({message.id for message in receiver.received}) == 1
    assert len({message.headers["webhook-timestamp"] for message in receiver.received}) == len(STANDARD_WEBHOOKS)


def test_what_recovers_arrives_and_nothing_else_waited(engine: sa.Engine, receiver: Receiver) -> None:
    receiver.behave("/hook", Reply(503), Reply(200))
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    alert, other = make_alert(), make_alert()
    tell(engine, alert)
    tell(engine, alert, event="resolved")
    tell(engine, other)
    one = courier(engine, schedule=(0, 60))
    assert one.run_once(NOW) == 2
    assert outcomes(engine, channel_id) == [("pending", [503]), ("pending", []), ("delivered", [200])]
    assert one.run_once(after(70)) == 2
    assert outcomes(engine, channel_id) == [("delivered", [503, 200]), ("delivered", [200]), ("delivered", [200])]
    told = [(each.json["type"], each.json["data"]["alert"]["id"]) for each in receiver.received]
    assert told == [
        ("alert.opened", str(alert.id)),
        ("alert.opened", str(other.id)),
        ("alert.opened", str(alert.id)),
        ("alert.resolved", str(alert.id)),
    ]


def test_in_its_threads_it_wakes_and_delivers_in_order(engine: sa.Engine, receiver: Receiver) -> None:
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    alerts = [make_alert() for _ in range(20)]
    one = courier(engine, clock=lambda: NOW, poll_s=3600)
    one.start()
    try:
        tell(engine, *alerts)
        one.wake()
        receiver.wait(20)
        tell(engine, *alerts, event="resolved")
        tell(engine, make_alert())
        one.wake()
        messages = receiver.wait(41)
    finally:
        one.stop()
    assert len({message.id for message in messages}) == 41
    by_alert: dict[str, list[str]] = {}
    for message in messages:
        by_alert.setdefault(message.json["data"]["alert"]["id"], []).append(message.json["type"])
    assert all(by_alert[str(alert.id)] == ["alert.opened", "alert.resolved"] for alert in alerts)
    assert {status for status, _ in outcomes(engine, channel_id)} == {"delivered"}


def test_without_a_wake_it_polls(engine: sa.Engine, receiver: Receiver) -> None:
    one = courier(engine, poll_s=0.05)
    one.start()
    try:
        add_channel(engine, receiver.url("/hook"))
        tell(engine, make_alert())
        receiver.wait(1)
    finally:
        one.stop()


def test_one_slow_channel_does_not_hold_up_the_others(engine: sa.Engine, receiver: Receiver) -> None:
    receiver.behave("/slow", HANG)
    slow, _ = add_channel(engine, receiver.url("/slow"))
    quick, _ = add_channel(engine, receiver.url("/quick"))
    settled = Settled()
    one = courier(engine, per_channel=2, threads=4, poll_s=3600, on_attempt=settled)
    tell(engine, *(make_alert() for _ in range(30)))
    one.start()
    try:
        receiver.wait(30, "/quick")
        settled.wait(30)
        assert len(receiver.at("/slow")) == 2, "the cap of one channel"
        assert {status for status, _ in outcomes(engine, quick)} == {"delivered"}
        receiver.release()
        settled.wait(60)
    finally:
        one.stop()
    assert {status for status, _ in outcomes(engine, slow)} == {"delivered"}


def test_a_slow_message_does_not_hold_up_other_alerts_of_its_channel(engine: sa.Engine, receiver: Receiver) -> None:
    receiver.behave("/hook", HANG, Reply())
    add_channel(engine, receiver.url("/hook"))
    stuck = make_alert()
    tell(engine, stuck)
    one = courier(engine, per_channel=2, poll_s=3600)
    one.start()
    try:
        receiver.wait(1)
        tell(engine, stuck, event="resolved")
        tell(engine, *(make_alert() for _ in range(9)))
        one.wake()
        messages = receiver.wait(10)
        types = [each.json["type"] for each in messages if each.json["data"]["alert"]["id"] == str(stuck.id)]
        assert types == ["alert.opened"]
        receiver.release()
        assert receiver.wait(11)[-1].json["type"] == "alert.resolved"
    finally:
        one.stop()


def test_stopping_waits_for_what_is_being_sent(engine: sa.Engine, receiver: Receiver) -> None:
    receiver.behave("/hook", HANG)
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    tell(engine, make_alert())
    one = courier(engine, poll_s=3600)
    one.start()
    receiver.wait(1)
    stopping = threading.Thread(target=one.stop)
    stopping.start()
    receiver.release()
    stopping.join(PATIENCE_S)
    assert not stopping.is_alive()
    assert outcomes(engine, channel_id) == [("delivered", [200])]
    one.stop()
    tell(engine, make_alert())
    one.start()
    receiver.wait(2)
    one.stop()


@pytest.mark.parametrize("status", [400, 503])
def test_a_retry_during_an_attempt_that_fails_is_made_at_once(
    engine: sa.Engine, receiver: Receiver, status: int
) -> None:
    receiver.behave("/hook", Hold(status), Reply())
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    tell(engine, make_alert())
    clock, settled = Clock(), Settled()
    one = courier(engine, clock=clock, on_attempt=settled, poll_s=3600)
    one.start()
    try:
        receiver.wait(1)
        clock.now = after(1)
        [delivery] = of_channel(engine, channel_id)
        with write_transaction(engine) as connection:
            delivery_log.retry(connection, delivery.id, clock.now)
        one.wake()
        receiver.release()
        settled.wait(2)
    finally:
        one.stop()
    assert outcomes(engine, channel_id) == [("delivered", [status, 200])]


def test_several_couriers_share_the_work(engine: sa.Engine, database_url: str, receiver: Receiver) -> None:
    channel_ids = [add_channel(engine, receiver.url(f"/{number}"))[0] for number in range(3)]
    for number in range(3):
        receiver.behave(f"/{number}", HANG)  # until both have all that each takes at once
    alerts = [make_alert() for _ in range(40)]
    tell(engine, *alerts)
    tell(engine, *alerts, event="resolved")
    engines = [open_engine(database_url) for _ in range(2)]
    tallies = [Settled(), Settled()]
    both = [courier(each, on_attempt=tally, poll_s=0.05) for each, tally in zip(engines, tallies, strict=True)]
    try:
        for each in both:
            each.start()
        receiver.wait(2 * len(channel_ids) * PER_CHANNEL)
        receiver.release()
        receiver.wait(240)
        for each in both:
            each.stop()
    finally:
        for opened in engines:
            opened.dispose()
    ids = [message.id for message in receiver.received]
    assert len(ids) == len(set(ids)) == 240
    assert sum(len(tally.outcomes) for tally in tallies) == 240
    assert all(len(tally.outcomes) >= len(channel_ids) * PER_CHANNEL for tally in tallies)
    for channel_id in channel_ids:
        assert {status for status, _ in outcomes(engine, channel_id)} == {"delivered"}


def test_a_courier_that_lost_its_lease_settles_nothing(
    engine: sa.Engine, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.behave("/hook", HANG, Reply(200))
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    tell(engine, make_alert())
    with ThreadPoolExecutor(1) as pool, caplog.at_level(logging.WARNING):
        late = pool.submit(courier(engine).run_once, NOW)
        receiver.wait(1)
        assert courier(engine).run_once(after(61)) == 1
        receiver.release()
        late.result(PATIENCE_S)
    first, second = receiver.received
    assert first.id == second.id
    assert outcomes(engine, channel_id) == [("delivered", [200])]
    assert "longer than its lease" in caplog.text


def test_a_key_that_is_lost_is_a_temporary_failure(engine: sa.Engine, receiver: Receiver) -> None:
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    tell(engine, make_alert())
    Courier(engine, Secrets([b"x" * 32]), outbound(), rng=Random(1)).run_once(NOW)
    [delivery] = of_channel(engine, channel_id)
    assert delivery.status == "pending"
    assert "TRACKSIDE_SECRET_KEY" in str(delivery.attempts[0].error)
    assert courier(engine).run_once(after(10)) == 1
    assert outcomes(engine, channel_id) == [("delivered", [None, 200])]


def test_a_message_that_cannot_be_made_is_given_up_and_blocks_nobody(engine: sa.Engine, receiver: Receiver) -> None:
    slack, _ = add_channel(engine, receiver.url(SLACK_PATH), "slack")
    tell(engine, make_alert(), make_alert())
    with write_transaction(engine) as connection:
        first = delivery_log.page(connection, slack, limit=9)[-1]
        table = sa.table("deliveries", sa.column("number"), sa.column("snapshot", sa.JSON))
        connection.execute(table.update().where(table.c.number == first.number).values(snapshot={"alert": {}}))
    one = courier(engine)
    assert [one.run_once(NOW), one.run_once(after(1))] == [1, 1]
    assert [status for status, _ in outcomes(engine, slack)] == ["failed", "delivered"]


def test_slacks_address_is_nowhere(engine: sa.Engine, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    echo = f"The requested URL {SLACK_PATH} was not found".encode()
    receiver.behave(SLACK_PATH, Reply(500, body=echo), Reply(404, body=echo))
    channel_id, _ = add_channel(engine, receiver.url(SLACK_PATH), "slack")
    tell(engine, make_alert(), make_alert())
    one = courier(engine)
    with caplog.at_level(logging.DEBUG):
        one.run_once(NOW)
        refused = Outbound(Targets())
        Courier(engine, secrets(), refused, rng=Random(1)).run_once(after(10))
        tested = send_test(engine, secrets(), outbound(), channel_id)
    with read_transaction(engine) as connection:
        page = delivery_log.page(connection, channel_id, limit=9)
        told = repr(
            (page, channels.listed(connection), channels.sealed(connection, channel_id), tested, one, secrets())
        )
    assert "was not found" in told
    for part in ("T00000000", "B00000000", "abcdefghijklmnopqrstuvwx"):
        assert part not in told
        assert part not in caplog.text


def test_a_test_says_what_the_other_side_answered(engine: sa.Engine, receiver: Receiver) -> None:
    receiver.behave("/hook", Reply(200, body=b"thanks"), Reply(404, body=b"no_service"), CLOSE)
    channel_id, endpoint = add_channel(engine, receiver.url("/hook"))
    good = send_test(engine, secrets(), outbound(), channel_id)
    assert (good.delivered, good.status_code, good.said, good.error) == (True, 200, "thanks", None)
    assert good.duration_ms > 0
    assert endpoint.secret is not None
    message = receiver.received[0]
    assert Webhook(endpoint.secret).verify(message.body, dict(message.headers))["type"] == "channel.test"
    bad = send_test(engine, secrets(), outbound(), channel_id)
    assert (bad.delivered, bad.status_code, bad.said) == (False, 404, "no_service")
    assert bad.error == "the receiver answered 404: no_service"
    none = send_test(engine, secrets(), outbound(), channel_id)
    assert (none.delivered, none.status_code, none.said) == (False, None, None)
    assert none.error
    assert of_channel(engine, channel_id) == ()
    with pytest.raises(ChannelNotFoundError):
        send_test(engine, secrets(), outbound(), UUID(int=1))


def test_a_test_that_succeeds_switches_a_channel_on_again(engine: sa.Engine, receiver: Receiver) -> None:
    receiver.behave("/hook", Reply(410), Reply(410), Reply(200))
    channel_id, _ = add_channel(engine, receiver.url("/hook"))
    tell(engine, make_alert())
    one = courier(engine)
    one.run_once(NOW)

    def reason() -> str | None:
        with read_transaction(engine) as connection:
            return channels.get(connection, channel_id).disabled_reason

    assert "410" in str(reason())
    send_test(engine, secrets(), outbound(), channel_id)
    assert reason() is not None
    send_test(engine, secrets(), outbound(), channel_id)
    assert reason() is None
    with write_transaction(engine) as connection:
        delivery_log.retry(connection, of_channel(engine, channel_id)[0].id, after(1))
    assert one.run_once(after(1)) == 1
    assert outcomes(engine, channel_id) == [("delivered", [410, 200])]


def test_a_lease_must_outlast_a_sending(engine: sa.Engine) -> None:
    with pytest.raises(ValueError, match="outlast"):
        courier(engine, outbound=outbound(total_s=70))
