"""RUN006."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.support import alerts_of, spec_of
from trackside_service import detection, replay
from trackside_service.domain.declarations import parse_records
from trackside_service.domain.records import Position, Record
from trackside_service.rules import Reading, missing_metric

CODE = "RUN006"


def _steps(stop: int, *, every: int = 1, lost_from: int | None = None, back_at: int | None = None) -> Any:
    """A loss each step, and an accuracy every so many."""
    records: list[dict[str, Any]] = []
    for step in range(stop):
        metrics = {"train_loss": 1.0}
        lost = lost_from is not None and step >= lost_from and (back_at is None or step < back_at)
        if step % every == 0 and not lost:
            metrics["val_acc"] = 50.0
        records.append({"step": step, "metrics": metrics})
    return records


def test_a_metric_that_ends_is_told_after_five_intervals_and_a_warning_after_twenty() -> None:
    assert not alerts_of(_steps(201, every=10, lost_from=151), CODE)
    (alert,) = alerts_of(_steps(202, every=10, lost_from=151), CODE)
    assert (alert.severity, alert.state, alert.subject) == ("info", "open", "metrics")
    assert alert.title == "val_acc not reported any more"
    assert (alert.opened, alert.detected) == (Position(150), Position(201))
    assert "every 10 steps" in alert.detail
    assert [each.severity for each in alerts_of(_steps(351, every=10, lost_from=151), CODE)] == ["info"]
    assert [each.severity for each in alerts_of(_steps(352, every=10, lost_from=151), CODE)] == ["warning"]


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("train_acc", "info"),
        ("mlm_acc", "info"),
        ("warmup_factor", "info"),
        ("val/mAP", "warning"),
        ("val_loss", "warning"),
        ("lr", "warning"),
    ],
)
def test_what_may_end_with_a_stage_of_the_training_is_no_warning(name: str, severity: str) -> None:
    records = [
        {"epoch": epoch, "metrics": {"train_loss": 3 - 0.02 * epoch, **({name: 0.5} if epoch <= 30 else {})}}
        for epoch in range(1, 100)
    ]
    assert [each.severity for each in alerts_of(records, CODE)] == [severity]


def test_it_resolves_when_it_comes_again_and_can_go_missing_again() -> None:
    (alert,) = alerts_of(_steps(400, every=10, lost_from=151, back_at=300), CODE)
    assert (alert.state, alert.resolved) == ("resolved", Position(300))
    records = [*_steps(330, every=10, lost_from=151, back_at=300), *_steps(500)[330:]]
    for record in records[330:]:
        del record["metrics"]["val_acc"]
    assert [each.state for each in alerts_of(records, CODE)] == ["resolved", "open"]


def test_a_metric_that_is_rare_or_irregular_is_not_missing() -> None:
    assert not alerts_of(_steps(900, every=100, lost_from=401), CODE)  # four intervals
    irregular = _steps(400)
    for step, record in enumerate(irregular):
        if step not in {0, 1, 8, 9, 20, 21, 30, 44, 45}:
            del record["metrics"]["val_acc"]
    assert not alerts_of(irregular, CODE)


def test_the_end_of_a_run_with_many_evaluations_at_one_place_is_no_gap() -> None:
    final = [{"step": 100, "metrics": {f"class_{number}": 1.0}} for number in range(50)]
    assert not alerts_of([*_steps(100), *final], CODE)


def test_what_is_reported_beside_its_own_counter_is_there() -> None:
    records = _steps(100)
    for epoch in range(100):
        records.append({"epoch": epoch, "metrics": {"val_acc": 50.0}})
        records.append({"step": 100 + epoch, "metrics": {"train_loss": 1.0}})
    assert not alerts_of(records, CODE)


def test_all_that_is_missing_is_one_alert() -> None:
    records = [{"step": step, "metrics": {f"m{number}": 1.0 for number in range(20)}} for step in range(50)]
    records += [{"step": step, "metrics": {"m0": 1.0}} for step in range(50, 90)]
    (alert,) = alerts_of(records, CODE)
    assert alert.title == "m1 and 18 more not reported any more"
    assert alert.severity == "info"  # what they are is not known
    assert len(alert.detail) < 1500


def test_a_resume_keeps_what_is_known_and_another_log_does_not() -> None:
    def readings(named: bool) -> list[Reading]:
        first = [
            Reading(Record({"train_loss": 1.0, "val_acc": 5.0}, step=step), step, named=named) for step in range(50)
        ]
        then = [
            Reading(Record({"train_loss": 1.0}, step=step), 20 + step, life=1, starts_life=step == 30, named=named)
            for step in range(30, 45)
        ]
        return [*first, *then]

    context = detection.configure(spec_of())
    parameters = missing_metric.Parameters()
    for named, told in ((True, 1), (False, 0)):
        _, found = missing_metric.check_many(
            context, parameters, missing_metric.start(context, parameters), readings(named)
        )
        assert len(found) == told


@pytest.mark.parametrize("size", [1, 7, 400])
def test_one_by_one_and_many_at_once_and_stored_in_between_are_alike(size: int) -> None:
    spec = spec_of()
    records = parse_records(_steps(400, every=10, lost_from=151, back_at=380))
    context = detection.configure(spec)
    parameters = missing_metric.Parameters()
    shown, _ = replay._placed(spec, records, None)
    state, outcomes = missing_metric.start(context, parameters), list[Any]()
    for start in range(0, len(shown), size):
        if size == 1:
            state, some = missing_metric.check(context, parameters, state, shown[start])
            outcomes += some
        else:
            state, found = missing_metric.check_many(context, parameters, state, shown[start : start + size])
            outcomes += [outcome for _, outcome in found]
        state = missing_metric.load(missing_metric.dump(state))
    whole = missing_metric.check_many(context, parameters, missing_metric.start(context, parameters), shown)
    assert outcomes == [outcome for _, outcome in whole[1]]
    assert len(outcomes) == 3
    assert state == whole[0]


def test_the_state_is_bounded() -> None:
    records = [{"step": step, "metrics": {f"m{step}": 1.0, "val_acc": 5.0}} for step in range(300)]
    spec = spec_of()
    shown, _ = replay._placed(spec, parse_records(records), None)
    state = detection.inspect(detection.configure(spec), detection.begin(detection.configure(spec)), shown).state
    held = state.rules[CODE]
    assert len(held.metrics) <= 65
    assert "val_acc" in held.metrics
