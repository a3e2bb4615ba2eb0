"""The rules on accuracies over made-up runs: silent on healthy ones, awake where a fault was planted, storable."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.rules import curves
from tests.rules.support import report_of, spec_of
from trackside_service import detection
from trackside_service.domain.findings import Outcome
from trackside_service.domain.records import Record
from trackside_service.rules import Reading, rule

FAMILIES = ("ACC", "FIT")
CODES = ("ACC001", "ACC002", "ACC003", "ACC004", "ACC005", "FIT001")


def seen_of(curve: curves.Curve) -> list[str]:
    """Codes of the serious alerts of these families."""
    alerts = report_of(curve.records, **curve.declared).every
    return [one.code for one in alerts if one.severity != "info" and one.code.startswith(FAMILIES)]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", list(curves.HEALTHY))
def test_a_healthy_run_raises_nothing(kind: str, seed: int) -> None:
    assert not seen_of(curves.drawn(curves.HEALTHY[kind], seed))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (curves.overfit, {"ACC002", "FIT001"}),
        (lambda rng: curves.overfit(rng, gap=False), {"ACC002"}),
        (curves.fading_detection, {"ACC001", "ACC002"}),
        (curves.collapsing, {"ACC001"}),
        (curves.stuck, {"ACC004"}),
    ],
    ids=["overfit", "falls without training accuracy", "fading detection", "collapsing", "stuck"],
)
def test_a_planted_fault_is_seen_and_little_else(make: Any, expected: set[str], seed: int) -> None:
    codes = seen_of(curves.drawn(make, seed))
    assert codes
    assert set(codes) <= expected
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("seed", range(6))
def test_a_leak_is_noted(seed: int) -> None:
    curve = curves.drawn(curves.leaking, seed)
    assert [one.code for one in report_of(curve.records, **curve.declared).every] == ["ACC005"]


@pytest.mark.parametrize("seed", range(8))
def test_what_is_solved_is_not_even_noted(seed: int) -> None:
    curve = curves.drawn(curves.solved_toy, seed)
    assert not report_of(curve.records, **curve.declared).every


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(
    "make", [curves.overfit, curves.fading_detection, curves.collapsing, curves.stuck, curves.by_step, curves.leaking]
)
def test_a_state_goes_on_from_its_json_as_if_nothing_had_been(code: str, make: Any) -> None:
    curve = curves.drawn(make, 3)
    context, one = detection.configure(spec_of(**curve.declared)), rule(code)
    parameters = context.rules[code].parameters
    whole = stored = one.start(context, parameters)
    said: list[Outcome] = []
    again: list[Outcome] = []
    odd = [{"val_loss": float("nan"), "val_acc": float("inf"), "train_acc": float("nan"), "lr": float("-inf")}, {}]
    logged = [(record.get("step"), record.get("epoch"), record["metrics"]) for record in curve.records]
    step, epoch, _ = logged[-1]
    logged += [(None if step is None else step + 1, None if epoch is None else epoch + 1, values) for values in odd]
    for index, (step, epoch, metrics) in enumerate(logged):
        reading = Reading(Record(metrics, step=step, epoch=epoch), index, starts_life=index == 17)
        whole, found = one.check(context, parameters, whole, reading)
        stored, refound = one.check(context, parameters, stored, reading)
        stored = one.load(json.loads(json.dumps(one.dump(stored))))
        assert stored == whole
        said += found
        again += refound
    assert said == again
