"""Where the steps of a schedule lie: any milestones may differ from the declared ones, and the log shows them all."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

import numpy as np

from trackside_service.conformance.causes.evidence import Fit, View
from trackside_service.conformance.causes.variants import class_of, edited, rebuilt
from trackside_service.conformance.causes.wording import called, tick
from trackside_service.conformance.explanation import Cause
from trackside_service.conformance.intervals import Interval, whole
from trackside_service.schedules.curve import FloatArray

_LISTS: Final[Mapping[tuple[str, str], str]] = {
    ("torch", "MultiStepLR"): "milestones",
    ("paddle", "MultiStepDecay"): "milestones",
    ("paddle", "PiecewiseDecay"): "boundaries",
    ("keras", "PiecewiseConstantDecay"): "boundaries",
}
_MOST: Final = 64


def milestones(view: View) -> Fit | None:
    """Return the milestones that explain every point with the declared levels, None where it is not those."""
    name = _LISTS.get(class_of(view.schedule))
    if name is None:
        return None
    declared = [float(mark) for mark in view.schedule.source["params"][name]]
    if not 0 < len(declared) <= _MOST or declared != sorted(set(declared)) or declared[0] < 1.0:
        return None
    late = float(view.schedule.lrs(np.array([declared[0]]))[0] == view.schedule.lrs(np.zeros(1))[0])
    levels = view.schedule.lrs(np.array([0.0, *(mark + late for mark in declared)]))
    edges = _edges(view, levels)
    if edges is None:
        return None
    found = []
    for mark, (after, until) in zip(declared, edges, strict=True):
        low, high = after + 1.0 - late, until - late
        inside = low <= mark <= high
        found.append(Interval(mark if inside else high if np.isfinite(high) else low, low, high))
    marks = [whole(each.value) for each in found]
    changed = [place for place, mark in enumerate(declared) if marks[place] != mark]
    if not changed or any(behind <= before for before, behind in pairwise(marks)):
        return None
    other = rebuilt(view.schedule, edited(view.schedule.source, {("params", name): marks}))
    if other is None or not bool(view.allows(other.lrs(view.ticks))):
        return None
    return Fit(_cause(view, name, found, changed), view.convention, len(changed))


def _edges(view: View, levels: FloatArray) -> list[tuple[float, float]] | None:
    """Return for each milestone the last tick that lies before it for sure, and the first one behind it.

    Prints may be of either of two levels: going forward as long as each level's last, backward as long as its first.
    """
    order = np.argsort(view.ticks, kind="stable")
    ticks, count = view.ticks[order], len(order)
    agrees = np.abs(levels[:, None] - view.values[order]) <= view.halves[order]
    until, place = [], 0
    for level in range(len(levels)):
        if level:
            until.append(float(ticks[place]) if place < count else np.inf)
        while place < count and agrees[level, place]:
            place += 1
    if place < count:
        return None
    after = []
    for level in range(len(levels) - 1, 0, -1):
        while place and agrees[level, place - 1]:
            place -= 1
        after.append(float(ticks[place - 1]) if place else -1.0)
    return list(zip(reversed(after), until, strict=True))


def _cause(view: View, name: str, found: list[Interval], changed: list[int]) -> Cause:
    declared = view.schedule.source["params"][name]
    said = [
        f"`{name}[{place}]` is {found[place]}, not {declared[place]:g}"
        if np.isfinite(found[place].high)
        else f"`{name}[{place}]` is not reached by {tick(view.schedule)} {view.last_tick}, though {declared[place]:g} "
        "was declared"
        for place in changed
    ]
    params: dict[str, Any] = {"param": name, "path": f"/params/{name}", "declared": list(declared)}
    params["actual"] = [each.as_param() for each in found]
    if len(changed) == 1:
        place = changed[0]
        params = {"param": name, "path": f"/params/{name}/{place}", "declared": declared[place]}
        params["actual"] = found[place].as_param()
    return Cause(
        "param_mismatch",
        "other_schedule",
        params,
        f"{'; '.join(said)}.",
        f"Compare `{name}` where the {called(view.schedule)} is built with the declaration.",
    )
