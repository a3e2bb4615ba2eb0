"""RUN004: the run has slowed down.

**What.** The time from record to record, for each step (or epoch) that lies between them, has been three times what it
was in this run before, over many records in a row.

**Why it matters.** Nothing else shows it: the curves over steps look the same, and the run simply ends next week. A GPU
that throttles, a data loader that lost its workers or its cache, a neighbour on the shared disk, memory that swaps, or
a step that keeps growing (a list of tensors that is never emptied) cost more hours than most crashes.

**Example.** A step took 0.31 s for the first ten thousand, and takes 1.05 s since step 12,400.

**What to try.** Look at the GPU's utilisation and temperature: low utilisation says that the data is late, so look at
the loader's workers and the disk; full utilisation at a low clock says that it throttles. A step that grows slowly says
that something is kept. Longer sequences or larger images from there on are a reason that needs no repair.

**Defaults.** The times are those in the records, as the job saw them; without them the rule is silent, and the clock of
a replay plays no part. A window of fifteen intervals is judged by its median, so that evaluations and checkpoints in
between do not count; the fastest window so far is what it is compared with, after the first two intervals. It has to
hold for a whole further window and to cost a minute at least. Training that becomes slower by design (longer sequences,
larger images) is told as well, so it is information. Of 12 public logs that carry times it told of one: a search over
networks of different sizes. It resolves when the median is back within one and a half times of the fastest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Final

from trackside_service.domain.durations import spoken
from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.counters import Axis, counter
from trackside_service.rules.places import Place, place_from, place_of, position, say

CODE = "RUN004"
SUBJECT = "pace"
_SKIP: Final = 2  # the first intervals hold compilation and caches
_LONGEST_WINDOW: Final = 200  # its intervals are part of the state


@dataclass(frozen=True, slots=True)
class Parameters:
    """How much it takes.

    `factor`: times the fastest window's median. `window`: intervals in a window. `least_s`: seconds that the slow
    window has to last. `clears_below`: times the fastest at which it resolves.
    """

    factor: float = 3.0
    window: int = 15
    least_s: float = 60.0
    clears_below: float = 1.5

    def __post_init__(self) -> None:
        if not 3 <= self.window <= _LONGEST_WINDOW or self.least_s < 0:
            raise ValueError(f"window is a count of 3 to {_LONGEST_WINDOW}, least_s is 0 or more seconds")
        if not 1 <= self.clears_below < self.factor:
            raise ValueError("clears_below lies from 1 on and below factor")


@dataclass(frozen=True, slots=True)
class State:
    """`at` and `time` (seconds since 1970) of the last record on `axis`; `seen` intervals in this life; `recent` holds
    the last window's, as (seconds a unit, seconds); `fastest` is the smallest median of a whole window; `slow` counts
    the intervals in a row that were slow, from `since`.
    """

    axis: Axis | None = None
    at: float = 0.0
    time: float = 0.0
    place: Place | None = None
    seen: int = 0
    recent: tuple[tuple[float, float], ...] = ()
    fastest: float | None = None
    slow: int = 0
    since: Place | None = None
    open: bool = False


def start(_context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State()


def check(
    _context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at when one record was made."""
    time = reading.record.time
    if time is None:
        return state, ()
    here = place_of(reading.record)
    place = counter(here)
    if place is None:
        return state, ()
    axis, at = place
    seconds = time.timestamp()
    if reading.starts_life or state.axis is None:
        # Another process may run on another machine.
        cleared = [Cleared(CODE, SUBJECT, reading.record.position)] if state.open else []
        return State(axis, at, seconds, here), cleared
    if axis != state.axis or at <= state.at:
        return state, ()
    took, units = seconds - state.time, at - state.at
    seen = state.seen + 1
    recent = state.recent
    if took >= 0 and seen > _SKIP:  # else the clock was set back, or it is the start
        recent = (*recent[1 - parameters.window :], (took / units, took))
    after = replace(state, at=at, time=seconds, place=here, seen=seen, recent=recent)
    return (after, ()) if len(recent) < parameters.window else _judged(parameters, after, reading)


def _judged(parameters: Parameters, state: State, reading: Reading) -> tuple[State, Sequence[Outcome]]:
    pace = median([each for each, _ in state.recent])
    whole = (state.seen - _SKIP) % parameters.window == 0
    fastest = pace if state.fastest is None or (whole and pace < state.fastest) else state.fastest
    slow, since, is_open = state.slow, state.since, state.open
    outcomes: list[Outcome] = []
    if is_open:
        if pace <= parameters.clears_below * fastest:
            slow, since, is_open = 0, None, False
            outcomes.append(Cleared(CODE, SUBJECT, reading.record.position))
    elif pace >= parameters.factor * fastest and fastest > 0:
        slow, since = slow + 1, since or state.place
        lasted = sum(took for _, took in state.recent)
        if slow > parameters.window and lasted >= parameters.least_s:
            is_open = True
            outcomes.append(_finding(state, pace, fastest, since, reading))
    else:
        slow, since = 0, None
    return replace(state, fastest=fastest, slow=slow, since=since, open=is_open), outcomes


def _finding(state: State, pace: float, fastest: float, since: Place | None, reading: Reading) -> Finding:
    unit = state.axis or "step"
    return Finding(
        code=CODE,
        subject=SUBJECT,
        severity="info",
        title=f"A{'n' if unit == 'epoch' else ''} {unit} takes {pace / fastest:.2g} times as long as before",
        detail=f"Since {say(since)} a{'n' if unit == 'epoch' else ''} {unit} takes {spoken(pace)}; before, it took "
        f"{spoken(fastest)}. The times are those in the records.",
        advice=(
            "Look at the GPU's utilisation: low says that the data is late (the loader's workers, the disk, a full "
            "cache), full at a low clock that it throttles. If the step keeps growing, look for tensors that are "
            "kept. Longer sequences or larger images from there on need no repair."
        ),
        opened=position(since),
        detected=reading.record.position,
        evidence={"seconds": pace, "seconds_before": fastest, "factor": pace / fastest, "a": unit},
    )


def dump(state: State) -> list[Any]:
    """State as JSON values."""
    return [
        state.axis,
        state.at,
        state.time,
        state.place,
        state.seen,
        state.recent,
        state.fastest,
        state.slow,
        state.since,
        state.open,
    ]


def load(data: Sequence[Any]) -> State:
    """Undo `dump`."""
    axis, at, time, place, seen, recent, fastest, slow, since, is_open = data
    pairs = tuple((each, took) for each, took in recent)
    return State(axis, at, time, place_from(place), seen, pairs, fastest, slow, place_from(since), is_open)


RULE = Rule(
    code=CODE,
    name="slowed down",
    summary="The time for each step or epoch, by the records' own times, is three times what it was, and stays so.",
    severity="info",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    dump=dump,
    load=load,
)
