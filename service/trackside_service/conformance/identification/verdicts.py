"""From the schedules that fit to the answer: what the log leaves open is part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from trackside_service.conformance.identification.answer import Candidate, Identification
from trackside_service.conformance.identification.clocks import Clock
from trackside_service.conformance.identification.found import Found, Number
from trackside_service.conformance.identification.wording import NAMES, sentence
from trackside_service.conformance.identification.words import declared
from trackside_service.errors import ScheduleError
from trackside_service.schedules.compiler import compile_schedule
from trackside_service.schedules.curve import FloatArray

MOST_ANSWERS: Final = 6
_PLATEAU: Final = "plateau"


@dataclass(frozen=True, slots=True)
class Fit:
    """A schedule verified at every point, the clock it is in, what it costs to say, and whether the points are more
    than it has numbers to fit them with.
    """

    found: Found
    clock: Clock
    cost: float
    enough: bool = True


@dataclass(frozen=True, slots=True)
class Whole:
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


def answer(
    whole: Whole, fits: dict[str, Fit], rising: list[tuple[Found, Clock]], framework: str | None, *, given_up: bool
) -> Identification:
    """Return the answer for what fits, by family and variant; `rising` is the log as a line up that does not end."""
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
            return undetermined(count, "the log ends while the LR rises, and not in a line")
        if given_up:
            return undetermined(count, "no listed schedule was found in the work that a search may take")
        return none(
            count,
            f"No listed schedule with whole-numbered lengths reproduces the {count} points within their prints: "
            "another kind of schedule, a change by hand, or several runs in one log.",
        )
    if families[0] == "constant" and np.any(whole.values) and not _complete(whole, kept[0]):
        later = [name for name in ("step", "multi_step", "warmup_stable_decay", _PLATEAU) if name not in families]
        families += later
        text = f"{candidates[0].statement} A drop after the last point cannot be ruled out."
        reason = "the log may end before the first drop: total_epochs was not given, or is not reached"
        return Identification("ambiguous", text, reason, candidates, tuple(families), count)
    if "linear" in fits and _half_a_cycle(fits["linear"]):
        text = f"{candidates[0].statement} The log ends before that: it may be the first cycle of triangles (CyclicLR)."
        every = tuple(dict.fromkeys([*families, *([_PLATEAU] if _driven(fits) else []), "one_cycle", "cyclic"]))
        return Identification("ambiguous", text, "the log ends before the line does", candidates, every, count)
    if _driven(fits):
        text = (
            f"{candidates[0].statement} A scheduler that lowers the LR when a metric stops improving "
            "(ReduceLROnPlateau) makes the same picture: the log of the LR alone cannot tell."
        )
        return Identification(
            "ambiguous", text, "a plateau scheduler makes the same picture", candidates, (*families, _PLATEAU), count
        )
    if families == ["one_cycle"] and _back_at_its_start(kept[0]):
        text = f"{candidates[0].statement} The log ends before it is lower than it began: a third phase may follow."
        reason = "the log ends before the cycle may"
        return Identification("ambiguous", text, reason, candidates, ("one_cycle",), count)
    if families == ["warmup_stable_decay"] and _in_decay(kept[0]):
        text = f"{candidates[0].statement} The log ends before that: how the decay goes on is not seen."
        return Identification(
            "ambiguous", text, "the log ends before the decay does", candidates, ("warmup_stable_decay",), count
        )
    if families == ["cosine"] and _before_the_end(kept[0]) and not _complete(whole, kept[0]):
        text = f"{candidates[0].statement} The log ends before that: it may be the first cycle of warm restarts."
        reason = "the log ends before the cosine does"
        return Identification("ambiguous", text, reason, candidates, ("cosine", "warm_restarts"), count)
    if len(kept) == 1:
        return Identification("identified", candidates[0].statement, None, candidates, tuple(families), count)
    names = " or ".join(NAMES[name] for name in families)
    text = f"The log fits {names}; more points, or finer prints, would tell. The simplest: {candidates[0].statement}"
    return Identification(
        "ambiguous", text, "several families lie within every print", candidates, tuple(families), count
    )


def _without_special_cases(fits: dict[str, Fit]) -> list[Fit]:
    """Leave out what a simpler family fitting makes redundant: its members are special cases of the larger one's."""
    left = dict(fits)
    if "constant" in left:
        return [left["constant"]]
    step = left.get("step")
    if step is not None and not step.found.note.startswith("1 "):
        left.pop("multi_step", None)
    return list(left.values())


def _candidate(found: Found, clock: Clock, whole: Whole, framework: str | None) -> Candidate:
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


def _complete(whole: Whole, fit: Fit) -> bool:
    if whole.total_epochs is None:
        return False
    last = float(np.max(fit.clock.ticks))
    if fit.clock.unit == "epoch":
        return last >= whole.total_epochs - 1.0
    per_epoch = whole.steps_per_epoch
    return per_epoch is not None and last >= (whole.total_epochs - 1.0) * per_epoch


def _before_the_end(fit: Fit) -> bool:
    """Say whether the log ends well before the length of its fall."""
    over, warmup = fit.found.numbers["over"], fit.found.warmup
    assert isinstance(over, Number)
    begun = 0.0 if warmup is None or fit.found.clock_from_start else warmup.ticks.value
    ticks = np.unique(fit.clock.ticks)
    return float(ticks[-1]) + 2.0 * float(np.max(np.diff(ticks))) < begun + over.value


def _driven(fits: Mapping[str, Fit]) -> bool:
    """Say whether the drops may as well be a metric's doing: they come as they like, or there is but one."""
    step = fits.get("step")
    return "multi_step" in fits and (step is None or step.found.note.startswith("1 "))


def _half_a_cycle(fit: Fit) -> bool:
    """Say whether the log has seen a line up from above 0 and one down that is not back at where it began."""
    warmup, top, over = fit.found.warmup, fit.found.numbers["lr"], fit.found.numbers["over"]
    end = fit.found.numbers["end"]
    if warmup is None or not warmup.start.high > 0.0:
        return False
    assert isinstance(top, Number)
    assert isinstance(over, Number)
    assert isinstance(end, Number)
    slope = (top.value - end.value) / over.value
    back = warmup.ticks.value + (top.value - warmup.start.value) / slope if slope > 0.0 else np.inf
    return float(np.max(fit.clock.ticks)) <= back + 1e-9 and warmup.start.value > 0.0


def _back_at_its_start(fit: Fit) -> bool:
    """Say whether the fall of a cycle may end where its rise began, as the second of three phases does."""
    start, end = fit.found.numbers["start"], fit.found.numbers["end"]
    assert isinstance(start, Number)
    assert isinstance(end, Number)
    return end.high >= start.low * (1.0 - 1e-6)


def _in_decay(fit: Fit) -> bool:
    """Say whether the log ends before the decay does."""
    stable, over = fit.found.numbers["stable_until"], fit.found.numbers["over"]
    assert isinstance(stable, Number)
    assert isinstance(over, Number)
    ticks = np.unique(fit.clock.ticks)
    return float(ticks[-1]) + 2.0 * float(np.max(np.diff(ticks))) < stable.value + over.value


def _still_rising(whole: Whole) -> bool:
    low, high = whole.values - whole.halves, whole.values + whole.halves
    return bool(np.all(high[1:] >= low[:-1])) and bool(high[0] < low[-1])


def undetermined(count: int, reason: str) -> Identification:
    """Return the answer that the log says too little."""
    return Identification("undetermined", f"The schedule cannot be named: {reason}.", reason, points=count)


def none(count: int, statement: str) -> Identification:
    """Return the answer that nothing listed fits."""
    return Identification("none", statement, points=count)
