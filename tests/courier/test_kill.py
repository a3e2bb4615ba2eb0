"""A courier that is killed (-9) before it settled loses nothing, and what comes twice carries the same id."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from tests.support.outbox import add_channel, after, make_alert, of_channel, outbound, secrets, tell
from tests.support.receiver import HANG, Reply, receiving

from trackside_service.courier import LEASE_S, Courier

ROOT = Path(__file__).parents[2]


@contextmanager
def process(database_url: str, seconds: float, window: float = 0.0) -> Iterator[None]:
    """Run a courier as a process, with its clock at `seconds` and that window, and kill it at the end."""
    command = [sys.executable, "-m", "tests.support.courier_process", database_url, str(seconds), str(window)]
    with subprocess.Popen(command, cwd=ROOT) as running:
        try:
            yield
        finally:
            running.kill()


def test_a_message_that_was_being_sent_is_sent_again(engine: sa.Engine, database_url: str) -> None:
    with receiving() as receiver:
        receiver.behave("/hook", HANG, Reply())
        channel_id, _ = add_channel(engine, receiver.url("/hook"))
        tell(engine, make_alert())
        with process(database_url, 0):
            receiver.wait(1)
        [delivery] = of_channel(engine, channel_id)
        assert (delivery.status, delivery.attempts) == ("pending", ())
        one = Courier(engine, secrets(), outbound())
        assert one.run_once(after(LEASE_S - 1)) == 0, "the lease of the dead courier still runs"
        assert one.run_once(after(LEASE_S)) == 1
        first, second = receiver.received
        assert first.id == second.id == str(delivery.id)
        assert first.body == second.body
        [delivery] = of_channel(engine, channel_id)
        assert (delivery.status, len(delivery.attempts)) == ("delivered", 1)


def test_killed_again_and_again_every_alert_arrives(engine: sa.Engine, database_url: str) -> None:
    alerts = [make_alert() for _ in range(100)]
    with receiving() as receiver:
        receiver.behave("/hook", Reply(500), Reply(429, {"retry-after": "0"}), Reply())
        channel_id, _ = add_channel(engine, receiver.url("/hook"))
        tell(engine, *alerts)
        tell(engine, *alerts, event="resolved")
        for round_ in range(3):
            with process(database_url, round_ * LEASE_S):
                receiver.wait(len(receiver.received) + 25)
        one = Courier(engine, secrets(), outbound())
        seconds = 3 * LEASE_S
        while any(each.status == "pending" for each in of_channel(engine, channel_id)):
            one.run_once(after(seconds))
            seconds += 400
        messages = receiver.received
    ids = {str(each.id) for each in of_channel(engine, channel_id)}
    assert {each.status for each in of_channel(engine, channel_id)} == {"delivered"}
    assert {message.id for message in messages} == ids, "each arrived, and under no other id"
    assert len(messages) >= len(ids) == 200
    by_id = {message.id: message.body for message in messages}
    assert all(by_id[message.id] == message.body for message in messages)
    told = Counter((message.json["type"], message.json["data"]["alert"]["id"]) for message in messages)
    assert len(told) == 200
    for alert in alerts:
        first = [each.json["type"] for each in messages if each.json["data"]["alert"]["id"] == str(alert.id)]
        assert first == sorted(first), "no resolution before its opening"
