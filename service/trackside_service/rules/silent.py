"""RUN001: the run is silent.

**What.** A run that should be running is not heard of for longer than is normal for it. Two limits are kept apart: one
for a run that has not begun to report, one for a run that has stopped reporting. `heartbeat_s` of the run, where it is
given, is the second.

**Why it matters.** A job that hangs in a collective operation, was killed by the kernel for its memory, or lost its
node writes no last line: nothing says that it has ended, and it is found in the morning. Silence is all there is.

**Example.** Steps are reported every few seconds, and every epoch pauses six minutes for its evaluation. 30 minutes
after the last record the alert opens: "not heard of for 30 minutes; the longest pause before was 6 minutes".

**What to try.** Look whether the process still lives and what its log says last: at the process list and the scheduler,
the kernel's log for an out-of-memory kill, the GPU's state, the network between the job and this service. The run's
status stays what it is, since Trackside never ends a run; if the job is gone, say so with
`PATCH /v1/runs/{id} {"status": "failed"}`. As soon as the run is heard of again, or ends, the alert resolves. A post
without records is enough: it says that the job lives.

**Defaults.** What is normal is learned from the run itself: three times the longest pause between two posts, those for
evaluations and checkpoints among them, and never less than half an hour, since the first evaluation may come after
thousands of quick steps (SageMaker's rule for stalled training waits as long). Before five posts of a process its
pauses are not known: until then, and before the first, four hours are granted for data, compilation and a long first
epoch. A pause that was called silence and ended widens the limit, at most fourfold each time. Only the service's own
clock counts, and only time in which it listened itself: one that was down declares nobody silent when it comes back.
Whoever sends in an old log (its times are more than an hour past) is not waited for. Of 12 public logs that carry
times, 1,582 pauses, the longest 40 minutes, none would have been called silent. A replay of a log never raises it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

from trackside_service.domain.cadence import Cadence
from trackside_service.domain.durations import spoken
from trackside_service.domain.findings import Finding
from trackside_service.rules.base import Rule, RunContext, Silence

CODE = "RUN001"
SUBJECT = "run"


@dataclass(frozen=True, slots=True)
class Parameters:
    """What counts as silence.

    `factor`: how many times the longest pause so far. `floor_s`: no limit is shorter, in seconds, unless the run has a
    `heartbeat_s`. `start_s`: the limit, in seconds, while a process has not begun to report or its pauses are not
    known yet.
    """

    factor: float = 3.0
    floor_s: float = 1800.0
    start_s: float = 14400.0

    def __post_init__(self) -> None:
        if self.factor < 1:
            raise ValueError("factor is 1 or more: a pause as long as the longest before is normal")
        if min(self.floor_s, self.start_s) <= 0:
            raise ValueError("floor_s and start_s are seconds above 0")


def limit_s(context: RunContext, parameters: Parameters, cadence: Cadence) -> float:
    """Return the seconds for which the run may be silent."""
    heartbeat = context.spec.heartbeat_s
    if cadence.posts == 0:
        return max(parameters.start_s, heartbeat or 0.0)
    if heartbeat is not None:
        return heartbeat
    learned = max(parameters.floor_s, parameters.factor * cadence.longest_s)
    return learned if cadence.known else max(parameters.start_s, learned)


def on_silence(context: RunContext, _parameters: Parameters, silence: Silence) -> Sequence[Finding]:
    """Say that the run is silent."""
    limit = spoken(silence.limit_s)
    since = f"{silence.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if context.spec.heartbeat_s is not None and silence.reported:
        normal = "as the run's heartbeat_s has it"
    elif silence.longest_s:
        normal = f"the longest pause between its reports was {spoken(silence.longest_s)}"
    else:
        normal = "its pauses are not known yet"
    if silence.reported:
        title = f"Not heard of for {limit}"
        detail = f"The last that was heard of the run came at {since}, {silence.place}. Normal is {limit}: {normal}."
    else:
        title = f"No record within {limit}"
        detail = f"The run was last heard of at {since}, when a process began, and no record came within {limit}."
    return [
        Finding(
            code=CODE,
            subject=SUBJECT,
            severity="critical",
            title=title,
            detail=detail,
            advice=(
                "Look whether the process still lives and what its log says last: a hang (a collective operation, a "
                "data loader), a kill (memory, preemption, a lost node), or no way to this service. If the pause is "
                "meant, set heartbeat_s to what is normal for this run. If the job is gone, end the run."
            ),
            opened=silence.place,
            detected=silence.place,
            evidence={
                "since": silence.since.astimezone(UTC).isoformat().replace("+00:00", "Z"),
                "limit_s": silence.limit_s,
                "longest_pause_s": silence.longest_s,
                "heartbeat_s": context.spec.heartbeat_s,
                "reported": silence.reported,
            },
        )
    ]


RULE: Rule[Parameters, None] = Rule(
    code=CODE,
    name="silent",
    summary="The run is not heard of for longer than its own pauses, or its heartbeat_s, allow.",
    severity="critical",
    page=__doc__ or "",
    parameters=Parameters,
    on_silence=on_silence,
)
