"""LR001 on a schedule that follows a metric: the metric comes with the records, before or after the LR."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.plateaus import DECLARED, NAMED, losses, lrs_of, with_params
from tests.rules.support import alerts_of, report_of
from tests.rules.support import epochs as records_of
from trackside_service import detection
from trackside_service.domain.declarations import parse_records, parse_run
from trackside_service.domain.findings import Outcome
from trackside_service.rules import Reading


def split(records: list[dict[str, Any]], first: str) -> list[dict[str, Any]]:
    """Each record as two, the metrics other than the LR before or after it."""
    halves = []
    for record in records:
        rate = {**record, "metrics": {"lr": record["metrics"]["lr"]}}
        rest = {**record, "metrics": {name: value for name, value in record["metrics"].items() if name != "lr"}}
        halves += [rate, rest] if first == "lr" else [rest, rate]
    return halves


@pytest.mark.parametrize("first", ["lr", "metric", "together"])
@pytest.mark.parametrize("declared", [DECLARED, NAMED])
def test_a_wrong_patience_alarms_and_the_right_one_does_not(first: str, declared: dict[str, Any]) -> None:
    metric = losses(60)
    for patience in (3, 5):
        # Where the metric is not named, another may be what the scheduler follows: nothing is alarmed.
        alarms = int(patience == 5 and declared is NAMED)
        lrs = lrs_of(with_params(patience=patience), metric)[:60]
        records = records_of(lr=lrs, val_loss=metric)
        records = records if first == "together" else split(records, first)
        found = alerts_of(records, "LR001", schedule=declared)
        assert len(found) == alarms
        lr = report_of(records, schedule=declared).lr
        assert lr is not None
        assert lr.verdict == ("on_schedule" if patience == 3 else "off_schedule" if alarms else "undetermined")


def test_the_metric_is_known_by_its_alias_and_by_the_runs_own_name() -> None:
    metric = losses(60)
    lrs = lrs_of(with_params(patience=5), metric)[:60]
    for reported, extra in (("eval_loss", {}), ("monitor", {"metric_names": {"monitor": "val_loss"}}), ("crit", {})):
        declared = {**NAMED, "metric": reported}
        series: dict[str, Any] = {"lr": lrs, reported: metric}
        assert alerts_of(records_of(**series), "LR001", schedule=declared, **extra)


def test_an_lr_that_comes_back_resolves_and_leaves_again() -> None:
    metric = losses(120)
    lrs = lrs_of(NAMED, metric)[:120]
    lrs[20:24] = [0.4] * 4
    lrs[60:64] = [0.4] * 4
    found = alerts_of(records_of(first=0, lr=lrs, val_loss=metric), "LR001", schedule=NAMED)
    opened = [alert.opened.epoch for alert in found if alert.opened is not None]
    resolved = [alert.resolved.epoch or 0.0 for alert in found if alert.resolved is not None]
    assert opened == [20.0, 60.0]
    # Ten points in a row, and one more where the reading after the step is the better one meanwhile.
    assert [epoch in (begin, begin + 1.0) for epoch, begin in zip(resolved, [33.0, 73.0], strict=True)] == [True, True]


def test_every_group_follows_the_same_metric() -> None:
    metric = losses(60)
    declared = {**NAMED, "base_lr": [0.1, 0.01234]}
    lrs = lrs_of(NAMED, metric)[:60]
    series: dict[str, Any] = {"lr": lrs, "val_loss": metric, "lr/1": [lr * 0.1234 for lr in lrs]}
    assert not alerts_of(records_of(**series), "LR001", schedule=declared)
    wrong = records_of(**{**series, "lr/1": [0.01234] * 60})
    assert [alert.subject for alert in alerts_of(wrong, "LR001", schedule=declared)] == ["lr/1"]


@pytest.mark.parametrize("patience", [3, 5])
def test_one_by_one_through_storage_as_all_at_once(patience: int) -> None:
    metric = losses(60)
    lrs = lrs_of(with_params(patience=patience), metric)[:60]
    spec = parse_run({"project": "tests", "name": "run", "schedule": NAMED})
    context = detection.configure(spec)
    records = parse_records(split(records_of(lr=lrs, val_loss=metric), "lr"))
    readings = [Reading(record, index) for index, record in enumerate(records)]
    whole = detection.inspect(context, detection.begin(context), readings)
    state = detection.begin(context)
    outcomes: list[Outcome] = []
    for reading in readings:
        step = detection.inspect(context, state, [reading])
        outcomes += step.outcomes
        stored = detection.load(context, detection.dump(step.state))
        assert stored is not None
        state = stored
    assert not whole.faults
    assert detection.dump(state) == detection.dump(whole.state)
    assert outcomes == list(whole.outcomes)
