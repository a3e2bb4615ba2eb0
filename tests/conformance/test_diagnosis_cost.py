"""What a diagnosis costs where nothing fits, counted in computed LRs: the same on every machine."""

from __future__ import annotations

import numpy as np
import pytest
from tests.conformance.unexplained import DECLARED, declared, logs

from trackside_service.conformance import LrPoint, explain
from trackside_service.conformance.causes.evidence import MOST_WORK
from trackside_service.schedules import CompiledSchedule, compile_schedule
from trackside_service.schedules.curve import FloatArray

COMPUTED = 13_000_000
"""LRs, at 10 to 50 nanoseconds each."""
BUILT = 4_400
"""Schedules, at 100 microseconds each."""


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_a_log_that_nothing_explains_is_given_up_soon(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    declaration = declared(name)
    schedule = compile_schedule(declaration)
    computed = 0
    followed: dict[int, tuple[CompiledSchedule, int]] = {}  # what was computed tick after tick is remembered
    lrs = CompiledSchedule.lrs

    def counted(self: CompiledSchedule, ticks: FloatArray, group: int = 0) -> FloatArray:
        nonlocal computed
        answer = lrs(self, ticks, group)
        known = followed.get(id(self), (self, 0))[1]
        far = max(known, self.followed_to(float(np.max(ticks, initial=0.0))))
        followed[id(self)] = self, far
        computed += answer.size + far - known
        return answer

    for log, points in logs(declaration, 1_000):
        computed = 0
        followed.clear()
        monkeypatch.setattr(CompiledSchedule, "lrs", counted)
        answer = explain(schedule, points)
        monkeypatch.setattr(CompiledSchedule, "lrs", lrs)
        assert answer.verdict == "off_schedule", log
        assert [cause.cause for cause in answer.causes] == ["different_schedule"], log
        assert computed <= COMPUTED < MOST_WORK, log
        assert len(followed) <= BUILT, log


def test_what_is_followed_is_excluded_where_that_is_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    members = [
        {"class": "LinearLR", "params": {"start_factor": 0.01, "total_iters": 500}},
        {"class": "CosineAnnealingLR", "params": {"T_max": 20_000, "eta_min": 1e-5}},
    ]
    chained = {"class": "ChainedScheduler", "params": {"schedulers": members}}
    schedule = compile_schedule({"framework": "torch", **chained, "base_lr": 0.1, "unit": "step"})
    ticks = np.arange(0, 20_000, 40)
    lrs = schedule.lrs(ticks.astype(np.float64))
    odd = np.where(ticks < 1_000, lrs, lrs * (0.5 + 0.3 * np.sin(ticks / 700.0)))
    far: list[float] = []
    lrs_of = CompiledSchedule.lrs

    def counted(self: CompiledSchedule, at: FloatArray, group: int = 0) -> FloatArray:
        if self is not schedule:
            far.append(float(np.max(at, initial=0.0)))
        return lrs_of(self, at, group)

    monkeypatch.setattr(CompiledSchedule, "lrs", counted)
    points = [LrPoint(float(lr), step=int(tick)) for lr, tick in zip(odd, ticks, strict=True)]
    assert explain(schedule, points).verdict == "off_schedule"
    early = sum(most <= 1_000 for most in far)
    assert early > 100
    assert early > 2 * (len(far) - early) / 3
