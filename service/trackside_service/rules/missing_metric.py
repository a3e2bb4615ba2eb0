"""RUN006: a metric is not reported any more.

**What.** A metric that came regularly, six times at least, has been left out for more than five times its longest
interval, while the run went on and reported others. It is information at first, and a warning once a loss, a validation
score or the learning rate has been missing for twenty. What else ends may do so with a stage of the training. All
metrics that are missing are one alert.

**Why it matters.** An evaluation that is skipped, a callback that was lost in a resume, or a condition that is never
true again leaves a run that looks alive and is blind: the curve simply ends, and a dashboard shows its last good value.

**Example.** `val_acc` came every epoch up to epoch 12; at epoch 18 it has not come again, and `train_loss` has.

**What to try.** Look at the condition under which it is reported (`if epoch % n == 0`, a flag, a rank), at the
exception that the evaluation may swallow, and after a resume at the callbacks.

**Defaults.** Five regular intervals first, then five without it: a metric that is reported rarely is not missing. The
interval is measured by the run's own counter, so an evaluation of many records at one place, and the end of a run,
are no gaps. An interval that varies by more than threefold is not regular. On 185 healthy public runs it raised no
warning, and information on 12: logs of which every so-many-th line was kept, so that what comes once an epoch falls
between the lines for up to fourteen intervals. Hence twenty for the warning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from trackside_service.domain.findings import Cleared, Finding, Outcome, Severity
from trackside_service.domain.metrics import LOSSES, LR, VAL_ACC
from trackside_service.rules import scores
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.counters import Axis, counter, placed
from trackside_service.rules.places import place_of, position, say, wire

CODE = "RUN006"
SUBJECT = "metrics"
_MOST: Final = 64  # metrics that are followed
_NAMED: Final = 8  # in the words
_GRAVE: Final = frozenset({*LOSSES, VAL_ACC, LR})
_NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Parameters:
    """How much it takes.

    `intervals`: regular intervals before a metric is known, and times its longest interval without it. `warning_after`:
    times the longest interval without a loss, a validation score or the LR after which it is a warning. `spread`: how
    many times the shortest interval the longest of a regular metric may be.
    """

    intervals: int = 5
    warning_after: int = 20
    spread: float = 3.0

    def __post_init__(self) -> None:
        if self.intervals < 2 or self.spread < 1:
            raise ValueError("intervals is a count of 2 or more, spread a ratio of 1 or more")
        if self.warning_after < self.intervals:
            raise ValueError("warning_after is a count, no smaller than intervals")


class Followed(NamedTuple):
    """A metric: by what it counts, where it came last (None: not in this life) and as which record of that axis, its
    shortest and longest interval, and how many it had.
    """

    axis: Axis
    last: float | None
    record: int
    shortest: float = _NEVER
    longest: float = 0.0
    intervals: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """The metrics by name, those that are missing and whether that is grave; and for each axis how far it is, how many
    records it had, and where to look again whether one is missing: never later than one could be.
    """

    metrics: Mapping[str, Followed] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    grave: bool = False
    at: Mapping[Axis, float] = field(default_factory=dict)
    records: Mapping[Axis, int] = field(default_factory=dict)
    look_at: Mapping[Axis, float] = field(default_factory=dict)


class _Work:
    """The state of some records in a row, in a form that changes."""

    def __init__(self, parameters: Parameters, state: State) -> None:
        self._parameters = parameters
        self._metrics = dict(state.metrics)
        self._missing, self._grave = state.missing, state.grave
        self._at, self._records, self._look_at = dict(state.at), dict(state.records), dict(state.look_at)

    def state(self) -> State:
        return State(self._metrics, self._missing, self._grave, self._at, self._records, self._look_at)

    def see(self, reading: Reading) -> Sequence[Outcome]:
        cleared = self._begin_life(reading) if reading.starts_life else ()
        place = counter(place_of(reading.record))
        if place is None:
            return cleared
        axis, here = place
        self._at[axis] = here
        self._records[axis] = self._records.get(axis, 0) + 1
        for name in reading.record.metrics:
            self._came(name, axis, here)
        back = any(name in reading.record.metrics for name in self._missing)
        if not back and here < self._look_at.get(axis, _NEVER):
            return cleared
        return (*cleared, *self._look(axis, here, reading))

    def _begin_life(self, reading: Reading) -> Sequence[Outcome]:
        """A resume reports the same metrics, from where it begins; another log may have others."""
        missing, self._missing, self._grave = self._missing, (), False
        if reading.named:
            self._metrics = {name: one._replace(last=None) for name, one in self._metrics.items()}
            self._look_at = dict.fromkeys(self._look_at, -_NEVER)
        else:
            self._metrics, self._at, self._records, self._look_at = {}, {}, {}, {}
        return [Cleared(CODE, SUBJECT, reading.record.position)] if missing else ()

    def _came(self, name: str, axis: Axis, here: float) -> None:
        old = self._metrics.get(name)
        if old is None:
            if len(self._metrics) < _MOST or name in _GRAVE:
                self._metrics[name] = Followed(axis, here, self._records[axis])
            return
        if old.axis != axis:  # beside its own counter: it is there
            self._metrics[name] = old._replace(last=self._at.get(old.axis), record=self._records.get(old.axis, 0))
            return
        record = self._records[axis]
        # The gap while it was missing is no interval of its own.
        gap = 0.0 if old.last is None or name in self._missing else here - old.last
        if gap <= 0:
            self._metrics[name] = Followed(axis, here, record, old.shortest, old.longest, old.intervals)
            return
        one = Followed(axis, here, record, min(old.shortest, gap), max(old.longest, gap), old.intervals + 1)
        self._metrics[name] = one
        if one.intervals == self._parameters.intervals:
            self._look_at[axis] = min(self._look_at.get(axis, _NEVER), self._due(one))

    def _due(self, one: Followed) -> float:
        """Return from where on a metric is missing; never, where it is not regular."""
        if one.intervals < self._parameters.intervals or one.longest > self._parameters.spread * one.shortest:
            return _NEVER
        return _NEVER if one.last is None else one.last + self._parameters.intervals * one.longest

    def _look(self, axis: Axis, here: float, reading: Reading) -> Sequence[Outcome]:
        here_are = reading.record.metrics
        missing = [name for name in self._missing if self._metrics[name].axis != axis and name not in here_are]
        due_next, grave = _NEVER, False
        for name, one in self._metrics.items():
            if one.axis != axis:
                continue
            if one.last is None:
                self._metrics[name] = one._replace(last=here, record=self._records[axis])
            due = self._due(self._metrics[name])
            few = self._records[axis] - one.record < self._parameters.intervals
            if here > due and (not few or name in self._missing):
                missing.append(name)
                due = self._warned(one) if _is_grave(name) else _NEVER
                grave |= here > due
            due_next = min(due_next, due if here <= due or few else _NEVER)
        self._look_at[axis] = due_next
        before, self._missing = (self._missing, self._grave), tuple(sorted(missing))
        self._grave = bool(missing) and (grave or self._grave)
        if (self._missing, self._grave) == before:
            return ()
        if not self._missing:
            return [Cleared(CODE, SUBJECT, reading.record.position)]
        return [self._finding(reading)]

    def _warned(self, one: Followed) -> float:
        """Return from where on a metric that is missing is a warning."""
        return _NEVER if one.last is None else one.last + self._parameters.warning_after * one.longest

    def _finding(self, reading: Reading) -> Finding:
        names = sorted(self._missing, key=lambda name: (not _is_grave(name), name))
        severity: Severity = "warning" if self._grave else "info"
        lost = {name: self._metrics[name] for name in names}
        said = [
            f"{name} came every {one.longest:g} {one.axis}s at most, and last at {say(self._last(one))}"
            for name, one in list(lost.items())[:_NAMED]
        ]
        more = f"; and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        others = "" if len(names) == 1 else f" and {len(names) - 1} more"
        first = min(lost.values(), key=lambda one: (one.axis != lost[names[0]].axis, one.last or 0.0))
        return Finding(
            code=CODE,
            subject=SUBJECT,
            severity=severity,
            title=f"{names[0]}{others} not reported any more",
            detail="; ".join(said) + f"{more}. Other metrics still come, up to {say(place_of(reading.record))}.",
            advice=(
                "Look at the condition under which it is reported, at an exception that the evaluation may swallow, "
                "and after a resume at the callbacks. If it was left out on purpose, switch RUN006 off for this run."
            ),
            opened=position(self._last(first)),
            detected=reading.record.position,
            evidence={
                "missing": {
                    name: {"last": wire(self._last(one)), "longest_interval": one.longest, "axis": one.axis}
                    for name, one in list(lost.items())[:_NAMED]
                }
            },
        )

    @staticmethod
    def _last(one: Followed) -> tuple[int | None, float | None]:
        return (None, None) if one.last is None else placed(one.axis, one.last)


def start(_context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State()


def check(
    _context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at which metrics a record has."""
    work = _Work(parameters, state)
    outcomes = work.see(reading)
    return work.state(), outcomes


def check_many(
    _context: RunContext, parameters: Parameters, state: State, readings: Sequence[Reading]
) -> tuple[State, Sequence[tuple[int, Outcome]]]:
    """Look at several records."""
    work = _Work(parameters, state)
    found = [(place, outcome) for place, reading in enumerate(readings) for outcome in work.see(reading)]
    return work.state(), found


def dump(state: State) -> dict[str, Any]:
    """State as JSON values; infinity is null."""
    return {
        "metrics": {name: [*one[:3], _finite(one.shortest), *one[4:]] for name, one in state.metrics.items()},
        "missing": list(state.missing),
        "grave": state.grave,
        "at": dict(state.at),
        "records": dict(state.records),
        "look_at": {axis: [at < 0, _finite(at)] for axis, at in state.look_at.items()},
    }


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    return State(
        {
            name: Followed(axis, last, record, _NEVER if shortest is None else shortest, longest, intervals)
            for name, (axis, last, record, shortest, longest, intervals) in data["metrics"].items()
        },
        tuple(data["missing"]),
        data["grave"],
        data["at"],
        data["records"],
        {axis: (-_NEVER if low else _NEVER) if at is None else at for axis, (low, at) in data["look_at"].items()},
    )


def _is_grave(name: str) -> bool:
    return name in _GRAVE or scores.rank(name) is not None


def _finite(value: float) -> float | None:
    return value if abs(value) != _NEVER else None


RULE = Rule(
    code=CODE,
    name="metric gone missing",
    summary="A metric that came regularly is not reported any more, though the run goes on.",
    severity="warning",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    check_many=check_many,
    dump=dump,
    load=load,
)
