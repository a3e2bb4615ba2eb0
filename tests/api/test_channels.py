"""Channels over HTTP: an alert's whole way out, and what is never shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from standardwebhooks import Webhook, WebhookVerificationError
from tests.api.test_records import posted
from tests.api.test_runs import RUN, opened
from tests.support.mail_server import Manner, mail_server
from tests.support.outbox import NOW, add_channel
from tests.support.problems import assert_problem
from tests.support.receiver import Receiver, Reply, receiving

from trackside_service.api.context import Context
from trackside_service.api.routers.channels import _change as change_now
from trackside_service.api.schemas.channels import ChannelChange
from trackside_service.channels import CHANNELS
from trackside_service.storage import channels
from trackside_service.storage.engine import read_transaction

HIDDEN = "path-that-is-a-secret-7711"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def made(api: httpx.Client, receiver: Receiver, **more: Any) -> dict[str, Any]:
    body = {"kind": "webhook", "name": "ours", "url": receiver.url(f"/{HIDDEN}"), **more}
    answer = api.post("/v1/channels", json=body)
    assert answer.status_code == 201, answer.text
    channel: dict[str, Any] = answer.json()
    return channel


def deliveries(api: httpx.Client, channel: dict[str, Any], **params: Any) -> dict[str, Any]:
    page: dict[str, Any] = api.get(f"/v1/channels/{channel['id']}/deliveries", params=params).raise_for_status().json()
    return page


def settled(api: httpx.Client, channel: dict[str, Any], status: str) -> dict[str, Any]:
    """Return the channel's only delivery once it has this status."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        (delivery,) = deliveries(api, channel)["items"]
        if delivery["status"] == status:
            found: dict[str, Any] = delivery
            return found
    raise AssertionError(f"the delivery is {delivery['status']}, not {status}")


def test_an_alert_arrives_signed_and_its_delivery_says_so(api: httpx.Client, receiver: Receiver) -> None:
    channel = made(api, receiver)
    path = opened(api)
    taken = posted(api, path, [{"step": 1, "metrics": {"loss": "NaN"}}])
    (message,) = receiver.wait(1)
    Webhook(channel["secret"]).verify(message.body, dict(message.headers))
    assert message.json["type"] == "alert.opened"
    assert message.json["data"]["alert"]["id"] == taken["alerts"][0]["id"]
    api.post(f"/v1/channels/{channel['id']}/test").raise_for_status()
    assert [each.json["type"] for each in receiver.wait(2)] == ["alert.opened", "channel.test"]
    (delivery,) = deliveries(api, channel)["items"]
    assert delivery["id"] == message.id
    assert delivery["alert_id"] == taken["alerts"][0]["id"]


def test_what_failed_is_sent_again_on_demand(api: httpx.Client, receiver: Receiver) -> None:
    receiver.behave(f"/{HIDDEN}", Reply(status=400, body=b"no"), Reply())
    channel = made(api, receiver)
    posted(api, opened(api), [{"step": 1, "metrics": {"loss": "NaN"}}])
    (first,) = receiver.wait(1)
    settled(api, channel, "failed")
    answer = api.post(f"/v1/deliveries/{first.id}/retry")
    assert answer.status_code == 202
    assert answer.json()["id"] == first.id
    second = receiver.wait(2)[1]
    assert second.id == first.id
    assert [each["status_code"] for each in settled(api, channel, "delivered")["attempts"]] == [400, 200]


def test_a_test_says_plainly_what_the_other_side_answered(api: httpx.Client, receiver: Receiver) -> None:
    receiver.behave(f"/{HIDDEN}", Reply(status=404, body=b"no_service"))
    channel = made(api, receiver)
    answer = api.post(f"/v1/channels/{channel['id']}/test").json()
    assert (answer["delivered"], answer["status_code"], answer["said"]) == (False, 404, "no_service")


def test_a_webhooks_secret_is_taken_over_from(api: httpx.Client, receiver: Receiver) -> None:
    channel = made(api, receiver)
    answer = api.post(f"/v1/channels/{channel['id']}/rotate", json={"overlap_s": 600})
    assert answer.status_code == 200, answer.text
    rotated = answer.json()
    assert rotated["secret"] != channel["secret"]
    left = datetime.fromisoformat(rotated["old_secret_until"]) - datetime.now(UTC)
    assert timedelta(minutes=8) < left <= timedelta(minutes=10)
    api.post(f"/v1/channels/{channel['id']}/test").raise_for_status()
    api.post(f"/v1/channels/{channel['id']}/rotate", json={"overlap_s": 0}).raise_for_status()
    api.post(f"/v1/channels/{channel['id']}/test").raise_for_status()
    both, after = receiver.wait(2)
    for secret in (channel["secret"], rotated["secret"]):
        Webhook(secret).verify(both.body, dict(both.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(rotated["secret"]).verify(after.body, dict(after.headers))
    assert rotated["secret"] not in api.get(f"/v1/channels/{channel['id']}").text


def test_what_cannot_be_rotated_says_so(api: httpx.Client, receiver: Receiver) -> None:
    slack = made(api, receiver, kind="slack")
    assert "slack" in assert_problem(api.post(f"/v1/channels/{slack['id']}/rotate"), 422, "invalid_input")["detail"]
    hook = made(api, receiver)
    for body, pointer in (({"secret": HIDDEN}, "/secret"), ({"overlap_s": -1}, "/overlap_s")):
        answer = api.post(f"/v1/channels/{hook['id']}/rotate", json=body)
        assert [fault["pointer"] for fault in assert_problem(answer, 422, "invalid_input")["errors"]] == [pointer]
        assert HIDDEN not in answer.text
    assert_problem(api.post(f"/v1/channels/{UUID(int=7)}/rotate"), 404, "channel_not_found")


@pytest.mark.parametrize("kind", [each.kind for each in CHANNELS if each.kind != "email"])
def test_a_test_of_any_kind_says_plainly_what_came_back(api: httpx.Client, receiver: Receiver, kind: str) -> None:
    path = f"/{HIDDEN}" + ("/api/v2/alerts" if kind == "alertmanager" else "")
    receiver.behave(path, Reply(status=403, body=f"not for {HIDDEN}".encode()), Reply(status=204, body=b""))
    channel = made(api, receiver, kind=kind)
    refused = api.post(f"/v1/channels/{channel['id']}/test").json()
    assert (refused["delivered"], refused["status_code"], refused["said"]) == (False, 403, "not for [hidden]")
    assert refused["error"] == "the receiver answered 403: not for [hidden]"
    assert api.post(f"/v1/channels/{channel['id']}/test").json()["delivered"] is True


def test_a_test_mail_says_plainly_what_came_back(api: httpx.Client) -> None:
    with mail_server(Manner(replies={"RCPT": "550 5.1.1 <ada@example.org> is not here"})) as server:
        body = {"kind": "email", "name": "ada", "url": server.url()}
        channel = api.post("/v1/channels", json=body).raise_for_status().json()
        assert channel["target"] == f"smtp://127.0.0.1:{server.port}"
        refused = api.post(f"/v1/channels/{channel['id']}/test").json()
        assert (refused["delivered"], refused["status_code"]) == (False, 550)
        assert refused["error"] == "the server answered 550 to RCPT TO: 5.1.1 <[hidden]> is not here"
        server.manner.replies.clear()
        assert api.post(f"/v1/channels/{channel['id']}/test").json()["delivered"] is True


def test_the_address_is_never_shown_and_the_secret_once(api: httpx.Client, receiver: Receiver) -> None:
    channel = made(api, receiver, project="vision", min_severity="critical", events=["opened", "opened"])
    assert channel["secret"].startswith("whsec_")
    assert channel["events"] == ["opened"]
    shown = [
        api.get("/v1/channels").text,
        api.get(f"/v1/channels/{channel['id']}").text,
        api.get(f"/v1/channels/{channel['id']}/deliveries").text,
    ]
    for text in shown:
        assert HIDDEN not in text
        assert channel["secret"] not in text
    assert api.get("/v1/channels").json()["items"] == [
        {name: each for name, each in channel.items() if name != "secret"}
    ]


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"kind": "pigeon"}, "invalid_input", "/kind"),
        ({"url": f"https://10.0.0.1/{HIDDEN}"}, "target_refused", "/url"),
        ({"url": f"https://user:{HIDDEN}@example.com/"}, "target_refused", "/url"),
        ({"secret": HIDDEN}, "invalid_input", "/secret"),
        ({"min_severity": "ok"}, "invalid_input", "/min_severity"),
        ({"events": ["opened", "closed"]}, "invalid_input", "/events/1"),
        ({"name": ""}, "invalid_input", "/name"),
        ({"name": "a\x00b"}, "invalid_input", "/name"),
    ],
)
def test_channels_that_are_refused(
    api: httpx.Client, receiver: Receiver, change: dict[str, Any], code: str, pointer: str
) -> None:
    answer = api.post("/v1/channels", json={"kind": "webhook", "name": "n", "url": receiver.url("/x"), **change})
    problem = assert_problem(answer, 422, code)
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
    assert HIDDEN not in answer.text


def test_a_deleted_channel_is_gone(api: httpx.Client, receiver: Receiver) -> None:
    channel = made(api, receiver)
    answer = api.delete(f"/v1/channels/{channel['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert_problem(api.delete(f"/v1/channels/{channel['id']}"), 404, "channel_not_found")
    posted(api, opened(api), [{"step": 1, "metrics": {"loss": "NaN"}}])
    assert api.get("/v1/channels").json() == {"items": []}


def test_deliveries_are_paged_the_latest_first(api: httpx.Client, receiver: Receiver) -> None:
    channel = made(api, receiver)
    for _ in range(3):
        posted(api, opened(api), [{"step": 1, "metrics": {"loss": "NaN"}}])
    receiver.wait(3)
    first = deliveries(api, channel, limit=2)
    second = deliveries(api, channel, limit=2, cursor=first["next_cursor"])
    everything = deliveries(api, channel)["items"]
    assert [each["id"] for each in first["items"] + second["items"]] == [each["id"] for each in everything]
    assert second["next_cursor"] is None
    assert_problem(api.get(f"/v1/channels/{channel['id']}/deliveries", params={"cursor": "W10"}), 422, "invalid_input")


def test_a_limit_is_the_kinds_unless_another_is_wanted(api: httpx.Client, receiver: Receiver) -> None:
    assert made(api, receiver)["max_per_minute"] is None
    assert made(api, receiver, kind="slack")["max_per_minute"] == 60
    own = made(api, receiver, kind="slack", max_per_minute=10)
    assert api.get(f"/v1/channels/{own['id']}").json()["max_per_minute"] == 10
    for wrong in (0, 6001, 1.5, True):
        answer = api.post("/v1/channels", json={"kind": "slack", "name": "n", "url": "x", "max_per_minute": wrong})
        assert [fault["pointer"] for fault in assert_problem(answer, 422, "invalid_input")["errors"]] == [
            "/max_per_minute"
        ]


def test_a_pause_that_was_asked_for_is_shown(api: httpx.Client, receiver: Receiver) -> None:
    receiver.behave(f"/{HIDDEN}", Reply(status=429, headers={"retry-after": "600"}))
    channel = made(api, receiver)
    assert channel["paused_until"] is None
    posted(api, opened(api), [{"step": 1, "metrics": {"loss": "NaN"}}])
    receiver.wait(1)
    deadline = time.monotonic() + 30
    while (until := api.get(f"/v1/channels/{channel['id']}").json()["paused_until"]) is None:
        assert time.monotonic() < deadline
    assert timedelta(minutes=9) < datetime.fromisoformat(until) - datetime.now(UTC) <= timedelta(minutes=10)


def test_a_channel_is_told_of_the_rules_and_tags_that_it_asks_for(api: httpx.Client, receiver: Receiver) -> None:
    rules = made(api, receiver, name="rules", url=receiver.url("/rules"), codes=["loss", "LR001"])
    tags = made(api, receiver, name="tags", url=receiver.url("/tags"), tags=["nightly", "nightly"])
    other = made(api, receiver, name="other", url=receiver.url("/other"), codes=["GRAD"])
    assert (rules["codes"], tags["tags"], other["tags"]) == (["LOSS", "LR001"], ["nightly"], [])
    posted(api, opened(api, {**RUN, "tags": ["nightly"]}), [{"step": 1, "metrics": {"loss": "NaN"}}])
    posted(api, opened(api, {**RUN, "tags": ["weekly"]}), [{"step": 1, "metrics": {"loss": "NaN"}}])
    receiver.wait(2, "/rules")
    receiver.wait(1, "/tags")
    counted = [len(deliveries(api, each)["items"]) for each in (rules, tags, other)]
    assert counted == [2, 1, 0]


def test_what_a_channel_is_told_of_can_be_changed(api: httpx.Client, receiver: Receiver) -> None:
    channel = made(api, receiver, kind="slack", project="vision", tags=["nightly"], min_severity="critical")
    path = f"/v1/channels/{channel['id']}"
    answer = api.patch(path, json={"name": "night", "codes": ["LOSS"], "project": None, "max_per_minute": 5})
    assert answer.status_code == 200, answer.text
    changed = {**channel, "name": "night", "codes": ["LOSS"], "project": None, "max_per_minute": 5}
    assert answer.json() == api.get(path).json() == changed
    back = api.patch(path, json={"codes": None, "min_severity": None, "max_per_minute": None, "events": None}).json()
    assert back == {**changed, "codes": [], "min_severity": "warning", "max_per_minute": 60}
    assert api.patch(path, json={}).json() == back
    assert_problem(api.patch(f"/v1/channels/{UUID(int=7)}", json={}), 404, "channel_not_found")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"codes": ["LOSS1"]}, "/codes/0"),
        ({"codes": "LOSS"}, "/codes"),
        ({"tags": [""]}, "/tags/0"),
        ({"tags": ["t"] * 101}, "/tags"),
        ({"url": "https://example.com/elsewhere"}, "/url"),
        ({"kind": "slack"}, "/kind"),
    ],
)
def test_changes_that_are_refused(api: httpx.Client, receiver: Receiver, change: dict[str, Any], pointer: str) -> None:
    channel = made(api, receiver)
    answer = api.patch(f"/v1/channels/{channel['id']}", json=change)
    assert [fault["pointer"] for fault in assert_problem(answer, 422, "invalid_input")["errors"]] == [pointer]
    assert api.get(f"/v1/channels/{channel['id']}").json() == {k: v for k, v in channel.items() if k != "secret"}


def test_a_channel_is_switched_off_and_on_by_hand(api: httpx.Client, receiver: Receiver) -> None:
    channel = made(api, receiver)
    other = made(api, receiver, url=receiver.url("/other"))
    path = f"/v1/channels/{channel['id']}"
    off = api.patch(path, json={"enabled": False}).json()
    assert off["disabled_reason"] == "switched off by hand"
    assert off["disabled_at"] is not None
    posted(api, opened(api), [{"step": 1, "metrics": {"loss": "NaN"}}])
    receiver.wait(1, "/other")
    assert deliveries(api, channel)["items"] == []
    on = api.patch(path, json={"enabled": True}).json()
    assert (on["disabled_reason"], on["disabled_at"]) == (None, None)
    posted(api, opened(api), [{"step": 1, "metrics": {"loss": "NaN"}}])
    receiver.wait(2, "/other")
    assert [each.json["type"] for each in receiver.at("/other")] == ["alert.opened"] * 2, "nobody is told of that"
    assert len(receiver.wait(1, f"/{HIDDEN}")) == len(deliveries(api, channel)["items"]) == 1
    assert other["disabled_reason"] is None


def test_changes_at_the_same_moment_lose_nothing_of_each_other(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, "https://receiver.example/hook")
    both = threading.Barrier(2)

    def meet(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE channels"):
            with suppress(threading.BrokenBarrierError):
                both.wait(0.3)  # whoever has to wait for the other one never comes

    sa.event.listen(engine, "before_cursor_execute", meet)
    here = cast(Context, SimpleNamespace(engine=engine, now=lambda: NOW))
    with ThreadPoolExecutor(2) as pool:
        changes = [ChannelChange.model_validate(each) for each in ({"name": "renamed"}, {"project": "vision"})]
        list(pool.map(lambda change: change_now(here, channel_id, change), changes))
    sa.event.remove(engine, "before_cursor_execute", meet)
    with read_transaction(engine) as connection:
        found = channels.get(connection, channel_id)
    assert (found.name, found.route.project) == ("renamed", "vision")


def test_a_digest_is_asked_for_and_has_its_time(api: httpx.Client, receiver: Receiver) -> None:
    assert made(api, receiver)["digest_at"] is None
    channel = made(api, receiver, kind="slack", events=["opened", "digest"])
    assert channel["digest_at"] == "08:00"
    path = f"/v1/channels/{channel['id']}"
    assert api.patch(path, json={"digest_at": "17:30"}).json()["digest_at"] == "17:30"
    assert api.patch(path, json={"name": "other"}).json()["digest_at"] == "17:30"
    assert api.patch(path, json={"events": ["opened"]}).json()["digest_at"] is None
    for body, pointer in (
        ({"kind": "slack", "digest_at": "25:00"}, "/digest_at"),
        ({"kind": "alertmanager", "events": ["opened", "digest"]}, "/events/1"),
    ):
        answer = api.post("/v1/channels", json={"name": "n", "url": receiver.url("/x"), **body})
        assert [fault["pointer"] for fault in assert_problem(answer, 422, "invalid_input")["errors"]] == [pointer]
