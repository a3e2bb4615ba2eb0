"""LR002: the learning rate drops unexpectedly.

**What.** No schedule was declared, and between two consecutive points the learning rate falls to a hundredth or less;
or it falls to exactly 0 although the run's total number of epochs is known and it is not in its last epoch.

**Why it matters.** At a rate too small to learn with, the rest of the run is wasted, and its metrics look merely like
a plateau.

**Example.** Six epochs at 1e-3, then 1e-6: a decay by ten that was applied three times, because the scheduler was
stepped per batch.

**What to try.** Declare the schedule: then Trackside knows what was meant, names the cause and says nothing about
planned drops. Otherwise look at where the scheduler is stepped, and at its totals.

**Defaults.** Without a declared schedule most movements are by design: in 121 of 299 healthy public runs the LR falls
by over 65 % between two records, and in 33 it ends at exactly 0. So only a hundredfold fall counts, after at least
five points, and a 0 only where it is known not to be the end. What is normal without a
declaration is no news: a fall no larger than three times the movement before it (the last step of a linear decay), one
by the factor by which the LR fell before (milestones), a 0 that is such a step rounded by the log's decimals, and a 0
reached gradually in the last tenth of the run. Nor is the end of a range test (twenty points and more by one factor, a
thousand times in all). So set it raised nothing on 185 healthy public runs, neither as they are
nor with their number of epochs declared. It resolves when the LR is back within ten times of what it was.
"""

from __future__ import annotations

from collections.abc import Sequence

from trackside_service.domain.findings import Outcome
from trackside_service.rules.abrupt_lr import Parameters, State, dump, load, start, watch
from trackside_service.rules.base import Reading, Rule, RunContext

CODE = "LR002"


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at the LR of one record."""
    return watch(context, parameters, state, reading, code=CODE, direction="drop")


RULE = Rule(
    code=CODE,
    name="unexpected LR drop",
    summary="With no schedule declared, the LR falls a hundred times between two points, or to 0 before a known end.",
    severity="warning",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    dump=dump,
    load=load,
    state_version=3,
)
