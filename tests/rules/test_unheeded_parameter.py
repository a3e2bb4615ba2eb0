"""PLAN009: what the class takes and does not do, and the same where it does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.recipes import hugging_face, inner, keras, sequential, torch
from tests.rules.support import alerts_of

CODE = "PLAN009"
COSINE: dict[str, Any] = {"initial_learning_rate": 0.1, "decay_steps": 90}

UNHEEDED: list[tuple[dict[str, Any], str, str]] = [
    (keras("CosineDecay", **COSINE, warmup_steps=9), "warmup_steps", "Give warmup_target"),
    (hugging_face("constant", num_warmup_steps=9), "num_warmup_steps", "constant_with_warmup has one"),
    (hugging_face("reduce_lr_on_plateau", num_warmup_steps=9), "num_warmup_steps", "the metric alone"),
    (torch("MultiStepLR", 0.1, milestones=[10, 22.5]), "milestones", "Round it: 22 or 23"),
    (torch("ConstantLR", 0.1, total_iters=4.5), "total_iters", "Round it: 4 or 5"),
    (torch("StepLR", 0.1, step_size=2.5), "step_size", "Round it: 2"),
    (sequential(0.1, [12.5], inner("LinearLR"), inner("StepLR", step_size=9)), "milestones", "Round it: 12 or 13"),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("schedule", "name", "advice"), UNHEEDED)
def test_what_is_not_heeded_is_told(schedule: dict[str, Any], name: str, advice: str) -> None:
    (alert,) = alerts_of([], CODE, schedule=schedule)
    assert alert.severity == "info"
    assert alert.subject == name
    assert alert.evidence["parameter"] == name
    assert advice in alert.advice


@pytest.mark.parametrize(
    "schedule",
    [
        keras("CosineDecay", **COSINE, warmup_steps=9, warmup_target=0.2),
        keras("CosineDecay", **COSINE, warmup_steps=0),
        hugging_face("constant", num_warmup_steps=0),
        hugging_face("constant_with_warmup", num_warmup_steps=9),
        torch("MultiStepLR", 0.1, milestones=[10.0, 22]),
        torch("ConstantLR", 0.1),
        torch("StepLR", 0.1, step_size=3.0),
        torch("LinearLR", 0.1, total_iters=12.5),
    ],
)
def test_what_is_heeded_is_no_finding(schedule: dict[str, Any]) -> None:
    assert not alerts_of([], CODE, schedule=schedule)


def test_a_step_size_that_practically_never_divides_a_tick_is_said_so() -> None:
    (alert,) = alerts_of([], CODE, schedule=torch("StepLR", 0.1, step_size=0.1 * 3))
    assert "which is never" in alert.detail
    (alert,) = alerts_of([], CODE, schedule=torch("StepLR", 0.1, step_size=2.5))
    assert "which is every 5 ticks" in alert.detail
