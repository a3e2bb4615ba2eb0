"""What a diagnosis costs where nothing fits, counted in computed LRs: the same on every machine."""

from __future__ import annotations

import numpy as np
import pytest
from tests.conformance.unexplained import DECLARED, declared, logs

from trackside_service.conformance import explain
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
