"""The rules on losses and gradients are silent on healthy logs of many kinds, and see what is planted."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.rules.drawn_runs import HEALTHY, PLANTED, Log
from tests.rules.support import readings_of, report_of, spec_of
from trackside_service import detection
from trackside_service.domain.findings import Finding, Outcome
from trackside_service.rules import Reading

SEEDS = range(6)
OURS = ("LOSS", "GRAD")


def found(log: Log) -> set[str]:
    """What each rule says by itself, whether or not a cause stands above it."""
    context = detection.configure(spec_of())
    outcomes = detection.inspect(context, detection.begin(context), readings_of(log)).outcomes
    return {one.code for one in outcomes if isinstance(one, Finding)}


def serious(log: Log) -> set[str]:
    """The codes of serious alerts of the two families; every rule runs and none may raise."""
    alerts = report_of(log).alerts
    return {alert.code for alert in alerts if alert.severity != "info" and alert.code.startswith(OURS)}


@pytest.mark.parametrize("kind", HEALTHY, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("seed", SEEDS)
def test_healthy_runs_are_left_alone(kind: Callable[[random.Random], Log], seed: int) -> None:
    assert not serious(kind(random.Random(seed)))


@pytest.mark.parametrize(("kind", "codes"), PLANTED, ids=lambda value: getattr(value, "__name__", ""))
@pytest.mark.parametrize("seed", SEEDS)
def test_planted_faults_are_seen_by_few_rules(
    kind: Callable[[random.Random], Log], codes: frozenset[str], seed: int
) -> None:
    log = kind(random.Random(seed))
    assert found(log) & codes
    assert 1 <= len(report_of(log).alerts) <= 3


@pytest.mark.parametrize("kind", HEALTHY, ids=lambda kind: kind.__name__)
def test_records_that_came_late_change_nothing(kind: Callable[[random.Random], Log]) -> None:
    context = detection.configure(spec_of())
    late = {"train_loss": 1e9, "val_loss": 1e9, "grad_norm": 1e9, "lr": 7.0}
    readings: list[Reading] = []
    for reading in readings_of(kind(random.Random(1))):
        record = replace(
            reading.record, metrics={name: late[name] for name in late if name not in reading.record.metrics}
        )
        readings += [reading, replace(reading, record=record, behind=True, starts_life=False)]
    outcomes = detection.inspect(context, detection.begin(context), readings).outcomes
    assert not [one for one in outcomes if one.code.startswith(OURS) and getattr(one, "severity", "") != "info"]


@pytest.mark.parametrize(("kind", "codes"), PLANTED, ids=lambda value: getattr(value, "__name__", ""))
def test_a_state_kept_as_bytes_goes_on_as_if_it_had_not_been(
    kind: Callable[[random.Random], Log], codes: frozenset[str]
) -> None:
    context = detection.configure(spec_of())
    readings = readings_of(kind(random.Random(2)))
    whole = detection.inspect(context, detection.begin(context), readings).outcomes
    state, parts = detection.begin(context), list[Outcome]()
    for begin in range(0, len(readings), 37):
        inspection = detection.inspect(context, state, readings[begin : begin + 37])
        kept = detection.load(context, detection.dump(inspection.state))
        assert kept is not None
        state = kept
        parts += inspection.outcomes
    assert parts == list(whole)
