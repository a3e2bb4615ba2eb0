"""How a run is: for programs, for a terminal, for scripts; and its learning rate against its schedule."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.api.test_records import posted
from tests.api.test_runs import opened
from tests.support.problems import assert_problem
from tests.support.service import running

from trackside_service.cli.assemble import open_context
from trackside_service.monitor.memory import MEMORY
from trackside_service.settings import Settings

STEP_LR: dict[str, Any] = {
    "framework": "torch",
    "class": "StepLR",
    "params": {"step_size": 10, "gamma": 0.1},
    "base_lr": 0.1,
    "unit": "epoch",
}
RUN = {"project": "vision", "name": "resnet-a", "schedule": STEP_LR}


@pytest.fixture
def sick(api: httpx.Client) -> str:
    path = opened(api, RUN)
    posted(api, path, [{"epoch": epoch, "metrics": {"lr": 0.01, "train_loss": 2.0}} for epoch in range(3)])
    posted(api, path, [{"epoch": 3, "metrics": {"lr": 0.01, "train_loss": "NaN"}}])
    return path


def test_health_for_programs(api: httpx.Client, sick: str) -> None:
    health = api.get(f"{sick}/health").json()
    assert (health["status"], health["health"]) == ("running", "critical")
    assert {alert["code"] for alert in health["alerts"]} == {"LR001", "LOSS001"}
    assert health["lr"]["verdict"] == "off_schedule"
    assert health["lr"]["first_off"] == {"index": 0, "step": None, "epoch": 0.0, "expected": 0.1, "observed": 0.01}
    assert health["last"]["epoch"] == 3.0
    assert health["last"]["metrics"]["train_loss"]["value"] == "NaN"


def test_health_says_until_when_the_run_is_waited_for(api: httpx.Client) -> None:
    path = opened(api, {"project": "vision", "name": "beating", "heartbeat_s": 3600})
    posted(api, path, [{"step": 1, "metrics": {"loss": 1.0}}])
    last = api.get(f"{path}/health").json()["last"]
    waited = datetime.fromisoformat(last["deadline"]) - datetime.fromisoformat(last["at"])
    assert waited == timedelta(hours=1)
    assert "expected again by" in api.get(f"{path}/health", headers={"Accept": "text/plain"}).text
    api.patch(path, json={"status": "failed", "reason": "ValueError: no"}).raise_for_status()
    health = api.get(f"{path}/health").json()
    assert health["last"]["deadline"] is None
    assert [alert["title"] for alert in health["alerts"]] == ["Failed: ValueError: no"]
    assert "expected again by" not in api.get(f"{path}/health", headers={"Accept": "text/plain"}).text


def test_a_night_in_which_the_service_slept_makes_no_run_wait_longer(database_url: str) -> None:
    context = open_context(Settings(database_url=database_url))
    began = datetime.now(UTC)
    clock = [began]
    with running(replace(context, now=lambda: clock[0])) as url, httpx.Client(base_url=url, timeout=30) as api:
        path = opened(api, {"project": "vision", "name": "overnight"})
        for step in range(6):
            posted(api, path, [{"step": step, "metrics": {"loss": 1.0}}])
        clock[0] = began + timedelta(hours=8)
        posted(api, path, [{"step": 6, "metrics": {"loss": 1.0}}])
        last = api.get(f"{path}/health").json()["last"]
    context.engine.dispose()
    waited = datetime.fromisoformat(last["deadline"]) - datetime.fromisoformat(last["at"])
    assert waited == timedelta(minutes=30)


def test_the_end_freezes_what_is_open_and_it_still_counts(api: httpx.Client, sick: str) -> None:
    assert api.patch(sick, json={"status": "finished"}).json()["health"] == "critical"
    health = api.get(f"{sick}/health").json()
    assert {alert["state"] for alert in health["alerts"]} == {"ended"}
    assert (health["status"], health["health"]) == ("finished", "critical")


def test_health_for_a_terminal(api: httpx.Client, sick: str) -> None:
    answer = api.get(f"{sick}/health", headers={"Accept": "text/plain"})
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    assert lines[0] == "vision / resnet-a   running   CRITICAL"
    assert max(map(len, lines)) <= 100
    assert len(lines) < 40
    assert any(line.startswith("CRITICAL LOSS001") for line in lines)
    assert any("expected 0.1, observed 0.01" in line for line in lines)
    assert sum(line.startswith("  -> ") for line in lines) == 2
    # What curl sends by itself, and a browser, get JSON.
    for accept in ("*/*", "text/html,application/xhtml+xml,*/*;q=0.8"):
        assert api.get(f"{sick}/health", headers={"Accept": accept}).headers["content-type"] == "application/json"


def test_a_healthy_run_on_a_terminal(api: httpx.Client) -> None:
    path = opened(api, RUN)
    empty = api.get(f"{path}/health", headers={"Accept": "text/plain"}).text
    assert empty.splitlines()[0] == "vision / resnet-a   running   OK"
    posted(api, path, [{"epoch": 0, "metrics": {"lr": 0.1}}])
    text = api.get(f"{path}/health", headers={"Accept": "text/plain"}).text
    assert "learning rate: as the schedule has it" in text
    assert text.splitlines()[-1] == "no alert"


@pytest.mark.parametrize(("fail_on", "fails"), [("info", True), ("warning", True), ("critical", True)])
def test_a_script_fails_on_a_sick_run(api: httpx.Client, sick: str, fail_on: str, fails: bool) -> None:
    problem = assert_problem(api.get(f"{sick}/health", params={"fail_on": fail_on}), 409, "run_unhealthy")
    assert "LOSS001" in problem["detail"]
    # On a terminal the screenful is wanted most when it is that bad.
    text = {"Accept": "text/plain"}
    screen = api.get(f"{sick}/health", params={"fail_on": fail_on}, headers=text)
    assert screen.status_code == 409
    assert screen.headers["content-type"].startswith("text/plain")
    assert screen.text == api.get(f"{sick}/health", headers=text).text


def test_a_script_passes_on_a_run_that_is_less_bad(api: httpx.Client) -> None:
    path = opened(api, {"project": "p", "name": "n", "expectations": [{"metric": "val_acc", "min": 90.0}]})
    posted(api, path, [{"epoch": 0, "metrics": {"val_acc": 50.0}}])
    assert api.get(f"{path}/health").json()["health"] == "warning"
    assert api.get(f"{path}/health", params={"fail_on": "critical"}).status_code == 200
    assert_problem(api.get(f"{path}/health", params={"fail_on": "warning"}), 409, "run_unhealthy")


def test_a_learning_rate_that_is_no_number_is_said_to_be_none(api: httpx.Client) -> None:
    path = opened(api, RUN)
    posted(api, path, [{"epoch": 0, "metrics": {"lr": "NaN", "train_loss": "NaN"}}])
    text = api.get(f"{path}/health", headers={"Accept": "text/plain"}).text
    assert "lr NaN" in text
    assert "observed NaN, which is not a finite number" in text
    assert " nan" not in text


def test_what_ran_before_a_new_declaration_is_compared_with_what_held_then(api: httpx.Client) -> None:
    first: dict[str, Any] = {**RUN, "schedule": {**STEP_LR, "unit": "step"}}
    slower = {**first["schedule"]["params"], "step_size": 20}
    path = opened(api, {**first, "process": {"id": "one"}})
    lrs = [0.1 * 0.1 ** (step // 10) for step in range(15)]
    lrs += [0.1 * 0.1 ** (step // 20) for step in range(15, 30)]
    records = [{"step": step + 1, "metrics": {"lr": lr}} for step, lr in enumerate(lrs)]
    posted(api, path, records[:15], process="one")
    again = {**first, "schedule": {**first["schedule"], "params": slower}, "process": {"id": "two"}}
    api.put(path, json=again).raise_for_status()
    posted(api, path, records[15:], process="two")
    lr = api.get(f"{path}/lr").json()
    assert lr["verdict"] == "on_schedule"
    assert [point["expected"] for point in lr["series"]] == pytest.approx(lrs)


def test_the_lr_expected_and_observed(api: httpx.Client) -> None:
    path = opened(api, RUN)
    posted(api, path, [{"epoch": epoch, "metrics": {"lr": 0.1}} for epoch in range(1, 14)])
    lr = api.get(f"{path}/lr").json()
    assert lr["verdict"] == "off_schedule"
    assert lr["schedule"] == STEP_LR
    assert lr["first_off"]["epoch"] == 11.0
    assert lr["convention"]["epoch_base"] == 1
    expected = [point["expected"] for point in lr["series"]]
    assert expected == pytest.approx([0.1] * 10 + [0.01] * 3)
    assert [point["observed"] for point in lr["series"]] == [0.1] * 13
    assert lr["causes"]
    assert lr["identified"] is None


def test_a_resume_that_counts_anew_lies_where_it_said(api: httpx.Client) -> None:
    run = {**RUN, "schedule": {**STEP_LR, "unit": "step"}}
    path = opened(api, {**run, "process": {"id": "one"}})
    lrs = [0.1 * 0.1 ** (step // 10) for step in range(40)]
    records = [{"step": step, "metrics": {"lr": lr}} for step, lr in enumerate(lrs)]
    assert posted(api, path, records[:20], process="one")["alerts"] == []
    told = {"id": "two", "resumed_from_step": 20}
    api.put(path, json={**run, "process": told}).raise_for_status()
    again = [{**record, "step": step} for step, record in enumerate(records[20:])]
    assert posted(api, path, again[:9], process="two")["alerts"] == []
    MEMORY.clear()  # another process of the service reads what is stored
    assert posted(api, path, again[9:], process="two")["alerts"] == []
    lr = api.get(f"{path}/lr").json()
    assert (lr["verdict"], lr["convention"]["resumed"]) == ("on_schedule", "from_step")
    assert [point["observed"] for point in lr["series"]] == pytest.approx(lrs)
    assert [point["expected"] for point in lr["series"]] == pytest.approx(lrs)
    checked = {"run": {**run, "process": told}, "records": again}
    assert api.post("/v1/check", json=checked).json()["lr"]["verdict"] == "on_schedule"
    lost = {"run": {**run, "process": told}, "records": records[:20]}
    assert api.post("/v1/check", json=lost).json()["lr"]["verdict"] == "off_schedule"


@pytest.mark.parametrize("form", ["%.2f", "%.0f"])
def test_rounded_epochs_leave_no_gaps_in_what_is_expected(api: httpx.Client, form: str) -> None:
    path = opened(api, {**RUN, "schedule": {**STEP_LR, "unit": "step", "steps_per_epoch": 391}})
    lrs = [(update, 0.1 * 0.1 ** (update // 10)) for update in range(0, 30, 3)]
    posted(api, path, [{"epoch": float(form % (update / 391)), "metrics": {"lr": lr}} for update, lr in lrs])
    lr = api.get(f"{path}/lr").json()
    assert lr["verdict"] == "on_schedule"
    # Points at one epoch are re-logs, of which the last is shown.
    assert lr["series"]
    assert [point["expected"] for point in lr["series"]] == pytest.approx([point["observed"] for point in lr["series"]])


def test_the_lr_of_a_long_run_is_thinned(api: httpx.Client) -> None:
    path = opened(api, {**RUN, "schedule": {**STEP_LR, "unit": "step"}})
    posted(api, path, [{"step": step, "metrics": {"lr": 0.1 * 0.1 ** (step // 10)}} for step in range(40)])
    lr = api.get(f"{path}/lr", params={"points": 10}).json()
    assert lr["verdict"] == "on_schedule"
    assert len(lr["series"]) <= 10
    for point in lr["series"]:
        assert point["observed"] == pytest.approx(point["expected"])


def test_every_group_has_its_verdict(api: httpx.Client) -> None:
    path = opened(api, {**RUN, "schedule": {**STEP_LR, "base_lr": [0.1, 0.02]}})
    rates = [{"lr": 0.1 * 0.1 ** (epoch // 10), "lr/1": 0.02, "lr/2": 5.0} for epoch in range(15)]
    posted(api, path, [{"epoch": epoch, "metrics": lrs} for epoch, lrs in enumerate(rates)])
    lr = api.get(f"{path}/lr").json()
    assert lr["verdict"] == "on_schedule"
    assert [(one["group"], one["metric"], one["verdict"]) for one in lr["groups"]] == [
        (0, "lr", "on_schedule"),
        (1, "lr/1", "off_schedule"),
        (2, "lr/2", "undetermined"),
    ]
    assert lr["groups"][1]["first_off"]["epoch"] == 10.0
    assert lr["groups"][1]["causes"][0]["cause"] == "never_stepped"
    assert [alert["subject"] for alert in api.get(f"{path}/health").json()["alerts"]] == ["lr/1"]


def test_without_a_schedule_nothing_is_compared(api: httpx.Client) -> None:
    path = opened(api)
    posted(api, path, [{"step": 1, "metrics": {"lr": 0.1}}])
    assert api.get(f"{path}/health").json()["lr"] is None
    lr = api.get(f"{path}/lr").json()
    assert (lr["verdict"], lr["schedule"]) == ("undetermined", None)
    assert lr["series"] == [{"step": 1, "epoch": None, "observed": 0.1, "expected": None}]
    assert "groups" not in lr


def test_without_a_schedule_the_ones_that_the_series_shows_are_named(api: httpx.Client) -> None:
    path = opened(api, {"project": "vision", "name": "undeclared", "total_epochs": 9})
    assert api.get(f"{path}/lr").json()["identified"] is None
    posted(api, path, [{"epoch": epoch, "metrics": {"lr": 0.1 * 0.5 ** (epoch // 3)}} for epoch in range(9)])
    identified = api.get(f"{path}/lr").json()["identified"]
    assert (identified["verdict"], identified["families"]) == ("identified", ["step"])
    assert identified["schedules"][0]["params"]["every"]["value"] == 3


@pytest.mark.parametrize("told", [20, 19])  # how many updates were done, or the last one's number
def test_the_rates_of_a_resume_that_counts_anew_are_identified_behind_what_it_resumed(
    api: httpx.Client, told: int
) -> None:
    run = {"project": "vision", "name": "undeclared", "steps_per_epoch": 10}
    records = [{"step": step, "metrics": {"lr": 0.1 * 0.5 ** (step // 7)}} for step in range(45)]
    path = opened(api, {**run, "process": {"id": "one"}})
    posted(api, path, records[:20], process="one")
    api.put(path, json={**run, "process": {"id": "two", "resumed_from_step": told}}).raise_for_status()
    posted(api, path, [{**one, "step": step} for step, one in enumerate(records[20:])], process="two")
    identified = api.get(f"{path}/lr").json()["identified"]
    assert (identified["verdict"], identified["families"]) == ("identified", ["step"])
    assert identified["schedules"][0]["params"]["every"]["value"] == 7


def test_what_a_run_s_rates_show_is_found_once_until_it_reports_more(database_url: str) -> None:
    context = open_context(Settings(database_url=database_url))
    with running(context) as url, httpx.Client(base_url=url, timeout=30) as api:
        path = opened(api, {"project": "vision", "name": "undeclared"})
        posted(api, path, [{"epoch": epoch, "metrics": {"lr": 0.1 * 0.5 ** (epoch // 3)}} for epoch in range(9)])
        first = api.get(f"{path}/lr").json()["identified"]
        assert [api.get(f"{path}/lr").json()["identified"] for _ in range(3)] == [first] * 3
        posted(api, path, [{"epoch": 9, "metrics": {"train_loss": 1.0}}])
        api.get(f"{path}/lr")
        assert context.identified.made == 1
        posted(api, path, [{"epoch": 9, "metrics": {"lr": 0.1}}])
        assert api.get(f"{path}/lr").json()["identified"]["points"] == 10
        assert context.identified.made == 2
    context.engine.dispose()
