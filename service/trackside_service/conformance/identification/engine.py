"""identify: from observed LRs to the schedules that reproduce them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from trackside_service.conformance.identification.answer import Candidate, Identification
from trackside_service.conformance.identification.bounds import Leg
from trackside_service.conformance.identification.clocks import Clock, clocks_of
from trackside_service.conformance.identification.constant import CONSTANT
from trackside_service.conformance.identification.families import FamilySpec
from trackside_service.conformance.identification.found import Found, Number
from trackside_service.conformance.identification.log import Log, rise_of, turns_of
from trackside_service.conformance.identification.table import FAMILIES
from trackside_service.conformance.identification.wording import NAMES, sentence
from trackside_service.conformance.identification.words import declared
from trackside_service.conformance.identification.work import Work, WorkedOut
from trackside_service.conformance.intervals import simplest
from trackside_service.conformance.observations import LrPoint
from trackside_service.conformance.printing import PrintStats, read_print
from trackside_service.errors import ScheduleError
from trackside_service.schedules.compiler import compile_schedule
from trackside_service.schedules.curve import FloatArray

MOST_ANSWERS: Final = 6
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
}
"""How much a family has to explain itself, in digits of its parameters."""


@dataclass(frozen=True, slots=True)
class _Fit:
    """A schedule verified at every point, the clock it is in, what it costs to say, and whether the points are more
    than it has numbers to fit them with.
    """

    found: Found
    clock: Clock
    cost: float
    enough: bool = True


@dataclass(frozen=True, slots=True)
class _Whole:
    """All points of the log: shapes (points,)."""

    values: FloatArray
    halves: FloatArray
    steps_per_epoch: int | None
    total_epochs: float | None

    def excess(self, found: Found, clock: Clock) -> FloatArray:
        """Return how far each point is off, in half widths; above 1 is not explained."""
        declaration = {**found.whole_curve, "unit": clock.unit}
        try:
            lrs = compile_schedule(declaration).lrs(clock.ticks)
        except ScheduleError:
            return np.full(self.values.shape, np.inf)
        return np.where(np.isnan(lrs), np.inf, np.abs(lrs - self.values) / self.halves)


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
        return _none(count, "Some LRs are not finite: no schedule gives those.")
    if not placed:
        reason = "no LR was reported" if not points else "no point says its step or its epoch"
        return _undetermined(count, reason)
    prints, shown = PrintStats(), [read_print(point.lr, point.text) for point in placed]
    for one in shown:
        prints = prints.seen(one)
    values = np.array([one.value for one in shown], dtype=np.float64)
    style, magnitude = prints.format(), float(np.max(np.abs(values)))
    if len({(point.step, point.epoch) for point in placed}) < _LEAST_POINTS:
        return _undetermined(count, f"too few points: {len(placed)}; from {_LEAST_POINTS} on a schedule can be named")
    if not style.informs(magnitude):
        return _undetermined(count, f"the LR is printed too coarsely to tell: {style} for values up to {magnitude:.3g}")
    whole = _Whole(values, style.half_widths(values, magnitude), steps_per_epoch, total_epochs)
    clocks = clocks_of(placed, steps_per_epoch)
    if not clocks:
        return _undetermined(
            count,
            "the points cannot be placed on one clock: some have only a step and some only an epoch; steps_per_epoch "
            "is needed",
        )
    fits: dict[str, _Fit] = {}
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
        specs = [spec for spec in FAMILIES if spec is not CONSTANT and (not (fits and long) or spec.family in fits)]
        for fit in _fits(whole, clock, view, specs):
            if not fit.enough:
                loose.add(fit.found.family)
                continue
            known = fits.get(fit.found.family)
            if known is None or fit.cost < known.cost:
                fits[fit.found.family] = fit
        if not fits:
            rising += _rising(whole, clock, view)
    if not fits and not rising and loose:
        names = " or ".join(NAMES[name] for name in NAMES if name in loose)
        return replace(
            _undetermined(count, f"too few points: {len(placed)} are as many as {names} has numbers to fit them with"),
            families=tuple(name for name in NAMES if name in loose),
        )
    return _answer(whole, fits, rising, framework, given_up=work.given_up)


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
    def of(cls, whole: _Whole, clock: Clock, work: Work) -> _View:
        """Return the view of the log under a unit's clocks."""
        order = np.argsort(clock.ticks, kind="stable")
        values, halves = whole.values[order], whole.halves[order]
        turns = turns_of(values - halves, values + halves)
        return cls(order, _thinned(values, halves), len(np.unique(clock.ticks)), turns, work, set())


def _fits(whole: _Whole, clock: Clock, view: _View, specs: Sequence[FamilySpec]) -> Iterator[_Fit]:
    for spec in specs:
        if spec.turns[0] <= view.turns <= spec.turns[1] and not view.work.over:
            view.work.begin()
            try:
                fit = _fit(whole, clock, view, spec)
            except WorkedOut:
                continue
            if fit is not None:
                yield fit


def _fit(whole: _Whole, clock: Clock, view: _View, spec: FamilySpec) -> _Fit | None:
    """Search few points, verify at all, and search again with those that are off."""
    order, wanted = view.order, _wanted(whole, clock)
    active = order[view.looked_at]
    hopeless = view.hopeless if float(np.max(clock.ticks)) >= _LONG_ENOUGH else set()
    for _ in range(_ROUNDS):
        log = Log(clock.ticks[active], whole.values[active], whole.halves[active], wanted, view.work, hopeless)
        off = None
        for found in spec.search(log, rise_of(log)):
            view.work.spend(len(whole.values) // 4)
            excess = whole.excess(found, clock)
            if bool(np.all(excess <= 1.0 + 1e-6)):
                return _Fit(found, clock, _cost(found, clock), view.distinct >= _needed(spec, found))
            off = excess
        if off is None:
            return None
        worst = order[np.argsort(off[order])[::-1][:6]]
        first = order[np.flatnonzero(off[order] > 1.0)[:2]]
        more = np.setdiff1d(np.concatenate([worst[off[worst] > 1.0], first]), active)
        if not len(more):
            return None
        joined = np.concatenate([active, more])
        active = joined[np.argsort(clock.ticks[joined], kind="stable")]
    return None


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


def _wanted(whole: _Whole, clock: Clock) -> tuple[float, ...]:
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


def _rising(whole: _Whole, clock: Clock, view: _View) -> list[tuple[Found, Clock]]:
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


def _answer(
    whole: _Whole, fits: dict[str, _Fit], rising: list[tuple[Found, Clock]], framework: str | None, *, given_up: bool
) -> Identification:
    count = len(whole.values)
    kept = sorted(_without_special_cases(fits), key=lambda fit: fit.cost)
    candidates = tuple(_candidate(fit.found, fit.clock, whole, framework) for fit in kept[:MOST_ANSWERS])
    families: list[str] = list(dict.fromkeys(fit.found.family for fit in kept))
    if not candidates and rising:
        found, clock = rising[0]
        every = ("linear", *(name for name in NAMES if name != "linear"))
        text = "The log ends while the LR rises in a line: a warm-up, and what follows it is not seen yet."
        only = (_candidate(found, clock, whole, framework),)
        return Identification("ambiguous", text, "the log ends in a warm-up", only, every, count)
    if not candidates:
        if _still_rising(whole):
            return _undetermined(count, "the log ends while the LR rises, and not in a line")
        if given_up:
            return _undetermined(count, "no listed schedule was found in the work that a search may take")
        return _none(
            count,
            f"No listed schedule with whole-numbered lengths reproduces the {count} points within their prints: "
            "another kind of schedule, a change by hand, or several runs in one log.",
        )
    if families[0] == "constant" and not _complete(whole, kept[0]):
        later = [name for name in ("step", "multi_step") if name not in families]
        families += later
        text = f"{candidates[0].statement} A drop after the last point cannot be ruled out."
        reason = "the log may end before the first drop: total_epochs was not given, or is not reached"
        return Identification("ambiguous", text, reason, candidates, tuple(families), count)
    if families == ["cosine"] and _before_the_end(kept[0]) and not _complete(whole, kept[0]):
        text = f"{candidates[0].statement} The log ends before that: it may be the first cycle of warm restarts."
        reason = "the log ends before the cosine does"
        return Identification("ambiguous", text, reason, candidates, ("cosine", "warm_restarts"), count)
    if len(families) == 1:
        return Identification("identified", candidates[0].statement, None, candidates, tuple(families), count)
    names = " or ".join(NAMES[name] for name in families)
    text = f"The log fits {names}; more points, or finer prints, would tell. The simplest: {candidates[0].statement}"
    return Identification(
        "ambiguous", text, "several families lie within every print", candidates, tuple(families), count
    )


def _without_special_cases(fits: dict[str, _Fit]) -> list[_Fit]:
    """Leave out what a simpler family fitting makes redundant: its members are special cases of the larger one's."""
    left = dict(fits)
    if "constant" in left:
        return [left["constant"]]
    step = left.get("step")
    if step is not None and not step.found.note.startswith("1 "):
        left.pop("multi_step", None)
    return list(left.values())


def _candidate(found: Found, clock: Clock, whole: _Whole, framework: str | None) -> Candidate:
    beside: dict[str, Any] = {"unit": clock.unit, "reporting": clock.convention.as_wire()}
    if whole.steps_per_epoch is not None:
        beside["steps_per_epoch"] = whole.steps_per_epoch
    own = None if found.note and found.family == "linear" else declared(found, framework)
    if own is not None:
        own = {**own, **beside}
        try:
            lrs = compile_schedule(own).lrs(clock.ticks)
            if not bool(np.all(np.abs(lrs - whole.values) <= whole.halves * (1.0 + 1e-6))):
                own = None
        except ScheduleError:
            own = None
    params: dict[str, Any] = {
        name: [each.as_param() for each in number] if isinstance(number, list) else number.as_param()
        for name, number in found.numbers.items()
    }
    if found.warmup is not None and found.family != "one_cycle":
        params["warmup"] = found.warmup.ticks.as_param()
        params["warmup_start"] = found.warmup.start.as_param()
    return Candidate(
        family=found.family,
        warmup=found.warmup is not None and found.family != "one_cycle",
        params=params,
        declaration=own if own is not None else {**found.whole_curve, **beside},
        framework=framework if own is not None else None,
        convention=clock.convention.as_wire(),
        statement=sentence(found, clock.unit),
    )


def _complete(whole: _Whole, fit: _Fit) -> bool:
    if whole.total_epochs is None:
        return False
    last = float(np.max(fit.clock.ticks))
    if fit.clock.unit == "epoch":
        return last >= whole.total_epochs - 1.0
    per_epoch = whole.steps_per_epoch
    return per_epoch is not None and last >= (whole.total_epochs - 1.0) * per_epoch


def _before_the_end(fit: _Fit) -> bool:
    """Say whether the log ends well before the length of its fall."""
    over, warmup = fit.found.numbers["over"], fit.found.warmup
    assert isinstance(over, Number)
    begun = 0.0 if warmup is None or fit.found.clock_from_start else warmup.ticks.value
    ticks = np.unique(fit.clock.ticks)
    return float(ticks[-1]) + 2.0 * float(np.max(np.diff(ticks))) < begun + over.value


def _still_rising(whole: _Whole) -> bool:
    low, high = whole.values - whole.halves, whole.values + whole.halves
    return bool(np.all(high[1:] >= low[:-1])) and bool(high[0] < low[-1])


def _undetermined(count: int, reason: str) -> Identification:
    return Identification("undetermined", f"The schedule cannot be named: {reason}.", reason, points=count)


def _none(count: int, statement: str) -> Identification:
    return Identification("none", statement, points=count)
