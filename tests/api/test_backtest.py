"""A rule tried on stored runs: what it would have said, and that nothing else happens."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.api.test_records import posted
from tests.api.test_runs import opened
from tests.support.problems import assert_problem

from trackside_service.api.routers import backtest
from trackside_service.monitor import restoring

FALLING = [0.8013, 0.8207, 0.5016, 0.5009, 0.4998, 0.5021]
FALL = [{"epoch": epoch, "metrics": {"val_acc": value}} for epoch, value in enumerate(FALLING)]
STEADY = [{"epoch": epoch, "metrics": {"val_acc": 0.8 + epoch / 100}} for epoch in range(6)]


@pytest.fixture
def runs(api: httpx.Client) -> list[str]:
    """Three stored runs: one that falls to 61 % of its best, one that is steady, one that falls in another project."""
    paths = [opened(api, {"project": project, "name": name}) for project, name in (("p", "falls"), ("p", "steady"))]
    paths.append(opened(api, {"project": "q", "name": "falls", "rules": {"ACC001": {"enabled": False}}}))
    for path, records in zip(paths, (FALL, STEADY, FALL), strict=True):
        posted(api, path, records)
    return [path.rpartition("/")[2] for path in paths]


def tried(api: httpx.Client, **body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = api.post("/v1/rules/backtest", json={"rule": "ACC001", **body}).raise_for_status().json()
    return answer


def test_it_says_where_the_rule_would_have_fired(api: httpx.Client, runs: list[str]) -> None:
    assert tried(api)["fired"] == 0
    found = tried(api, params={"share": 0.7}, severity="warning")
    assert (found["rule"], found["runs"], found["records"], found["fired"]) == ("ACC001", 3, 18, 2)
    assert {item["run_id"] for item in found["items"]} == {runs[0], runs[2]}, "also where the run turned it off"
    (alert,) = next(item for item in found["items"] if item["run_id"] == runs[0])["alerts"]
    assert (alert["code"], alert["severity"], alert["opened"]["epoch"]) == ("ACC001", "warning", 2)
    assert found["next_cursor"] is None


def test_nothing_is_stored_and_nobody_is_told(api: httpx.Client, runs: list[str]) -> None:
    before = [api.get(path).json()["items"] for path in ("/v1/alerts", "/v1/runs")]
    assert tried(api, params={"share": 0.7})["fired"] == 2
    assert [api.get(path).json()["items"] for path in ("/v1/alerts", "/v1/runs")] == before


def test_the_runs_can_be_chosen(api: httpx.Client, runs: list[str]) -> None:
    one = tried(api, params={"share": 0.7}, project="q")
    assert [item["run_id"] for item in one["items"]] == [runs[2]]
    assert tried(api, run_ids=[runs[1]])["runs"] == 1
    assert tried(api, run_ids=[runs[0]], project="q")["runs"] == 0


def test_pages_lead_through_all_runs_once(api: httpx.Client, runs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtest, "MAX_RECORDS", 7)  # two runs of six records, then the call has seen enough
    seen: list[str] = []
    steps: list[int] = []
    cursor = None
    while True:
        found = tried(api, params={"share": 0.7}, cursor=cursor)
        seen += [item["run_id"] for item in found["items"]]
        steps.append(found["runs"])
        cursor = found["next_cursor"]
        if cursor is None:
            break
    assert steps == [2, 1]
    assert sorted(seen) == sorted([runs[0], runs[2]])
    assert [tried(api, limit=1)["runs"], tried(api, limit=1)["next_cursor"] is None] == [1, False]


def test_a_run_that_is_too_long_is_looked_at_in_part_and_says_so(
    api: httpx.Client, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtest, "MAX_RECORDS", 4)
    monkeypatch.setattr(restoring, "_AT_ONCE", 2)
    (item,) = tried(api, params={"share": 0.7}, run_ids=[runs[1]])["items"]
    assert (item["records"], item["alerts"], item["error"]) == (4, [], "only its first 4 records were looked at")
    found = tried(api, params={"share": 0.7})
    assert (found["runs"], found["next_cursor"] is None) == (1, False), "the rest is for the next call"


def test_what_was_really_raised_stands_beside_it(api: httpx.Client) -> None:
    path = opened(api, {"project": "p", "name": "nan"})
    posted(api, path, [{"step": 1, "metrics": {"loss": "NaN"}}])
    (item,) = tried(api, rule="loss001")["items"]
    assert (item["raised"], len(item["alerts"]), item["error"]) == (1, 1, None)


def test_a_plan_is_judged_too(api: httpx.Client) -> None:
    schedule = {"framework": "torch", "class": "CosineAnnealingLR", "params": {"T_max": 50}, "base_lr": 0.1}
    opened(api, {"project": "p", "name": "n", "total_epochs": 90, "schedule": {**schedule, "unit": "epoch"}})
    found = [tried(api, rule=code)["fired"] for code in ("PLAN001", "PLAN005")]
    assert found == [0, 1]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"rule": "NONE001"}, "/rule"),
        ({"rule": "RUN001"}, "/rule"),
        ({"rule": "ACC001", "params": {"shar": 1}}, "/params/shar"),
        ({"rule": "ACC001", "params": {"share": "x"}}, "/params/share"),
        ({"rule": "ACC001", "severity": "fatal"}, "/severity"),
        ({"rule": "ACC001", "limit": 0}, "/limit"),
        ({"rule": "ACC001", "run_ids": ["x"]}, "/run_ids/0"),
        ({"rule": "ACC001", "cursor": "WzEsMl0"}, "/cursor"),
        ({"rules": "ACC001"}, "/rule"),
        ({"rule": "ACC001", "run_ids": []}, "/run_ids"),
        ({"rule": "ACC001", "run_ids": ["158fd326-03cc-4620-83c0-312ff3b9efb2"]}, "/run_ids/0"),
        ({"rule": "ACC001", "project": "p"}, "/project"),
    ],
)
def test_bad_requests_are_refused(api: httpx.Client, body: dict[str, Any], pointer: str) -> None:
    problem = assert_problem(api.post("/v1/rules/backtest", json=body), 422, "invalid_input")
    assert (pointer, "body") in [(fault["pointer"], fault["in"]) for fault in problem["errors"]]


def test_a_mistyped_name_is_no_rule_that_fires_nowhere(api: httpx.Client, runs: list[str]) -> None:
    project = api.get(f"/v1/runs/{runs[0]}").json()["project"]
    problem = assert_problem(
        api.post("/v1/rules/backtest", json={"rule": "acc0001", "project": project + "x"}), 422, "invalid_input"
    )
    assert "did you mean 'ACC001'?" in problem["detail"]
    problem = assert_problem(
        api.post("/v1/rules/backtest", json={"rule": "ACC001", "project": project + "x"}), 422, "invalid_input"
    )
    assert f"did you mean {project!r}?" in problem["detail"]
