"""The service about itself: ready or not, its meters, and a clean end."""

from __future__ import annotations

import asyncio
import math
import re
import time
from uuid import UUID

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send
from tests.api.test_records import posted
from tests.api.test_runs import opened
from tests.support.problems import assert_problem
from tests.support.receiver import Reply, receiving
from tests.support.service import service

from trackside_service.api.metrics import Meters
from trackside_service.api.problems import Guard


def meters(api: httpx.Client) -> dict[str, float]:
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in answer.text.splitlines() if line and line[0] != "#"]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_a_client_that_leaves_in_its_body_is_no_error_of_the_service(caplog: pytest.LogCaptureFixture) -> None:
    async def gone(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()

    async def leave() -> Message:
        return {"type": "http.disconnect"}

    async def never(message: Message) -> None:
        raise AssertionError(message)

    scope: Scope = {"type": "http", "method": "POST", "path": "/v1/runs", "headers": []}
    asyncio.run(Guard(gone, Meters())(scope, leave, never))
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_database_without_tables_is_alive_but_not_ready(empty_database_url: str) -> None:
    with service(empty_database_url) as url:
        assert httpx.get(f"{url}/healthz", timeout=30).status_code == 200
        answer = httpx.get(f"{url}/readyz", timeout=30)
        assert "trackside migrate" in assert_problem(answer, 503, "storage_unavailable")["detail"]
        assert "retry-after" in answer.headers


def test_a_probe_with_head_is_answered_as_one_with_get(api: httpx.Client, empty_database_url: str) -> None:
    for path in ("/healthz", "/readyz"):
        asked, probed = api.get(path), api.head(path)
        assert (probed.status_code, probed.content) == (200, b"")
        assert probed.headers["content-type"] == asked.headers["content-type"]
        assert api.post(path).headers["allow"] == "GET, HEAD"
    with service(empty_database_url) as url:
        assert httpx.head(f"{url}/readyz", timeout=30).status_code == 503


def test_meters_count_what_was_done_and_name_no_run(api: httpx.Client) -> None:
    before = meters(api)
    path = opened(api, number=0xABCDEF)
    records = [{"step": step, "metrics": {"loss": "NaN", "lr": 0.1}} for step in range(3)]
    posted(api, path, records)
    posted(api, path, records)
    after = meters(api)
    assert after["trackside_posts_total"] - before["trackside_posts_total"] == 2
    assert after["trackside_points_total"] - before["trackside_points_total"] == 6
    assert after["trackside_duplicate_records_total"] - before["trackside_duplicate_records_total"] == 3
    assert after['trackside_alerts_opened_total{code="LOSS001"}'] == 1
    assert after["trackside_writer_queue_depth"] == 0
    assert after["trackside_post_duration_seconds_count"] == 2
    text = api.get("/metrics").text
    assert str(UUID(int=0xABCDEF)) not in text
    assert set(re.findall(r"(\w+)=\"", text)) <= {"le", "code", "outcome", "status", "state"}


def test_meters_show_channels_that_are_off_and_what_is_not_delivered(api: httpx.Client) -> None:
    with receiving() as receiver:
        receiver.behave("/gone", Reply(410))
        receiver.behave("/down", Reply(503))
        for path in ("/gone", "/down"):
            body = {"kind": "webhook", "name": path, "url": receiver.url(path)}
            api.post("/v1/channels", json=body).raise_for_status()
        posted(api, opened(api), [{"step": 1, "metrics": {"loss": "NaN"}}])
        receiver.wait(3)  # the second channel hears of the first one's end
        deadline = time.monotonic() + 30
        while (now := meters(api))['trackside_channels{state="disabled"}'] != 1:
            assert time.monotonic() < deadline
        assert now['trackside_channels{state="enabled"}'] == 1
        assert now["trackside_deliveries_dead"] == 1
        assert now["trackside_deliveries_waiting"] == 2
        assert now["trackside_delivery_lateness_seconds"] >= 0


def test_meters_answer_without_a_database(empty_database_url: str) -> None:
    with service(empty_database_url) as url, httpx.Client(base_url=url, timeout=30) as api:
        now = meters(api)
        assert math.isnan(now["trackside_deliveries_waiting"])
        assert now["trackside_writer_queue_depth"] == 0
