"""From a log that is off to the few causes worth naming.

Every family is searched for what needs no fitting or can be tried at once for all its values. Where that leaves the
log unexplained, or explained only by something that changed on the way, or where only a few points are off, the deep
searches solve for a number.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from trackside_service.conformance.causes.evidence import CauseSpec, Evidence, Fit, View

_LOG: Final = logging.getLogger(__name__)

MOST: Final = 6
"""Causes named at most."""
_ENOUGH: Final = 4
"""Causes beside which another curve or parameter is not looked for."""
_ALSO_FLAT: Final = ("clamped", "param_mismatch", "different_schedule", "manual_override", "total_changed_on_resume")
"""Beside a scheduler that is not stepped these say nothing more."""
_PLENTY: Final = 8
_PLENTY_FULL: Final = 4
"""Points off (at full precision) with which an accidental fit is not to be expected."""


_LARGE: Final = 9
"""Times a total or a clock from which on they meet a flat line by accident."""
_LARGEST: Final = 64
"""Times a total at most that somebody may have counted: by processes, or micro-batches."""


def diagnose(evidence: Evidence, causes: Sequence[CauseSpec]) -> tuple[Fit, ...]:
    """Return the fits to name, simplest first. A family whose search raises is logged by its name and left out."""
    found = [_searched(spec, spec.search, evidence) for spec in causes]
    settled = _settled(evidence, found)
    standing = {fit.cause.family for fits in found for fit in fits if _stands(fit)}
    for fits, spec in zip(found, causes, strict=True):
        if spec.deep is None or (spec is not causes[-1] and any(_stands(fit) for fit in fits)):
            continue
        if settled and not (spec.family == "warmup" and standing == {"total"}):  # a longer warm-up looks like both
            continue
        if spec is causes[-1] and sum(map(len, found)) >= _ENOUGH:
            continue
        named = {fit.cause.cause for fit in fits}
        fits += [fit for fit in _searched(spec, spec.deep, evidence) if fit.cause.cause not in named]
    return _few([fit for fits in found for fit in fits])


def _searched(spec: CauseSpec, search: Callable[[Evidence], Sequence[Fit]], evidence: Evidence) -> list[Fit]:
    try:
        # Hypotheses far from the log overflow and divide by zero; what is not finite agrees with no print.
        with np.errstate(all="ignore"):
            return list(search(evidence))
    except Exception:
        _LOG.exception("the search for causes of the family %s failed", spec.family)
        return []


def _settled(evidence: Evidence, found: Sequence[Sequence[Fit]]) -> bool:
    """Say whether something that did not change on the way explains more points than could be chance."""
    off = max((_telling(view) for view in evidence.views), default=0)
    plenty = off >= (_PLENTY_FULL if evidence.format.style == "full" else _PLENTY)
    return plenty and any(_stands(fit) for fits in found for fit in fits)


def _stands(fit: Fit) -> bool:
    """Say whether the fit explains the log by what held from the start on, and was likely."""
    return not fit.changes and not fit.far_fetched


def _telling(view: View) -> int:
    """Return how many different LRs are off, of those that are printed finely enough to say something."""
    fine = view.off & (np.abs(view.values) / 10 > view.halves)
    return len(np.unique(view.values[fine]))


def _few(fits: Sequence[Fit]) -> tuple[Fit, ...]:
    near = [fit for fit in fits if not fit.far_fetched] or list(fits)
    if near and near[0].cause.cause == "never_stepped":
        near = _beside_frozen(near)
    near = _in_order([fit for fit in near if not _back_to_the_start(fit, near)])
    return tuple(sorted(near, key=lambda fit: _odd(fit) and any(not other.free for other in near)))[:MOST]


def _in_order(fits: Sequence[Fit]) -> list[Fit]:
    """Return the fits, each behind those that say the same more simply."""
    last = {fit.cause.cause: place for place, fit in enumerate(fits)}
    behind = [max((last.get(name, -1) for name in fit.behind), default=-1) for fit in fits]
    return [fits[place] for place in sorted(range(len(fits)), key=lambda at: (max(at, behind[at]), behind[at] > at))]


def _beside_frozen(fits: Sequence[Fit]) -> list[Fit]:
    """Return the fits without those that meet a flat line by accident: any fast enough clock, any long enough total."""
    names = {fit.cause.cause for fit in fits}
    accidents = {*_ALSO_FLAT}
    if "double_step" not in names:
        accidents |= {"accelerate_num_processes", "grad_accum_micro_step"}
    times = min((_times(fit) for fit in fits if fit.cause.cause == "wrong_total"), default=math.inf)
    if times >= _LARGE:
        accidents |= {"grad_accum_total", "world_size_total"}
    if times > _LARGEST:
        accidents |= {"wrong_total"}
    return [fit for fit in fits if fit.cause.cause not in accidents and "jump" not in fit.cause.params]


def _times(fit: Fit) -> float:
    """Return how many times the declared total a wrong total is at least."""
    params = fit.cause.params
    return float(params["total"]["low"] / params["declared"])


def _back_to_the_start(fit: Fit, fits: Sequence[Fit]) -> bool:
    """Say whether the fit is a jump that can only have led to tick 0, which a resume without state says more simply."""
    jump = fit.cause.params.get("jump")
    if fit.cause.cause != "last_epoch_misuse" or jump is None or jump["low"] != jump["high"]:
        return False
    anew = (other.cause.params["at_tick"] for other in fits if other.cause.cause == "resume_no_state")
    return any(place["low"] == place["high"] == -jump["value"] for place in anew)


def _odd(fit: Fit) -> bool:
    """Say whether a factor is one that nobody would have chosen: neither some times as much, nor one part of some."""
    factor = fit.cause.params.get("factor")
    if fit.cause.family not in ("scale", "level_change") or not isinstance(factor, Mapping):
        return False
    low, high = float(factor["low"]), float(factor["high"])
    return not (_holds_whole(low, high) or (low > 0.0 and _holds_whole(1.0 / high, 1.0 / low)))


def _holds_whole(low: float, high: float) -> bool:
    """Say whether a whole number above 0 lies there, or next to it as floats are rounded."""
    if not math.isfinite(low):
        return False
    return max(math.ceil(low * (1.0 - 1e-9)), 1) <= high * (1.0 + 1e-9)
