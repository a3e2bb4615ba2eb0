"""Deliveries over HTTP: read, listed over all channels, and the dead letters sent again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from tests.api.test_channels import HIDDEN, made, settled
from tests.api.test_records import posted
from tests.api.test_runs import opened
from tests.support.problems import assert_problem
from tests.support.receiver import Receiver, Reply, receiving


def test_dead_letters_are_listed_and_sent_again(api: httpx.Client) -> None:
    with receiving() as receiver:
        receiver.behave(f"/{HIDDEN}", Reply(status=404, body=b"no such hook"), Reply())
        channel = made(api, receiver)
        posted(api, opened(api), [{"step": 1, "metrics": {"loss": "NaN"}}])
        failed = settled(api, channel, "failed")
        assert api.get("/v1/deliveries", params={"status": "failed"}).json() == {"items": [failed], "next_cursor": None}
        assert api.get(f"/v1/deliveries/{failed['id']}").json() == failed
        (attempt,) = failed["attempts"]
        assert (attempt["status_code"], attempt["error"]) == (404, "the receiver answered 404: no such hook")
        answer = api.post("/v1/replays", json={"channel_id": channel["id"]})
        assert (answer.status_code, answer.json()) == (202, {"replayed": 1, "left": 0, "switched_off": 0})
        first, second = receiver.wait(2)
        assert first.id == second.id == failed["id"]
        assert [each["status_code"] for each in settled(api, channel, "delivered")["attempts"]] == [404, 200]
        assert api.get("/v1/deliveries", params={"status": "failed"}).json()["items"] == []
        assert api.post("/v1/replays").json()["replayed"] == 0


def test_only_what_was_given_up_in_that_time_is_sent_again(api: httpx.Client) -> None:
    with receiving() as receiver:
        receiver.behave(f"/{HIDDEN}", Reply(status=404))
        channel = made(api, receiver)
        posted(api, opened(api), [{"step": 1, "metrics": {"loss": "NaN"}}])
        settled(api, channel, "failed")
        later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        assert api.post("/v1/replays", json={"since": later}).json()["replayed"] == 0
        assert api.post("/v1/replays", json={"until": later}).json()["replayed"] == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"channel_id": "seven"}, "/channel_id"),
        ({"since": "yesterday"}, "/since"),
        ({"until": "2026-01-31T00:00:00"}, "/until"),
        ({"status": "pending"}, "/status"),
    ],
)
def test_replays_that_are_refused(api: httpx.Client, body: dict[str, str], pointer: str) -> None:
    problem = assert_problem(api.post("/v1/replays", json=body), 422, "invalid_input")
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]


def test_what_is_not_there_is_not_found(api: httpx.Client) -> None:
    unknown = UUID(int=7)
    assert_problem(api.get(f"/v1/deliveries/{unknown}"), 404, "delivery_not_found")
    assert_problem(api.post("/v1/replays", json={"channel_id": str(unknown)}), 404, "channel_not_found")


def test_all_deliveries_are_paged(api: httpx.Client) -> None:
    with receiving() as receiver:
        _paged(api, receiver)


def _paged(api: httpx.Client, receiver: Receiver) -> None:
    made(api, receiver)
    made(api, receiver)
    posted(api, opened(api), [{"step": 1, "metrics": {"loss": "NaN"}}])
    receiver.wait(2)
    first = api.get("/v1/deliveries", params={"limit": 1}).json()
    second = api.get("/v1/deliveries", params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert second["next_cursor"] is None
    assert first["items"][0]["id"] != second["items"][0]["id"]
