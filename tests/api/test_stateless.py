"""What stores nothing: schedules, the check of a finished log, the rules' pages."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tests.api.test_health import STEP_LR
from tests.support.problems import assert_problem
from tests.support.service import service

from trackside_service.api.written import previewed
from trackside_service.rules import RULES
from trackside_service.schedules import preview

CONSTANT = {"kind": "constant", "lr": 0.0003}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[httpx.Client]:
    """One service for the whole module: nothing is stored here."""
    path = tmp_path_factory.mktemp("stateless") / "trackside.db"
    path.write_bytes(sqlite_template.read_bytes())
    with service(f"sqlite:///{path}") as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def test_a_million_updates_are_previewed_in_pieces(api: httpx.Client) -> None:
    cycle = {"framework": "torch", "class": "OneCycleLR", "params": {"max_lr": 0.1, "total_steps": 10**6}}
    answer = api.post("/v1/schedules/preview", json={"schedule": {**cycle, "unit": "step"}, "total": 10**6})
    assert answer.status_code == 200
    assert "content-length" not in answer.headers
    wanted = preview({**cycle, "unit": "step"}, steps=None, total=10**6, metric=None)
    assert answer.json() == {"lrs": wanted[0]}
    groups = {**cycle, "unit": "step", "base_lr": [0.1, 0.1], "params": {"max_lr": [0.1, 0.2], "total_steps": 15_000}}
    answer = api.post("/v1/schedules/preview", json={"schedule": groups, "total": 15_000})
    both = preview(groups, steps=None, total=15_000, metric=None)
    assert answer.json() == {"lrs": both[0], "groups": both}


def test_writing_a_preview_takes_a_fraction_of_its_memory() -> None:
    lrs = np.linspace(0.0, 0.1, 500_000)
    tracemalloc.start()
    length = sum(map(len, previewed([lrs], listed=False)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert length > 5_000_000
    assert peak < length / 3


def test_preview(api: httpx.Client) -> None:
    stepwise = {**STEP_LR, "unit": "step"}
    answer = api.post("/v1/schedules/preview", json={"schedule": stepwise, "steps": [0, 9, 10, 25]}).json()
    assert answer == {"lrs": pytest.approx([0.1, 0.1, 0.01, 0.001])}
    assert api.post("/v1/schedules/preview", json={"schedule": CONSTANT, "total": 3}).json() == {"lrs": [0.0003] * 3}
    groups = {**stepwise, "base_lr": [0.1, 0.2]}
    answer = api.post("/v1/schedules/preview", json={"schedule": groups, "total": 1}).json()
    assert answer == {"lrs": [0.1], "groups": [[0.1], [0.2]]}


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"schedule": CONSTANT}, "invalid_input", ""),
        ({"schedule": CONSTANT, "steps": [1], "total": 1}, "invalid_input", ""),
        ({"schedule": CONSTANT, "steps": [True]}, "invalid_input", "/steps/0"),
        ({"schedule": CONSTANT, "steps": [-1]}, "invalid_input", "/steps/0"),
        ({"schedule": CONSTANT, "total": 0}, "invalid_input", "/total"),
        ({"schedule": CONSTANT, "total": 3, "metric": [1, False]}, "invalid_input", "/metric/1"),
        ({"schedule": {**CONSTANT, "lr": "x"}, "total": 1}, "invalid_schedule", "/schedule/lr"),
        ({"schedule": {**STEP_LR, "params": {}}, "total": 1}, "invalid_schedule", "/schedule/params/step_size"),
    ],
)
def test_previews_that_are_refused(api: httpx.Client, body: dict[str, Any], code: str, pointer: str) -> None:
    problem = assert_problem(api.post("/v1/schedules/preview", json=body), 422, code)
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]


def test_explain_takes_the_group_whose_rates_are_given(api: httpx.Client) -> None:
    schedule = {**STEP_LR, "base_lr": [0.1, 0.02]}
    body = {
        "schedule": schedule,
        "observed": [{"epoch": epoch, "lr": 0.02 * 0.1 ** (epoch // 10)} for epoch in range(15)],
    }
    assert api.post("/v1/schedules/explain", json=body).json()["verdict"] == "off_schedule"
    assert api.post("/v1/schedules/explain", json={**body, "group": 1}).json()["verdict"] == "on_schedule"
    problem = assert_problem(api.post("/v1/schedules/explain", json={**body, "group": 2}), 422, "invalid_input")
    assert [fault["pointer"] for fault in problem["errors"]] == ["/group"]


def test_explain_takes_the_metric_that_a_plateau_follows(api: httpx.Client) -> None:
    plateau = {"framework": "torch", "class": "ReduceLROnPlateau", "params": {"patience": 1}, "base_lr": 0.1}
    metric = [0.9132, 0.9417, 0.9508, 0.9611, "NaN"]
    observed = [{"epoch": at, "lr": lr, "metric": metric[at]} for at, lr in enumerate([0.1, 0.1, 0.1, 0.01, 0.01])]
    body: dict[str, Any] = {"schedule": {**plateau, "unit": "epoch"}, "observed": observed}
    assert api.post("/v1/schedules/explain", json=body).json()["verdict"] == "on_schedule"
    constant = [{**each, "lr": 0.1} for each in observed]
    answer = api.post("/v1/schedules/explain", json={**body, "observed": constant}).json()
    assert (answer["verdict"], answer["causes"][0]["cause"]) == ("off_schedule", "never_stepped")
    wrong = {**body, "observed": [{"epoch": 0, "lr": 0.1, "metric": True}]}
    assert api.post("/v1/schedules/explain", json=wrong).status_code == 422
    named = {**body, "schedule": {**STEP_LR, "metric": "val_loss"}}
    problem = assert_problem(api.post("/v1/schedules/explain", json=named), 422, "invalid_schedule")
    assert [fault["pointer"] for fault in problem["errors"]] == ["/schedule/metric"]


def test_explain(api: httpx.Client) -> None:
    observed = [{"epoch": epoch, "lr": 0.01, "lr_text": "0.0100"} for epoch in range(5)]
    answer = api.post("/v1/schedules/explain", json={"schedule": STEP_LR, "observed": observed}).json()
    assert answer["verdict"] == "off_schedule"
    assert "scale" in {cause["family"] for cause in answer["causes"]}
    answer = api.post("/v1/schedules/explain", json={"schedule": STEP_LR, "observed": []}).json()
    assert answer["verdict"] == "undetermined"


@pytest.mark.parametrize("route", ["explain", "identify"])
def test_a_text_of_another_number_is_refused(api: httpx.Client, route: str) -> None:
    observed = [
        {"epoch": 0, "lr": 0.0987, "lr_text": "0.1"},  # rounded
        {"epoch": 1, "lr": 0.0987, "lr_text": "0.098"},  # cut off
        {"epoch": 2, "lr": 0.1, "lr_text": "0.2000"},
    ]
    body = {"observed": observed, **({"schedule": STEP_LR} if route == "explain" else {})}
    problem = assert_problem(api.post(f"/v1/schedules/{route}", json=body), 422, "invalid_input")
    assert [fault["pointer"] for fault in problem["errors"]] == ["/observed/2/lr_text"]


def test_identify(api: httpx.Client) -> None:
    rates = [0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.0125, 0.0125]
    observed = [{"epoch": epoch, "lr": lr, "lr_text": f"{lr:.4f}"} for epoch, lr in enumerate(rates, 1)]
    body = {"observed": observed, "framework": "torch", "total_epochs": 8}
    answer = api.post("/v1/schedules/identify", json=body).json()
    assert (answer["verdict"], answer["families"], answer["points"]) == ("identified", ["step"], 8)
    (found,) = answer["schedules"]
    assert found["schedule"]["params"] == {"step_size": 2, "gamma": 0.5}
    # What it names is what explain takes, and finds the log to be on.
    explained = api.post("/v1/schedules/explain", json={"schedule": found["schedule"], "observed": observed}).json()
    assert explained["verdict"] == "on_schedule"
    answer = api.post("/v1/schedules/identify", json={"observed": []}).json()
    assert (answer["verdict"], answer["schedules"]) == ("undetermined", [])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/observed"),
        ({"observed": [{"lr": True}]}, "/observed/0/lr"),
        ({"observed": [], "framework": "jax"}, "/framework"),
        ({"observed": [], "steps_per_epoch": 0}, "/steps_per_epoch"),
        ({"observed": [], "schedule": CONSTANT}, "/schedule"),
    ],
)
def test_identifications_that_are_refused(api: httpx.Client, body: dict[str, Any], pointer: str) -> None:
    problem = assert_problem(api.post("/v1/schedules/identify", json=body), 422, "invalid_input")
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]


def test_check_replays_a_log_and_stores_nothing(api: httpx.Client) -> None:
    records = [{"epoch": epoch, "metrics": {"lr": 0.1, "loss": 2.0 if epoch < 3 else "NaN"}} for epoch in range(5)]
    body = {"run": {"project": "p", "name": "n", "schedule": STEP_LR}, "records": records}
    report = api.post("/v1/check", json=body).json()
    (alert,) = report["alerts"]
    assert (alert["code"], alert["severity"], alert["opened"]) == ("LOSS001", "critical", {"step": None, "epoch": 3.0})
    assert not {"id", "run_id", "opened_at"} & set(alert)
    assert report["lr"]["verdict"] == "on_schedule"
    assert api.get("/v1/runs").json()["items"] == []
    assert api.post("/v1/check", json=body).json() == report


def test_check_takes_a_long_log_and_refuses_one_that_is_too_long(api: httpx.Client) -> None:
    run = {"project": "p", "name": "n", "schedule": CONSTANT}
    records = [{"step": step, "metrics": {"lr": 0.0003, "loss": 1.0 / (step + 1)}} for step in range(5_000)]
    report = api.post("/v1/check", json={"run": run, "records": records}).json()
    assert report["lr"]["verdict"] == "on_schedule"
    assert report["lr"]["points"] == 5_000
    answer = api.post("/v1/check", json={"run": run, "records": [*records * 20, records[0]]})
    problem = assert_problem(answer, 422, "invalid_input")
    assert problem["errors"][0]["pointer"] == "/records"
    assert "at most 100000 records a call; check a longer log with `trackside check`" in problem["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"records": []}, "/run"),
        ({"run": {"project": "p", "name": "n"}}, "/records"),
        ({"run": {"project": "p", "name": "n", "total_epoch": 1}, "records": []}, "/run/total_epoch"),
        ({"run": {"project": "p", "name": "n", "process": {"id": 3}}, "records": []}, "/run/process/id"),
        ({"run": {"project": "p", "name": "n", "schedule": {"kind": "x"}}, "records": []}, "/run/schedule/kind"),
        (
            {"run": {"project": "p", "name": "n"}, "records": [{"step": 1, "metrics": {"a": None}}]},
            "/records/0/metrics/a",
        ),
    ],
)
def test_checks_that_are_refused(api: httpx.Client, body: dict[str, Any], pointer: str) -> None:
    answer = api.post("/v1/check", json=body)
    assert answer.status_code == 422
    problem = assert_problem(answer, 422, answer.json()["code"])
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]


def test_rules_and_their_pages(api: httpx.Client) -> None:
    listed = api.get("/v1/rules").json()["items"]
    assert [each["code"] for each in listed] == [each.code for each in RULES]
    for each in RULES:
        shown = api.get(f"/v1/rules/{each.code.lower()}").json()
        assert shown["page"] == each.page.strip()
        answer = api.get(f"/v1/rules/{each.code}", headers={"Accept": "text/markdown"})
        assert answer.headers["content-type"].startswith("text/markdown")
        assert answer.text.strip() == each.page.strip()
    assert_problem(api.get("/v1/rules/NONE001"), 404, "rule_not_found")
