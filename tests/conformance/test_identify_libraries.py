"""identify on values that the real libraries gave (tests/golden): cycles, and level stretches with a decay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trackside_service.conformance import LrPoint, explain, identify
from trackside_service.conformance.identification.work import MOST, Work
from trackside_service.schedules import compile_schedule

GOLDEN = Path(__file__).parent.parent / "golden"


def _cases(file: str, of: str) -> list[dict[str, Any]]:
    lines = (GOLDEN / file).read_text().splitlines()
    cases = [json.loads(line) for line in lines]
    return [each for each in cases if of in (each["declaration"]["class"], each["declaration"]["params"].get("name"))]


def _points(lrs: list[float], unit: str, form: str | None, share: float = 1.0, missing: float = 0.0) -> list[LrPoint]:
    """Points as a log has them: printed (None: in full), `share` of them, some missing."""
    keep = np.random.default_rng(7).random(len(lrs)) >= missing
    keep[0] = True
    ticks = [tick for tick in range(int(len(lrs) * share)) if keep[tick]]
    texts = [None if form is None else form % lrs[tick] for tick in ticks]
    return [
        LrPoint(lrs[tick] if text is None else float(text), text=text, **{unit: tick})
        for tick, text in zip(ticks, texts, strict=True)
    ]


def _turns(lrs: list[float]) -> int:
    ways = np.sign(np.diff(lrs))
    return int(np.sum(np.diff(ways[ways != 0]) != 0))


CYCLES = [case for case in _cases("torch.jsonl", "CyclicLR") if _turns(case["lrs"][0]) >= 3]


@pytest.mark.parametrize("form", [None, "%.6e", "%.3e"])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_torch_s_triangles_are_named_in_torch_s_words(form: str | None, missing: float) -> None:
    assert len(CYCLES) >= 5
    named = 0
    for case in CYCLES:
        points = _points(case["lrs"][0], case["declaration"]["unit"], form, missing=missing)
        work = Work()
        answer = identify(points, framework="torch", work=work)
        assert work.spent <= MOST * 1.1
        if answer.candidates:
            named += answer.candidates[0].declaration.get("class") == "CyclicLR"
            assert answer.candidates[0].family == "cyclic", (case["declaration"], answer.statement)
            assert explain(compile_schedule(answer.candidates[0].declaration), points).verdict == "on_schedule"
    assert named >= (0.6 if form == "%.3e" else 0.8) * len(CYCLES)


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_the_beginning_of_triangles_is_never_given_to_another_family_alone(share: float) -> None:
    for case in CYCLES:
        answer = identify(_points(case["lrs"][0], case["declaration"]["unit"], None, share))
        assert not answer.candidates or "cyclic" in answer.families, (case["declaration"], answer)


def _stable(shape: str, least: float = 0.0, warmup: int = 50) -> dict[str, Any]:
    own = {"num_decay_steps": 300, "decay_type": shape, "min_lr_ratio": least}
    params = {"name": "warmup_stable_decay", "num_warmup_steps": warmup, "num_training_steps": 1000}
    own_params = {**params, "scheduler_specific_kwargs": own}
    return {
        "framework": "transformers",
        "class": "get_scheduler",
        "params": own_params,
        "base_lr": 3e-4,
        "unit": "step",
    }


@pytest.mark.parametrize("form", [None, "%.6e"])
@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("shape", ["linear", "cosine", "1-sqrt"])
def test_a_level_stretch_and_its_decay_are_named_in_transformers_words(
    shape: str, form: str | None, missing: float
) -> None:
    lrs = compile_schedule(_stable(shape)).lrs(np.arange(0, 1000)).tolist()
    answer = identify(_points(lrs, "step", form, missing=missing), framework="transformers")
    assert answer.families == ("warmup_stable_decay",), answer
    found = answer.candidates[0].declaration["params"]
    own = found["scheduler_specific_kwargs"]
    assert (found["name"], found["num_warmup_steps"], own["decay_type"]) == ("warmup_stable_decay", 50, shape)
    assert (own["num_stable_steps"], own["num_decay_steps"]) == (650, 300)


def test_the_libraries_own_level_stretches_are_never_given_to_another_family_alone() -> None:
    cases = _cases("transformers.jsonl", "warmup_stable_decay")
    assert cases
    for case in cases:
        answer = identify(_points(case["lrs"][0], case["declaration"]["unit"], None))
        assert answer.verdict != "identified" or answer.families == ("warmup_stable_decay",), (
            case["declaration"],
            answer,
        )


@pytest.mark.parametrize("share", [0.3, 0.65, 0.8])
@pytest.mark.parametrize("shape", ["linear", "cosine", "1-sqrt"])
def test_a_level_stretch_that_has_not_ended_is_ambiguous(shape: str, share: float) -> None:
    lrs = compile_schedule(_stable(shape)).lrs(np.arange(0, 1000)).tolist()
    answer = identify(_points(lrs, "step", None, share))
    assert answer.verdict == "ambiguous"
    assert "warmup_stable_decay" in answer.families


def test_drops_as_a_metric_makes_them_are_not_claimed_for_milestones() -> None:
    rates = [0.1] * 13 + [0.01] * 8 + [0.001] * 17
    answer = identify([LrPoint(lr, epoch=epoch) for epoch, lr in enumerate(rates)], total_epochs=38)
    assert answer.verdict == "ambiguous"
    assert {"multi_step", "plateau"} <= set(answer.families)
    assert "ReduceLROnPlateau" in answer.statement
    # The same drop again and again after as many epochs is nobody's metric.
    rates = [0.1] * 10 + [0.01] * 10 + [0.001] * 10
    answer = identify([LrPoint(lr, epoch=epoch) for epoch, lr in enumerate(rates)], total_epochs=30)
    assert (answer.verdict, answer.families) == ("identified", ("step",))


@pytest.mark.parametrize("text", [None, "0.0", "0.000e+00"])
def test_a_log_of_zeros_is_constant_at_0(text: str | None) -> None:
    answer = identify([LrPoint(0.0, epoch=epoch, text=text) for epoch in range(12)])
    assert (answer.verdict, answer.families) == ("identified", ("constant",))
    assert answer.candidates[0].declaration["lr"] == 0.0


@pytest.mark.parametrize("three_phase", [False, True])
def test_a_cycle_that_may_have_a_third_phase_to_come_is_ambiguous(three_phase: bool) -> None:
    params = {"max_lr": 0.1, "total_steps": 1000, "three_phase": three_phase}
    declaration = {"framework": "torch", "class": "OneCycleLR", "params": params, "base_lr": 0.1, "unit": "step"}
    lrs = compile_schedule(declaration).lrs(np.arange(0, 1000)).tolist()
    answer = identify(_points(lrs, "step", None, 0.58 if three_phase else 1.0), framework="torch")
    assert (answer.verdict, answer.families) == ("ambiguous" if three_phase else "identified", ("one_cycle",))


@pytest.mark.parametrize("framework", ["torch", "paddle"])
@pytest.mark.parametrize("text", [None, "%.3e", "%.6f"])
@pytest.mark.parametrize(("total", "share", "seen"), [(100, 0.3, 1.0), (1000, 0.25, 0.9), (5000, 0.4, 1.0)])
def test_a_cycle_of_three_phases(total: int, share: float, seen: float, text: str | None, framework: str) -> None:
    params = {"max_lr": 0.1, "total_steps": total, "pct_start": share, "three_phase": True}
    declaration = {"framework": "torch", "class": "OneCycleLR", "params": params, "base_lr": 0.1, "unit": "step"}
    ticks = np.arange(0, round(total * seen), max(total // 100, 1))
    lrs = compile_schedule(declaration).lrs(ticks).tolist()
    printed = [None if text is None else text % lr for lr in lrs]
    points = [
        LrPoint(lr if form is None else float(form), step=int(tick), text=form)
        for tick, lr, form in zip(ticks, lrs, printed, strict=True)
    ]
    answer = identify(points, framework=framework)
    assert (answer.verdict, answer.families) == ("identified", ("one_cycle",))
    own = answer.candidates[0].declaration["params"]
    assert (own["total_steps"], own["three_phase"]) == (total, True)
    assert own["pct_start" if framework == "torch" else "phase_pct"] == pytest.approx(share, abs=1e-3)
    assert "down to where it began as fast" in answer.candidates[0].statement


def test_a_cycle_of_two_phases_is_not_taken_for_one_of_three() -> None:
    params = {"max_lr": 0.1, "total_steps": 500, "pct_start": 0.3}
    declaration = {"framework": "torch", "class": "OneCycleLR", "params": params, "base_lr": 0.1, "unit": "step"}
    lrs = compile_schedule(declaration).lrs(np.arange(0, 500)).tolist()
    answer = identify(_points(lrs, "step", None, 1.0), framework="torch")
    assert [each.declaration["params"] for each in answer.candidates] == [{**params, **DIVIDED}]


DIVIDED = {"div_factor": 25.0, "final_div_factor": 1e4}
