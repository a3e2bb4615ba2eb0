"""clamped: the declared curve, cut off at a floor or a ceiling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trackside_service.conformance.causes.evidence import CauseSpec, Evidence, Fit, View
from trackside_service.conformance.causes.flat import common_lr
from trackside_service.conformance.causes.wording import bound_of, words
from trackside_service.conformance.explanation import Cause


def search(evidence: Evidence) -> Sequence[Fit]:
    """Return the bound that explains every point."""
    fit = next((fit for view in evidence.views if (fit := _clamped(view)) is not None), None)
    return () if fit is None else (fit,)


def _clamped(view: View) -> Fit | None:
    """Search one LR at every point off, with some on the declared curve: most, where the log is of one LR."""
    if bool(view.off.all()) or (common_lr(view) is not None and 2 * int(view.off.sum()) > view.length):
        return None
    level = common_lr(view, view.off)
    if level is None or level.value not in view.values[view.off]:  # one that some print shows
        return None
    for bounded, name in ((np.maximum, "floor"), (np.minimum, "ceiling")):
        if bool(view.allows(bounded(view.expected, level.value))):
            side = "below" if name == "floor" else "above"
            why, advice = words(view.schedule, "clamped", bound=bound_of(view.schedule, name))
            cause = Cause(
                "clamped",
                "other_schedule",
                {"bound": name, "lr": level.as_param()},
                f"The LR never goes {side} {level.value:.6g}, where the schedule does: {why}.",
                advice,
            )
            return Fit(cause, view.convention, 1)
    return None


CLAMPED = CauseSpec("other_schedule", search)
