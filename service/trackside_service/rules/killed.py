"""RUN003: the run was killed.

**What.** The job said that it was killed (`PATCH` with the status "killed"): by SIGTERM, by preemption, or by a
person's Ctrl-C, which is only noted (info).

**Why it matters.** A preempted job that the scheduler does not start again has ended all the same, in silence. One that
is started again resolves the alert by itself as soon as its new process announces itself.

**Example.** "Killed: SIGTERM" at epoch 3, step 1200.

**What to try.** Look whether the scheduler starts the job again; otherwise restart it from its last checkpoint, under
the same run id and with a new `process.id`. Where it was killed at a time limit, ask for a longer one or save
checkpoints more often; where it was killed for memory, give it more or a smaller batch.

**Defaults.** None: it is what the job said of itself. A process that dies of SIGKILL says nothing; it is silent
(RUN001). So does one that dies of SIGTERM unless the training script handles it; docs/client.md shows how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trackside_service.domain.findings import Finding, Severity
from trackside_service.rules.base import Ending, Rule, RunContext
from trackside_service.rules.endings import last_line

CODE = "RUN003"
SUBJECT = "run"
# Whoever pressed Ctrl-C knows.
_BY_HAND = ("keyboardinterrupt", "sigint", "ctrl-c", "ctrl+c")


@dataclass(frozen=True, slots=True)
class Parameters:
    """It has none."""


def on_end(_context: RunContext, _parameters: Parameters, ending: Ending) -> Sequence[Finding]:
    """Say that the run was killed, and by what."""
    if ending.status != "killed":
        return ()
    line = last_line(ending.reason)
    by_hand = any(word in (ending.reason or "").lower() for word in _BY_HAND)
    severity: Severity = "info" if by_hand else "warning"
    where = "before its first record" if ending.place is None else f"after {ending.place}"
    said = "no reason was given" if line is None else f"the reason given was: {line}"
    return [
        Finding(
            code=CODE,
            subject=SUBJECT,
            severity=severity,
            title="Killed" if line is None else f"Killed: {line}",
            detail=f"The job was killed, {where}; {said}",
            advice=(
                "It was ended by hand: nothing is to be done unless that was a mistake."
                if by_hand
                else "Look whether the scheduler starts it again; otherwise restart it from its last checkpoint, under "
                "the same run id with a new process.id. At a time limit, ask for a longer one."
            ),
            opened=ending.place,
            detected=ending.place,
            evidence={"reason": line, "by_hand": by_hand},
        )
    ]


RULE: Rule[Parameters, None] = Rule(
    code=CODE,
    name="killed",
    summary="The job said that it was killed: a signal, preemption (info where a person pressed Ctrl-C).",
    severity="warning",
    page=__doc__ or "",
    parameters=Parameters,
    on_end=on_end,
)
