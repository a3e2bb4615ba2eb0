"""LR001: the verdict as an alert, with its cause, severity and end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.rules.support import alerts_of, epochs, report_of, spec_of
from trackside_service import detection
from trackside_service.domain.findings import Finding, Outcome
from trackside_service.domain.records import Record
from trackside_service.rules import Reading
from trackside_service.schedules import compile_schedule

CODE = "LR001"
COSINE: dict[str, Any] = {
    "framework": "torch",
    "class": "CosineAnnealingLR",
    "params": {"T_max": 40},
    "base_lr": 0.2,
    "unit": "epoch",
}


def lrs(count: int) -> list[float]:
    return [float(lr) for lr in compile_schedule(COSINE).lrs(np.arange(count))]


def test_a_run_on_schedule_is_silent() -> None:
    report = report_of(epochs(lr=lrs(40)), schedule=COSINE)
    assert not report.alerts
    assert report.lr is not None
    assert report.lr.verdict == "on_schedule"


def test_the_first_point_off_and_its_cause() -> None:
    (alert,) = alerts_of(epochs(lr=[lr / 4 for lr in lrs(12)]), CODE, schedule=COSINE)
    assert (alert.severity, alert.opened.epoch, alert.subject) == ("critical", 1, "lr")  # type: ignore[union-attr]
    assert alert.evidence["causes"][0]["family"] == "scale"
    assert alert.evidence["ratio"] == pytest.approx(0.25)
    assert alert.advice


@pytest.mark.parametrize(
    ("factor", "severity"), [(1.5, "warning"), (2.5, "critical"), (0.6, "warning"), (0.4, "critical")]
)
def test_a_factor_of_two_either_way_is_critical(factor: float, severity: str) -> None:
    observed = lrs(10)
    observed[9] *= factor
    (alert,) = alerts_of(epochs(lr=observed), CODE, schedule=COSINE)
    assert (alert.severity, alert.opened.epoch) == (severity, 10)  # type: ignore[union-attr]


def test_the_severity_rises_with_the_distance() -> None:
    observed = [lr if n < 5 else lr * (1 + 0.3 * (n - 4)) for n, lr in enumerate(lrs(12))]
    (alert,) = alerts_of(epochs(lr=observed), CODE, schedule=COSINE)
    assert (alert.severity, alert.opened.epoch) == ("critical", 6)  # type: ignore[union-attr]
    assert alerts_of(epochs(lr=observed[:7]), CODE, schedule=COSINE)[0].severity == "warning"


def test_it_resolves_after_ten_points_back_on_schedule_and_begins_anew() -> None:
    observed = lrs(36)
    observed[7] *= 1.2
    (alert,) = alerts_of(epochs(lr=observed), CODE, schedule=COSINE)
    assert (alert.state, alert.resolved.epoch) == ("resolved", 18)  # type: ignore[union-attr]
    observed[30] *= 1.2
    first, second = alerts_of(epochs(lr=observed), CODE, schedule=COSINE)
    assert first.state == "resolved"
    assert (second.state, second.episode, second.opened.epoch) == ("open", 2, 31)  # type: ignore[union-attr]


@pytest.mark.parametrize("decimals", [3, 4])
def test_what_is_printed_coarser_later_is_no_new_episode(decimals: int) -> None:
    right = lrs(40)
    assert not alerts_of(epochs(lr=[*right[:10], *(round(lr, decimals) for lr in right[10:])]), CODE, schedule=COSINE)
    observed = [*right[:5], 0.3, *right[6:18], *(round(lr, decimals) for lr in right[18:])]
    (alert,) = alerts_of(epochs(lr=observed), CODE, schedule=COSINE)
    assert alert.resolved is not None
    early = [*right[:5], 0.3, *right[6:8], *(round(lr, decimals) for lr in right[8:])]
    (alert,) = alerts_of(epochs(lr=early), CODE, schedule=COSINE)
    assert alert.resolved is not None
    wrong = [*right[:10], *(round(lr / 2, decimals) for lr in right[10:])]
    (alert,) = alerts_of(epochs(lr=wrong), CODE, schedule=COSINE)
    assert (alert.opened.epoch, alert.resolved) == (11, None)  # type: ignore[union-attr]


@pytest.mark.parametrize("decimals", [3, 4, 5])
def test_prints_that_are_cut_off_are_no_alarm(decimals: int) -> None:
    cut = [int(lr * 10**decimals * (1 + 1e-12)) / 10**decimals for lr in lrs(40)]
    report = report_of(epochs(lr=cut), schedule=COSINE)
    assert not report.alerts
    assert report.lr is not None
    assert (report.lr.verdict, dict(report.lr.convention or {}).get("prints")) == ("on_schedule", "cut_off")
    half = [int(lr / 2 * 10**decimals * (1 + 1e-12)) / 10**decimals for lr in lrs(40)]
    (alert,) = alerts_of(epochs(lr=half), CODE, schedule=COSINE)
    assert alert.opened.epoch == 1  # type: ignore[union-attr]


def test_points_with_rounded_epochs_count_as_back_too() -> None:
    declared = {**COSINE, "unit": "step", "steps_per_epoch": 391, "params": {"T_max": 3910}}
    updates = np.arange(20, 1000, 20)
    observed = compile_schedule(declared).lrs(updates)
    observed[7] *= 1.2
    records = [
        {"epoch": round(update / 391, 2), "metrics": {"lr": lr}}
        for update, lr in zip(updates.tolist(), observed.tolist(), strict=True)
    ]
    (alert,) = alerts_of(records, CODE, schedule=declared)
    assert (alert.state, alert.opened.epoch) == ("resolved", round(160 / 391, 2))  # type: ignore[union-attr]
    assert alert.resolved.epoch == round(360 / 391, 2)  # type: ignore[union-attr]


def test_an_lr_that_is_no_number_is_off_schedule() -> None:
    (alert,) = alerts_of(epochs(lr=[*lrs(3), "NaN"]), CODE, schedule=COSINE)
    assert (alert.severity, alert.opened.epoch) == ("critical", 4)  # type: ignore[union-attr]
    assert "the learning rate is not a finite number (NaN)" in alert.detail
    assert " nan" not in alert.detail


def test_without_a_schedule_it_is_silent() -> None:
    report = report_of(epochs(lr=[0.1, 5.0, 0.1]))
    assert report.lr is None
    assert not [alert for alert in report.alerts if alert.code == CODE]


@pytest.mark.parametrize("size", [1, 3, 50])
@pytest.mark.parametrize("kind", ["on", "off from 10", "off for two", "coarse"])
def test_posts_of_any_size_say_the_same(kind: str, size: int) -> None:
    observed = lrs(40)
    if kind == "off from 10":
        observed = [lr if n < 10 else lr * 0.9 for n, lr in enumerate(observed)]
    elif kind == "off for two":
        observed[5:7] = [observed[5] * 3, observed[6] * 3]
    elif kind == "coarse":
        observed = [round(lr, 3) for lr in observed]
        observed[25] = 0.011
    context = detection.configure(spec_of(schedule=COSINE))
    readings = [Reading(Record({"lr": lr}, epoch=float(n)), n) for n, lr in enumerate(observed)]
    whole = detection.inspect(context, detection.begin(context), readings)
    state = detection.begin(context)
    outcomes: list[Outcome] = []
    for begin in range(0, len(readings), size):
        inspection = detection.inspect(context, state, readings[begin : begin + size])
        # The state goes through storage between two posts.
        loaded = detection.load(context, detection.dump(inspection.state))
        assert loaded is not None
        state = loaded
        outcomes += inspection.outcomes
    assert [(type(one), _place(one)) for one in outcomes] == [(type(one), _place(one)) for one in whole.outcomes]
    assert outcomes == list(whole.outcomes)
    assert bool(outcomes) is (kind != "on")


def _place(outcome: Outcome) -> object:
    return outcome.detected if isinstance(outcome, Finding) else outcome.position
