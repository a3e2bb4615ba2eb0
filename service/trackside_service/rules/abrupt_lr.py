"""What LR002 and LR003 share: a learning rate, with no schedule declared, that moves abruptly between two reported
points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import LR
from trackside_service.rules.base import Reading, RunContext
from trackside_service.rules.places import Place, epoch_of, place_from, place_of, position, say, wire


@dataclass(frozen=True, slots=True)
class Parameters:
    """What counts as abrupt.

    `factor`: the ratio between two consecutive points. `min_points`: how many points come before, so that a warm-up's
    first ticks and a log of a few lines say nothing. `back_within`: the alert resolves once the LR is back within
    this ratio of what it was.
    """

    factor: float = 100.0
    min_points: int = 5
    back_within: float = 10.0

    def __post_init__(self) -> None:
        if self.factor <= 1 or self.back_within <= 1 or self.min_points < 1:
            raise ValueError("factor and back_within are ratios above 1, min_points is a count of 1 or more")


@dataclass(frozen=True, slots=True)
class State:
    """The latest LR and where, and the one before; how many points; while an alert is open, the LR before it."""

    last: float | None = None
    one_before: float | None = None
    last_at: Place | None = None
    points: int = 0
    before: float | None = None


def start(_context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State()


def watch(
    context: RunContext,
    parameters: Parameters,
    state: State,
    reading: Reading,
    *,
    code: str,
    direction: Literal["drop", "jump"],
) -> tuple[State, Sequence[Outcome]]:
    """Look at the LR of one record."""
    value = reading.record.metrics.get(LR)
    if context.schedule is not None or value is None:
        return state, ()
    if not math.isfinite(value) or value < 0:
        return state, ()
    here = place_of(reading.record)
    if reading.starts_life:
        # Another process may have been told another LR: what is comparable begins anew.
        state = replace(state, points=0)
    moved = replace(state, last=value, one_before=state.last, last_at=here, points=state.points + 1)
    if state.before is not None:
        if max(value, state.before) <= parameters.back_within * min(value, state.before):
            return replace(moved, before=None), [Cleared(code, LR, reading.record.position)]
        return moved, ()
    last = state.last
    if last is None or state.points < parameters.min_points:
        return moved, ()
    if direction == "drop":
        fell = 0 < value * parameters.factor <= last and not _goes_on(state, value)
        abrupt = fell or (value == 0 < last and _before_known_end(context, here))
    else:
        abrupt = value >= parameters.factor * last > 0 and not _goes_on(state, value)
    if not abrupt:
        return moved, ()
    return replace(moved, before=last), [_finding(code, direction, state, value, here)]


def _goes_on(state: State, value: float) -> bool:
    """Whether the LR moves about as far as between the two points before: the last step of a linear decay to almost
    0.
    """
    if state.last is None or state.one_before is None:
        return False
    return abs(value - state.last) <= 3 * abs(state.last - state.one_before)


def _before_known_end(context: RunContext, here: Place) -> bool:
    """Whether the run is known to go on: schedules end at 0, so a 0 in the last epoch is no news."""
    total, epoch = context.spec.total_epochs, epoch_of(here, context.spec.steps_per_epoch)
    # Counted from 0 the last epoch is total - 1, counted from 1 it is total: only what is before both is known to be
    # early.
    return total is not None and epoch is not None and epoch < total - 1


def _finding(code: str, direction: str, state: State, value: float, here: Place) -> Finding:
    assert state.last is not None
    last = state.last
    ratio = value / last
    if value == 0:
        change = f"from {last:.6g} to 0"
    else:
        times = 1 / ratio if direction == "drop" else ratio
        change = f"{times:.4g} times, from {last:.6g} to {value:.6g}"
    verb = "fell" if direction == "drop" else "rose"
    advice = (
        "If it is meant, declare the schedule when the run is opened: then every point is compared with it, and "
        "this is silent. If not, look at "
    )
    advice += (
        "a scheduler stepped more often than planned (per batch instead of per epoch), a decay applied twice, a total "
        "that is too small, or a "
        "plateau scheduler fed with the wrong metric."
        if direction == "drop"
        else "a resume that lost the scheduler's or the optimizer's state, a schedule that went past its end, a "
        "warm-up that ends in a jump, or a "
        "base LR that was set again."
    )
    return Finding(
        code=code,
        subject=LR,
        severity="warning",
        title=f"The LR {verb} {change}",
        detail=f"Between {say(state.last_at)} and {say(here)} the learning rate {verb} {change}. No schedule was "
        f"declared, so nothing says that "
        "it should.",
        advice=advice,
        opened=position(here),
        detected=position(here),
        evidence={
            "lr_before": last,
            "lr_after": value,
            "ratio": ratio,
            "before_at": wire(state.last_at),
            "points_before": state.points,
        },
    )


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    return asdict(state)


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    return State(**{**data, "last_at": place_from(data["last_at"])})
