"""What LR002 and LR003 share: a learning rate, with no schedule declared, that moves abruptly between two reported
points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any, Final, Literal

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import LR
from trackside_service.rules import lr_sweep
from trackside_service.rules.base import Reading, RunContext
from trackside_service.rules.lr_sweep import Sweep
from trackside_service.rules.places import Place, epoch_of, place_from, place_of, position, say, wire

_DECLINES: Final = 3  # points of a gradual fall that make what follows a restart, or a 0 its end
_SAME_FACTOR: Final = 0.02
_RESTART: Final = (0.3, 1.05)  # of the cycle's highest LR
_LAST_PART: Final = 0.1  # of the run


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
        if self.back_within > self.factor:
            raise ValueError("back_within is at most factor: else the alert is over at the next point")


@dataclass(frozen=True, slots=True)
class State:
    """The latest LR and where, and the one before; how many points; while an alert is open, the LR before it.

    What makes a movement normal: `highest` is the highest LR since the last restart; `declines` counts the points at
    which it has been falling gradually without a pause; `fell_by` is the ratio of the latest fall to half or less;
    `decimals` is how many the log prints; `sweep` tells whether it is being raised as in a range test.
    """

    last: float | None = None
    one_before: float | None = None
    last_at: Place | None = None
    points: int = 0
    before: float | None = None
    highest: float = 0.0
    declines: int = 0
    fell_by: float | None = None
    decimals: int = 0
    sweep: Sweep = lr_sweep.NONE


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
        state = replace(state, points=0, declines=0)
    moved = _moved(parameters, state, value, here)
    if state.before is not None:
        if max(value, state.before) <= parameters.back_within * min(value, state.before):
            return replace(moved, before=None), [Cleared(code, LR, reading.record.position)]
        return moved, ()
    last = state.last
    if last is None or state.points < parameters.min_points:
        return moved, ()
    if direction == "drop":
        expected = _goes_on(state, value) or _repeats(state, value) or state.sweep.is_test
        fell = 0 < value * parameters.factor <= last and not expected
        abrupt = fell or (value == 0 < last and _is_early(context, state, here))
    else:
        abrupt = value >= parameters.factor * last > 0 and not (_goes_on(state, value) or _restarts(state, value))
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


def _moved(parameters: Parameters, state: State, value: float, here: Place) -> State:
    last, declines, fell_by = state.last, 0, state.fell_by
    if last is not None and value < last:
        gradual = value > 0 and last < parameters.back_within * value
        declines = state.declines + 1 if gradual or _goes_on(state, value) else 0
        if 0 < 2 * value <= last:
            fell_by = last / value
    # A cycle's own peak is what its next restart is measured by.
    anew = last is not None and value >= parameters.back_within * last and _restarts(state, value)
    return replace(
        state,
        last=value,
        one_before=last,
        last_at=here,
        points=state.points + 1,
        highest=value if anew else max(state.highest, value),
        declines=declines,
        fell_by=fell_by,
        decimals=max(state.decimals, _decimals(value)),
        sweep=lr_sweep.follow(state.sweep, value),
    )


def _repeats(state: State, value: float) -> bool:
    """Whether the LR falls by the factor by which it fell before: a milestone."""
    if state.fell_by is None or state.last is None or not value > 0:
        return False
    return abs(state.last / value - state.fell_by) <= _SAME_FACTOR * state.fell_by


def _restarts(state: State, value: float) -> bool:
    """Whether the LR, having fallen gradually, is back near its highest: a warm restart (whose peaks may shrink)."""
    return state.declines >= _DECLINES and _RESTART[0] * state.highest <= value <= _RESTART[1] * state.highest


def _is_early(context: RunContext, state: State, here: Place) -> bool:
    """Whether a 0 comes before the end that is known, and is no rounded step of what went on before.

    Schedules end at 0, so that a 0 in the last epoch is no news; one that is reached gradually is none in the last
    tenth of the run. A printed 0 stands for every number that prints so.
    """
    total, epoch = context.spec.total_epochs, epoch_of(here, context.spec.steps_per_epoch)
    # Counted from 0 the last epoch is total - 1, counted from 1 it is total: only what is before both is known to be
    # early.
    if total is None or epoch is None or epoch >= total - 1 or state.last is None:
        return False
    if state.fell_by is not None and state.last / state.fell_by < 0.5 * 10.0**-state.decimals:
        return False
    return state.declines < _DECLINES or epoch < (1 - _LAST_PART) * total


def _decimals(value: float) -> int:
    """Return how many decimals a printed value has: 0.00025 has 5."""
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _finding(code: str, direction: str, state: State, value: float, here: Place) -> Finding:
    assert state.last is not None
    last = state.last
    ratio = value / last
    if value == 0:
        change = f"from {last:.6g} to 0"
    else:
        times = last / value if direction == "drop" else ratio
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
    return {**asdict(state), "sweep": lr_sweep.dump(state.sweep)}


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    return State(**{**data, "last_at": place_from(data["last_at"]), "sweep": lr_sweep.load(data["sweep"])})
