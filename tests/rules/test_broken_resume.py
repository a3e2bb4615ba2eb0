"""RUN007."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.rules.support import spec_of
from trackside_service import detection
from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.records import Position, Record
from trackside_service.errors import InvalidInputError
from trackside_service.rules import Reading, broken_resume

CODE = "RUN007"


def _loss(step: int) -> float:
    """A loss that goes from 2.3 towards 0.3, with some noise."""
    return 0.3 + 2.0 * math.exp(-step / 300) + 0.05 * ((step * 7919 % 100) / 100 - 0.5)


def _readings(steps: Sequence[int], life: int, index: int, *, named: bool = True, **metrics: Any) -> list[Reading]:
    values: dict[str, Callable[[int], float]] = {"train_loss": _loss, **metrics}
    return [
        Reading(
            Record({name: of(step) for name, of in values.items()}, step=step),
            index + number,
            life=life,
            starts_life=life > 0 and number == 0,
            named=named,
        )
        for number, step in enumerate(steps)
    ]


def _found(*lives: Sequence[Reading], **declared: Any) -> list[Outcome]:
    context = detection.configure(spec_of(**declared))
    state = detection.begin(context)
    outcomes: list[Outcome] = []
    for readings in lives:
        for reading in readings:
            inspection = detection.inspect(context, state, [reading])
            assert not inspection.faults
            state = inspection.state
            outcomes += [one for one in inspection.outcomes if one.code == CODE]
        stored = detection.load(context, detection.dump(state))
        assert stored is not None
        state = stored
    return outcomes


def _one(*lives: Sequence[Reading], **declared: Any) -> Finding:
    (finding,) = _found(*lives, **declared)
    assert isinstance(finding, Finding)
    return finding


BEFORE = range(1200)


def test_a_resume_that_goes_on_says_nothing() -> None:
    before = _readings(BEFORE, 0, 0, lr=lambda step: 0.1 * 0.999**step)
    after = _readings(range(1000, 1500), 1, 1200, lr=lambda step: 0.1 * 0.999**step)
    assert not _found(before, after)


def test_weights_that_were_not_loaded() -> None:
    finding = _one(_readings(BEFORE, 0, 0), _readings(range(1000, 1500), 1, 1200, train_loss=lambda s: _loss(s - 1000)))
    assert (finding.severity, finding.subject) == ("warning", "resume")
    assert (finding.opened, finding.detected) == (Position(1000), Position(1004))
    assert "weights" in finding.advice
    assert set(finding.evidence) == {"train_loss"}
    assert finding.evidence["train_loss"]["loss_before"] == pytest.approx(0.37, abs=0.05)


def test_an_optimizer_that_was_not_loaded() -> None:
    worse = _readings(range(1000, 1500), 1, 1200, train_loss=lambda step: _loss(step) + 1.2)
    finding = _one(_readings(BEFORE, 0, 0), worse)
    assert "optimizer" in finding.advice
    assert not _found(
        _readings(BEFORE, 0, 0), _readings(range(1000, 1500), 1, 1200, train_loss=lambda s: _loss(s) + 0.5)
    )


def test_a_scheduler_that_was_not_loaded_where_no_schedule_is_declared() -> None:
    def lr(step: int) -> float:
        return 0.1 * 0.997**step

    before = _readings(BEFORE, 0, 0, lr=lr)
    anew = _readings(range(1000, 1100), 1, 1200, lr=lambda step: lr(step - 1000))
    finding = _one(before, anew)
    assert set(finding.evidence) == {"lr"}
    assert "scheduler's state" in finding.advice
    assert not _found(before, anew, schedule={"kind": "constant", "lr": 0.1})  # LR001 says what it is


def test_a_warm_up_that_begins_again_and_a_milestone_that_does_not() -> None:
    def lr(step: int) -> float:
        return 0.1 * min(1.0, (step + 1) / 200)

    before = _readings(BEFORE, 0, 0, lr=lr)
    assert set(_one(before, _readings(range(1000, 1100), 1, 1200, lr=lambda s: lr(s - 1000))).evidence) == {"lr"}
    assert not _found(before, _readings(range(1200, 1300), 1, 1200, lr=lambda _: 0.01))


def test_counters_that_jump_ahead_are_information() -> None:
    finding = _one(_readings(BEFORE, 0, 0), _readings(range(90_000, 90_100), 1, 1200))
    assert (finding.severity, set(finding.evidence)) == ("info", {"counters"})


def test_what_begins_at_the_start_is_no_resume() -> None:
    assert not _found(_readings(BEFORE, 0, 0), _readings(range(500), 1, 1200))
    assert not _found(_readings(range(8), 0, 0), _readings(range(5, 500), 1, 8, train_loss=lambda _: 9.0))


def test_without_process_names_it_is_information() -> None:
    before = _readings(BEFORE, 0, 0, named=False)
    after = _readings(range(1000, 1500), 1, 1200, named=False, train_loss=lambda step: _loss(step - 1000))
    assert _one(before, after).severity == "info"


def test_the_next_process_ends_it() -> None:
    broken = _readings(range(1000, 1400), 1, 1200, train_loss=lambda step: _loss(step - 1000))
    again = _readings(range(1000, 1400), 2, 1600, train_loss=lambda step: _loss(step - 1000))
    outcomes = _found(_readings(BEFORE, 0, 0), broken, again)
    assert [type(one) for one in outcomes] == [Finding, Cleared]  # against what the broken one had made of it


def test_a_long_run_is_held_in_few_points_and_a_short_one_between_evaluations() -> None:
    state = broken_resume.start(detection.configure(spec_of()), broken_resume.Parameters())
    context = detection.configure(spec_of())
    for reading in _readings(range(20_000), 0, 0):
        state, _ = broken_resume.check(context, broken_resume.Parameters(), state, reading)
    assert len(state.points) <= 48
    assert state.points[-1].at > 19_000
    assert broken_resume.load(broken_resume.dump(state)) == state


@pytest.mark.parametrize("params", [{"lost": 0.0}, {"lr_factor": 1.0}])
def test_parameters_that_mean_nothing_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        detection.configure(spec_of(rules={CODE: {"params": params}}))
