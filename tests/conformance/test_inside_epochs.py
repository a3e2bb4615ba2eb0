"""Schedules that count epochs, in logs of epochs with parts and no steps, as trainers print them: 0.5, 1.0, 1.5."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from trackside_service.conformance import Explanation, LrPoint, explain
from trackside_service.schedules import compile_schedule

STEP = {"class": "StepLR", "params": {"step_size": 2, "gamma": 0.5}}
COSINE = {"class": "CosineAnnealingLR", "params": {"T_max": 12}}
UPDATES, EPOCHS = 20, 6


def watched(
    declared: dict[str, Any],
    tick_of: Callable[[int], int],
    *,
    logs: int,
    done: int,
    base: int,
    form: str | None = None,
    **beside: Any,
) -> Explanation:
    """The verdict on a loop that prints its epoch so many times an epoch; `tick_of` says the steps taken by update."""
    schedule = compile_schedule({"framework": "torch", **declared, "base_lr": 0.1, "unit": "epoch", **beside})
    points = []
    for update in range(EPOCHS * UPDATES):
        if (update + 1) % (UPDATES // logs):
            continue
        epoch = (update + done) / UPDATES + base
        lr = float(schedule.lrs(np.array([float(tick_of(update))]))[0])
        points.append(LrPoint(lr, epoch=float(form % epoch) if form else epoch))
    return explain(schedule, points)


@pytest.mark.parametrize("declared", [STEP, COSINE], ids=["steps", "cosine"])
@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("known", [True, False])
def test_a_right_run_is_on_schedule_whenever_it_reads_its_lr(
    declared: dict[str, Any], after: int, *, known: bool
) -> None:
    when = "after_step" if after else "in_use"
    beside = {"steps_per_epoch": UPDATES} if known else {}
    for logs, done, base, form in product((2, 4, 10), (0, 1), (0, 1), (None, "%.2f")):
        for reporting in ({}, {"when": when}):
            answer = watched(
                declared,
                lambda update: (update + after) // UPDATES,
                logs=logs,
                done=done,
                base=base,
                form=form,
                reporting=reporting,
                **beside,
            )
            case = (logs, done, base, form, reporting)
            assert answer.verdict == "on_schedule", case
            assert answer.convention is not None
            if reporting:
                assert answer.convention["when"] == when, case


@pytest.mark.parametrize(
    ("tick_of", "cause"),
    [
        (lambda _update: 0, "never_stepped"),
        (lambda update: update, "stepped_per_batch"),
        (lambda update: 2 * (update // UPDATES), "double_step"),
        (lambda update: update // UPDATES - (3 if update >= 3 * UPDATES else 0), "resume_no_state"),
    ],
)
def test_a_wrong_run_is_named_all_the_same(tick_of: Callable[[int], int], cause: str) -> None:
    for done, base in product((0, 1), (0, 1)):
        answer = watched(COSINE, tick_of, logs=4, done=done, base=base, steps_per_epoch=UPDATES)
        assert answer.verdict == "off_schedule", (done, base)
        assert cause in [each.cause for each in answer.causes], (done, base, [each.cause for each in answer.causes])


def test_whole_epochs_tell_a_shift_by_one_where_the_reading_is_stated() -> None:
    for form in (None, "%.2f"):
        answer = watched(
            COSINE,
            lambda update: update // UPDATES,
            logs=1,
            done=1,
            base=-1,  # the loop's own count: 0 after its first epoch
            form=form,
            reporting={"when": "after_step", "epoch_base": 0},
        )
        assert answer.verdict == "off_schedule", form
