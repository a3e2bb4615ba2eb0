"""Alertmanager: what fires there, and until when, against a receiver that checks as Alertmanager does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.channels.test_discord import filled
from tests.support.alertmanager import Alertmanager, alertmanager
from tests.support.outbox import LOOPBACK, NOW, outbound

from trackside_service.channels import Message, Outcome, Targets, configure
from trackside_service.channels.alertmanager import render, send
from trackside_service.channels.examples import EXAMPLES, RESOLVED_AFTER
from trackside_service.errors import InvalidInputError


@pytest.fixture
def manager() -> Iterator[Alertmanager]:
    with alertmanager() as running:
        yield running


def told(manager: Alertmanager, message: Message) -> Outcome:
    endpoint = configure("alertmanager", manager.url, None, LOOPBACK)
    return send(message, endpoint, outbound(), NOW)


def episode(message: Message, number: int) -> Message:
    alert = {**message.snapshot["alert"], "episode": number}
    return replace(message, snapshot={**message.snapshot, "alert": alert})


def test_an_alert_fires_until_it_is_resolved(manager: Alertmanager) -> None:
    assert told(manager, EXAMPLES["opened"]) == Outcome("delivered", 200)
    [labels] = manager.firing(NOW + timedelta(days=6))
    assert labels["alertname"] == "OffSchedule"
    assert (labels["code"], labels["severity"], labels["project"]) == ("LR001", "warning", "vision")
    [alert] = manager.alerts.values()
    assert alert["startsAt"] == "2026-03-01T12:00:00Z"
    assert alert["generatorURL"] == EXAMPLES["opened"].link
    assert told(manager, EXAMPLES["resolved"]).status == "delivered"
    assert manager.firing(NOW + RESOLVED_AFTER) == []
    assert manager.firing(NOW + RESOLVED_AFTER - timedelta(seconds=1)) == [labels]


def test_an_alert_that_is_not_resolved_does_not_fire_for_ever(manager: Alertmanager) -> None:
    told(manager, EXAMPLES["opened"])
    assert manager.firing(NOW + timedelta(days=8)) == []
    told(manager, replace(EXAMPLES["reminder"], at=NOW + timedelta(days=6)))
    assert len(manager.firing(NOW + timedelta(days=8))) == 1


def test_a_severity_that_rises_leaves_no_second_alert_firing(manager: Alertmanager) -> None:
    told(manager, EXAMPLES["opened"])
    told(manager, EXAMPLES["changed"])
    assert [each["severity"] for each in manager.firing(EXAMPLES["changed"].at)] == ["critical"]
    # What ends is what was told, whatever the severity was in the end.
    told(manager, EXAMPLES["resolved"])
    assert manager.firing(NOW + RESOLVED_AFTER) == []


def test_the_end_of_one_episode_does_not_end_the_next(manager: Alertmanager) -> None:
    told(manager, EXAMPLES["opened"])
    told(manager, episode(EXAMPLES["opened"], 2))
    told(manager, EXAMPLES["resolved"])
    assert [each["episode"] for each in manager.firing(NOW + RESOLVED_AFTER)] == ["2"]


def test_a_test_ends_by_itself(manager: Alertmanager) -> None:
    assert told(manager, EXAMPLES["test"]).status == "delivered"
    assert [each["alertname"] for each in manager.firing(NOW)] == ["TracksideTest"]
    assert manager.firing(NOW + timedelta(minutes=5)) == []


@pytest.mark.parametrize("filling", ["", "x" * 9000, "🔥" * 9000, 'a"b\n{c="d"}', "\x00\x1b"])
@pytest.mark.parametrize("name", ["opened", "resolved"])
def test_whatever_is_in_it_a_message_is_accepted(manager: Alertmanager, filling: str, name: str) -> None:
    message = replace(filled(filling), type=f"alert.{name}")
    assert told(manager, message) == Outcome("delivered", 200)


def test_the_clock_of_an_end_is_never_before_its_start(manager: Alertmanager) -> None:
    alert = {**EXAMPLES["resolved"].snapshot["alert"], "resolved_at": "2026-03-01T11:00:00Z"}
    early = replace(EXAMPLES["resolved"], snapshot={**EXAMPLES["resolved"].snapshot, "alert": alert})
    assert told(manager, early).status == "delivered"


def test_without_a_public_address_there_is_no_link(manager: Alertmanager) -> None:
    assert told(manager, replace(EXAMPLES["opened"], link=None)).status == "delivered"
    assert "generatorURL" not in render(replace(EXAMPLES["opened"], link=None))[0]


def test_it_says_who_it_is_and_the_password_is_in_no_answer() -> None:
    with alertmanager("ada:correct horse", prefix="/am") as manager:
        right = configure("alertmanager", f"{manager.url}/", "ada:correct horse", LOOPBACK)
        assert send(EXAMPLES["opened"], right, outbound(), NOW).status == "delivered"
        wrong = configure("alertmanager", f"{manager.url}/api/v2/alerts", "ada:wrong horse", LOOPBACK)
        refused = send(EXAMPLES["opened"], wrong, outbound(), NOW)
        assert (refused.status, refused.status_code) == ("failed", 401)
        assert refused.said == '"unauthorized: Basic [hidden]"'
        assert "horse" not in repr((right, wrong, refused))


def test_a_token_is_a_bearers() -> None:
    with alertmanager("ada:pw") as manager:
        endpoint = configure("alertmanager", manager.url, "token-77112233", LOOPBACK)
        assert send(EXAMPLES["opened"], endpoint, outbound(), NOW).said == '"unauthorized: Bearer [hidden]"'


@pytest.mark.parametrize("secret", ["", " ada:pw", "ada:pw\r\nx: y", "ada:pä"])
def test_other_secrets_are_refused(secret: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        configure("alertmanager", "https://am.example.org", secret, Targets())
    assert refused.value.faults[0].pointer == "/secret"


def test_the_address_is_completed() -> None:
    for given in ("https://am.example.org", "https://am.example.org/", "https://am.example.org/api/v2/alerts/"):
        endpoint = configure("alertmanager", given, None, Targets())
        assert (endpoint.url, endpoint.target) == ("https://am.example.org/api/v2/alerts", "https://am.example.org")
    query = configure("alertmanager", "https://am.example.org:9093/am?tenant=7", None, Targets())
    assert query.url == "https://am.example.org:9093/am/api/v2/alerts?tenant=7"
