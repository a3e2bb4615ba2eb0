"""Every cause in every framework's own words: none speaks of what only another framework has."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from tests.conformance.plateaus import losses, lrs_of, together

from trackside_service.conformance import Explanation, LrPoint, explain
from trackside_service.conformance.causes.wording import words
from trackside_service.conformance.causes.words import TABLES
from trackside_service.conformance.causes.words.plateau import PLATEAU, plateau_words
from trackside_service.schedules import CompiledSchedule, compile_schedule

COSINE: dict[str, tuple[dict[str, Any], ...]] = {
    "": ({"kind": "ramp", "from": 0.1, "to": 0.001, "over": 200, "shape": "cosine"},),
    "torch": (
        {"class": "CosineAnnealingLR", "params": {"T_max": 200, "eta_min": 0.001}},
        {
            "class": "SequentialLR",
            "params": {
                "schedulers": [
                    {"class": "LinearLR", "params": {"start_factor": 0.1, "total_iters": 20}},
                    {"class": "CosineAnnealingLR", "params": {"T_max": 180}},
                ],
                "milestones": [20],
            },
        },
    ),
    "paddle": (
        {"class": "CosineAnnealingDecay", "params": {"learning_rate": 0.1, "T_max": 200}},
        {"class": "CosineAnnealingWarmRestarts", "params": {"learning_rate": 0.1, "T_0": 60}},
        {
            "class": "LinearWarmup",
            "params": {
                "learning_rate": {"class": "PolynomialDecay", "params": {"learning_rate": 0.1, "decay_steps": 180}},
                "warmup_steps": 20,
                "start_lr": 0.0,
                "end_lr": 0.1,
            },
        },
    ),
    "transformers": (
        {
            "class": "get_scheduler",
            "params": {"name": "cosine", "num_warmup_steps": 20, "num_training_steps": 200},
        },
    ),
    "timm": ({"class": "CosineLRScheduler", "params": {"t_initial": 200, "warmup_t": 20, "warmup_lr_init": 1e-6}},),
    "keras": (
        {
            "class": "CosineDecay",
            "params": {"initial_learning_rate": 0.01, "decay_steps": 180, "warmup_target": 0.1, "warmup_steps": 20},
        },
        {"class": "PolynomialDecay", "params": {"initial_learning_rate": 0.1, "decay_steps": 200}},
    ),
}
_TORCH_OWN = ["Lightning", "load_state_dict", "param_group", "T_max", "T_0", "`last_epoch`", "accelerat", "state_dict"]
_PADDLE_OWN = ["set_state_dict", "`LRScheduler`", "paddle", "set_lr"]
_TRAINER_OWN = ["Trainer", "scheduler.pt", "optimizer.pt", "num_training_steps", "resume_from_checkpoint", "max_steps"]
_TIMM_OWN = ["step_update", "t_initial", "scheduler.step(epoch", "t_in_epochs"]
_KERAS_OWN = ["iterations", "model.fit", "initial_epoch", "Keras", "keras", "LearningRateScheduler", "BackupAndRestore"]
FOREIGN: dict[str, list[str]] = {
    "": [
        *_TORCH_OWN,
        *_PADDLE_OWN,
        *_TRAINER_OWN,
        *_TIMM_OWN,
        *_KERAS_OWN,
        "GradScaler",
        "scheduler.step",
        "optimizer.step",
        "decay_steps",
    ],
    "torch": [*_PADDLE_OWN, *_TRAINER_OWN, *_TIMM_OWN, *_KERAS_OWN, "decay_steps"],
    "paddle": [
        "Lightning",
        "load_state_dict",
        "param_group",
        "accelerat",
        *_TRAINER_OWN,
        "step_update",
        "t_initial",
        "t_in_epochs",
        *_KERAS_OWN,
    ],
    "transformers": [
        "Lightning",
        "GradScaler",
        "T_max",
        "T_0",
        "set_state_dict",
        "paddle",
        *_TIMM_OWN,
        *_KERAS_OWN,
        "decay_steps",
    ],
    "timm": [
        "Lightning",
        "GradScaler",
        "T_max",
        "T_0",
        "`last_epoch`",
        "`scheduler.step()`",
        *_PADDLE_OWN,
        *_TRAINER_OWN,
        *_KERAS_OWN,
        "decay_steps",
    ],
    "keras": [
        *_TORCH_OWN,
        "set_state_dict",
        "paddle",
        "set_lr",
        *_TRAINER_OWN,
        *_TIMM_OWN,
        "GradScaler",
        "scheduler.step",
        "optimizer.step",
        "the scheduler",
    ],
}
FILLED = {
    "rate": "once per epoch",
    "k": "2",
    "calls": "one of the two calls",
    "how": "it is off by one",
    "declared": 20,
    "before": 5,
    "own": 0,
    "other": 1,
}


def schedules(framework: str, unit: str) -> Iterator[CompiledSchedule]:
    for declared in COSINE[framework]:
        beside: dict[str, Any] = {"unit": unit, "steps_per_epoch": 10}
        if framework:
            beside |= {"framework": framework}
        if framework in ("torch", "transformers", "timm"):
            beside |= {"base_lr": 0.1}
        reporting = {"when": "in_use", "step_base": 0, "epoch_base": 0}
        yield compile_schedule({**declared, **beside, "reporting": reporting})


def refuse_foreign(framework: str, text: str) -> None:
    assert [word for word in FOREIGN[framework] if word in text] == [], text
    assert "{" not in text.replace('{"when": "after_step"}', ""), text
    assert ".." not in text.replace("...", ""), text
    assert text.count("`") % 2 == 0, text


def misused(schedule: CompiledSchedule) -> Iterator[Explanation]:
    """Yield the answers to a few misuses of every family, as one loop or another logs them."""
    updates = np.arange(0, 200, 5)
    ticks = updates.astype(np.float64)
    right, place = schedule.lrs(ticks), 90.0
    level = np.where(ticks >= place, right * 0.5, right)
    wrong = [
        schedule.lrs(np.zeros(len(ticks))),
        schedule.lrs(ticks + 1),
        schedule.lrs(np.maximum(ticks - 3, 0)),
        schedule.lrs(ticks * 2),
        schedule.lrs(ticks * 4),
        schedule.lrs(np.floor(ticks / 10)),
        schedule.lrs(ticks * 10),
        schedule.lrs(ticks / 2),
        right * 0.1,
        np.maximum(right, 0.03),
        np.where(ticks >= place, schedule.lrs(np.maximum(ticks - place, 0)), right),
        np.where(ticks == place, schedule.lrs(0.0), right),
        np.where(ticks >= place, schedule.lrs(ticks + 1), right),
        np.where(ticks >= place, schedule.lrs(ticks + 37), right),
        level,
        np.abs(np.sin(ticks)) + 0.01,
    ]
    for lrs in wrong:
        known = ~np.isnan(lrs)
        if schedule.unit == "step":
            points = [LrPoint(float(lr), step=int(at)) for lr, at in zip(lrs[known], updates[known], strict=True)]
        else:
            points = [LrPoint(float(lr), epoch=float(at)) for lr, at in zip(lrs[known], updates[known], strict=True)]
        yield explain(schedule, points)


@pytest.mark.parametrize("unit", ["step", "epoch"])
@pytest.mark.parametrize("framework", sorted(TABLES))
def test_no_cause_speaks_another_frameworks_words(framework: str, unit: str) -> None:
    for schedule in schedules(framework, unit):
        for key in TABLES[framework]:
            why, advice = words(schedule, key.partition("/")[0], shape="a linear curve", **FILLED)
            refuse_foreign(framework, why)
            refuse_foreign(framework, advice)
            assert advice.endswith(".")
            assert not why.endswith(".")


@pytest.mark.parametrize("unit", ["step", "epoch"])
@pytest.mark.parametrize("framework", sorted(TABLES))
def test_no_answer_speaks_another_frameworks_words(framework: str, unit: str) -> None:
    named = set()
    for schedule in list(schedules(framework, unit))[: 3 if unit == "step" else 1]:
        for answer in misused(schedule):
            for cause in answer.causes:
                named.add(cause.cause)
                refuse_foreign(framework, cause.statement)
                refuse_foreign(framework, cause.advice)
    assert len(named) >= 8, named


def test_every_framework_words_the_same_causes() -> None:
    keys = [{key for key in table if "/" not in key} for table in TABLES.values()]
    assert all(one == other for one, other in pairwise(keys))


DRIVEN: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "": ({"kind": "plateau", "lr": 0.1, "patience": 3, "factor": 0.5}, {}),
    "torch": ({"class": "ReduceLROnPlateau", "params": {"patience": 3, "factor": 0.5}, "base_lr": 0.1}, {}),
    "paddle": ({"class": "ReduceOnPlateau", "params": {"learning_rate": 0.1, "patience": 3, "factor": 0.5}}, {}),
    "transformers": (
        {
            "class": "get_scheduler",
            "params": {
                "name": "reduce_lr_on_plateau",
                "scheduler_specific_kwargs": {"patience": 3, "factor": 0.5},
            },
            "base_lr": 0.1,
        },
        {},
    ),
    "timm": (
        {
            "class": "PlateauLRScheduler",
            "params": {"patience_t": 3, "decay_rate": 0.5, "mode": "min"},
            "base_lr": 0.1,
        },
        {"patience": "patience_t", "cooldown": "cooldown_t", "factor": "decay_rate", "min_lr": "lr_min"},
    ),
}
_TIMM_PARAMETERS = ["patience_t", "cooldown_t", "decay_rate", "lr_min"]


def driven_by(framework: str, **changed: Any) -> dict[str, Any]:
    """A plateau in a framework's own words, with other parameters."""
    declared, names = DRIVEN[framework]
    beside = {"unit": "epoch", "metric": "val_loss", **({"framework": framework} if framework else {})}
    own = {names.get(name, name): value for name, value in changed.items()}
    if not framework:
        return {**declared, **own, **beside}
    params = declared["params"]
    if framework == "transformers":
        kwargs = {**params["scheduler_specific_kwargs"], **own}
        return {**declared, "params": {**params, "scheduler_specific_kwargs": kwargs}, **beside}
    return {**declared, "params": {**params, **own}, **beside}


def misused_plateaus(framework: str) -> Iterator[Explanation]:
    """Yield the answers to a few misuses of a plateau."""
    metric, right = losses(60), driven_by(framework)
    other = losses(60, seed=3)
    twice = lrs_of(right, [value for value in metric for _ in range(2)])[::2]
    anew = lrs_of(right, metric[:30])[:30] + lrs_of(right, metric[30:])
    changes: list[dict[str, Any]] = [
        {"patience": 6},
        {"cooldown": 5},
        {"factor": 0.2},
        {"min_lr": 0.03},
        {"threshold": 0.1},
        {"mode": "max"},
    ]
    scaled = [0.3 * lr for lr in lrs_of(right, metric)]
    for lrs in (
        [0.1] * 60,
        scaled,
        twice,
        anew,
        [0.1] * 20 + [0.07] * 40,
        [0.1] * 40 + [0.05, 0.1] * 10,
        *(lrs_of(driven_by(framework, **changed), metric) for changed in changes),
    ):
        schedule = compile_schedule(right)
        yield explain(schedule, together(lrs, metric=metric))  # type: ignore[arg-type]
    points = [
        LrPoint(lr, epoch=float(at), metrics=(("val_loss", metric[at]), ("train_loss", other[at])))
        for at, lr in enumerate(lrs_of(right, other)[:60])
    ]
    yield explain(compile_schedule(right), points)


@pytest.mark.parametrize("framework", sorted(PLATEAU))
def test_no_plateau_cause_speaks_another_frameworks_words(framework: str) -> None:
    for cause in PLATEAU[framework]:
        for metric in ("val_loss", None):
            why, advice = plateau_words(framework, cause, metric=metric, k=2, tick="epoch", parameter="`factor`")
            refuse_foreign(framework, why)
            refuse_foreign(framework, advice)
            assert advice.endswith(".")


@pytest.mark.parametrize("framework", sorted(PLATEAU))
def test_no_answer_on_a_plateau_speaks_another_frameworks_words(framework: str) -> None:
    named, parameters = set(), set()
    for answer in misused_plateaus(framework):
        assert answer.verdict == "off_schedule"
        for cause in answer.causes:
            named.add(cause.cause)
            parameters.add(cause.params.get("parameter"))
            refuse_foreign(framework, cause.statement)
            refuse_foreign(framework, cause.advice)
            if framework != "timm":
                text = cause.statement + cause.advice
                assert [word for word in _TIMM_PARAMETERS if word in text] == []
    assert named >= {"never_stepped", "scale", "double_step", "resume_no_state", "manual_override", "param_mismatch"}
    names = DRIVEN[framework][1]
    assert parameters >= {names.get(name, name) for name in ("patience", "cooldown", "factor", "min_lr", "metric")}


def test_every_framework_words_the_same_plateau_causes() -> None:
    assert all(set(table) == set(PLATEAU[""]) for table in PLATEAU.values())
