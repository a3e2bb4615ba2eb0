"""How a wrong declaration is answered: with the reason and a JSON pointer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.schedules.declared import CYCLE, STEP, refused, with_params

from trackside_service.errors import ScheduleError
from trackside_service.schedules import FRAMEWORKS, KINDS, compile_schedule


@pytest.mark.parametrize(
    ("declaration", "pointer", "words"),
    [
        ({}, "/framework", "torch, paddle"),
        ({"framework": "jax", "class": "cosine"}, "/framework", "torch, paddle"),
        ({**STEP, "class": "StepLr"}, "/class", "'StepLR'"),
        ({**STEP, "class": "StepDecay"}, "/class", "StepDecay is paddle's"),
        ({**STEP, "class": None}, "/class", "OneCycleLR"),
        ({**STEP, "base_lrs": 0.1}, "/base_lrs", "'base_lr'"),
        ({key: value for key, value in STEP.items() if key != "base_lr"}, "/base_lr", "base_lr is missing"),
        ({key: value for key, value in STEP.items() if key != "unit"}, "/unit", "scheduler.step()"),
        ({**STEP, "unit": "batch"}, "/unit", '"step"'),
        ({**STEP, "base_lr": -0.1}, "/base_lr", "at least 0"),
        ({**STEP, "base_lr": True}, "/base_lr", "not a boolean"),
        ({**STEP, "base_lr": [0.1, math.nan]}, "/base_lr/1", "finite"),
        ({**STEP, "base_lr": []}, "/base_lr", "1 to"),
        ({**STEP, "params": [1]}, "/params", "an object"),
        ({**STEP, "steps_per_epoch": 0}, "/steps_per_epoch", "at least 1"),
        ({**STEP, "reporting": {"when": "before"}}, "/reporting/when", "in_use"),
        ({**STEP, "reporting": {"exact": 1}}, "/reporting/exact", "true or false"),
        ({**STEP, "reporting": {"step_base": 2}}, "/reporting/step_base", "at most 1"),
        ({**STEP, "reporting": {"steps_base": 1}}, "/reporting/steps_base", "'step_base'"),
        (with_params(STEP, stepsize=3), "/params/stepsize", "'step_size'"),
        (with_params(STEP, **{"a/b~": 3}), "/params/a~1b~0", "no such parameter"),
        (with_params(STEP, gamma="0.1"), "/params/gamma", "a number, not a string"),
        (with_params(STEP, gamma=math.inf), "/params/gamma", "finite"),
        (with_params(STEP, gamma=10**400), "/params/gamma", "finite"),
        (with_params(STEP, gamma=1e31), "/params/gamma", "1e+30"),
        (with_params(STEP, gamma=-0.5), "/params/gamma", "at least 0"),
        (with_params(STEP, step_size=0), "/params/step_size", "above 0"),
        (with_params(STEP, step_size="3"), "/params/step_size", "a number, not a string"),
        (with_params(STEP, step_size=10**15), "/params/step_size", "1e+12"),
        (with_params(STEP, verbose=False), "/params/verbose", "it only prints"),
        (with_params(STEP, optimizer=None), "/params/optimizer", "only its lr (base_lr, beside params)"),
        (with_params(STEP, initial_lr=0.1), "/params/initial_lr", "base_lr, beside params"),
        (with_params(STEP, unit="epoch"), "/params/unit", "beside params"),
        (with_params(STEP, momentum=0.9), "/params/momentum", "it has 'step_size', 'gamma', 'last_epoch'"),
        (with_params(STEP, last_epoch=5), "/params/last_epoch", "not supported"),
        (with_params(CYCLE, final_div=10), "/params/final_div", "'final_div_factor'"),
        (with_params(CYCLE, pct_start=0.01), "/params/pct_start", "divides by zero"),
        (with_params(CYCLE, pct_start=1), "/params/pct_start", "write 1.0"),
        (with_params(CYCLE, three_phase="no"), "/params/three_phase", "true or false"),
        (with_params(CYCLE, max_lr=[0.1, -1.0]), "/params/max_lr/1", "at least 0"),
        ({**with_params(CYCLE, max_lr=[0.1, 0.2]), "base_lr": [1, 2, 3]}, "/params/max_lr", "3 groups"),
        ({**CYCLE, "params": {"max_lr": 0.1}}, "/params", "total_steps, or epochs"),
        ({"kind": "constant"}, "/lr", "the learning rate"),
        ({"kind": "constant", "lr": 0.1, "rl": 1}, "/rl", "'lr'"),
        ({"kind": "constant", "lr": 0.1, "framework": "torch"}, "/kind", "not by both"),
        ({"kind": "sawtooth"}, "/kind", "constant, ramp"),
        ({"kind": ["constant"]}, "/kind", "not known"),
        ({"kind": "ramp", "from": 0.1, "to": 0.0, "over": 5}, "/unit", "scheduler.step()"),
        ({"kind": "table", "values": [], "unit": "step"}, "/values", "1 to 100000"),
        ({"kind": "table", "values": [0.1, None], "unit": "step"}, "/values/1", "not null"),
        ({"kind": "table", "values": [0.1] * 100_001, "unit": "step"}, "/values", "1 to 100000"),
    ],
)
def test_a_wrong_declaration_says_what_and_where(declaration: Any, pointer: str, words: str) -> None:
    detail, pointers = refused(declaration)
    assert pointers[0] == pointer
    assert words in detail


def test_every_fault_is_named_at_once() -> None:
    detail, pointers = refused(with_params(STEP, step_size=0, gamma="x", size=1))
    assert sorted(pointers) == ["/params/gamma", "/params/size", "/params/step_size"]
    assert "2 more faults" in detail


@pytest.mark.parametrize("declaration", ["constant", None, [], 3])
def test_a_schedule_is_an_object(declaration: Any) -> None:
    assert refused(declaration)[1] == [""]


def test_a_rejected_value_is_not_echoed_at_length() -> None:
    detail, _ = refused({"framework": "torch", "class": "x" * 10_000, "unit": "step"})
    assert len(detail) < 500


def test_nesting_is_bounded_in_both_forms() -> None:
    inner: dict[str, Any] = {"kind": "constant", "lr": 0.1}
    warm: Any = 0.1
    for _ in range(2000):
        inner = {"kind": "phases", "phases": [{"schedule": inner}]}
        warm = {
            "class": "LinearWarmup",
            "params": {"learning_rate": warm, "warmup_steps": 1, "start_lr": 0, "end_lr": 1},
        }
    assert "at most 8 deep" in refused({**inner, "unit": "step"})[0]
    assert "at most 8 deep" in refused({**warm, "framework": "paddle", "unit": "step"})[0]


def test_nested_schedulers_are_of_the_same_library_and_point_into_the_whole() -> None:
    def warmup(inner: Any) -> dict[str, Any]:
        params = {"learning_rate": inner, "warmup_steps": 2, "start_lr": 0.0, "end_lr": 0.1}
        return {"framework": "paddle", "class": "LinearWarmup", "params": params, "unit": "epoch"}

    inner = {"class": "StepDecay", "params": {"learning_rate": 0.1, "step_size": 3, "gamma": 1.5}}
    assert refused(warmup(inner))[1] == ["/params/learning_rate/params/gamma"]
    assert refused(warmup({**inner, "framework": "torch"}))[1] == ["/params/learning_rate/framework"]
    assert refused(warmup({**inner, "unit": "step"}))[1] == ["/params/learning_rate/unit"]
    assert refused(warmup("0.1"))[1] == ["/params/learning_rate"]
    assert refused(warmup({"class": "StepLR", "params": {}}))[1] == ["/params/learning_rate/class"]
    assert refused(warmup(-0.1))[1] == ["/params/learning_rate"]


@pytest.mark.parametrize(
    ("phases", "pointer"),
    [
        ([], "/phases"),
        ([3], "/phases/0"),
        ([{"schedule": {"kind": "constant", "lr": 1}}] * 2, "/phases/0/until"),
        ([{"until": 3, "schedule": {"kind": "constant", "lr": 1}}], "/phases/0/until"),
        ([{"until": 3, "schedule": {"kind": "constant", "lr": 1}}] * 3, "/phases/1/until"),
        ([{"schedule": {"kind": "constant", "lr": -1}}], "/phases/0/schedule/lr"),
        ([{"schedule": {"kind": "constant", "lr": 1}, "till": 1}], "/phases/0/till"),
        ([{"until": i + 1, "schedule": {"kind": "constant", "lr": 1}} for i in range(33)], "/phases"),
    ],
)
def test_phases_are_in_order(phases: Any, pointer: str) -> None:
    assert refused({"kind": "phases", "phases": phases, "unit": "step"})[1] == [pointer]


@pytest.mark.parametrize(
    ("declaration", "pointer", "words"),
    [
        ({"class": "LambdaLR", "params": {"lr_lambda": "t"}}, "/class", "sends such a schedule as a table"),
        ({"class": "MultiplicativeLR", "params": {}}, "/class", "sends such a schedule as a table"),
        (
            {"class": "CyclicLR", "params": {"base_lr": 0.1, "max_lr": 0.2, "scale_fn": "x"}},
            "/params/scale_fn",
            "as a table",
        ),
        (
            {"framework": "timm", "class": "CosineLRScheduler", "params": {"t_initial": 5, "noise_range_t": [1, 3]}},
            "/params/noise_range_t",
            "send a table",
        ),
        (
            {
                "framework": "transformers",
                "class": "get_scheduler",
                "params": {"name": "linear", "num_warmup_steps": 3},
            },
            "/params/num_training_steps",
            "requires `num_training_steps`",
        ),
        (
            {
                "framework": "transformers",
                "class": "get_scheduler",
                "params": {
                    "name": "cosine",
                    "num_warmup_steps": 0,
                    "num_training_steps": 9,
                    "scheduler_specific_kwargs": {"num_cycle": 1},
                },
            },
            "/params/scheduler_specific_kwargs/num_cycle",
            "'num_cycles'",
        ),
        ({"framework": "keras", "class": "CosineAnnealingLR"}, "/class", "CosineAnnealingLR is torch's"),
        (
            {
                "class": "SequentialLR",
                "params": {"schedulers": [{"class": "LinearLR", "params": {}}] * 33, "milestones": []},
            },
            "/params/schedulers",
            "1 to 32",
        ),
        (
            {"class": "ChainedScheduler", "params": {"schedulers": [{"class": "StepLR", "params": {"step_sise": 3}}]}},
            "/params/schedulers/0/params/step_sise",
            "'step_size'",
        ),
        (
            {
                "framework": "keras",
                "class": "CosineDecay",
                "params": {"initial_learning_rate": 0, "decay_steps": 9, "warmup_target": 0.1, "warmup_steps": 3},
            },
            "/params/initial_learning_rate",
            "write 0.0",
        ),
        (
            {
                "framework": "keras",
                "class": "PiecewiseConstantDecay",
                "params": {"boundaries": [3], "values": [1, 0.5]},
            },
            "/params/values/0",
            "write 1.0",
        ),
        (
            {"class": "MultiStepLR", "params": {"milestones": [3, "4.5"]}},
            "/params/milestones/1",
            "a number, not a string",
        ),
        (
            {"framework": "timm", "class": "CosineLRScheduler", "params": {"t_initial": 5, "initialize": False}},
            "/params/initialize",
            "KeyError",
        ),
        (
            {
                "framework": "transformers",
                "class": "get_scheduler",
                "params": {"name": "cosine", "num_warmup_steps": 0, "num_training_steps": 9, "num_cycles": 2},
            },
            "/params/num_cycles",
            "it belongs in scheduler_specific_kwargs",
        ),
        (
            {
                "framework": "transformers",
                "class": "get_scheduler",
                "params": {"name": "cosine", "scheduler_specific_kwargs": {"num_warmup_steps": 3}},
            },
            "/params/scheduler_specific_kwargs/num_warmup_steps",
            "it stands in params itself",
        ),
        (
            {
                "framework": "transformers",
                "class": "get_polynomial_decay_schedule_with_warmup",
                "params": {"num_warmup_steps": 3, "num_training_steps": 9, "lr_end": 0.2},
            },
            "/params/lr_end",
            "not smaller than the initial lr",
        ),
        (
            {
                "framework": "transformers",
                "class": "get_cosine_schedule_with_warmup",
                "params": {"num_warmup_steps": 3},
            },
            "/params/num_training_steps",
            "updates in all",
        ),
        ({"framework": "transformers", "class": "LambdaLR"}, "/class", "get_linear_schedule_with_warmup"),
        ({"class": "WarmupCosineSchedule"}, "/class", "get_cosine_schedule_with_warmup"),
        ({"class": "LinearWarmupCosineAnnealingLR"}, "/class", "the canonical kind phases"),
        ({"class": "CosineLR"}, "/class", "'CosineAnnealingLR'; known are StepLR"),
        ({"class": "Unheard"}, "/class", "torch; known are StepLR"),
        ({"class": "Unheard"}, "/class", "sent as a table"),
        ({"class": "MultiStepLR", "params": {"milestones": [1] * 10_001}}, "/params/milestones", "0 to 10000"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_advice(declaration: dict[str, Any], pointer: str, words: str) -> None:
    whole = {"framework": "torch", "params": {}, "base_lr": 0.1, "unit": "step", **declaration}
    detail, pointers = refused(whole)
    assert pointers[0] == pointer
    assert words in detail


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


NUMBERS = st.integers(-3, 10**13) | st.floats() | st.sampled_from([0.0, 1e-300, 1e308, 1.0, 0.5])


NAMES = sorted({param.name for kind in KINDS for param in kind.params} | {"unit", "steps_per_epoch", "reporting"})


@st.composite
def declarations(draw: st.DrawFn) -> dict[str, Any]:
    """Declarations that are right in parts: known names with drawn values."""
    if draw(st.booleans()):
        spec = draw(st.sampled_from(KINDS))
        body: dict[str, Any] = {param.name: draw(NUMBERS | JSON) for param in spec.params if draw(st.integers(0, 9))}
        body |= {"kind": spec.kind, "unit": "step"}
    else:
        framework = draw(st.sampled_from(FRAMEWORKS))
        cls = draw(st.sampled_from(framework.classes))
        params = {param.name: draw(NUMBERS | JSON) for param in cls.params if param.required or draw(st.booleans())}
        body = {"framework": framework.framework, "class": cls.name, "params": params, "unit": "step", "base_lr": 0.1}
    if not draw(st.integers(0, 4)):
        body[draw(st.sampled_from(NAMES))] = draw(JSON)
    return body


@settings(max_examples=400, deadline=None)
@given(declarations())
def test_whatever_is_declared_is_computed_or_refused(declaration: dict[str, Any]) -> None:
    try:
        schedule = compile_schedule(declaration)
    except ScheduleError as refusal:
        schedule, error = None, refusal
    if schedule is None:
        assert error.faults
        assert len(error.detail) < 2_000
        return
    ticks = np.array([0, 1, 7, 1000, 10**9], dtype=np.float64)
    assert schedule.lrs(ticks).shape == ticks.shape
    assert schedule.peak() >= 0
    assert schedule.restarts(1000).ndim == 1
