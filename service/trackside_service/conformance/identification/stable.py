"""warmup_stable_decay: level for most of the run, then down in a line, half a cosine or one minus a square root."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from trackside_service.conformance.identification import cosine, linear
from trackside_service.conformance.identification.families import FamilySpec, factors, falls
from trackside_service.conformance.identification.found import Found, Warmup
from trackside_service.conformance.identification.log import Log, Rise
from trackside_service.conformance.identification.shapes import Fall, Legs
from trackside_service.schedules.curve import FloatArray


def one_minus_sqrt(since: FloatArray, length: FloatArray) -> FloatArray:
    """1 - sqrt(x), 0 past the end."""
    return np.asarray(1.0 - np.sqrt(np.minimum(since / length, 1.0)), dtype=np.float64)


_DECAYS: tuple[tuple[str, Fall], ...] = (
    ("linear", linear.fall),
    ("cosine", cosine.held),
    ("1-sqrt", one_minus_sqrt),
)
_SHAPES: dict[str, dict[str, Any]] = {
    "linear": {"shape": "linear"},
    "cosine": {"shape": "cosine"},
    "1-sqrt": {"shape": "one_minus_pow", "power": 0.5},
}


def search(log: Log, rise: Rise | None) -> Iterable[Found]:
    """Return every decay that explains the log: the start of one may be that of another."""
    if rise is not None and not rise.peaked:
        return
    begun = 0.0 if rise is None else rise.until
    main = log.part(log.ticks >= begun)
    level = _level(main)
    if level is None:
        return
    before = log.part(log.ticks < level.until)
    flat = None if rise is None else factors(before, rise, lambda ticks, width: np.zeros(ticks.shape))  # noqa: ARG005
    if rise is not None and (flat is None or flat.warmup is None):
        return
    for variant, fall in _DECAYS:
        # A square root falls at once: it begins between two points. Half a cosine hides within the prints for a while.
        after = float(main.ticks[max(level.count - 2, 0)]) if variant == "1-sqrt" else level.after
        legs = falls(main, replace(level, after=after), fall, window=(1.0, max(4.0 * main.span, 2.0)), level=True)
        if legs is not None:
            yield _found(legs, variant, None if flat is None else flat.warmup)


def _level(main: Log) -> Rise | None:
    """Return the stretch at the top in the form of a rise: where it may end. None where there is none to speak of."""
    low, high = main.low, main.high
    if len(low) < 8:
        return None
    top = float(np.max(low))
    below = np.flatnonzero(high < top)
    if not len(below) or below[0] < 4 or len(below) < 3:
        return None
    first = int(below[0])
    earliest = float(main.ticks[max(first // 3, 1)])
    return Rise(earliest, float(main.ticks[first]), float(main.ticks[first]), first, peaked=True)


def _found(legs: Legs, variant: str, warmup: Warmup | None) -> Found:
    stop, over = int(legs.rise.value), int(legs.length.value)
    ends = {"from": legs.top.value, "to": legs.foot.value, "over": over}
    ramp: dict[str, Any] = {"kind": "ramp", **ends, **_SHAPES[variant]}
    curve = {
        "kind": "phases",
        "phases": [{"until": stop, "schedule": {"kind": "constant", "lr": legs.top.value}}, {"schedule": ramp}],
    }
    return Found(
        "warmup_stable_decay",
        {"lr": legs.top, "min": legs.foot, "stable_until": legs.rise, "over": legs.length},
        curve,
        warmup,
        clock_from_start=True,
        variant=variant,
    )


STABLE = FamilySpec("warmup_stable_decay", "warm-up, stable, decay", 7, search)
