"""A million updates of a schedule, the verdict on a hundred thousand points, the worst diagnosis of several logs that
nothing explains, and the cost of the next point.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from tests.conformance.unexplained import DECLARED, declared, logs
from trackside_service import conformance
from trackside_service.conformance import LrPoint, verdicts
from trackside_service.schedules import compile_schedule

ONE_CYCLE = {
    "framework": "torch",
    "class": "OneCycleLR",
    "params": {"max_lr": 0.01, "total_steps": 1_000_000},
    "base_lr": 0.01,
    "unit": "step",
}


def seconds(work: Callable[[], object], repeats: int = 3, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the least time of `repeats` runs of `work` by `clock`, in seconds: what it costs without the noise."""
    best = float("inf")
    for _ in range(repeats):
        started = clock()
        work()
        best = min(best, clock() - started)
    return best


def worst_diagnosis(points: int) -> tuple[float, str, str]:
    """Return what the dearest diagnosis costs beyond the verdict, in milliseconds, and of which schedule and log."""
    worst = (0.0, "", "")
    for name in DECLARED:
        declaration = declared(name)
        schedule = compile_schedule(declaration)
        for log, observed in logs(declaration, points):
            state = conformance.absorb(schedule, conformance.start(schedule), observed, capacity=verdicts.BATCH_SERIES)
            cost = seconds(partial(conformance.conclude, schedule, state))
            worst = max(worst, (cost * 1000, name, log))
    return worst


def main() -> None:
    """Print the figures."""
    schedule = compile_schedule(ONE_CYCLE)
    updates = np.arange(1_000_000)
    print(f"preview of 1,000,000 updates: {seconds(lambda: schedule.lrs_at_updates(updates)) * 1000:.0f} ms")
    lrs = schedule.lrs_at_updates(updates[:100_000])
    points = [LrPoint(lr=float(lr), step=step) for step, lr in enumerate(lrs)]
    wrong = [LrPoint(lr=point.lr * 0.1, step=point.step) for point in points]
    print(
        f"explain, 100,000 points on schedule: {seconds(lambda: conformance.explain(schedule, points)) * 1000:.0f} ms"
    )
    print(f"explain, 100,000 points off by 0.1:  {seconds(lambda: conformance.explain(schedule, wrong)) * 1000:.0f} ms")
    rounded = [
        LrPoint(lr=lrs_at, epoch=round((10 * place + 10) / 1000, 2))
        for place, lrs_at in enumerate(schedule.lrs_at_updates(updates[10:50_010:10]).tolist())
    ]
    by_epoch = replace(schedule, steps_per_epoch=1000)
    cost = seconds(lambda: conformance.explain(by_epoch, rounded))
    print(f"explain, {len(rounded):,} points by epochs of two decimals: {cost * 1000:.0f} ms")
    cost, name, log = worst_diagnosis(50_000)
    print(f"worst diagnosis, 50,000 points that nothing explains: {cost:.0f} ms ({name}, {log})")
    costs = {}
    every = schedule.lrs_at_updates(updates)
    state, seen = conformance.start(schedule), 0
    for mark in (100, 10_000, 999_800):
        before = [LrPoint(lr=float(lr), step=seen + each) for each, lr in enumerate(every[seen:mark])]
        state, seen = conformance.absorb(schedule, state, before), mark
        following = [LrPoint(lr=float(lr), step=mark + each) for each, lr in enumerate(every[mark : mark + 100])]

        def some(state: conformance.TrackerState = state, points: Sequence[LrPoint] = following) -> None:
            for point in points:
                state = conformance.advance(schedule, state, point)

        costs[mark] = seconds(some) / len(following)
    print("next point: " + ", ".join(f"{cost * 1e6:.0f} us after {count:,}" for count, cost in costs.items()))
