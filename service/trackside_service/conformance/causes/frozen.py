"""frozen: the LR never left its first value: scheduler.step() is not called."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trackside_service.conformance.causes.evidence import CauseSpec, Evidence, Fit
from trackside_service.conformance.causes.wording import words
from trackside_service.conformance.explanation import Cause


def search(evidence: Evidence) -> Sequence[Fit]:
    """Return never_stepped where every print allows the LR of tick 0."""
    first = evidence.schedule.lrs(np.zeros(1))[0]
    for view in evidence.views:
        if bool(view.allows(np.full(view.length, first))):
            why, advice = words(evidence.schedule, "never_stepped")
            statement = f"The LR stays at {first:.4g}, where the schedule starts: {why}."
            cause = Cause("never_stepped", "frozen", {"lr": float(first)}, statement, advice)
            return (Fit(cause, view.convention),)
    return ()


FROZEN = CauseSpec("frozen", search)
