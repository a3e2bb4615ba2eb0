"""Logs of a schedule that follows a metric whose prints are of several formats, or cut off: no right run is off."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence

import pytest
from tests.conformance.plateaus import NAMED, greedy, losses, lrs_of, verdict, with_params
from tests.golden.draws import PLATEAUS

from trackside_service.conformance import (
    LrPoint,
    absorb,
    advance,
    dump,
    judge,
    load,
    start,
)
from trackside_service.schedules import compile_schedule

TICKS = 60
Show = Callable[[float], str]


def cut_off(places: int) -> Show:
    def shown(lr: float) -> str:
        text = f"{lr:.17f}"
        return text[: text.index(".") + 1 + places]

    return shown


FORMATS: dict[str, tuple[Show, Show]] = {
    "full, then %.4f": (repr, "{:.4f}".format),
    "%.4f, then full": ("{:.4f}".format, repr),
    "%.4g, then full": ("{:.4g}".format, repr),
    "full, then %.3e": (repr, "{:.3e}".format),
    "cut off at 6": (cut_off(6), cut_off(6)),
    "cut off at 4": (cut_off(4), cut_off(4)),
}


def logged(
    lrs: Sequence[float], metric: Sequence[float], name: str, *, at: int = 20, texts: bool = True
) -> list[LrPoint]:
    before, after = FORMATS[name]
    shown = [(before if tick < at else after)(lr) for tick, lr in enumerate(lrs)]
    return [
        LrPoint(float(text), epoch=float(tick), text=text if texts else None, metrics=(("val_loss", value),))
        for tick, (text, value) in enumerate(zip(shown, metric, strict=False))
    ]


@pytest.mark.parametrize("texts", [True, False])
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_right_runs_are_never_off(name: str, texts: bool) -> None:
    for seed in range(12):
        rng = random.Random(seed)
        drawn = PLATEAUS[rng.choice(sorted(PLATEAUS))](rng) if seed % 3 else greedy(factor=0.9)
        declaration = {**drawn, "unit": "epoch", "metric": "val_loss"}
        metric = losses(TICKS, seed)
        points = logged(lrs_of(declaration, metric), metric, name, at=rng.randint(5, 50), texts=texts)
        found = verdict(declaration, points)
        assert found.verdict != "off_schedule", (declaration, found)


@pytest.mark.parametrize("name", ["full, then %.4f", "%.4f, then full", "full, then %.3e"])
def test_a_log_that_bears_out_its_formats_is_on_schedule_and_a_wrong_one_is_off(name: str) -> None:
    metric = losses(TICKS)
    declared = with_params(factor=0.37)
    found = verdict(declared, logged(lrs_of(declared, metric), metric, name))
    assert found.verdict == "on_schedule"
    for wrong in ({"patience": 6}, {"factor": 0.3}, {"mode": "max"}):
        lrs = lrs_of(with_params(**{"factor": 0.37, **wrong}), metric)
        assert verdict(declared, logged(lrs, metric, name)).verdict == "off_schedule"


def test_a_cut_off_print_says_why_nothing_is_said() -> None:
    metric = losses(TICKS)
    declared = with_params(factor=0.37)
    found = verdict(declared, logged(lrs_of(declared, metric), metric, "cut off at 4"))
    assert found.verdict == "undetermined"
    assert "some of its prints are coarser, or cut off" in (found.reason or "")


@pytest.mark.parametrize("patience", [3, 6])
def test_point_by_point_and_through_storage_as_at_once(patience: int) -> None:
    metric = losses(TICKS)
    schedule = compile_schedule(NAMED)
    points = logged(lrs_of(with_params(patience=patience), metric), metric, "full, then %.4f")
    state, verdicts, sizes = start(schedule), [], []
    for point in points:
        text = json.dumps(dump(advance(schedule, state, point)))
        sizes.append(len(text))
        state = load(json.loads(text))
        verdicts.append(judge(schedule, state).verdict)
    assert dump(state) == dump(absorb(schedule, start(schedule), points))
    assert max(sizes) < 16_000
    assert (verdicts[-1] == "off_schedule") == (patience == 6)
    # Once nothing excuses it any more, the second state is let go.
    assert (state.loose is None) == (patience == 6)


def test_rates_that_are_declared_exact_are_held_to_their_format() -> None:
    schedule = compile_schedule({**NAMED, "reporting": {"exact": True}})
    assert start(schedule).loose is None
