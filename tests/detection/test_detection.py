"""Rules run together: isolation, configuration, order, and a state that survives storage."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from numpy.random import Generator, default_rng

from tests.rules.curves import Curve
from tests.rules.support import readings_of, spec_of
from tests.rules.usual_runs import pretraining, rare_evaluation
from tests.support import states
from trackside_service import detection
from trackside_service.domain import lives
from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.place_memory import PlaceMemory
from trackside_service.domain.records import Record
from trackside_service.errors import InvalidInputError, ScheduleError
from trackside_service.rules import RULES, Reading, accuracy_collapse, nonfinite_loss

CONSTANT = {"kind": "constant", "lr": 0.1}


def readings(*metrics: dict[str, float]) -> list[Reading]:
    return [Reading(Record(values, epoch=float(n)), n) for n, values in enumerate(metrics)]


def failing(rule: Any, error: Exception) -> Any:
    def check(*_: Any) -> Any:
        raise error

    return replace(rule, check=check, check_many=None)


def test_a_rule_that_raises_is_isolated_named_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    table = tuple(failing(rule, ZeroDivisionError("oh")) if rule.code == "ACC001" else rule for rule in RULES)
    monkeypatch.setattr("trackside_service.detection.states.RULES", table)
    context = detection.configure(spec_of())
    before = detection.begin(context)
    with caplog.at_level(logging.ERROR):
        inspection = detection.inspect(context, before, readings({"val_acc": 1.0}, {"train_loss": math.nan}))
    assert [(fault.code, fault.error) for fault in inspection.faults] == [("ACC001", "ZeroDivisionError: oh")]
    assert [outcome.code for outcome in inspection.outcomes] == ["LOSS001"]
    assert inspection.state.rules["ACC001"] is before.rules["ACC001"]
    assert "ACC001" in caplog.text


def test_a_rule_that_raises_at_one_record_sees_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    real = accuracy_collapse.RULE

    def check(context: Any, parameters: Any, state: Any, reading: Reading) -> Any:
        if reading.index == 1:
            raise RuntimeError("only here")
        return real.check(context, parameters, state, reading)

    monkeypatch.setattr("trackside_service.detection.states.RULES", (replace(real, check=check),))
    context = detection.configure(spec_of())
    logged = readings({"val_acc": 80.0}, {"val_acc": 81.0}, {"val_acc": 0.0})
    inspection = detection.inspect(context, detection.begin(context), logged)
    assert [outcome.code for outcome in inspection.outcomes] == ["ACC001"]
    assert len(inspection.faults) == 1


def test_runs_that_are_declared_alike_are_judged_side_by_side() -> None:
    """What rules share of one run was looked for under the other by comparing their schedules, which hold arrays."""
    milestones = {"framework": "torch", "class": "MultiStepLR", "params": {"milestones": [3, 4]}, "unit": "epoch"}
    contexts = [detection.configure(spec_of(schedule={**milestones, "base_lr": 0.1})) for _ in range(2)]
    held = [detection.begin(context) for context in contexts]
    for reading in readings(*({"lr": 0.1, "train_loss": 1.0 / n, "val_acc": 10.0 * n} for n in (1, 2, 3))):
        for run, context in enumerate(contexts):
            inspection = detection.inspect(context, held[run], [reading])
            assert inspection.faults == ()
            held[run] = inspection.state
    assert held[0] == held[1]


def test_outcomes_come_in_the_order_of_the_records_whatever_the_rule() -> None:
    context = detection.configure(spec_of(schedule=CONSTANT))
    logged = readings({"lr": 0.1, "val_acc": 70.0}, {"val_acc": 0.0}, {"lr": 0.5}, {"train_loss": math.inf, "lr": 0.5})
    inspection = detection.inspect(context, detection.begin(context), logged)
    assert [one.code for one in inspection.outcomes][:2] == ["ACC001", "LR001"]
    assert "LOSS001" in [one.code for one in inspection.outcomes]


def test_what_is_behind_reaches_only_the_rules_that_see_it() -> None:
    context = detection.configure(spec_of(schedule=CONSTANT))
    state = detection.inspect(context, detection.begin(context), readings({"val_acc": 70.0, "lr": 0.1})).state
    behind = Reading(Record({"val_acc": 0.0, "train_loss": math.nan, "lr": 0.7}, epoch=0.0), 1, behind=True)
    codes = {outcome.code for outcome in detection.inspect(context, state, [behind]).outcomes}
    assert codes == {"LOSS001", "LR001"}


def test_the_state_given_is_never_changed() -> None:
    spec = spec_of(schedule=CONSTANT, expectations=[{"metric": "val_acc", "min": 10}])
    context = detection.configure(spec)
    state = detection.begin(context)
    for reading in readings(
        {"lr": 0.1, "val_acc": 60.0, "train_loss": 1.0}, {"lr": 9.0, "val_acc": 0.0, "train_loss": math.nan}
    ):
        before = detection.dump(state)
        following = detection.inspect(context, state, [reading]).state
        assert detection.dump(state) == before
        state = following


def test_a_state_goes_on_from_its_bytes_as_if_nothing_had_been() -> None:
    spec = spec_of(
        schedule=CONSTANT,
        num_classes=10,
        expectations=[
            {"metric": "val_acc", "max_drop": 3},
            {"metric": "train_acc", "max_above": {"metric": "val_acc", "by": 9}},
        ],
    )
    context = detection.configure(spec)
    logged = readings(
        {"lr": 0.1, "train_loss": 2.0, "val_acc": 60.0, "train_acc": 60.0},
        {"lr": 0.1, "train_loss": math.nan, "val_acc": 20.0},
        {"lr": 0.2, "train_loss": 1.0, "val_acc": 20.0, "train_acc": 95.0},
        {"lr": math.inf, "val_loss": math.nan, "val_acc": 25.0},
        {"train_loss": 1.0, "val_acc": 70.0},
        {"train_loss": 1.0, "val_acc": 70.0},
    )
    whole = detection.inspect(context, detection.begin(context), logged)
    state = detection.begin(context)
    outcomes: list[Outcome] = []
    for reading in logged:
        inspection = detection.inspect(context, state, [reading])
        outcomes += inspection.outcomes
        loaded = detection.load(context, detection.dump(inspection.state))
        assert loaded == inspection.state
        state = loaded
    assert outcomes == list(whole.outcomes)
    assert {type(one) for one in outcomes} == {Finding, Cleared}


def test_another_version_of_a_state_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    context = detection.configure(spec_of())
    data = detection.dump(detection.begin(context))
    assert detection.load(context, data) is not None
    assert detection.load(context, b"{}") is None
    assert detection.load(context, b"not json") is None
    monkeypatch.setattr(
        "trackside_service.detection.states.RULES", tuple(replace(rule, state_version=99) for rule in RULES)
    )
    assert detection.load(context, data) is None


def test_a_state_stays_small_however_long_the_run() -> None:
    context = detection.configure(spec_of(schedule=CONSTANT, expectations=[{"metric": "val_acc", "max_drop": 50}]))
    state, sizes = detection.begin(context), []
    for begin in range(0, 4000, 500):
        logged = [
            Reading(Record({"lr": 0.1, "train_loss": 1 / (n + 1), "val_acc": 50 + n / 1e4}, step=n), n)
            for n in range(begin, begin + 500)
        ]
        state = detection.inspect(context, state, logged).state
        sizes.append(len(detection.dump(state)))
    assert sizes[-1] < 6_000
    assert sizes[-1] < 1.3 * sizes[0]


@pytest.mark.parametrize("kind", [pretraining, rare_evaluation])
def test_the_state_of_a_real_run_is_a_few_kilobytes(kind: Callable[[Generator], Curve]) -> None:
    run = kind(default_rng(1))
    context = detection.configure(spec_of(**run.declared))
    state = detection.inspect(context, detection.begin(context), readings_of(run.records)).state
    assert len(detection.dump(state)) < 6_000


def test_rules_are_switched_off_and_set_otherwise() -> None:
    rules = {"LOSS001": {"severity": "info"}, "ACC001": {"enabled": False}}
    context = detection.configure(spec_of(rules=rules))
    logged = readings({"val_acc": 80.0}, {"val_acc": 0.0, "train_loss": math.nan})
    outcomes = detection.inspect(context, detection.begin(context), logged).outcomes
    assert [(one.code, one.severity) for one in outcomes if isinstance(one, Finding)] == [("LOSS001", "info")]


@pytest.mark.parametrize(
    ("rules", "pointer", "words"),
    [
        ({"LOSS01": {}}, "/rules/LOSS01", "LOSS001"),
        ({"ACC001": {"params": {"patienc": 3}}}, "/rules/ACC001/params/patienc", "'patience'"),
        ({"ACC001": {"params": {"patience": 2.5}}}, "/rules/ACC001/params/patience", "whole number"),
        ({"ACC001": {"params": {"patience": True}}}, "/rules/ACC001/params/patience", "number"),
        ({"ACC001": {"params": {"share": 2}}}, "/rules/ACC001/params", "between 0 and 1"),
        ({"EXP001": {"params": {"x": 2}}}, "/rules/EXP001/params/x", "none"),
    ],
)
def test_a_bad_configuration_is_refused_with_its_place(rules: dict[str, Any], pointer: str, words: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        detection.configure(spec_of(rules=rules))
    assert [fault.pointer for fault in caught.value.faults] == [pointer]
    assert words in caught.value.faults[0].message


def test_a_schedule_that_cannot_be_built_is_refused_with_its_place() -> None:
    with pytest.raises(ScheduleError) as caught:
        detection.configure(
            spec_of(schedule={"framework": "torch", "class": "OneCycleLR", "params": {}, "unit": "epoch"})
        )
    assert all(fault.pointer.startswith("/schedule") for fault in caught.value.faults)


def test_a_changed_schedule_begins_the_comparison_anew_and_keeps_the_rest() -> None:
    before = detection.configure(spec_of(schedule=CONSTANT))
    logged = readings({"lr": 0.1, "train_loss": math.nan}, {"lr": 0.1})
    state = detection.inspect(before, detection.begin(before), logged).state
    after = detection.configure(spec_of(schedule={"kind": "constant", "lr": 0.05}))
    adopted = detection.adopt(after, before, state)
    assert adopted.rules[nonfinite_loss.CODE] == state.rules[nonfinite_loss.CODE]
    tracker = detection.lr_state(adopted)
    assert tracker is not None
    assert tracker.points == 0
    assert detection.adopt(before, before, state) == state


def test_no_lr_no_verdict() -> None:
    context = detection.configure(spec_of(schedule=CONSTANT))
    assert detection.explanation(context, detection.begin(context)) is None
    plain = detection.configure(spec_of())
    logged = readings({"lr": 0.1})
    assert detection.explanation(plain, detection.inspect(plain, detection.begin(plain), logged).state) is None
    seen = detection.inspect(context, detection.begin(context), logged).state
    verdict = detection.explanation(context, seen)
    assert verdict is not None
    assert verdict.verdict == "on_schedule"


def test_a_placed_record_shows_only_what_is_new_at_its_place() -> None:
    memory = PlaceMemory()
    first = Record({"train_loss": 1.0}, epoch=1.0)
    placed = lives.place(lives.first_life(), first, memory)
    memory.add(first.position, placed)
    more = Record({"train_loss": 1.0, "val_acc": 0.5}, epoch=1.0)
    reading = detection.reading_of(more, lives.place(placed.progress, more, memory), 1)
    assert dict(reading.record.metrics) == {"val_acc": 0.5}
    assert not reading.starts_life


def test_a_dump_is_plain_json_but_for_floats_that_json_lacks() -> None:
    context = detection.configure(spec_of(schedule=CONSTANT))
    assert states.opened(detection.dump(detection.begin(context)))["version"] == 1
