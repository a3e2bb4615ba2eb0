"""Usual recipes raise nothing before training: PLAN001 and on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.recipes import RECIPES
from tests.rules.support import spec_of
from trackside_service import detection


@pytest.mark.parametrize(("schedule", "epochs", "steps"), [pytest.param(*one[1:], id=one[0]) for one in RECIPES])
def test_usual_recipes_are_silent(schedule: dict[str, Any], epochs: int, steps: int | None) -> None:
    context = detection.configure(spec_of(schedule=schedule, total_epochs=epochs, steps_per_epoch=steps))
    assert [(found.code, found.title) for found in detection.plan(context)] == []


@pytest.mark.parametrize(("schedule", "epochs", "steps"), [pytest.param(*one[1:], id=one[0]) for one in RECIPES])
def test_nothing_is_said_of_a_run_of_unknown_length(schedule: dict[str, Any], epochs: int, steps: int | None) -> None:
    context = detection.configure(spec_of(schedule=schedule, steps_per_epoch=steps))
    assert not detection.plan(context)
