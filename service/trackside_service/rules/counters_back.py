"""RUN005: the counters went back.

**What.** Steps or epochs go back although no resume was announced: a process reports five records in a row that lie
behind where it had been already (warning), or a log whose reporter names no process falls back to an earlier place
(info: it may be two runs in one file).

**Why it matters.** Two trainings that report under one run id, a loop that begins again from the start inside the job,
or a step counter that is reset make one curve of what is two. Whatever is judged over the run, a best value or a trend,
is then judged over a mixture.

**Example.** Epochs 1 to 90, and then epoch 1 again: a log to which a second run was appended.

**What to try.** Give every start of the job a `process.id` of its own when it opens the run: then a resume is known as
one. Give another training a run of its own. Count steps over the whole run, not inside an epoch.

**Defaults.** A single record that lies behind is nothing: evaluations are often reported for an earlier step, and late.
Five in a row that move forward by themselves are a counter that runs again. Logs whose reporter names no process are
often appended to, or resumed without a word; so there it is information and no more: on 1 of 185 healthy public runs.
It resolves once the counter is past the furthest place before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from trackside_service.domain.findings import Cleared, Finding, Outcome, Severity
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.counters import counter
from trackside_service.rules.places import Place, place_from, place_of, position, say, wire

CODE = "RUN005"
SUBJECT = "counters"


@dataclass(frozen=True, slots=True)
class Parameters:
    """How much it takes.

    `patience`: records in a row of one process that lie behind, and move forward among themselves.
    """

    patience: int = 5

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ValueError("patience is a count of 1 or more")


@dataclass(frozen=True, slots=True)
class State:
    """`furthest` is the last place that lay ahead, of the life `life`; `back` counts the records in a row behind it,
    from `since` to `at`. `until`: while the alert is open, the place that ends it.
    """

    life: int = 0
    furthest: Place | None = None
    back: int = 0
    since: Place | None = None
    at: Place | None = None
    until: Place | None = None


def start(_context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State()


def check(
    _context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at where one record lies."""
    here = place_of(reading.record)
    if reading.behind:
        return _behind(parameters, state, reading, here) if reading.named else (state, ())
    if reading.starts_life and state.until is not None and reading.resumed is not None and reading.resumed.anew:
        # The resume says where it goes on: its own counter need not pass the furthest place.
        return State(reading.life, here), [Cleared(CODE, SUBJECT, reading.record.position)]
    if reading.starts_life and not reading.named and state.until is None and _before(here, state.furthest):
        after = State(reading.life, here, until=state.furthest)
        return after, [_finding("info", here, state.furthest, reading)]
    until = state.until
    if until is not None and not _before(here, until):
        return State(reading.life, here), [Cleared(CODE, SUBJECT, reading.record.position)]
    return State(reading.life, here, until=until), ()


def _behind(parameters: Parameters, state: State, reading: Reading, here: Place) -> tuple[State, Sequence[Outcome]]:
    if state.until is not None:
        return state, ()
    goes_on = state.life == reading.life and state.at is not None and _before(state.at, here)
    back, since = (state.back + 1, state.since) if goes_on else (1, here)
    if back < parameters.patience:
        return replace(state, life=reading.life, back=back, since=since, at=here), ()
    after = State(reading.life, state.furthest, until=state.furthest)
    return after, [_finding("warning", since, state.furthest, reading)]


def _before(one: Place | None, other: Place | None) -> bool:
    """Say whether a place lies before another; where they count differently, it does not."""
    if one is None or other is None:
        return False
    here, there = counter(one), counter(other)
    return here is not None and there is not None and here[0] == there[0] and here[1] < there[1]


def _finding(severity: Severity, since: Place | None, furthest: Place | None, reading: Reading) -> Finding:
    if severity == "info":
        what = "no process was named, so this is a log that was appended to, a second job, or a resume"
    else:
        what = "the same process counts from there again"
    return Finding(
        code=CODE,
        subject=SUBJECT,
        severity=severity,
        title=f"The counters went back to {say(since)}",
        detail=f"After {say(furthest)} came {say(since)}, and no resume was announced: {what}.",
        advice=(
            "Look whether two jobs report under one run id. For a resume, open the run with a new process.id; for "
            "another training, open a run of its own; count steps over the whole run."
        ),
        opened=position(since),
        detected=reading.record.position,
        evidence={"furthest": None if furthest is None else wire(furthest), "life": reading.life},
    )


def dump(state: State) -> list[Any]:
    """State as JSON values."""
    return [state.life, state.furthest, state.back, state.since, state.at, state.until]


def load(data: Sequence[Any]) -> State:
    """Undo `dump`."""
    life, furthest, back, since, at, until = data
    return State(life, place_from(furthest), back, place_from(since), place_from(at), place_from(until))


RULE = Rule(
    code=CODE,
    name="counters going back",
    summary="Steps or epochs go back without a resume (info where the reporter names no process).",
    severity="warning",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    sees_behind=True,
    dump=dump,
    load=load,
)
