"""Where a record belongs: which of a run's process lives, and whether it is new, known, an addition or a correction.

Pure: what was stored before is asked through `Places`, and only where a record lies no further than what has been
seen. So a database and a replay in memory use the same code, and a run that only moves forward costs no look-up at
all.

- With a process and `seq`, (run, process, seq) tells a repetition. `seq` alone is not a key: a resumed job may count
  from 0 again (and a record that has nothing else to tell it by is always new). Only so many gaps in a process's
  sequence are remembered; within the forgotten ones a number says nothing, and the place tells.
- Otherwise the place tells: the same values there are a repetition, new names are added (merge), another value of a
  metric is a re-log.
- A place that falls back, and is neither a repetition nor an addition, starts a new life; where the reporter names
  its process it cannot (the name says whose life it is), so the record is `behind`.

The place is the step, else the epoch. Points that carry only one of the two are ordered against each other only where
the steps per epoch or a point that carries both allow it, and then with one epoch of slack: whether an epoch is
printed from 0 or 1, at its start or end, is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, fields, replace
from math import floor
from operator import attrgetter
from typing import Any, Final, Literal, Protocol, TypeAlias

from trackside_service.domain import resumes
from trackside_service.domain.records import NOWHERE, Position, Record
from trackside_service.domain.resumes import Resumed

MAX_LIVES: Final = 1_000  # a log that falls back at every other record must not open lives without end
MAX_INTERVALS: Final = 1_000  # of sequence numbers seen; beyond, the oldest gap is forgotten

Order: TypeAlias = Literal["behind", "at", "ahead"]
PlacementKind: TypeAlias = Literal["new", "duplicate", "merge", "relog"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a place holds of some metrics: `same` are those that stand there with the very value asked for, `names`
    those that stand there with any value; `anything`: whether anything stands there at all.
    """

    same: Set[str] = frozenset()
    names: Set[str] = frozenset()
    anything: bool = False


NOTHING: Final = Seen()


class Places(Protocol):
    """What was stored by place (not by a sequence number) so far, the earlier records of the same post included."""

    def seen(self, position: Position, life: int | None, metrics: Mapping[str, float]) -> Seen:
        """Say what of `metrics` stands at `position`.

        `life` limits it to one life, of a process with a name; None asks for all lives that have no name. Positions
        match as `same_place` says, values as `same_value`.
        """


@dataclass(frozen=True, slots=True)
class Reach:
    """The furthest places seen, one for each way in which a point can be placed; None where no point was placed so.

    `step`: of points with a step; `top` the highest of all, which is another where steps are counted from 0 again in
    every epoch (`inside`). `printed` and `step_epoch`: the epoch of such points, as printed, and else from the steps
    per epoch. `fraction`, `whole`: of points with only an epoch, fractional or whole (a summary).
    """

    step: int | None = None
    top: int | None = None
    printed: float | None = None
    step_epoch: float | None = None
    fraction: float | None = None
    whole: float | None = None
    inside: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """Where one process life stands.

    `number` counts a run's lives from 0; `process` is None where the reporter names none. `reach` is this life's,
    `run_reach` that of all lives without a process up to this one. `seqs` are the sequence numbers seen: closed
    intervals, ascending, not touching. Up to `blurred` gaps were forgotten: a number there was seen or it was not.
    `began` is the first step and the first epoch that it reported; `resumed` is there where it said what it resumes.
    """

    number: int = 0
    process: str | None = None
    started: bool = False
    reach: Reach = field(default_factory=Reach)
    run_reach: Reach = field(default_factory=Reach)
    seqs: tuple[tuple[int, int], ...] = ()
    blurred: int | None = None
    began: Position = NOWHERE
    resumed: Resumed | None = None

    @property
    def last_step(self) -> int | None:
        """The furthest step of the life."""
        return self.reach.step

    @property
    def last_epoch(self) -> float | None:
        """The furthest epoch of the life, as printed."""
        known = [e for e in (self.reach.step_epoch, self.reach.fraction, self.reach.whole) if e is not None]
        return max(known, default=None)

    @property
    def reached(self) -> Position:
        """The furthest step and epoch of the life in the run's count, as far as that is known."""
        last = Position(self.last_step, self.last_epoch)
        return last if self.resumed is None else self.resumed.in_run(last)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a record went.

    `progress` is the life's after the record: another life's than before (number + 1) where `opens_life`. `metrics`
    are those to store and to show to the rules: all, or only the added or changed ones; none for a duplicate.
    `starts_life`: it is the first record of its life. `by_place`: no sequence number tells its repetition, so it has
    to be found again by its place.
    """

    progress: Progress
    kind: PlacementKind
    metrics: Mapping[str, float]
    behind: bool = False
    starts_life: bool = False
    opens_life: bool = False
    by_place: bool = False

    @property
    def is_duplicate(self) -> bool:
        """Nothing is to be stored and no rule sees it."""
        return self.kind == "duplicate"


def first_life(process: str | None = None, number: int = 0, resumed: Resumed | None = None) -> Progress:
    """Return the progress of a life that has no record yet."""
    return Progress(number=number, process=process, resumed=resumed)


def resumption(from_step: int | None, before: Iterable[Progress], steps_per_epoch: int | None) -> Resumed | None:
    """Return what a process that resumes from a step declares, after the lives `before` it; None where it says none."""
    if from_step is None:
        return None
    earlier = sorted(before, key=lambda life: life.number)
    first, furthest = [life.began for life in earlier], [life.reached for life in earlier]
    return Resumed(from_step, steps_per_epoch, resumes.earliest(first), resumes.latest(furthest))


def next_life(progress: Progress, number: int) -> Progress:
    """Return the life without a process name that follows `progress`; it knows how far the ones before it had come."""
    return Progress(number=number, run_reach=progress.run_reach)


def place(
    progress: Progress,
    record: Record,
    places: Places,
    *,
    steps_per_epoch: int | None = None,
    next_number: int | None = None,
) -> Placement:
    """Place `record` (canonical names) in the life `progress`.

    `progress` is the life of the record's process, or the latest life without one. `next_number` is the number that a
    new life would get (one more than the run's highest; default: one more than this life's).
    """
    position = record.position
    order = compare(progress.reach, position)
    if record.seq is not None and not is_by_place(progress, record):
        after = _with_seq(progress, record.seq)
        if after is None:
            return Placement(progress, "duplicate", {})
        after = _advanced(after, position, steps_per_epoch)
        return Placement(
            after,
            "new",
            record.metrics,
            behind=order == "behind",
            starts_life=not progress.started,
            by_place=is_by_place(after, record),  # where the number itself was forgotten at once
        )

    seen = NOTHING
    if may_be_known(progress, position):
        seen = places.seen(position, None if progress.process is None else progress.number, record.metrics)
    fresh = {name: value for name, value in record.metrics.items() if name not in seen.same}
    if not fresh:  # also where the record carries nothing: there is nothing to store
        return Placement(progress, "duplicate", {}, by_place=True)
    after = _advanced(progress, position, steps_per_epoch)
    first = not progress.started
    if order == "ahead":
        return Placement(after, "new", record.metrics, starts_life=first, by_place=True)
    changed = any(name in seen.names for name in fresh)
    kind: PlacementKind = "relog" if changed else "merge" if seen.anything else "new"
    if order == "at" or kind == "merge":
        return Placement(after, kind, fresh, behind=order == "behind", starts_life=first, by_place=True)
    number = progress.number + 1 if next_number is None else next_number
    if progress.process is not None or number >= MAX_LIVES:
        return Placement(after, kind, fresh, behind=True, starts_life=first, by_place=True)
    opened = _advanced(next_life(progress, number), position, steps_per_epoch)
    return Placement(opened, "new", record.metrics, starts_life=True, opens_life=True, by_place=True)


def is_by_place(progress: Progress, record: Record) -> bool:
    """Say whether a repetition of `record` can be told by its place only: no sequence number tells it."""
    if progress.process is None or record.seq is None:
        return True
    return progress.blurred is not None and record.seq <= progress.blurred


def may_be_known(progress: Progress, position: Position) -> bool:
    """Say whether something may have been stored at `position`: it lies no further than the furthest point that was
    placed alike.
    """
    reach = progress.reach if progress.process is not None else progress.run_reach
    if position.step is not None:
        return reach.top is not None and position.step <= reach.top
    if position.epoch is None:
        return False
    furthest = reach.whole if float(position.epoch).is_integer() else reach.fraction
    return furthest is not None and position.epoch <= furthest


def same_place(one: Position, other: Position) -> bool:
    """Say whether two positions name one place: equal steps (and no two different epochs), or no step and equal
    epochs.
    """
    if one.step != other.step:
        return False
    if one.step is None:
        return one.epoch == other.epoch
    return one.epoch is None or other.epoch is None or one.epoch == other.epoch


def compare(reach: Reach, position: Position) -> Order:
    """Order `position` against the furthest places; what cannot be ordered is "ahead"."""
    epoch = position.epoch
    if position.step is not None:
        if reach.step is None:
            return "behind" if _far_behind(epoch, reach.fraction, reach.whole) else "ahead"
        if reach.inside and epoch is not None and reach.printed is not None and floor(epoch) != floor(reach.printed):
            return "behind" if epoch < reach.printed else "ahead"
        if position.step < reach.step and _next_epoch(reach, epoch):
            return "ahead"
        return "behind" if position.step < reach.step else "at" if position.step == reach.step else "ahead"
    if epoch is None:
        return "ahead"
    whole = float(epoch).is_integer()
    own = reach.whole if whole else reach.fraction
    if own is not None and epoch <= own:
        return "behind" if epoch < own else "at"
    return "behind" if _far_behind(epoch, reach.step_epoch, reach.fraction if whole else reach.whole) else "ahead"


def dump(progress: Progress) -> dict[str, Any]:
    """Return `progress` as JSON values."""
    return {
        "number": progress.number,
        "process": progress.process,
        "started": progress.started,
        "reach": _dump_reach(progress.reach),
        "run_reach": _dump_reach(progress.run_reach),
        "seqs": [list(interval) for interval in progress.seqs],
        "blurred": progress.blurred,
        "began": [progress.began.step, progress.began.epoch],
        "resumed": resumes.dump(progress.resumed),
    }


def load(data: Mapping[str, Any]) -> Progress:
    """Undo `dump`."""
    return Progress(
        number=data["number"],
        process=data["process"],
        started=data["started"],
        reach=Reach(*data["reach"]),
        run_reach=Reach(*data["run_reach"]),
        seqs=tuple((low, high) for low, high in data["seqs"]),
        blurred=data.get("blurred"),
        began=Position(*data.get("began", ())),
        resumed=resumes.load(data.get("resumed")),
    )


def _far_behind(epoch: float | None, *others: float | None) -> bool:
    return epoch is not None and any(other is not None and epoch + 1 < other for other in others)


def _next_epoch(reach: Reach, epoch: float | None) -> bool:
    return epoch is not None and reach.printed is not None and floor(epoch) > floor(reach.printed)


def _advanced(progress: Progress, position: Position, steps_per_epoch: int | None) -> Progress:
    reach = _further(progress.reach, position, steps_per_epoch)
    run_reach = progress.run_reach
    if progress.process is None:
        run_reach = reach if run_reach == progress.reach else _further(run_reach, position, steps_per_epoch)
    began, resumed = progress.began, progress.resumed
    if (began.step is None and position.step is not None) or (began.epoch is None and position.epoch is not None):
        began = resumes.earliest((began, position))
    if resumed is not None:
        resumed = resumed.seen(position)
    return replace(progress, started=True, reach=reach, run_reach=run_reach, began=began, resumed=resumed)


def _further(reach: Reach, position: Position, steps_per_epoch: int | None) -> Reach:
    order = compare(reach, position)
    epoch = position.epoch
    if position.step is not None:
        top = position.step if reach.top is None else max(reach.top, position.step)
        if order == "behind":
            return replace(reach, top=top)
        counted = position.step / steps_per_epoch if epoch is None and steps_per_epoch else epoch
        return replace(
            reach,
            step=position.step,
            top=top,
            printed=_max(reach.printed, epoch),
            step_epoch=_max(reach.step_epoch, counted),
            inside=reach.inside or (reach.step is not None and position.step < reach.step),
        )
    if epoch is None:
        return reach
    if float(epoch).is_integer():
        return replace(reach, whole=_max(reach.whole, epoch))
    return replace(reach, fraction=_max(reach.fraction, epoch))


def _max(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


_reach_values: Final = attrgetter(*(part.name for part in fields(Reach)))


def _dump_reach(reach: Reach) -> list[Any]:
    return list(_reach_values(reach))


def _with_seq(progress: Progress, seq: int) -> Progress | None:
    """Return the progress with `seq` among those seen, None if it was there before."""
    seqs = progress.seqs
    if not seqs:
        return replace(progress, seqs=((seq, seq),))
    low, high = seqs[-1]
    if seq == high + 1:
        return replace(progress, seqs=(*seqs[:-1], (low, seq)))
    if seq > high:
        return _capped(progress, (*seqs, (seq, seq)))
    if any(low <= seq <= high for low, high in seqs):
        return None
    return _capped(progress, _joined(sorted([*seqs, (seq, seq)])))


def _joined(intervals: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    joined: list[tuple[int, int]] = []
    for low, high in intervals:
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def _capped(progress: Progress, seqs: tuple[tuple[int, int], ...]) -> Progress:
    if len(seqs) <= MAX_INTERVALS:
        return replace(progress, seqs=seqs)
    # Taking the forgotten gap for seen would acknowledge a late record and not store it.
    return replace(progress, seqs=((seqs[0][0], seqs[1][1]), *seqs[2:]), blurred=seqs[1][1])
