"""The daily digest: due by the clock, written once however many sweep, about what its channel asks for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from tests.courier.rig import courier
from tests.support.outbox import NOW, add_channel, after, of_channel
from tests.support.receiver import receiving

from trackside_service import monitor, sweeper
from trackside_service.domain.digests import Digest
from trackside_service.domain.records import Record
from trackside_service.domain.runs import RunSpec
from trackside_service.domain.silences import Matchers, Silence
from trackside_service.monitor import digesting
from trackside_service.storage import channels, silences, standing
from trackside_service.storage.digests import DueDigest
from trackside_service.storage.engine import read_transaction, write_transaction
from trackside_service.storage.tables import deliveries
from trackside_service.sweeper import Sweeper
from trackside_service.writer import Writer

URL = "http://127.0.0.1:9/hook"
HOUR = 3600.0
DAY = 24 * HOUR
DAILY: dict[str, Any] = {"events": ("digest",), "digest_at": "13:00"}  # an hour after the tests' time


@pytest.fixture
def writer(engine: sa.Engine) -> Iterator[Writer]:
    one = Writer(engine)
    one.start()
    yield one
    one.stop()


def dead_run(engine: sa.Engine, name: str, at: datetime = NOW, project: str = "vision", tag: str = "nightly") -> UUID:
    """Open a run and let its loss be NaN: LOSS001."""
    run_id = uuid4()
    with write_transaction(engine) as connection:
        monitor.open_run(connection, run_id, RunSpec(project, name, tags=(tag,)), process=None, now=at)
        monitor.record(connection, run_id, None, [Record({"train_loss": math.nan}, step=1)], now=at)
    return run_id


def sweep(engine: sa.Engine, writer: Writer, seconds: float) -> None:
    Sweeper(engine, writer.submit, clock=lambda: after(seconds)).sweep()


def digests(engine: sa.Engine, channel_id: UUID) -> list[dict[str, Any]]:
    with read_transaction(engine) as connection:
        query = sa.select(deliveries.c.snapshot).where(
            deliveries.c.channel_id == channel_id, deliveries.c.event == "digest"
        )
        return [row.snapshot["digest"] for row in connection.execute(query.order_by(deliveries.c.number))]


def test_it_is_written_once_a_day_with_what_stands_and_what_happened(engine: sa.Engine, writer: Writer) -> None:
    channel_id, _ = add_channel(engine, URL, **DAILY)
    usual, _ = add_channel(engine, URL)
    dead_run(engine, "resnet-7")
    sweep(engine, writer, HOUR - 1)
    assert digests(engine, channel_id) == []
    sweep(engine, writer, HOUR)
    sweep(engine, writer, HOUR + 5)
    [first] = digests(engine, channel_id)
    assert (first["open"], first["opened"], first["resolved"]) == ({"info": 0, "warning": 0, "critical": 1}, 1, 0)
    assert [(each["code"], each["run"]["name"]) for each in first["alerts"]] == [("LOSS001", "resnet-7")]
    assert (first["since"], first["until"]) == ("2026-02-28T13:00:00Z", "2026-03-01T13:00:00Z")
    sweep(engine, writer, HOUR + DAY + 30)
    second = digests(engine, channel_id)[1]
    assert (second["opened"], second["runs"], second["since"]) == (0, 1, "2026-03-01T13:00:00Z")
    assert {each.event for each in of_channel(engine, usual)} == {"alert.opened"}, "who does not ask gets none"


def test_nothing_to_tell_is_not_told(engine: sa.Engine, writer: Writer) -> None:
    channel_id, _ = add_channel(engine, URL, **DAILY)
    sweep(engine, writer, HOUR)
    assert of_channel(engine, channel_id) == ()
    dead_run(engine, "late", at=after(2 * HOUR))
    sweep(engine, writer, HOUR + DAY)
    assert len(digests(engine, channel_id)) == 1


def test_it_is_about_what_the_channel_asks_for(engine: sa.Engine, writer: Writer) -> None:
    asked: dict[str, dict[str, Any]] = {
        "all": {},
        "speech": {"project": "speech"},
        "rules": {"codes": ("LR",)},
        "tags": {"tags": ("weekly",)},
    }
    ids = {name: add_channel(engine, URL, **DAILY, **more)[0] for name, more in asked.items()}
    dead_run(engine, "one")
    dead_run(engine, "two", project="speech", tag="weekly")
    dead_run(engine, "quiet")
    with write_transaction(engine) as connection:
        silences.insert(connection, Silence(uuid4(), Matchers(run=("quiet",)), after(DAY), NOW))
    sweep(engine, writer, HOUR)
    told = {name: [each["alerts"] for each in digests(engine, channel_id)] for name, channel_id in ids.items()}
    named = {name: {each["run"]["name"] for alerts in found for each in alerts} for name, found in told.items()}
    assert named == {"all": {"one", "two"}, "speech": {"two"}, "rules": set(), "tags": {"two"}}


def test_many_sweepers_write_one(engine: sa.Engine, writer: Writer) -> None:
    channel_id, _ = add_channel(engine, URL, **DAILY)
    dead_run(engine, "resnet-7")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: sweep(engine, writer, HOUR), range(4)))
    assert len(digests(engine, channel_id)) == 1


def test_a_service_that_was_down_tells_all_of_it_once(engine: sa.Engine, writer: Writer) -> None:
    channel_id, _ = add_channel(engine, URL, **DAILY)
    dead_run(engine, "resnet-7")
    sweep(engine, writer, HOUR)
    dead_run(engine, "resnet-8", at=after(2 * HOUR))
    sweep(engine, writer, HOUR + 3 * DAY + 60)
    sweep(engine, writer, HOUR + 3 * DAY + 120)
    assert [each["opened"] for each in digests(engine, channel_id)] == [1, 1]
    sweep(engine, writer, HOUR + 4 * DAY)
    assert len(digests(engine, channel_id)) == 3


@pytest.mark.parametrize(("at", "late"), [("13:00", True), ("12:30", False)])
def test_a_change_of_its_channel_loses_none_that_is_late(
    engine: sa.Engine, writer: Writer, at: str, late: bool
) -> None:
    channel_id, _ = add_channel(engine, URL, **DAILY)
    dead_run(engine, "resnet-7")
    with write_transaction(engine) as connection:
        route = channels.get(connection, channel_id).route
        renamed: dict[str, Any] = {"name": "renamed", "route": route, "max_per_minute": None}
        channels.change(connection, channel_id, **renamed, digest_at=at, now=after(HOUR + 5))
    sweep(engine, writer, HOUR + 10)
    assert len(digests(engine, channel_id)) == late, "another time of day begins anew"


def test_other_projects_do_not_crowd_out_its_own(
    engine: sa.Engine, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digesting, "MOST", 2)
    channel_id, _ = add_channel(engine, URL, **DAILY, project="speech")
    dead_run(engine, "ours", project="speech")
    for number in range(2):
        dead_run(engine, f"theirs {number}", at=after(60))
    sweep(engine, writer, HOUR)
    [told] = digests(engine, channel_id)
    assert [each["run"]["name"] for each in told["alerts"]] == ["ours"]


def test_what_opens_while_it_is_written_is_counted_once(engine: sa.Engine, writer: Writer) -> None:
    channel_id, _ = add_channel(engine, URL, **DAILY)
    dead_run(engine, "before")
    dead_run(engine, "meanwhile", at=after(HOUR + 1))  # after the sweep looked at its clock
    sweep(engine, writer, HOUR)
    sweep(engine, writer, HOUR + DAY)
    assert [each["opened"] for each in digests(engine, channel_id)] == [1, 1]


def test_one_that_cannot_be_written_holds_up_no_other(
    engine: sa.Engine, writer: Writer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken, _ = add_channel(engine, URL, **DAILY)
    channel_id, _ = add_channel(engine, URL, **DAILY)
    dead_run(engine, "resnet-7")

    def digest(connection: sa.Connection, one: DueDigest, now: datetime) -> Digest:
        if one.channel_id == broken:
            raise RuntimeError("what was stored is not what it should be")
        return digesting.digest_of(connection, one, now)

    monkeypatch.setattr(sweeper, "digest_of", digest)
    sweep(engine, writer, HOUR)
    assert len(digests(engine, channel_id)) == 1
    assert f"the digest of channel {broken} could not be written: RuntimeError" in caplog.text


def test_a_channel_that_is_off_has_none(engine: sa.Engine, writer: Writer) -> None:
    channel_id, _ = add_channel(engine, URL, **DAILY)
    dead_run(engine, "resnet-7")
    with write_transaction(engine) as connection:
        standing.switch_off(connection, channel_id, "gone", NOW)
    sweep(engine, writer, HOUR)
    assert digests(engine, channel_id) == []


def test_people_get_it_by_itself_even_within_a_window(engine: sa.Engine, writer: Writer) -> None:
    with receiving() as receiver:
        add_channel(engine, receiver.url("/slack"), "slack", events=("opened", "digest"), digest_at="12:01")
        dead_run(engine, "resnet-7")
        one = courier(engine, group_window_s=3600, public_url="https://trackside.example.org")
        assert one.run_once(NOW) == 1
        dead_run(engine, "resnet-8", at=after(30))
        sweep(engine, writer, 60)
        assert one.run_once(after(60)) == 1
        body = receiver.at("/slack")[1].json
    assert body["text"] == "🔴 Digest: 2 critical open in 2 runs"
    said = str(body)
    assert "Since the last digest 2 opened and 0 resolved." in said
    assert "resnet-7" in said
    assert "https://trackside.example.org/v1/alerts?state=open" in said
