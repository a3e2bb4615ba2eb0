"""LR001 with several parameter groups: each against its own curve, and one alert for one mechanism."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.rules.support import alerts_of, epochs, report_of, spec_of
from trackside_service import detection
from trackside_service.domain.findings import Outcome
from trackside_service.domain.metrics import LRS
from trackside_service.domain.records import Record
from trackside_service.rules import Reading, off_schedule
from trackside_service.schedules import compile_schedule

CODE = "LR001"
BASES = [0.2, 0.05, 0.01]
STEPS: dict[str, Any] = {
    "framework": "torch",
    "class": "StepLR",
    "params": {"step_size": 5, "gamma": 0.5},
    "base_lr": BASES,
    "unit": "epoch",
}
COSINE: dict[str, Any] = {**STEPS, "class": "CosineAnnealingLR", "params": {"T_max": 40}}


def groups(schedule: dict[str, Any], count: int) -> dict[str, Any]:
    """Each group's LRs by metric, as the right loop reports them."""
    compiled = compile_schedule(schedule)
    ticks = np.arange(count)
    return {LRS[group]: compiled.lrs(ticks, group).tolist() for group in range(len(compiled.groups))}


@pytest.mark.parametrize("schedule", [STEPS, COSINE])
def test_groups_on_their_own_curves_are_silent(schedule: dict[str, Any]) -> None:
    report = report_of(epochs(**groups(schedule, 40)), schedule=schedule)
    assert not report.alerts
    assert report.lr is not None
    assert report.lr.verdict == "on_schedule"


def test_a_group_off_by_itself_is_told_by_its_name() -> None:
    observed = groups(STEPS, 20)
    observed["lr/1"] = [0.05] * 20
    report = report_of(epochs(**observed), schedule=STEPS)
    (alert,) = report.alerts
    assert (alert.code, alert.subject, alert.opened.epoch) == (CODE, "lr/1", 6)  # type: ignore[union-attr]
    assert alert.evidence["causes"][0]["cause"] == "never_stepped"
    assert alert.evidence["lr_expected"] == pytest.approx(0.025)
    assert "group 1" in alert.title
    assert "groups" not in alert.evidence
    assert report.lr is not None
    assert report.lr.verdict == "on_schedule"


def test_groups_off_alike_are_one_alert_that_names_them() -> None:
    observed: dict[str, Any] = {name: [values[0]] * 20 for name, values in groups(STEPS, 20).items()}
    (alert,) = alerts_of(epochs(**observed), CODE, schedule=STEPS)
    assert alert.subject == "lr"
    assert "`lr/1`, `lr/2`" in alert.detail
    assert [(one["metric"], one["lr_observed"]) for one in alert.evidence["groups"]] == [("lr/1", 0.05), ("lr/2", 0.01)]


def test_without_the_first_group_the_next_one_tells_the_others() -> None:
    observed: dict[str, Any] = {name: [values[0]] * 20 for name, values in groups(STEPS, 20).items()}
    observed["lr"] = groups(STEPS, 20)["lr"]
    (alert,) = alerts_of(epochs(**observed), CODE, schedule=STEPS)
    assert alert.subject == "lr/1"
    assert [one["metric"] for one in alert.evidence["groups"]] == ["lr/2"]
    del observed["lr"]
    (alert,) = alerts_of(epochs(**observed), CODE, schedule=STEPS)
    assert alert.subject == "lr/1"


def test_groups_off_for_different_reasons_are_alerts_of_their_own() -> None:
    observed = groups(COSINE, 20)
    observed["lr"] = [lr * 0.25 for lr in observed["lr"]]
    observed["lr/2"] = [lr * 0.7 for lr in observed["lr/2"]]
    found = {alert.subject: alert for alert in alerts_of(epochs(**observed), CODE, schedule=COSINE)}
    assert {subject: alert.severity for subject, alert in found.items()} == {"lr": "critical", "lr/2": "warning"}
    assert not any("groups" in alert.evidence for alert in found.values())


def test_one_alert_is_as_grave_as_its_gravest_group() -> None:
    floored = {**COSINE, "params": {"T_max": 40, "eta_min": 0.01}, "base_lr": [0.011000123, 0.200000123]}
    observed: dict[str, Any] = {name: [values[0]] * 40 for name, values in groups(floored, 40).items()}
    (alert,) = alerts_of(epochs(**observed), CODE, schedule=floored)
    assert (alert.subject, alert.severity) == ("lr", "critical")
    alone = {"lr": observed["lr"], "lr/1": groups(floored, 40)["lr/1"]}
    (alert,) = alerts_of(epochs(**alone), CODE, schedule=floored)
    assert (alert.subject, alert.severity) == ("lr", "warning")


def test_who_is_still_off_when_its_leader_is_back_gets_an_alert() -> None:
    observed = groups(STEPS, 40)
    for name, values in observed.items():
        observed[name] = [lr * 3 if 7 <= n < (9 if name == "lr" else 40) else lr for n, lr in enumerate(values)]
    found = {alert.subject: alert for alert in alerts_of(epochs(**observed), CODE, schedule=STEPS)}
    assert {subject: alert.state for subject, alert in found.items()} == {"lr": "resolved", "lr/1": "open"}
    assert [one["metric"] for one in found["lr/1"].evidence["groups"]] == ["lr/2"]


def test_the_other_groups_rate_is_named_by_its_number() -> None:
    observed = groups(COSINE, 20)
    observed["lr/1"] = observed["lr"]
    (alert,) = alerts_of(epochs(**observed), CODE, schedule=COSINE)
    cause = alert.evidence["causes"][0]
    assert (alert.subject, cause["cause"], cause["params"]["group"]) == ("lr/1", "other_group", 0)
    assert cause["params"]["base_lr"] == 0.2
    assert "not of group 1" in cause["statement"]


def test_a_group_that_is_not_declared_is_not_compared() -> None:
    observed: dict[str, Any] = groups(STEPS, 20)
    assert not alerts_of(epochs(**{**observed, "lr/3": [7.0] * 20}), CODE, schedule=STEPS)
    one = {**STEPS, "base_lr": 0.2}
    assert not alerts_of(epochs(**observed), CODE, schedule=one)
    wide = {**STEPS, "base_lr": [0.1] * 20}
    observed = groups({**STEPS, "base_lr": [0.1] * 16}, 20)
    assert not alerts_of(epochs(**{**observed, "lr/16": [7.0] * 20}), CODE, schedule=wide)


def test_a_run_that_reports_one_group_keeps_nothing_of_the_others() -> None:
    observed = groups(STEPS, 20)
    readings = [Reading(Record({"lr": lr}, epoch=float(n)), n) for n, lr in enumerate(observed["lr"])]
    context = detection.configure(spec_of(schedule=STEPS))
    state = detection.inspect(context, detection.begin(context), readings).state
    assert "others" not in off_schedule.dump(state.rules["LR001"])
    assert detection.lr_state(state, 1) is None


@pytest.mark.parametrize("size", [1, 3, 50])
@pytest.mark.parametrize("kind", ["on", "frozen", "one", "back", "apart", "late", "wild"])
def test_posts_of_any_size_say_the_same(kind: str, size: int) -> None:
    observed = {name: values[:] for name, values in groups(COSINE, 40).items()}
    rng = np.random.default_rng(5)
    for group, (name, values) in enumerate(observed.items()):
        if kind == "frozen":
            observed[name] = [values[0]] * 40
        elif kind == "one" and group == 1:
            observed[name] = [lr if n < 9 else lr * 0.9 for n, lr in enumerate(values)]
        elif kind == "back":
            observed[name] = [lr * 3 if 7 <= n < 9 + 12 * group else lr for n, lr in enumerate(values)]
        elif kind == "apart":
            observed[name] = [lr if n < 10 else lr * (0.4 + 0.2 * group) for n, lr in enumerate(values)]
        elif kind == "late":
            observed[name] = [values[0] if n < 20 + group else lr * 0.1 for n, lr in enumerate(values)]
        elif kind == "wild":
            observed[name] = [float(lr * rng.choice([1, 1, 1, 2])) for lr in values]
    context = detection.configure(spec_of(schedule=COSINE))
    readings = [
        Reading(Record({name: values[n] for name, values in observed.items()}, epoch=float(n)), n) for n in range(40)
    ]
    whole = detection.inspect(context, detection.begin(context), readings)
    assert not whole.faults
    state = detection.begin(context)
    outcomes: list[Outcome] = []
    for begin in range(0, len(readings), size):
        inspection = detection.inspect(context, state, readings[begin : begin + size])
        # The state goes through storage between two posts.
        loaded = detection.load(context, detection.dump(inspection.state))
        assert loaded is not None
        state = loaded
        outcomes += inspection.outcomes
    assert outcomes == list(whole.outcomes)
    assert bool(outcomes) is (kind != "on")
