"""identify: from observed LRs to the schedules that reproduce them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from trackside_service.conformance.identification.answer import Identification
from trackside_service.conformance.identification.bounds import Leg
from trackside_service.conformance.identification.clocks import Clock, clocks_of
from trackside_service.conformance.identification.constant import CONSTANT
from trackside_service.conformance.identification.families import FamilySpec
from trackside_service.conformance.identification.found import Found, Number
from trackside_service.conformance.identification.log import Log, rise_of, turns_of
from trackside_service.conformance.identification.table import FAMILIES
from trackside_service.conformance.identification.verdicts import Fit, Whole, answer, none, undetermined
from trackside_service.conformance.identification.wording import NAMES
from trackside_service.conformance.identification.work import Work, WorkedOut
from trackside_service.conformance.intervals import simplest
from trackside_service.conformance.observations import LrPoint
from trackside_service.conformance.print_stats import PrintStats
from trackside_service.conformance.printing import read_print
from trackside_service.schedules.curve import FloatArray

_LOOKED_AT: Final = 64
_ROUNDS: Final = 6
_LEAST_POINTS: Final = 4
_LONG: Final = 150.0
_LONG_ENOUGH: Final = 50.0
"""Ticks from which on one more or less makes no shape that is far off a near one."""
_WEIGHT: Final = {
    "constant": 0.0,
    "step": 3.0,
    "exponential": 3.0,
    "linear": 3.0,
    "cosine": 4.0,
    "multi_step": 6.0,
    "polynomial": 6.0,
    "inverse_sqrt": 6.0,
    "warm_restarts": 7.0,
    "one_cycle": 8.0,
    "cyclic": 7.0,
    "warmup_stable_decay": 7.0,
}
"""How much a family has to explain itself, in digits of its parameters."""


def identify(
    points: Sequence[LrPoint],
    *,
    framework: str | None = None,
    total_epochs: float | None = None,
    steps_per_epoch: int | None = None,
    work: Work | None = None,
) -> Identification:
    """Return the simplest schedules whose LRs lie within every print, in any index convention.

    `framework`: whose words the declarations are put in, where it has them. `total_epochs` and `steps_per_epoch`: the
    run's own, where known; lengths that they make likely are preferred where the prints leave a choice. `work`, where
    given, has counted what was done.
    """
    work = Work() if work is None else work
    count = len(points)
    placed = [p for p in points if np.isfinite(p.lr) and (p.step is not None or p.epoch is not None)]
    if any(not np.isfinite(point.lr) for point in points):
        return none(count, "Some LRs are not finite: no schedule gives those.")
    if not placed:
        reason = "no LR was reported" if not points else "no point says its step or its epoch"
        return undetermined(count, reason)
    prints, shown = PrintStats(), [read_print(point.lr, point.text) for point in placed]
    for one in shown:
        prints = prints.seen(one)
    values = np.array([one.value for one in shown], dtype=np.float64)
    style, magnitude = prints.format(), float(np.max(np.abs(values)))
    if len({(point.step, point.epoch) for point in placed}) < _LEAST_POINTS:
        return undetermined(count, f"too few points: {len(placed)}; from {_LEAST_POINTS} on a schedule can be named")
    if not style.informs(magnitude):
        return undetermined(count, f"the LR is printed too coarsely to tell: {style} for values up to {magnitude:.3g}")
    whole = Whole(values, style.half_widths(values, magnitude), steps_per_epoch, total_epochs)
    clocks = clocks_of(placed, steps_per_epoch)
    if not clocks:
        return undetermined(
            count,
            "the points cannot be placed on one clock: some have only a step and some only an epoch; steps_per_epoch "
            "is needed",
        )
    if magnitude == 0.0:  # printed in full, so that nothing else is meant
        off = Found("constant", {"lr": Number(0.0, 0.0, 0.0)}, {"kind": "constant", "lr": 0.0})
        return answer(whole, {"constant": Fit(off, clocks[0], 0.0)}, [], framework, given_up=False)
    fits: dict[str, Fit] = {}
    loose: set[str] = set()
    rising: list[tuple[Found, Clock]] = []
    views = {unit: _View.of(whole, clock, work) for clock in reversed(clocks) for unit in (clock.unit,)}
    for clock in clocks:
        for fit in _fits(whole, clock, views[clock.unit], (CONSTANT,)):
            if fit.enough:
                fits.setdefault("constant", fit)
    for clock in () if "constant" in fits else clocks:
        view = views[clock.unit]
        if any(fit.clock.unit != clock.unit for fit in fits.values()):
            break  # the same schedule, counted in another unit
        # On a long log one tick more or less does not make another family of it.
        long = float(np.max(clock.ticks)) >= _LONG
        named = {fit.found.family for fit in fits.values()}
        specs = [spec for spec in FAMILIES if spec is not CONSTANT and (not (fits and long) or spec.family in named)]
        for fit in _fits(whole, clock, view, specs):
            if not fit.enough:
                loose.add(fit.found.family)
                continue
            known = fits.get(fit.found.key)
            if known is None or fit.cost < known.cost:
                fits[fit.found.key] = fit
        if not fits:
            rising += _rising(whole, clock, view)
    if not fits and not rising and loose:
        names = " or ".join(NAMES[name] for name in NAMES if name in loose)
        return replace(
            undetermined(count, f"too few points: {len(placed)} are as many as {names} has numbers to fit them with"),
            families=tuple(name for name in NAMES if name in loose),
        )
    return answer(whole, fits, rising, framework, given_up=work.given_up)


@dataclass(frozen=True, slots=True)
class _View:
    """What the clocks of one unit share, since they differ by a tick: the points in order, which of them are looked at,
    how many places there are, and how often the LR turns. `hopeless`: see `Log`.
    """

    order: npt.NDArray[np.int64]
    looked_at: npt.NDArray[np.int64]
    distinct: int
    turns: int
    work: Work
    hopeless: set[object]

    @classmethod
    def of(cls, whole: Whole, clock: Clock, work: Work) -> _View:
        """Return the view of the log under a unit's clocks."""
        order = np.argsort(clock.ticks, kind="stable")
        values, halves = whole.values[order], whole.halves[order]
        turns = turns_of(values - halves, values + halves)
        return cls(order, _thinned(values, halves), len(np.unique(clock.ticks)), turns, work, set())


def _fits(whole: Whole, clock: Clock, view: _View, specs: Sequence[FamilySpec]) -> Iterator[Fit]:
    for spec in specs:
        if spec.turns[0] <= view.turns <= spec.turns[1] and not view.work.over:
            view.work.begin()
            try:
                yield from _searched(whole, clock, view, spec)
            except WorkedOut:
                continue


def _searched(whole: Whole, clock: Clock, view: _View, spec: FamilySpec) -> Iterator[Fit]:
    """Search few points, verify at all, and search again with those that are off: one fit, or one a variant."""
    order, wanted = view.order, _wanted(whole, clock)
    active = order[view.looked_at]
    hopeless = view.hopeless if float(np.max(clock.ticks)) >= _LONG_ENOUGH else set()
    for _ in range(_ROUNDS):
        log = Log(clock.ticks[active], whole.values[active], whole.halves[active], wanted, view.work, hopeless)
        off, good = None, False
        for found in spec.search(log, rise_of(log)):
            view.work.spend(len(whole.values) // 4)
            excess = whole.excess(found, clock)
            if bool(np.all(excess <= 1.0 + 1e-6)):
                yield Fit(found, clock, _cost(found, clock), view.distinct >= _needed(spec, found))
                if not found.variant:
                    return
                good = True
                continue
            off = excess
        if off is None or good:
            return
        worst = order[np.argsort(off[order])[::-1][:6]]
        first = order[np.flatnonzero(off[order] > 1.0)[:2]]
        more = np.setdiff1d(np.concatenate([worst[off[worst] > 1.0], first]), active)
        if not len(more):
            return
        joined = np.concatenate([active, more])
        active = joined[np.argsort(clock.ticks[joined], kind="stable")]


def _thinned(values: FloatArray, halves: FloatArray) -> npt.NDArray[np.int64]:
    """Return the places to look at: evenly spread, with the ends, the extremes and the largest jumps."""
    count = len(values)
    if count <= _LOOKED_AT + 16:
        return np.arange(count)
    spread = np.linspace(0, count - 1, _LOOKED_AT).round().astype(np.int64)
    jumps = np.argsort(np.abs(np.diff(values)))[::-1][:8]
    top = values + halves >= np.max(values - halves)
    peak = np.flatnonzero(top)[[0, -1]]
    early = np.asarray([1, 2, 3])
    near = np.concatenate(
        [jumps, jumps + 1, peak, peak - 1, peak + 1, [int(np.argmin(values)), int(np.argmax(values))]]
    )
    return np.unique(np.clip(np.concatenate([spread, early, near]), 0, count - 1))


def _wanted(whole: Whole, clock: Clock) -> tuple[float, ...]:
    total, per_epoch = whole.total_epochs, whole.steps_per_epoch
    if total is None:
        return ()
    if clock.unit == "epoch":
        return (float(total),)
    return (float(total * per_epoch),) if per_epoch is not None else ()


def _needed(spec: FamilySpec, found: Found) -> int:
    foot = found.numbers.get("end", found.numbers.get("min"))
    free = isinstance(foot, Number) and foot.value != 0.0 and spec.family != "one_cycle"
    return spec.needs + (2 if found.warmup is not None else 0) + (1 if free else 0)


def _cost(found: Found, clock: Clock) -> float:
    return _WEIGHT[found.family] + found.cost + (3.0 if found.warmup is not None else 0.0) + 1.0 * clock.rank


def _rising(whole: Whole, clock: Clock, view: _View) -> list[tuple[Found, Clock]]:
    """Return the line up that the log is, if it ends before anything else is seen."""
    active = view.order[view.looked_at]
    log = Log(clock.ticks[active], whole.values[active], whole.halves[active])
    rise = rise_of(log)
    if rise is None or rise.peaked or log.span <= 0:
        return []
    leg: Leg = log.leg(log.ticks / log.span - 1.0, (0.0, 1e30))
    least, most = leg.top()
    if least > most:
        return []
    top = Number(simplest(max(least, 0.0), most), max(least, 0.0), most)
    low, high = leg.drop(top.value)
    start = Number(simplest(max(top.value - high, 0.0), max(top.value - low, 0.0)), top.value - high, top.value - low)
    note = f"rises in a line from {start.value:.4g} to {top.value:.4g} in {log.span:.6g} ticks, where the log ends"
    curve = {"kind": "ramp", "from": start.value, "to": top.value, "over": log.span}
    numbers: dict[str, Number | list[Number]] = {"start": start, "lr": top, "over": Number(log.span, log.span, 1e12)}
    found = Found("linear", numbers, curve, note=note)
    return [(found, clock)] if bool(np.all(whole.excess(found, clock) <= 1.0 + 1e-6)) else []
