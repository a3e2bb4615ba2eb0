"""Runs over HTTP: open, read, list, end, reopen."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from tests.support.problems import assert_problem

RUN: dict[str, Any] = {"project": "vision", "name": "resnet-a"}
STEEP: dict[str, Any] = {
    **RUN,
    "schedule": {
        "framework": "paddle",
        "class": "LinearWarmup",
        "params": {"learning_rate": 0.002, "warmup_steps": 1, "start_lr": 2e-05, "end_lr": 0.002},
        "base_lr": 0.002,
        "unit": "epoch",
    },
}


def opened(api: httpx.Client, body: dict[str, Any] = RUN, number: int | None = None) -> str:
    path = f"/v1/runs/{UUID(int=number) if number is not None else uuid4()}"
    answer = api.put(path, json=body)
    assert answer.status_code == 201, answer.text
    return path


def test_open_twice_is_once_and_another_body_is_a_conflict(api: httpx.Client) -> None:
    path = opened(api)
    again = api.put(path, json={**RUN, "tags": None})
    assert again.status_code == 200
    assert again.json()["alerts"] == []
    assert_problem(api.put(path, json={**RUN, "total_epochs": 3}), 409, "run_conflict")
    assert api.get(path).json()["declaration"] == RUN


def test_what_the_declaration_gives_rise_to_is_in_the_answer(api: httpx.Client) -> None:
    answer = api.put(f"/v1/runs/{uuid4()}", json=STEEP).json()
    (alert,) = answer["alerts"]
    assert (alert["code"], alert["event"]) == ("PLAN001", "opened")
    assert alert["opened"] == {"step": None, "epoch": None}
    assert answer["health"] == "warning"


def test_a_plan_that_does_not_fit_the_run_is_information(api: httpx.Client) -> None:
    schedule = {
        "framework": "torch",
        "class": "CosineAnnealingLR",
        "params": {"T_max": 50},
        "base_lr": 0.1,
        "unit": "epoch",
    }
    path = f"/v1/runs/{uuid4()}"
    answer = api.put(path, json={**RUN, "total_epochs": 90, "schedule": schedule}).json()
    (alert,) = answer["alerts"]
    assert (alert["code"], alert["severity"], alert["event"]) == ("PLAN005", "info", "opened")
    assert "T_max from 50 to 90" in alert["advice"]
    assert answer["health"] == "info"
    assert api.put(path, json={**RUN, "total_epochs": 90, "schedule": schedule}).json()["alerts"] == []


def test_an_ended_run_is_reopened_by_a_new_process(api: httpx.Client) -> None:
    path = opened(api, {**RUN, "process": {"id": "one"}})
    ended = api.patch(path, json={"status": "failed", "reason": "out of memory"}).json()
    assert (ended["status"], ended["reason"]) == ("failed", "out of memory")
    assert ended["ended_at"].endswith("Z")
    assert_problem(api.patch(path, json={"status": "finished"}), 409, "run_ended")
    assert api.patch(path, json={"status": "failed"}).status_code == 200
    assert api.put(path, json={**RUN, "process": {"id": "one"}}).json()["status"] == "failed"
    again = api.put(path, json={**RUN, "process": {"id": "two", "resumed_from_step": 40}}).json()
    assert (again["status"], again["ended_at"]) == ("running", None)
    assert [(each["process"], each["resumed_from_step"]) for each in again["processes"]] == [("one", None), ("two", 40)]


def test_lists_are_filtered_sorted_and_paged(api: httpx.Client) -> None:
    names = ["b", "a", "d", "c", "e"]
    paths = [opened(api, {"project": "p", "name": name}) for name in names]
    opened(api, {"project": "other", "name": "a"})
    api.patch(paths[0], json={"status": "finished"}).raise_for_status()
    api.post(
        f"{paths[1]}/records", json={"records": [{"step": 1, "metrics": {"loss": "NaN", "lr": 0.5}}]}
    ).raise_for_status()

    def listed(**params: Any) -> list[str]:
        found: list[str] = []
        params = {"project": "p", "limit": 2, **params}
        while True:
            page = api.get("/v1/runs", params=params).raise_for_status().json()
            assert len(page["items"]) <= 2
            found += [run["name"] for run in page["items"]]
            if page["next_cursor"] is None:
                return found
            params["cursor"] = page["next_cursor"]

    assert listed() == names[::-1]
    assert listed(sort="created_at") == names
    assert listed(sort="name") == sorted(names)
    assert listed(sort="-name") == sorted(names, reverse=True)
    assert listed(sort="-last_seen_at")[:2] == ["a", "b"]
    assert listed(name="c") == ["c"]
    assert listed(status="finished") == ["b"]
    assert listed(health="critical") == ["a"]
    assert sorted(listed(health=["critical", "ok"])) == sorted(names)
    (run,) = api.get("/v1/runs", params={"name": "a", "project": "p"}).json()["items"]
    assert run["metrics"]["lr"] == {"value": 0.5, "step": 1, "epoch": None}
    assert run["metrics"]["train_loss"]["value"] == "NaN"


@pytest.mark.parametrize("sort", ["created_at", "name"])
def test_a_cursor_of_another_list_is_refused(api: httpx.Client, sort: str) -> None:
    for number in range(2):
        opened(api, {**RUN, "name": f"n{number}"})
    cursor = api.get("/v1/runs", params={"sort": sort, "limit": 1}).json()["next_cursor"]
    for wrong in (
        {"sort": "-name", "cursor": cursor},
        {"cursor": "W10"},
        {"cursor": "bnVsbA"},
        {"cursor": "WzEsMiwzXQ"},
    ):
        assert_problem(api.get("/v1/runs", params=wrong), 422, "invalid_input")


def test_names_are_printable_text_in_any_script(api: httpx.Client) -> None:
    path = opened(api, {"project": "видение/1", "name": "学习 🚀", "params": {"a": {"b": ["NaN", 1e-300, None, True]}}})
    run = api.get(path).json()
    assert (run["project"], run["name"]) == ("видение/1", "学习 🚀")
    assert run["declaration"]["params"] == {"a": {"b": ["NaN", 1e-300, None, True]}}
    assert [each["id"] for each in api.get("/v1/runs", params={"project": "видение/1"}).json()["items"]] == [run["id"]]
    assert_problem(api.get("/v1/runs", params={"project": "a\x00b"}), 422, "invalid_input")
    assert_problem(api.put(path, json={**RUN, "name": "a\x00b"}), 422, "invalid_input")
    assert_problem(api.patch(path, json={"status": "failed", "reason": "a\x00b"}), 422, "invalid_input")


def test_a_schedule_that_cannot_be_built_is_refused_with_its_place(api: httpx.Client) -> None:
    schedule = {**STEEP["schedule"], "params": {"learning_rate": 0.002, "warmup_steps": -1, "start_lr": 0, "end_lr": 1}}
    body = assert_problem(api.put(f"/v1/runs/{uuid4()}", json={**RUN, "schedule": schedule}), 422, "invalid_schedule")
    assert [fault["pointer"] for fault in body["errors"]] == ["/schedule/params/warmup_steps"]
    body = assert_problem(api.put(f"/v1/runs/{uuid4()}", json={**RUN, "rules": {"LOSS01": {}}}), 422, "invalid_input")
    assert body["errors"][0]["pointer"] == "/rules/LOSS01"
    assert "LOSS001" in body["errors"][0]["detail"]
