"""LR003: the learning rate jumps unexpectedly.

**What.** No schedule was declared, and between two consecutive points the learning rate rises a hundred times or more.

**Why it matters.** Updates a hundred times larger than those before can throw away in a few batches what was learned
in hours.

**Example.** The rate had been stepped down to 1e-5, and half-way the script builds a new optimizer: it goes on at 1e-2.

**What to try.** Declare the schedule: then Trackside knows of warm-ups and restarts, and names the cause of what is
neither. Otherwise look at what a resume restores, and at the end of the warm-up.

**Defaults.** In 23 of 299 healthy public runs the LR rises over threefold between two records (warm-ups, restarts).
So only a hundredfold rise counts, after at least five points, and never one from exactly 0 (a warm-up), one that is no
larger than three times the movement before it, or one that brings a gradually fallen LR back to between 0.3 and 1.05
of its highest (a warm restart; a log alone cannot tell it from a resume that lost its state). So set it raised nothing
on 185 healthy public runs. It resolves when the LR is back within ten times of what it was.
"""

from __future__ import annotations

from collections.abc import Sequence

from trackside_service.domain.findings import Outcome
from trackside_service.rules.abrupt_lr import Parameters, State, dump, load, start, watch
from trackside_service.rules.base import Reading, Rule, RunContext

CODE = "LR003"


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at the LR of one record."""
    return watch(context, parameters, state, reading, code=CODE, direction="jump")


RULE = Rule(
    code=CODE,
    name="unexpected LR jump",
    summary="With no schedule declared, the LR rises a hundred times or more between two points.",
    severity="warning",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    dump=dump,
    load=load,
    state_version=3,
)
