"""PLAN008: an end above the start, in each library's words, and the same with an end below it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.recipes import hugging_face, inner, keras, paddle, sequential, timm, torch
from tests.rules.support import alerts_of

CODE = "PLAN008"
ONE_CYCLE = paddle("OneCycleLR", "step", max_learning_rate=5e-5, total_steps=3000)
LEVEL: dict[str, Any] = {"num_warmup_steps": 10, "num_training_steps": 100}


def groups(bases: list[float], **params: Any) -> dict[str, Any]:
    """A cosine over parameter groups."""
    return {**torch("CosineAnnealingLR", 0.1, T_max=30, **params), "base_lr": bases}


RISING: list[tuple[dict[str, Any], str, float, float]] = [
    (torch("CosineAnnealingLR", 1e-5, T_max=30, eta_min=1e-4), "eta_min", 1e-4, 1e-5),
    (torch("CosineAnnealingWarmRestarts", 1e-5, T_0=30, eta_min=1e-4), "eta_min", 1e-4, 1e-5),
    (sequential(1e-5, [5], inner("LinearLR"), inner("CosineAnnealingLR", T_max=9, eta_min=0.1)), "eta_min", 0.1, 1e-5),
    (paddle("CosineAnnealingDecay", learning_rate=1e-5, T_max=30, eta_min=1e-4), "eta_min", 1e-4, 1e-5),
    (paddle("PolynomialDecay", learning_rate=5e-5, decay_steps=30), "end_lr", 1e-4, 5e-5),
    (ONE_CYCLE, "end_learning_rate", 1e-4, 5e-5),
    (keras("PolynomialDecay", initial_learning_rate=5e-5, decay_steps=30), "end_learning_rate", 1e-4, 5e-5),
    (keras("CosineDecay", initial_learning_rate=0.1, decay_steps=30, alpha=2.0), "alpha", 2.0, 1.0),
    (timm("CosineLRScheduler", 1e-6, t_initial=30, lr_min=1e-5), "lr_min", 1e-5, 1e-6),
    (hugging_face("cosine_with_min_lr", 1e-5, **LEVEL, specific={"min_lr": 1e-4}), "min_lr", 1e-4, 1e-5),
    (hugging_face("cosine_with_min_lr", 1e-5, **LEVEL, specific={"min_lr_rate": 1.5}), "min_lr_rate", 1.5, 1.0),
]


@pytest.mark.parametrize(("schedule", "name", "end", "start"), RISING)
def test_an_end_above_the_start_is_told(schedule: dict[str, Any], name: str, end: float, start: float) -> None:
    (alert,) = alerts_of([], CODE, schedule=schedule)
    assert alert.severity == "info"
    assert (alert.evidence["parameter"], alert.evidence["end"], alert.evidence["start"]) == (name, end, start)
    assert name in alert.advice


@pytest.mark.parametrize(
    "schedule",
    [
        groups([1e-3, 1e-4], eta_min=1e-4),
        groups([0.0, 1e-4]),
        paddle("PolynomialDecay", learning_rate=1e-4, decay_steps=30),
        paddle("PolynomialDecay", learning_rate=5e-5, decay_steps=30, end_lr=0.0),
        keras("CosineDecay", initial_learning_rate=0.0, decay_steps=30, warmup_target=0.1, warmup_steps=3, alpha=1.0),
        hugging_face("cosine_with_min_lr", [1e-4, 1e-6], **LEVEL, specific={"min_lr": 1e-5}),  # type: ignore[arg-type]
        torch("LinearLR", 0.1, start_factor=0.1, total_iters=5),
        {"kind": "ramp", "from": 0.1, "to": 0.5, "over": 9, "unit": "step"},
    ],
)
def test_an_end_at_the_start_or_below_and_a_warm_up_are_no_finding(schedule: dict[str, Any]) -> None:
    assert not alerts_of([], CODE, schedule=schedule)


def test_the_group_is_named_and_a_frozen_one_is_said_to_thaw() -> None:
    (alert,) = alerts_of([], CODE, schedule=groups([1e-3, 0.0], eta_min=1e-4))
    assert alert.evidence["group"] == 1
    assert "parameter group 1" in alert.detail
    assert "thaws it" in alert.advice


def test_a_default_is_said_to_be_one() -> None:
    (alert,) = alerts_of([], CODE, schedule=ONE_CYCLE)
    assert "(its default)" in alert.detail
    given = {**ONE_CYCLE, "params": {**ONE_CYCLE["params"], "end_learning_rate": 1e-4}}
    (alert,) = alerts_of([], CODE, schedule=given)
    assert "(its default)" not in alert.detail
