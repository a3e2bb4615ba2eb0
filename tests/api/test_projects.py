"""A project's settings of the rules: they hold for the runs opened under them, below what a run says itself."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.api.test_records import posted
from tests.api.test_runs import opened
from tests.support.problems import assert_problem

NAN = [{"step": 1, "metrics": {"loss": "NaN"}}]


def test_nothing_is_set_at_first(api: httpx.Client) -> None:
    assert api.get("/v1/projects/p/rules").raise_for_status().json() == {"project": "p", "rules": {}}


def test_settings_hold_for_the_runs_opened_under_them(api: httpx.Client) -> None:
    before = opened(api, {"project": "p", "name": "before"})
    answer = api.put("/v1/projects/p/rules", json={"rules": {"LOSS001": {"enabled": False}}})
    assert answer.raise_for_status().json() == api.get("/v1/projects/p/rules").json()
    assert answer.json()["rules"] == {"LOSS001": {"enabled": False, "severity": None, "params": {}}}
    after = opened(api, {"project": "p", "name": "after"})
    other = opened(api, {"project": "q", "name": "other"})
    assert [len(posted(api, run, NAN)["alerts"]) for run in (before, after, other)] == [1, 0, 1]
    assert list(api.get(after).json()["project_rules"]) == ["LOSS001"]
    assert api.get(other).json()["project_rules"] == {}


def test_a_run_goes_before_its_project(api: httpx.Client) -> None:
    api.put("/v1/projects/p/rules", json={"rules": {"LOSS001": {"enabled": False, "severity": "info"}}})
    on = opened(api, {"project": "p", "name": "on", "rules": {"LOSS001": {}}})
    assert [alert["severity"] for alert in posted(api, on, NAN)["alerts"]] == ["info"]
    worse = opened(api, {"project": "p", "name": "worse", "rules": {"LOSS001": {"severity": "warning"}}})
    assert [alert["severity"] for alert in posted(api, worse, NAN)["alerts"]] == ["warning"]


def test_a_run_keeps_its_settings_when_it_resumes(api: httpx.Client) -> None:
    api.put("/v1/projects/p/rules", json={"rules": {"LOSS001": {"severity": "warning"}}})
    body: dict[str, Any] = {"project": "p", "name": "n", "process": {"id": "one"}}
    run = opened(api, body)
    api.put("/v1/projects/p/rules", json={"rules": {}}).raise_for_status()
    assert api.get("/v1/projects/p/rules").json()["rules"] == {}
    api.put(run, json={**body, "total_epochs": 9, "process": {"id": "two"}}).raise_for_status()
    assert [alert["severity"] for alert in posted(api, run, NAN)["alerts"]] == ["warning"]


def test_a_name_may_hold_anything_printable(api: httpx.Client) -> None:
    for name in ("a/b", "a b/rules", "prüf", "50%"):
        path = f"/v1/projects/{httpx.URL('', path=name).raw_path.decode()}/rules"
        api.put(path, json={"rules": {"LOSS001": {"severity": "info"}}}).raise_for_status()
        assert api.get(path).json()["project"] == name
        run = opened(api, {"project": name, "name": "n"})
        assert list(api.get(run).json()["project_rules"]) == ["LOSS001"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/rules"),
        ({"rules": {"LOSS1": {}}}, "/rules/LOSS1"),
        ({"rules": {"LOSS001": {"enabled": "no"}}}, "/rules/LOSS001/enabled"),
        ({"rules": {"LOSS001": {"severity": "fatal"}}}, "/rules/LOSS001/severity"),
        ({"rules": {"ACC001": {"params": {"shar": 1}}}}, "/rules/ACC001/params/shar"),
        ({"rules": {"ACC001": {"params": {"share": True}}}}, "/rules/ACC001/params/share"),
        ({"rules": {"ACC001": {"params": {"share": -1}}}}, "/rules/ACC001/params"),
        ({"rules": {}, "project": "p"}, "/project"),
    ],
)
def test_bad_settings_are_refused_and_change_nothing(api: httpx.Client, body: Any, pointer: str) -> None:
    api.put("/v1/projects/p/rules", json={"rules": {"LOSS001": {"severity": "info"}}})
    problem = assert_problem(api.put("/v1/projects/p/rules", json=body), 422, "invalid_input")
    assert pointer in [fault["pointer"] for fault in problem["errors"]]
    assert api.get("/v1/projects/p/rules").json()["rules"]["LOSS001"]["severity"] == "info"
