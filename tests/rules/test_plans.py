"""PLAN002 to PLAN007: plans that do not fit the run, and which rule tells each."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.rules.recipes import hugging_face, inner, keras, paddle, sequential, timm, torch
from tests.rules.support import spec_of
from trackside_service import detection
from trackside_service.domain.findings import Finding
from trackside_service.rules import RULES
from trackside_service.rules.outlook import MAX_SAMPLES, outlook


def planned(
    schedule: dict[str, Any], epochs: int | None, steps: int | None = None, **declared: Any
) -> tuple[Finding, ...]:
    """What is said before training."""
    return detection.plan(
        detection.configure(spec_of(schedule=schedule, total_epochs=epochs, steps_per_epoch=steps, **declared))
    )


def only(schedule: dict[str, Any], epochs: int, steps: int | None = None, **declared: Any) -> Finding:
    """The one finding that there is."""
    (found,) = planned(schedule, epochs, steps, **declared)
    assert found.severity == "info"
    assert found.opened is None
    assert found.detected is None
    return found


# Each mistake by itself raises this code and no other.
MISTAKES = [
    ("PLAN003", torch("MultiStepLR", 0.1, milestones=[100, 150]), 50, 100),  # falls that never come
    # ends early
    ("PLAN002", torch("OneCycleLR", 0.1, max_lr=0.1, total_steps=100), 101, None),
    ("PLAN002", torch("OneCycleLR", 0.1, "step", max_lr=0.1, total_steps=9000), 30, 391),
    ("PLAN002", paddle("OneCycleLR", max_learning_rate=0.1, total_steps=20), 30, None),
    ("PLAN002", hugging_face("linear", num_warmup_steps=100, num_training_steps=5000), 10, 1000),
    ("PLAN002", hugging_face("cosine_with_restarts", num_warmup_steps=0, num_training_steps=5000), 10, 1000),
    ("PLAN002", torch("PolynomialLR", 0.1, total_iters=60, power=0.9), 90, 391),
    ("PLAN002", torch("LinearLR", 0.1, start_factor=1.0, end_factor=0.01, total_iters=30), 90, None),
    ("PLAN002", torch("PolynomialLR", 0.1), 90, 391),
    ("PLAN002", timm("CosineLRScheduler", 5e-4, t_initial=100, lr_min=1e-6), 300, 1251),
    ("PLAN002", keras("CosineDecay", initial_learning_rate=0.1, decay_steps=4000), 10, 1000),
    ("PLAN002", paddle("PolynomialDecay", "step", learning_rate=0.01, decay_steps=4000, end_lr=0.0), 10, 1000),
    (
        "PLAN002",
        hugging_face(
            "warmup_stable_decay",
            num_warmup_steps=100,
            num_training_steps=5000,
            specific={"num_decay_steps": 1000, "min_lr_ratio": 0.01},
        ),
        10,
        1000,
    ),
    (
        "PLAN002",
        sequential(0.1, [60], inner("PolynomialLR", total_iters=60), inner("ConstantLR", factor=0.0, total_iters=99)),
        90,
        None,
    ),
    # never anneals
    ("PLAN003", torch("CosineAnnealingLR", 0.1, T_max=300), 90, 391),
    ("PLAN003", torch("OneCycleLR", 0.1, "step", max_lr=0.1, total_steps=93840), 30, 391),
    ("PLAN003", torch("MultiStepLR", 0.1, milestones=[100, 150]), 60, None),
    ("PLAN003", hugging_face("linear", num_warmup_steps=100, num_training_steps=80000), 10, 1000),
    ("PLAN003", hugging_face("cosine", num_warmup_steps=2000, num_training_steps=80000), 1, 1000),
    ("PLAN003", keras("CosineDecay", initial_learning_rate=0.1, decay_steps=40000), 10, 1000),
    # next to nothing
    ("PLAN004", torch("StepLR", 0.1, step_size=5, gamma=0.1), 100, None),
    ("PLAN004", torch("ExponentialLR", 0.1, gamma=0.9), 300, 391),
    ("PLAN004", torch("CosineAnnealingLR", 0.0, T_max=90), 90, 391),
    ("PLAN004", torch("MultiStepLR", 0.1, milestones=[30, 40, 50, 60, 62]), 90, 391),
    # rebounds
    ("PLAN005", torch("CosineAnnealingLR", 0.1, T_max=50), 90, 391),
    ("PLAN005", paddle("CosineAnnealingDecay", learning_rate=0.1, T_max=70), 90, None),
    ("PLAN005", hugging_face("cosine", num_warmup_steps=0, num_training_steps=6000), 10, 1000),
    ("PLAN005", sequential(0.1, [5], inner("LinearLR"), inner("CosineAnnealingLR", T_max=50)), 90, 391),
    # warm-ups
    (
        "PLAN006",
        sequential(0.1, [3], inner("LinearLR", total_iters=10), inner("CosineAnnealingLR", T_max=87)),
        90,
        None,
    ),
    ("PLAN006", hugging_face("constant_with_warmup", num_warmup_steps=5000), 3, 1000),
    ("PLAN006", hugging_face("inverse_sqrt", num_warmup_steps=5000), 3, 1000),
    (
        "PLAN006",
        paddle(
            "LinearWarmup",
            learning_rate=inner("CosineAnnealingDecay", learning_rate=0.1, T_max=30),
            warmup_steps=500,
            start_lr=0.0,
            end_lr=0.1,
        ),
        30,
        100,
    ),
    # the other unit
    ("PLAN007", torch("CosineAnnealingLR", 0.1, "step", T_max=90), 90, 500),
    ("PLAN007", torch("OneCycleLR", 0.1, "step", max_lr=0.1, total_steps=30), 30, 391),
    ("PLAN007", torch("OneCycleLR", 0.1, max_lr=0.1, total_steps=11730), 30, 391),
    ("PLAN007", torch("OneCycleLR", 0.1, max_lr=0.1, epochs=30, steps_per_epoch=391), 30, 391),
    ("PLAN007", torch("CosineAnnealingLR", 0.1, T_max=45000), 90, 500),
    ("PLAN007", torch("MultiStepLR", 0.1, "step", milestones=[30, 60, 80]), 90, 500),
    ("PLAN007", torch("MultiStepLR", 0.1, milestones=[15000, 30000]), 90, 500),
    ("PLAN007", torch("StepLR", 0.1, "step", step_size=30, gamma=0.1), 90, 500),
    ("PLAN007", torch("StepLR", 0.1, step_size=15000, gamma=0.1), 90, 500),
    ("PLAN007", torch("ExponentialLR", 0.1, "step", gamma=0.95), 50, 500),
    ("PLAN007", torch("ExponentialLR", 0.1, gamma=0.9999), 50, 500),
    ("PLAN007", torch("CosineAnnealingWarmRestarts", 0.1, "step", T_0=10, T_mult=1), 50, 500),
    ("PLAN007", torch("PolynomialLR", 0.1, "step", total_iters=50), 50, 500),
    ("PLAN007", hugging_face("linear", num_warmup_steps=0, num_training_steps=10), 10, 1000),
    ("PLAN007", hugging_face("linear", unit="epoch", num_warmup_steps=500, num_training_steps=10000), 10, 1000),
    ("PLAN007", timm("CosineLRScheduler", 5e-4, "step", t_initial=300, warmup_t=20), 300, 1251),
    ("PLAN007", torch("CyclicLR", 0.001, base_lr=0.001, max_lr=0.006), 60, 500),
]


@pytest.mark.parametrize(("code", "schedule", "epochs", "steps"), MISTAKES)
def test_each_mistake_is_told_once_and_by_its_rule(
    code: str, schedule: dict[str, Any], epochs: int, steps: int | None
) -> None:
    found = only(schedule, epochs, steps)
    assert (found.code, found.title) == (code, found.title)
    assert found.advice
    assert found.evidence["run_ticks"] == (epochs if schedule["unit"] == "epoch" else epochs * (steps or 0))


def test_a_refusal_names_the_call_that_raises_and_the_total_to_give() -> None:
    found = only(torch("OneCycleLR", 0.1, max_lr=0.1, total_steps=100), 120)
    assert found.evidence["raises_at_call"] == 101
    assert "call 101" in found.title
    assert "ValueError" in found.detail
    assert "OneCycleLR's total_steps from 100 to 120" in found.advice


def test_the_last_call_counts_as_well() -> None:
    assert not planned(torch("OneCycleLR", 0.1, max_lr=0.1, total_steps=100), 100)
    assert planned(torch("OneCycleLR", 0.1, max_lr=0.1, total_steps=100), 101)


@pytest.mark.parametrize(("total", "found"), [(4500, 0), (4480, 0), (4400, 1)])
def test_a_tenth_of_the_run_may_be_left(total: int, found: int) -> None:
    schedule = hugging_face("linear", num_warmup_steps=0, num_training_steps=total)
    assert len(planned(schedule, 5, 980)) == found


def test_the_end_is_found_to_the_tick() -> None:
    found = only(hugging_face("linear", num_warmup_steps=0, num_training_steps=123_456), 10, 100_000)
    assert found.evidence["ends_at_tick"] == pytest.approx(123_456, abs=1)
    assert found.evidence["share_of_run"] == pytest.approx(0.8765, abs=1e-3)
    assert "num_training_steps from 123456 to 1000000" in found.advice


def test_a_floor_that_lasts_is_no_end() -> None:
    floor = hugging_face("cosine_with_min_lr", num_warmup_steps=0, num_training_steps=80, specific={"min_lr_rate": 0.1})
    assert not [one for one in planned(floor, 100, 1) if one.code == "PLAN002"]


def test_a_nested_total_is_without_its_warm_up() -> None:
    found = only(sequential(0.1, [5], inner("LinearLR"), inner("CosineAnnealingLR", T_max=200)), 90)
    assert found.code == "PLAN003"
    assert "CosineAnnealingLR's T_max from 200 to 85" in found.advice
    assert found.evidence["lr_at_end"] == pytest.approx(0.06, abs=0.02)


def test_negligible_is_said_with_its_share() -> None:
    found = only(torch("StepLR", 0.1, step_size=10, gamma=0.1), 100)
    assert found.evidence["share_of_run"] == pytest.approx(0.5)
    assert found.evidence["first_tick"] == 50
    assert "step_size=10" in found.advice


def test_a_group_that_is_frozen_is_no_finding() -> None:
    schedule = torch("CosineAnnealingLR", 0.1, T_max=90) | {"base_lr": [0.0, 0.1]}
    assert not planned(schedule, 90)
    assert only(schedule | {"base_lr": [0.0, 0.0]}, 90).title == "The LR is 0 throughout the run of 90 epochs"


def test_a_rebound_names_where_it_turns_and_how_far_it_comes() -> None:
    found = only(torch("CosineAnnealingLR", 0.1, T_max=50), 90)
    assert (found.evidence["turns_at_tick"], found.evidence["rises_to_at_tick"]) == (50, 89)
    assert found.evidence["rises_to"] == pytest.approx(0.08853, abs=1e-5)
    assert "T_max from 50 to 90" in found.advice


def test_a_cut_warm_up_names_both_lengths() -> None:
    found = only(
        sequential(0.1, [100], inner("LinearLR", start_factor=0.01, total_iters=1000), inner("ConstantLR")), 200
    )
    assert (found.evidence["warmup_ticks"], found.evidence["ends_at_tick"]) == (1000, 100)
    assert found.evidence["lr_aim"] == pytest.approx(0.1)
    assert found.evidence["lr_reached"] == pytest.approx(0.0108, abs=1e-4)
    assert found.evidence["lr_then"] == pytest.approx(0.1 / 3)
    assert "total_iters=1000" in found.advice
    assert "from 100 to 1000" in found.advice


def test_one_tick_short_is_not_cut() -> None:
    linear = inner("LinearLR", start_factor=0.01, total_iters=20)
    assert not planned(sequential(0.1, [19], linear, inner("CosineAnnealingLR", T_max=71)), 90)


def test_a_unit_mistake_says_what_to_change() -> None:
    found = only(torch("CosineAnnealingLR", 0.1, "step", T_max=90), 90, 500)
    assert (found.evidence["unit"], found.evidence["likely_unit"]) == ("step", "epoch")
    assert "T_max from 90 to 45000" in found.advice
    assert '"unit": "epoch"' in found.advice


def test_without_its_rule_a_unit_mistake_is_told_by_what_follows_from_it() -> None:
    schedule = torch("CosineAnnealingLR", 0.1, "step", T_max=90)
    assert only(schedule, 90, 500, rules={"PLAN007": {"enabled": False}}).code == "PLAN005"
    shy = {"PLAN007": {"params": {"least_steps": 1000}}}
    assert only(schedule, 90, 500, rules=shy).code == "PLAN005"


def test_without_its_rule_an_early_end_is_told_as_idle() -> None:
    schedule = hugging_face("linear", num_warmup_steps=0, num_training_steps=5000)
    assert only(schedule, 10, 1000, rules={"PLAN002": {"enabled": False}}).code == "PLAN004"


@pytest.mark.parametrize(("code", "schedule", "epochs", "steps"), MISTAKES)
def test_nothing_is_said_where_the_length_is_not_known(
    code: str, schedule: dict[str, Any], epochs: int, steps: int | None
) -> None:
    assert not planned(schedule, None, steps), code
    if schedule["unit"] == "step":
        context = detection.configure(spec_of(schedule=schedule, total_epochs=epochs))
        assert context.schedule is not None
        assert context.schedule.steps_per_epoch is None
        assert not detection.plan(context)


def test_numbers_that_fit_neither_unit_are_no_evidence_of_one() -> None:
    decay = keras("PolynomialDecay", initial_learning_rate=0.1, decay_steps=9, power=2.0, end_learning_rate=0.001)
    assert only(decay, 4, 7).code == "PLAN002"


def test_a_few_steps_an_epoch_are_no_evidence_of_a_unit() -> None:
    assert only(torch("CosineAnnealingLR", 0.1, "step", T_max=90), 90, 3).code == "PLAN005"


def test_the_cost_does_not_grow_with_the_run() -> None:
    schedule = torch("CosineAnnealingLR", 0.1, "step", T_max=700_000_000) | {"base_lr": [0.1] * 1000}
    context = detection.configure(spec_of(schedule=schedule, total_epochs=1000, steps_per_epoch=1_000_000))
    ahead = outlook(context)
    assert ahead is not None
    assert len(ahead.ticks) <= 1.2 * MAX_SAMPLES
    assert (ahead.length, float(ahead.counts.sum())) == (10**9, 1e9)
    begun = time.process_time()
    rules = {rule.code: rule for rule in RULES}
    for code in ("PLAN002", "PLAN003", "PLAN004", "PLAN005", "PLAN006", "PLAN007"):
        plan = rules[code].plan
        assert plan is not None
        assert bool(plan(context, rules[code].parameters())) == (code == "PLAN005")
    assert time.process_time() - begun < 2


def test_what_can_only_be_followed_tick_by_tick_is_not_followed_for_long() -> None:
    plateau = inner("ReduceOnPlateau", learning_rate=0.1)
    warm = paddle("LinearWarmup", "step", learning_rate=plateau, warmup_steps=5, start_lr=0.0, end_lr=0.1)
    chain = [inner("LinearLR", total_iters=1000), inner("CosineAnnealingLR", T_max=4000)]
    begun = time.process_time()
    assert not planned(warm, 1000, 10_000)
    assert not planned(torch("ChainedScheduler", 0.1, "step", schedulers=chain), 40_000, 1000)
    assert time.process_time() - begun < 5
    assert only(torch("ChainedScheduler", 0.1, "step", schedulers=chain), 40, 200).code == "PLAN005"


@pytest.mark.parametrize(
    ("code", "params"),
    [
        ("PLAN002", {"share": 1.5}),
        ("PLAN003", {"outlasts": 0.5}),
        ("PLAN004", {"negligible": 0}),
        ("PLAN005", {"rise": 0}),
        ("PLAN006", {"reached": 2}),
        ("PLAN007", {"least_steps": 1}),
    ],
)
def test_parameters_are_checked(code: str, params: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=code):
        detection.configure(spec_of(rules={code: {"params": params}}))
