"""Drawn parameters, run through the live schedulers and through ours: the same LRs, the same refusals."""

from __future__ import annotations

import importlib
import inspect
import random
from typing import Any

import numpy as np
import pytest

from tests.golden.draws import DRAWS, DRIVEN, Draw, metric
from tests.golden.live import trajectory
from trackside_service.errors import ScheduleError
from trackside_service.schedules import FRAMEWORKS, CompiledSchedule, compile_schedule

pytestmark = [
    pytest.mark.filterwarnings("ignore:No ccache found"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
INSTALLED = ("torch", "paddle", "transformers", "keras")
TICKS = 110
EXACT, FLOAT32 = 1e-12, 1e-6
"""Of the peak: Keras computes in float32."""


def _torch(name: str, base: Any, params: dict[str, Any]) -> dict[str, Any]:
    return {"framework": "torch", "class": name, "params": params, "base_lr": base, "unit": "step"}


def _agree(schedule: CompiledSchedule, wanted: list[list[float]], raises_at: int | None, declaration: Any) -> None:
    refused = schedule.refused_after
    assert (refused if refused is not None and refused < TICKS else None) == (
        None if raises_at is None else raises_at - 1
    ), declaration
    for group, lrs in enumerate(wanted):
        got = schedule.lrs(np.arange(len(lrs)), group)
        near = FLOAT32 if declaration["framework"] == "keras" else EXACT
        np.testing.assert_allclose(got, lrs, rtol=0, atol=near * max(map(abs, lrs)), err_msg=str(declaration))


@pytest.mark.parametrize("draw", [draw for name in INSTALLED for draw in DRAWS[name]], ids=lambda draw: draw.__name__)
def test_drawn_parameters_give_the_live_libraries_lrs(draw: Draw) -> None:
    rng = random.Random(draw.__name__)
    agreed = 0
    for _ in range(60):
        declaration = draw(rng)
        try:
            wanted, raises_at = trajectory(declaration, TICKS)
        except (ValueError, TypeError, AssertionError, ZeroDivisionError, NotImplementedError):
            with pytest.raises(ScheduleError):
                compile_schedule(declaration)
            continue
        _agree(compile_schedule(declaration), wanted, raises_at, declaration)
        agreed += 1
    assert agreed > 50


MODULES = {"torch": "torch.optim.lr_scheduler", "paddle": "paddle.optimizer.lr"}


@pytest.mark.parametrize("name", MODULES)
def test_parameters_and_defaults_are_the_live_constructors(name: str) -> None:
    module = importlib.import_module(MODULES[name])
    framework = next(each for each in FRAMEWORKS if each.framework == name)
    there = {each for each in module.__all__ if each != "LRScheduler"}
    assert {spec.name for spec in framework.classes} == there
    for spec in framework.classes:
        signature = inspect.signature(getattr(module, spec.name)).parameters
        ours = {param.name: param for param in spec.params}
        assert set(signature) - {"optimizer"} == set(ours) - {"optimizer"}, spec.name
        for param in signature.values():
            if param.name != "optimizer" and "lambda" not in param.name:
                required = param.default is inspect.Parameter.empty
                assert ours[param.name].required == required, (spec.name, param.name)
                assert required or ours[param.name].default == param.default, (spec.name, param.name)


def test_the_names_and_their_parameters_are_those_of_transformers() -> None:
    optimization = importlib.import_module("transformers.optimization")
    framework = next(each for each in FRAMEWORKS if each.framework == "transformers")
    ours = {spec.name: {param.name: param for param in spec.params} for spec in framework.named}
    assert set(ours) == {each.value for each in optimization.SchedulerType}
    shared = {"optimizer", "num_warmup_steps", "num_training_steps"}
    for each, function in optimization.TYPE_TO_SCHEDULER_FUNCTION.items():
        inner = {"greedy": optimization.GreedyLR, "reduce_lr_on_plateau": optimization.ReduceLROnPlateau}
        signature = inspect.signature(inner.get(each.value, function)).parameters
        own = set(signature) - shared
        if each.value not in ("constant", "constant_with_warmup", "linear"):
            assert own == set(ours[each.value]), each.value
        for name in own & set(ours[each.value]):
            param = signature[name]
            if param.default is not inspect.Parameter.empty:
                assert ours[each.value][name].default == param.default, (each.value, name)


def test_the_functions_and_their_parameters_are_those_that_get_scheduler_calls() -> None:
    optimization = importlib.import_module("transformers.optimization")
    framework = next(each for each in FRAMEWORKS if each.framework == "transformers")
    ours = {spec.name: spec for spec in framework.classes if spec.restated is not None}
    called = {function.__name__: each.value for each, function in optimization.TYPE_TO_SCHEDULER_FUNCTION.items()}
    assert {name: spec.restated({})["params"]["name"] for name, spec in ours.items() if spec.restated} == called
    inner = {
        "get_greedy_schedule": optimization.GreedyLR,
        "get_reduce_on_plateau_schedule": optimization.ReduceLROnPlateau,
    }
    for name, spec in ours.items():
        signature = inspect.signature(inner.get(name, getattr(optimization, name))).parameters
        there = {param.name: param.default for param in signature.values() if param.name != "optimizer"}
        assert set(there) == {param.name for param in spec.params}, name
        for param in spec.params:
            assert param.required == (there[param.name] is inspect.Parameter.empty), (name, param.name)
            assert param.required or param.default == there[param.name], (name, param.name)


def test_the_classes_and_their_parameters_are_those_of_keras() -> None:
    module = importlib.import_module("keras.optimizers.schedules")
    framework = next(each for each in FRAMEWORKS if each.framework == "keras")
    there = {name for name in dir(module) if inspect.isclass(getattr(module, name))} - {"LearningRateSchedule"}
    assert {spec.name for spec in framework.classes} == there
    for spec in framework.classes:
        signature = inspect.signature(getattr(module, spec.name)).parameters
        ours = {param.name: param for param in spec.params}
        assert set(signature) - {"name"} == set(ours) - {"name"}, spec.name
        for param in signature.values():
            if param.name != "name":
                required = param.default is inspect.Parameter.empty
                assert ours[param.name].required == required, (spec.name, param.name)
                assert required or ours[param.name].default == param.default, (spec.name, param.name)


@pytest.mark.parametrize(
    "draw", [draw for name in INSTALLED for draw in DRIVEN.get(name, ())], ids=lambda draw: draw.__name__
)
def test_a_metric_drives_a_plateau_as_the_live_one(draw: Draw) -> None:
    rng = random.Random(draw.__name__)
    for _ in range(60):
        declaration, values = draw(rng), metric(rng, TICKS)
        wanted, raises_at = trajectory(declaration, TICKS, values)
        _agree(compile_schedule(declaration).driven_by(values), wanted, raises_at, declaration)


@pytest.mark.parametrize(
    "draw", [draw for name in INSTALLED for draw in DRIVEN.get(name, ())], ids=lambda draw: draw.__name__
)
def test_patience_and_rest_with_a_fraction_are_counted_as_the_live_ones(draw: Draw) -> None:
    rng = random.Random(f"fractions {draw.__name__}")
    for _ in range(60):
        declaration, values = draw(rng), metric(rng, TICKS)
        params = declaration["params"]
        own = params.get("scheduler_specific_kwargs", params)
        own |= {"patience": rng.randint(0, 3) + 0.5, "cooldown": rng.randint(0, 3) + 0.25}
        if params.get("name") == "greedy":
            own |= {"warmup": rng.randint(0, 3) + 0.75, "window_size": 2.5, "smooth": True, "reset_start": 2.5}
        wanted, raises_at = trajectory(declaration, TICKS, values)
        _agree(compile_schedule(declaration).driven_by(values), wanted, raises_at, declaration)


def _get(name: str, warm: Any, total: Any, base: Any = 0.1, **own: Any) -> dict[str, Any]:
    params = {"name": name, "num_warmup_steps": warm, "num_training_steps": total, "scheduler_specific_kwargs": own}
    return {"framework": "transformers", "class": "get_scheduler", "params": params, "base_lr": base, "unit": "step"}


def _paddle(name: str, **params: Any) -> dict[str, Any]:
    return {"framework": "paddle", "class": name, "params": params, "unit": "step"}


def _warm(inner: dict[str, Any]) -> dict[str, Any]:
    return _paddle("LinearWarmup", learning_rate=inner, warmup_steps=3, start_lr=0.0, end_lr=0.1)


EDGES = [
    _get("polynomial", 10, 41, power=0),
    _get("polynomial", 2.5, 41.5, power=0.0, lr_end=1e-3),
    _get("polynomial", 0, 40, [0.1, 0.02], power=0),
    _get("polynomial", 50, 41, power=0),
    _get("polynomial", 12.5, 12.5),
    _get("polynomial", 12, 12.0),
    _get("inverse_sqrt", 12, 40, timescale=0),
    _get("inverse_sqrt", 12.5, 40, timescale=0),
    _get("inverse_sqrt", 12.5, 40, timescale=1e-9),
    _paddle("LinearLR", learning_rate=0.1, total_steps=4.5),
    _paddle("LinearLR", learning_rate=0.1, total_steps=0.5),
    _paddle("LinearLR", learning_rate=0.1, total_steps=0.1 * 30, end_factor=0.0, start_factor=1.0),
    _warm({"class": "LinearLR", "params": {"learning_rate": 0.1, "total_steps": 7.5}}),
    _paddle("MultiStepDecay", learning_rate=0.1, milestones=[2.5, 7.0]),
    _paddle("PiecewiseDecay", boundaries=[2.5, 7.0], values=[0.3, 0.2, 0.1]),
    _paddle("NoamDecay", d_model=64, warmup_steps=7.5),
    _torch("StepLR", 0.1, {"step_size": 0.1 * 30, "gamma": 0.5}),
    _torch("StepLR", 0.1, {"step_size": 0.5, "gamma": 0.5}),
    _torch("MultiStepLR", 0.1, {"milestones": [22.5, 30.0, 30, 0.1 * 30]}),
    _torch("ConstantLR", 0.1, {"factor": 0.0, "total_iters": 4.5}),
    _torch("ConstantLR", 0.1, {"factor": 0.0, "total_iters": 4.0}),
    _torch("LinearLR", 0.1, {"total_iters": 0.5}),
    _torch("PolynomialLR", 0.1, {"total_iters": 100.5, "power": 0.5}),
]


@pytest.mark.parametrize("declaration", EDGES, ids=str)
def test_numbers_at_the_edge_do_what_they_do_in_the_live_class(declaration: dict[str, Any]) -> None:
    wanted, raises_at = trajectory(declaration, TICKS)
    _agree(compile_schedule({"unit": "step", **declaration}), wanted, raises_at, declaration)


def test_a_long_cosine_agrees_with_the_recursion_through_its_rebound() -> None:
    params = {"learning_rate": 0.1, "T_max": 50_000, "eta_min": 1e-6}
    declaration = {"framework": "paddle", "class": "CosineAnnealingDecay", "params": params, "unit": "step"}
    (wanted,), _ = trajectory(declaration, 170_000)
    got = compile_schedule(declaration).lrs(np.arange(len(wanted)))
    assert float(np.max(np.abs(got - wanted))) < 1e-12 * 0.1


def _greedy(base: Any, **own: Any) -> dict[str, Any]:
    params = {"name": "greedy", "scheduler_specific_kwargs": own}
    return {"framework": "transformers", "class": "get_scheduler", "params": params, "base_lr": base}


REFUSED = [
    _greedy(0.1, factor=1.0),
    _greedy(0.1, mode="best"),
    _greedy([0.1, 0.2], min_lr=[0.1]),
    _get("inverse_sqrt", 0, 40, timescale=0),
    _greedy([0.1, 0.2], max_lr=[0.1, 0.2, 0.3]),
    _greedy(0.1, windows=3),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1}),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1, "total_steps": 0}),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1, "total_steps": 10.0}),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1, "epochs": 3}),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1, "total_steps": 10, "pct_start": 0.1}),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1, "total_steps": 10, "pct_start": 1}),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1, "total_steps": 10, "pct_start": 1.5}),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1, "total_steps": 10, "div_factor": 0}),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1, "total_steps": 10, "anneal_strategy": "poly"}),
    _torch("OneCycleLR", [0.1, 0.2], {"max_lr": [0.1, 0.2, 0.3], "total_steps": 10}),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1, "total_steps": 10, "final_div": 4}),
    _torch("LinearLR", 0.1, {"start_factor": 0.0}),
    _torch("LinearLR", 0.1, {"start_factor": 1.1}),
    _torch("LinearLR", 0.1, {"end_factor": 1.1}),
    _torch("LinearLR", 0.1, {"end_factor": -0.1}),
    _torch("CosineAnnealingWarmRestarts", 0.1, {"T_0": 0}),
    _torch("CosineAnnealingWarmRestarts", 0.1, {"T_0": 1.0}),
    _torch("CosineAnnealingWarmRestarts", 0.1, {"T_0": 1, "T_mult": 0}),
    _torch("CosineAnnealingWarmRestarts", 0.1, {"T_0": 1, "T_mult": 1.5}),
    _torch("ConstantLR", 0.1, {"factor": 1.1}),
    _torch("ConstantLR", 0.1, {"factor": -0.1}),
    _torch("ExponentialLR", 0.1, {}),
    _torch("CyclicLR", 0.1, {"base_lr": 0.1, "max_lr": 1.0, "mode": "square"}),
    _torch("CyclicLR", 0.1, {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 0}),
    _torch("CyclicLR", [0.1, 0.2], {"base_lr": [0.1, 0.2, 0.3], "max_lr": 1.0}),
    _torch("ReduceLROnPlateau", 0.1, {"factor": 1.0}),
    _torch("ReduceLROnPlateau", 0.1, {"mode": "best"}),
    _torch("ReduceLROnPlateau", [0.1, 0.2], {"min_lr": [0.1, 0.2, 0.3]}),
    _torch("SequentialLR", 0.1, {"schedulers": [], "milestones": []}),
    _torch("SequentialLR", 0.1, {"schedulers": [{"class": "LinearLR", "params": {}}], "milestones": [3]}),
    _torch(
        "SequentialLR",
        0.1,
        {
            "schedulers": [{"class": "LinearLR", "params": {}}, {"class": "ReduceLROnPlateau", "params": {}}],
            "milestones": [3],
        },
    ),
    _torch("ChainedScheduler", 0.1, {"schedulers": []}),
    _torch("ChainedScheduler", 0.1, {"schedulers": [{"class": "ReduceLROnPlateau", "params": {}}]}),
    _torch("MultiplicativeLR", 0.1, {"lr_lambda": 0.95}),
    {"framework": "paddle", "class": "ExponentialDecay", "params": {"learning_rate": 0.1, "gamma": 1.0}},
    {"framework": "paddle", "class": "NaturalExpDecay", "params": {"learning_rate": 0.1, "gamma": 0.0}},
    {"framework": "paddle", "class": "NoamDecay", "params": {"d_model": 0, "warmup_steps": 4}},
    {"framework": "paddle", "class": "NoamDecay", "params": {"d_model": 8, "warmup_steps": 0}},
    {"framework": "paddle", "class": "MultiStepDecay", "params": {"learning_rate": 0.1, "milestones": [4, 4]}},
    {"framework": "paddle", "class": "PiecewiseDecay", "params": {"boundaries": [], "values": [0.1]}},
    {"framework": "paddle", "class": "PiecewiseDecay", "params": {"boundaries": [4], "values": [0.1]}},
    {"framework": "paddle", "class": "PolynomialDecay", "params": {"learning_rate": 0.1, "decay_steps": 0}},
    {
        "framework": "paddle",
        "class": "PolynomialDecay",
        "params": {"learning_rate": 0.1, "decay_steps": 9, "power": 0.0},
    },
    {"framework": "paddle", "class": "LinearLR", "params": {"learning_rate": 0.1}},
    {"framework": "paddle", "class": "LinearLR", "params": {"learning_rate": 0.1, "total_steps": 0}},
    {
        "framework": "paddle",
        "class": "OneCycleLR",
        "params": {"max_learning_rate": 0.1, "total_steps": 9, "three_phase": True, "phase_pct": 0.5},
    },
    {
        "framework": "paddle",
        "class": "CyclicLR",
        "params": {"base_learning_rate": 0.1, "max_learning_rate": 1.0, "step_size_up": 4, "exp_gamma": 1},
    },
    {"framework": "paddle", "class": "ReduceOnPlateau", "params": {"learning_rate": 0.1, "factor": 1.0}},
    {"framework": "paddle", "class": "LambdaDecay", "params": {"learning_rate": 0.1, "lr_lambda": 0.95}},
    _torch("CosineAnnealingLR", 0.1, {}),
    _torch("StepLR", 0.1, {"gamma": 0.1}),
    {"framework": "paddle", "class": "StepDecay", "params": {"learning_rate": 0.1, "step_size": 3, "gamma": 1.0}},
    {"framework": "paddle", "class": "StepDecay", "params": {"learning_rate": 0.1, "step_size": 3.0}},
    {"framework": "paddle", "class": "StepDecay", "params": {"learning_rate": 0.1, "step_size": 0}},
    {"framework": "paddle", "class": "StepDecay", "params": {"learning_rate": -0.1, "step_size": 3}},
    {"framework": "paddle", "class": "StepDecay", "params": {"learning_rate": "0.1", "step_size": 3}},
    {"framework": "paddle", "class": "StepDecay", "params": {"step_size": 3}},
    {"framework": "paddle", "class": "CosineAnnealingDecay", "params": {"learning_rate": 0.1, "T_max": 0}},
    {"framework": "paddle", "class": "CosineAnnealingDecay", "params": {"learning_rate": 0.1, "T_max": 5.0}},
    {
        "framework": "paddle",
        "class": "LinearWarmup",
        "params": {"learning_rate": 0.1, "warmup_steps": 3, "start_lr": 0.1, "end_lr": 0.1},
    },
    {
        "framework": "paddle",
        "class": "LinearWarmup",
        "params": {"learning_rate": 0.1, "warmup_steps": 0, "start_lr": 0.0, "end_lr": 0.1},
    },
]


@pytest.mark.parametrize("declaration", REFUSED, ids=str)
def test_what_the_live_constructor_refuses_is_refused(declaration: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, AssertionError, ZeroDivisionError)):
        trajectory(declaration, 1)
    with pytest.raises(ScheduleError) as refusal:
        compile_schedule({"unit": "step", **declaration})
    assert refusal.value.faults
