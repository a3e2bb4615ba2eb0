"""shift: the declared curve, some ticks early or late.

One tick early is a scheduler stepped before the optimizer, or an LR that was read after the step: no log of a schedule
stepped per batch tells them apart. Where the declaration leaves open how the LR is read and counted, one tick is a
finding only where no way of reading it explains the log, and only those logs come here. Late by any number: ticks were
skipped (AMP overflows, a guard) or the scheduler was first stepped late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trackside_service.conformance.causes.evidence import CauseSpec, Evidence, Fit, View
from trackside_service.conformance.causes.wording import tick, words
from trackside_service.conformance.conventions import ticks_at
from trackside_service.conformance.explanation import Cause
from trackside_service.conformance.intervals import stretch
from trackside_service.schedules.curve import FloatArray

_MOST = 200_000
SKIPPED = 20
"""Skipped ticks that are plausible where the whole log is skipped ticks."""


def search(evidence: Evidence) -> Sequence[Fit]:
    """Return the shifts that explain every point."""
    return (*_early(evidence), *_late(evidence))


def _early(evidence: Evidence) -> Sequence[Fit]:
    schedule = evidence.schedule
    fits = []
    for view in evidence.views:
        after = ticks_at(schedule, replace(view.convention, when="after_step"), evidence.places)
        after = after[~np.isnan(after)]
        read = schedule.reporting.when == "in_use" and len(after) == view.length
        if read and bool(view.allows(schedule.lrs(after))):
            why, advice = words(schedule, "logged_after_step")
            statement = f"Every LR is that of one {tick(schedule)} later: {why}."
            cause = Cause("logged_after_step", "shift", {"ticks": 1}, statement, advice)
            fits.append(Fit(cause, view.convention))
        if view.explained_by(lambda ticks: schedule.lrs(ticks + 1.0)):
            why, advice = words(schedule, "step_before_optimizer")
            statement = f"The schedule runs one {tick(schedule)} ahead and its first LR was never used: {why}."
            cause = Cause("step_before_optimizer", "shift", {"ticks": 1}, statement, advice)
            fits.append(Fit(cause, view.convention))
        if fits:
            return fits
    return fits


def _late(evidence: Evidence) -> Sequence[Fit]:
    schedule = evidence.schedule
    for view in evidence.views:
        most = view.last_tick - 1 if view.last_tick > SKIPPED else view.last_tick
        lags = np.arange(1, min(most, _MOST) + 1, dtype=np.float64)
        found = view.survivors(lags, lambda lag, ticks: schedule.lrs(np.maximum(ticks - lag, 0.0)))
        if len(found):
            return (_lagged(view, found),)
    return ()


def _lagged(view: View, found: FloatArray) -> Fit:
    lag = stretch(found)
    count = f"{lag.value:g}" if lag.low == lag.high else f"{lag.low:g} to {lag.high:g}"
    why, advice = words(view.schedule, "lagged")
    cause = Cause(
        "lagged",
        "shift",
        {"ticks": {"value": -lag.value, "low": -lag.high, "high": -lag.low}},
        f"The schedule runs {count} {tick(view.schedule, lag.high)} behind: {why}.",
        advice,
    )
    return Fit(cause, view.convention, free=1)


SHIFT = CauseSpec("shift", search)
