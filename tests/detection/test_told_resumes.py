"""A resume that says the step it goes on from: its records lie there, whether its counters go on or begin again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest

from tests.rules.support import spec_of
from trackside_service import detection, replay
from trackside_service.conformance import Explanation, verdicts
from trackside_service.conformance.causes.evidence import CauseSpec, Evidence, Fit
from trackside_service.conformance.causes.selection import diagnose
from trackside_service.domain import lives
from trackside_service.domain.declarations import ProcessSpec
from trackside_service.domain.findings import Cleared, Finding
from trackside_service.domain.place_memory import PlaceMemory
from trackside_service.domain.records import Record
from trackside_service.schedules import compile_schedule

STEPS = {
    "framework": "torch",
    "class": "CosineAnnealingLR",
    "params": {"T_max": 2000},
    "base_lr": 0.1,
    "unit": "step",
}
EPOCHS = {**STEPS, "class": "StepLR", "params": {"step_size": 3, "gamma": 0.5}, "unit": "epoch", "steps_per_epoch": 40}


def rates(schedule: dict[str, Any]) -> Callable[[float], float]:
    compiled = compile_schedule(schedule)
    return lambda tick: float(compiled.lrs(np.array([float(tick)]))[0])


def later(lr: Callable[[float], float], after: int) -> Callable[[float], float]:
    return lambda tick: lr(tick + after)


def watched(lived: Sequence[tuple[int | None, Sequence[Record]]], **declared: Any) -> tuple[Explanation, list[str]]:
    """The verdict on a run of several processes (the step told, its records), and the codes of what was said."""
    spec = spec_of(**declared)
    context = detection.configure(spec)
    state, earlier, codes, index = detection.begin(context), list[lives.Progress](), list[str](), 0
    for number, (told, records) in enumerate(lived):
        progress = lives.first_life(f"p{number}", number, lives.resumption(told, earlier, spec.epoch_length))
        for record in records:
            placed = lives.place(progress, record, PlaceMemory())
            progress = placed.progress
            seen = detection.inspect(context, state, [detection.reading_of(record, placed, index)])
            assert not seen.faults
            state, index = seen.state, index + 1
            codes += [f"{'-' if isinstance(one, Cleared) else ''}{one.code}" for one in seen.outcomes]
        stored = detection.load(context, detection.dump(state))
        assert stored is not None
        state = stored
        earlier.append(lives.load(lives.dump(progress)))
    answer = detection.explanation(context, state)
    assert answer is not None
    return answer, codes


def trained(updates: Sequence[int], lr: Callable[[float], float], *, base: int = 0, ago: int = 0) -> list[Record]:
    """Records at these updates of the run, counted from `base` after the first `ago` of them."""
    return [Record({"lr": lr(u), "train_loss": 1.0 / (1 + u)}, step=u - ago + base) for u in updates]


@pytest.mark.parametrize("anew", [True, False])
@pytest.mark.parametrize("every", [1, 10, 50])
def test_a_resume_told_honestly_is_quiet(every: int, *, anew: bool) -> None:
    lr = rates(STEPS)
    for base, after, resumed, index in product((0, 1), (0, 1), (5, 45, 317), (0, 1)):
        ago = resumed if anew else 0
        first = [u for u in range(resumed + 30) if (u + base) % every == 0]  # it came further than its checkpoint
        second = [u for u in range(resumed, resumed + 110) if (u - ago + base) % every == 0]
        parts = [
            (None, trained(first, later(lr, after), base=base)),
            (resumed - index, trained(second, later(lr, after), base=base, ago=ago)),
        ]
        answer, codes = watched(parts, schedule=STEPS)
        assert (answer.verdict, codes) == ("on_schedule", []), (base, after, resumed, index)
        assert answer.convention is not None
        if anew and resumed > 50:
            assert answer.convention["resumed"] == ("past_step" if index else "from_step")


@pytest.mark.parametrize("anew", [True, False])
def test_a_resume_that_lost_its_scheduler_is_named_at_its_place(*, anew: bool) -> None:
    lr, resumed = rates(STEPS), 300
    parts = [
        (None, trained(range(330), lr)),
        (resumed, trained(range(resumed, 450), lambda u: lr(u - resumed), ago=resumed if anew else 0)),
    ]
    answer, codes = watched(parts, schedule=STEPS)
    assert answer.verdict == "off_schedule"
    assert "LR001" in codes
    (cause,) = (one for one in answer.causes if one.cause == "resume_no_state")
    assert cause.params["at_tick"]["value"] == resumed
    assert answer.first_off is not None
    assert answer.first_off.step in ((0, 1) if anew else (resumed, resumed + 1))


def test_a_lost_scheduler_is_named_at_an_overtaken_place_whatever_was_searched_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def spent(evidence: Evidence, causes: Sequence[CauseSpec]) -> Sequence[Fit]:
        fits = diagnose(evidence, causes)
        evidence.work.left = -1
        return fits

    monkeypatch.setattr(verdicts, "diagnose", spent)
    lr = rates(STEPS)
    parts = [(None, trained(range(330), lr)), (300, trained(range(300, 450), lambda u: lr(u - 300)))]
    assert "resume_no_state" in [one.cause for one in watched(parts, schedule=STEPS)[0].causes]


@pytest.mark.parametrize("form", [float, lambda lr: math.floor(lr * 1e5) / 1e5])
def test_a_level_set_by_hand_hides_no_resume_that_overtook_part_of_an_epoch(form: Callable[[float], float]) -> None:
    schedule = {**EPOCHS, "class": "ExponentialLR", "params": {"gamma": 0.95}}
    lr = rates(schedule)
    first = [Record({"lr": form(lr(u // 40))}, step=u) for u in range(0, 1220, 4)]
    second = [Record({"lr": lr((u - 1200) // 40)}, step=u) for u in range(1200, 1600, 4)]
    answer, _ = watched([(None, first), (1200, second)], schedule=schedule)
    causes = [one.cause for one in answer.causes]
    assert (causes[0], causes[-1], len(causes) <= 3) == ("resume_no_state", "manual_override", True)
    assert answer.first_off is not None
    assert answer.first_off.index == len(first)


@pytest.mark.parametrize("ago", [0, 300])
def test_another_schedule_is_identified_across_counters_that_begin_again(ago: int) -> None:
    lr = rates({**STEPS, "class": "StepLR", "params": {"step_size": 100, "gamma": 0.5}})
    parts = [(None, trained(range(0, 330, 3), lr)), (300, trained(range(300, 650, 3), lr, ago=ago))]
    answer, _ = watched(parts, schedule=STEPS)
    assert "times 0.5 every 100 steps" in answer.causes[0].statement


def test_what_held_from_the_start_explains_what_was_overtaken_too() -> None:
    params = {"total_iters": 12, "power": 1.0}
    schedule = {**EPOCHS, "class": "PolynomialLR", "params": params, "base_lr": 3e-4, "steps_per_epoch": 20}
    lr = rates(schedule)
    first = [Record({"lr": lr(e)}, epoch=e + 1.0) for e in range(5)]
    second = [Record({"lr": lr(e)}, epoch=e + 1.0) for e in range(8)]
    answer, _ = watched([(None, first), (79, second)], schedule=schedule)
    assert [one.cause for one in answer.causes] == ["resume_no_state"]
    assert answer.first_off is not None
    assert answer.first_off.index == 5


@pytest.mark.parametrize("whole", [True, False])
def test_epochs_that_begin_again(*, whole: bool) -> None:
    lr = rates(EPOCHS)
    epochs = [float(n) for n in range(12)] if whole else [n / 2 for n in range(24)]
    for base, told in product((0, 1), (200, 199)):
        first = [Record({"lr": lr(int(e))}, epoch=e + base) for e in epochs if e < 5]
        second = [Record({"lr": lr(int(e))}, epoch=e - 5 + base) for e in epochs if e >= 5]
        answer, codes = watched([(None, first), (told, second)], schedule=EPOCHS)
        assert (answer.verdict, codes) == ("on_schedule", []), (base, told)
        lost = [Record({"lr": lr(int(e - 5))}, epoch=e - 5 + base) for e in epochs if e >= 5]
        assert watched([(None, first), (told, lost)], schedule=EPOCHS)[0].verdict == "off_schedule"


def test_an_epoch_counter_without_its_length_is_taken_as_it_stands() -> None:
    bare = {name: value for name, value in EPOCHS.items() if name != "steps_per_epoch"}
    lr = rates(bare)
    records = [Record({"lr": lr(e)}, epoch=float(e)) for e in range(10)]
    assert watched([(None, records[:5]), (200, records[5:])], schedule=bare)[0].verdict == "on_schedule"


def test_a_step_told_in_another_unit_places_nothing_wrongly() -> None:
    lr = rates(STEPS)
    parts = [(None, trained(range(0, 500, 10), lr)), (2000, trained(range(500, 700, 10), lr))]
    assert watched(parts, schedule=STEPS)[0].verdict == "on_schedule"


def test_a_log_of_the_resume_alone_is_checked_at_its_place() -> None:
    lr = rates(STEPS)
    records = trained(range(600, 700), lr, ago=600)
    spec = spec_of(schedule=STEPS)
    told = replay.check(spec, records, process=ProcessSpec("b", 600))
    assert told.lr is not None
    assert (told.lr.verdict, told.alerts) == ("on_schedule", ())
    silent = replay.check(spec, records, process=ProcessSpec("b"))
    assert silent.lr is not None
    assert silent.lr.verdict == "off_schedule"


def test_a_plateau_is_followed_across_counters_that_begin_again() -> None:
    schedule = {
        "framework": "torch",
        "class": "ReduceLROnPlateau",
        "params": {"patience": 1, "factor": 0.5},
        "base_lr": 0.1,
        "unit": "epoch",
        "steps_per_epoch": 10,
        "metric": "val_loss",
    }
    lrs = [0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.0125]  # no improvement after the first
    records = [Record({"lr": lr, "val_loss": 1.0}, epoch=float(n)) for n, lr in enumerate(lrs)]
    second = [Record(dict(one.metrics), epoch=float(n)) for n, one in enumerate(records[4:])]
    answer, codes = watched([(None, records[:4]), (40, second)], schedule=schedule)
    assert (answer.verdict, codes) == ("on_schedule", [])


def test_a_broken_resume_is_seen_where_the_counters_begin_again() -> None:
    def loss(updates: Sequence[int], begin: int, ago: int) -> list[Record]:
        return [Record({"train_loss": 0.3 + 2.0 * 0.995 ** (u - begin)}, step=u - ago) for u in updates]

    spec = spec_of()
    context = detection.configure(spec)

    def found(begin: int) -> list[Finding]:
        state, told, earlier = detection.begin(context), list[Finding](), list[lives.Progress]()
        for number, (step, records) in enumerate(
            [(None, loss(range(1000), 0, 0)), (1000, loss(range(1000, 1100), begin, 1000))]
        ):
            progress = lives.first_life(f"p{number}", number, lives.resumption(step, earlier, None))
            for index, record in enumerate(records):
                placed = lives.place(progress, record, PlaceMemory())
                progress = placed.progress
                seen = detection.inspect(context, state, [detection.reading_of(record, placed, number * 1000 + index)])
                state = seen.state
                told += [one for one in seen.outcomes if isinstance(one, Finding)]
            earlier.append(progress)
        return told

    assert found(0) == []
    assert [(one.code, set(one.evidence)) for one in found(1000)] == [("RUN007", {"train_loss"})]
