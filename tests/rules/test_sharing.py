"""What several rules work out alike of one record is worked out once."""

from __future__ import annotations

from typing import Any

from tests.rules.support import epochs, readings_of, spec_of
from trackside_service import detection
from trackside_service.rules.sharing import shared

LOG = epochs(
    lr=[0.1] * 8,
    train_loss=[2.0, 1.5, 1.2, 1.0, 0.9, 0.8, 0.7, 0.65],
    val_loss=[2.1, 1.6, 1.3, 1.1, 1.0, 0.9, 0.8, 0.75],
    val_acc=[0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.72],
    train_acc=[0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.72],
)


def test_a_call_that_is_repeated_is_answered_with_the_very_value() -> None:
    calls: list[tuple[Any, ...]] = []

    @shared
    def pair(*values: float) -> tuple[float, ...]:
        calls.append(values)
        return (*values,)

    assert pair(1.0, 2.0) is pair(1.0, 2.0)
    assert pair(3.0) == (3.0,)
    assert pair(1.0, 2.0) == (1.0, 2.0)
    assert calls == [(1.0, 2.0), (3.0,), (1.0, 2.0)]


def test_rules_hold_one_perception_of_an_evaluation_and_of_a_loss_also_after_a_restart() -> None:
    context = detection.configure(spec_of())
    state = detection.begin(context)
    for place, reading in enumerate(readings_of(LOG)):
        if place == 5:
            loaded = detection.load(context, detection.dump(state))
            assert loaded is not None
            state = loaded
        state = detection.inspect(context, state, [reading]).state
    held = state.rules
    assert held["ACC001"].stage is held["ACC002"].stage is held["FIT001"].stage
    assert held["ACC001"].gathered is held["ACC002"].gathered is held["FIT001"].gathered
    assert held["LOSS002"].fast.calm is held["LOSS003"].fast.calm
    assert held["LOSS002"].fast.others is held["LOSS003"].fast.others
    assert held["LOSS002"].fast.course is held["LOSS003"].fast.course
