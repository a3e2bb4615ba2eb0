"""What a declaration may say, and how a wrong one is answered: with the reason and a JSON pointer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackside_service.errors import ScheduleError
from trackside_service.schedules import FRAMEWORKS, KINDS, compile_schedule, preview
from trackside_service.schedules.pages import document

ROOT = Path(__file__).parents[2]

CYCLE: dict[str, Any] = {
    "framework": "torch",
    "class": "OneCycleLR",
    "params": {"max_lr": 0.1, "total_steps": 100},
    "unit": "step",
}
STEP: dict[str, Any] = {
    "framework": "torch",
    "class": "StepLR",
    "params": {"step_size": 10},
    "base_lr": 0.1,
    "unit": "epoch",
}


def refused(declaration: Any, **more: Any) -> tuple[str, list[str]]:
    with pytest.raises(ScheduleError) as refusal:
        compile_schedule(declaration, **more)
    return refusal.value.detail, [fault.pointer for fault in refusal.value.faults]


def with_params(declaration: dict[str, Any], **params: Any) -> dict[str, Any]:
    return {**declaration, "params": {**declaration["params"], **params}}


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


def test_canonical_kinds_are_flat_and_compute_their_formulas() -> None:
    def lrs(total: int, **declaration: Any) -> list[float]:
        return preview({"unit": "step", **declaration}, steps=None, total=total, metric=None)[0]

    assert lrs(2, kind="constant", lr=0.3) == [0.3, 0.3]
    assert lrs(4, kind="ramp", **{"from": 1, "to": 3}, over=2) == [1, 2, 3, 3]
    assert lrs(4, kind="ramp", **{"from": 1, "to": 3}, over=2, after="continue") == [1, 2, 3, 4]
    assert lrs(3, kind="ramp", **{"from": 1, "to": 0}, over=2, shape="cosine") == pytest.approx([1, 0.5, 0])
    assert lrs(5, kind="decay", lr=8, gamma=0.5, every=2) == [8, 8, 4, 4, 2]
    assert lrs(3, kind="decay", lr=4, gamma=0.25, every=2, staircase=False) == [4, 2, 1]
    assert lrs(4, kind="restarts", max=1, t0=2) == pytest.approx([1, 0.5, 1, 0.5])
    assert lrs(3, kind="table", values=[0.1, 0.7, 0.2]) == [0.1, 0.7, 0.2]
    inner = {"kind": "ramp", "from": 0, "to": 4, "over": 4}
    phases = [{"until": 2, "schedule": inner}, {"clock": "global", "schedule": inner}]
    assert lrs(6, kind="phases", phases=phases) == [0, 1, 2, 3, 4, 4]


def test_the_other_kinds_compute_their_formulas_too() -> None:
    def lrs(total: int, metric: list[float] | None = None, **declaration: Any) -> list[float]:
        return preview({"unit": "step", **declaration}, steps=None, total=total, metric=metric)[0]

    leg = {"kind": "ramp", "from": 1, "to": 0, "over": 4}
    assert lrs(3, **leg, shape="poly", power=2) == pytest.approx([1, 0.5625, 0.25])
    assert lrs(3, **leg, shape="one_minus_pow", power=0.5) == pytest.approx([1, 0.5, 1 - math.sqrt(0.5)])
    assert lrs(5, **leg, shape="exponential", ratio=0.25)[4] == 0
    assert lrs(7, **leg, after="stretch") == pytest.approx([1, 0.75, 0.5, 0.25, 0, 0.375, 0.25])
    assert lrs(5, **leg, shape="cosine", cycles=1) == pytest.approx([1, 0.5, 0, 0.5, 1])
    assert lrs(4, kind="piecewise", at=[1, 3], values=[3, 2, 1]) == [3, 2, 2, 1]
    assert lrs(4, kind="piecewise", at=[1, 3], values=[3, 2, 1], boundary="after") == [3, 3, 2, 2]
    assert lrs(3, kind="inverse_time", lr=6, rate=1) == [6, 3, 2]
    assert lrs(3, kind="inverse_time", lr=6, rate=1, every=2, staircase=True) == [6, 6, 3]
    assert lrs(4, kind="power_law", lr=2, timescale=1) == pytest.approx([2, math.sqrt(2), 2 / math.sqrt(3), 1])
    assert lrs(3, kind="power_law", lr=2, timescale=1, floor=1.5)[2] == 1.5
    assert lrs(6, kind="cyclic", min=0, max=2, up=2) == pytest.approx([0, 1, 2, 1, 0, 1])
    assert lrs(6, kind="cyclic", min=0, max=2, up=2, down=1, mode="triangular2") == pytest.approx([0, 1, 2, 0, 0.5, 1])
    assert lrs(6, kind="restarts", max=4, t0=2, peak_decay=0.5, limit=2, min=1)[::2] == pytest.approx([4, 2, 1])
    factors = [{"kind": "decay", "lr": 1, "gamma": 0.5}, {"kind": "constant", "lr": 3}]
    assert lrs(3, kind="product", lr=2, factors=factors) == [6, 3, 1.5]
    assert lrs(5, [1, 1, 1, 1], kind="plateau", lr=8, factor=0.5, patience=1, cooldown=0) == [8, 8, 8, 4, 4]


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


@pytest.mark.parametrize(
    ("function", "name", "params"),
    [
        ("get_cosine_schedule_with_warmup", "cosine", {"num_cycles": 1.5}),
        ("get_polynomial_decay_schedule_with_warmup", "polynomial", {"power": 2.0}),
        ("get_linear_schedule_with_warmup", "linear", {}),
    ],
)
def test_a_function_of_transformers_is_the_get_scheduler_call_that_it_is(
    function: str, name: str, params: dict[str, Any]
) -> None:
    shared = {"num_warmup_steps": 3, "num_training_steps": 20}
    whole = {"framework": "transformers", "base_lr": [0.1, 0.2], "unit": "step"}
    own = compile_schedule({**whole, "class": function, "params": {**shared, **params}})
    called = {"name": name, **shared} | ({"scheduler_specific_kwargs": params} if params else {})
    assert own.source == {**whole, "class": "get_scheduler", "params": called}
    same = compile_schedule(own.source)
    assert own.groups == same.groups
    assert (own.name, own.total) == (same.name, same.total)


def test_a_schedule_that_a_metric_drives_says_so_and_needs_one() -> None:
    params = {"patience": 1, "factor": 0.5}
    declaration = {**STEP, "class": "ReduceLROnPlateau", "params": params, "steps_per_epoch": 2}
    schedule = compile_schedule(declaration)
    assert schedule.metric_driven
    assert not compile_schedule(STEP).metric_driven
    assert np.isnan(schedule.lrs([0, 1])).tolist() == [False, True]
    assert preview(declaration, steps=None, total=8, metric=[3, 3, 3, 3])[0] == [0.1] * 6 + [0.05] * 2
    assert preview(STEP | {"steps_per_epoch": 1}, steps=[3], total=None, metric=[1.0])[0] == [0.1]


def test_nested_schedulers_that_leave_traces_are_followed_for_millions_of_ticks() -> None:
    members = [
        {"class": "LinearLR", "params": {"start_factor": 0.1, "total_iters": 1000}},
        {"class": "CosineAnnealingLR", "params": {"T_max": 900_000, "eta_min": 1e-4}},
    ]
    chained = {**STEP, "class": "ChainedScheduler", "params": {"schedulers": members}}
    schedule = compile_schedule(chained)
    lrs = schedule.lrs(np.arange(1_000_000))
    assert lrs.shape == (1_000_000,)
    assert lrs[900_000] == pytest.approx(1e-4)
    assert np.isnan(schedule.lrs([10**9]))[0]


def test_the_document_is_up_to_date() -> None:
    written = (ROOT / "docs" / "schedules.md").read_text()
    assert written == document(), "run: python -m trackside_service.schedules.pages > docs/schedules.md"


def test_the_document_says_what_people_get_wrong() -> None:
    text = document()
    for words in ("initial LR / final_div_factor", "start at the maximum", "A warm-up of one tick is a jump"):
        assert words in text
    for framework in FRAMEWORKS:
        assert all(f"### {framework.framework}: " in text and spec.name in text for spec in framework.classes)


def test_a_constant_needs_no_unit_and_lies_anywhere() -> None:
    schedule = compile_schedule({"kind": "constant", "lr": 0.0003})
    assert schedule.flat
    assert schedule.lrs_at_updates([0, 10**9]).tolist() == [0.0003, 0.0003]


def test_steps_per_epoch_of_schedule_and_run_agree() -> None:
    assert compile_schedule({**STEP, "steps_per_epoch": 5}, steps_per_epoch=5).steps_per_epoch == 5
    assert compile_schedule(STEP, steps_per_epoch=5).steps_per_epoch == 5
    assert refused({**STEP, "steps_per_epoch": 5}, steps_per_epoch=6)[1] == ["/steps_per_epoch"]
    of_class = {**CYCLE, "params": {"max_lr": 0.1, "epochs": 4, "steps_per_epoch": 7}}
    assert compile_schedule(of_class).steps_per_epoch == 7


def test_an_epoch_schedule_places_updates_by_steps_per_epoch() -> None:
    schedule = compile_schedule({**STEP, "steps_per_epoch": 3})
    assert schedule.lrs_at_updates([0, 29, 30]).tolist() == pytest.approx([0.1, 0.1, 0.01])
    with pytest.raises(ScheduleError, match="steps_per_epoch is needed"):
        compile_schedule(STEP).lrs_at_updates([0])


def test_groups_follow_base_lr() -> None:
    schedule = compile_schedule({**STEP, "base_lr": [0.1, 0.02]})
    assert schedule.base_lrs == (0.1, 0.02)
    assert [schedule.peak(group) for group in (0, 1)] == [0.1, 0.02]
    assert len(preview({**STEP, "base_lr": [0.1, 0.02], "steps_per_epoch": 1}, steps=[0], total=None, metric=None)) == 2


def test_defaults_that_say_nothing_about_the_lr_are_known() -> None:
    assert compile_schedule(with_params(STEP, last_epoch=-1)).name == "StepLR"
    assert compile_schedule(with_params(CYCLE, cycle_momentum=False, base_momentum=0.8, max_momentum=[0.9])).groups
    params = {"learning_rate": 0.1, "step_size": 2, "verbose": True, "last_epoch": -1}
    paddle = {"framework": "paddle", "class": "StepDecay", "params": params, "unit": "epoch", "base_lr": 0.1}
    assert compile_schedule(paddle).framework == "paddle"


def test_restarts_are_by_design_only() -> None:
    params = {"T_0": 3, "T_mult": 2}
    warm = compile_schedule({**STEP, "class": "CosineAnnealingWarmRestarts", "params": params})
    assert warm.restarts(30).tolist() == [3, 9, 21]
    rebound = compile_schedule({**STEP, "class": "CosineAnnealingLR", "params": {"T_max": 3}})
    assert rebound.restarts(30).tolist() == []


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


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 1e-300, "decay_rate": 0.5}),
        ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 1e-300}),
    ],
)
def test_a_length_too_small_for_keras_floats_is_no_crash(name: str, params: dict[str, float]) -> None:
    schedule = compile_schedule({"framework": "keras", "class": name, "params": params, "unit": "step"})
    assert schedule.lrs(np.arange(5.0)).shape == (5,)


def test_preview_is_bounded_and_refuses_what_it_does_not_know() -> None:
    for steps, total in ((None, None), ([1], 3), (None, 0), (None, 10**9), ([-1], None)):
        with pytest.raises(ScheduleError):
            preview(CYCLE, steps=steps, total=total, metric=None)
    with pytest.raises(ScheduleError, match="OneCycleLR raises ValueError"):
        preview(CYCLE, steps=None, total=102, metric=None)
    with pytest.raises(ScheduleError, match="not known at update 2"):
        preview({"kind": "table", "values": [0.1, 0.2], "unit": "step"}, steps=None, total=5, metric=None)


def test_a_million_updates_are_previewed_at_once() -> None:
    long = {**CYCLE, "params": {"max_lr": 0.1, "total_steps": 1_000_000}}
    (lrs,) = preview(long, steps=None, total=1_000_000, metric=None)
    assert np.argmax(lrs) == 299_999


def test_the_tables_document_every_parameter() -> None:
    classes = [spec for framework in FRAMEWORKS for spec in framework.classes]
    assert len({kind.kind for kind in KINDS}) == len(KINDS)
    for spec in (*KINDS, *classes):
        assert spec.description
        assert spec.formula
        assert all(param.doc for param in spec.params)
        assert len({param.name for param in spec.params}) == len(spec.params)
    assert all(spec.past_the_end for spec in classes)
