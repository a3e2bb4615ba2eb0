"""How far GreedyLR can have come by now, where its state is not known: between two LRs, whatever the gap.

It costs the same for one tick as for a million. What it excludes, no metric explains; the steps between are not told
apart, so that a state is not known again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from trackside_service.conformance.driven.worlds import CLEAN, Key, Seen, World, finest, noted
from trackside_service.conformance.explanation import FirstOff
from trackside_service.schedules.driving import Driver
from trackside_service.schedules.kinds.greedy import Greedy

_ROUNDING: Final = 1e-9
_HUGE: Final = 700.0


@dataclass(frozen=True, slots=True)
class Span:
    """The level lies from `low` to `high`; it can be changed in `due` ticks (1 or more) at the soonest.

    `key`, `blame`: as a `World` has them.
    """

    low: float
    high: float
    due: int
    key: Key = CLEAN
    blame: FirstOff | None = None


def span_of(greedy: Greedy, worlds: Sequence[World]) -> Span:
    """Return what covers all of the states (at least one)."""
    spans = []
    for world in worlds:
        due = max(world.rest + greedy.patience + 1 - abs(world.bad), 1)
        spans.append(Span(world.level, world.level, due, world.key, world.blame))
    return covering(spans)


def covering(spans: Sequence[Span]) -> Span:
    """Return what covers all of the spans (at least one)."""
    key = finest(one.key for one in spans)
    blame = next((one.blame for one in spans if one.key == key), spans[0].blame)
    low, high = min(one.low for one in spans), max(one.high for one in spans)
    return Span(low, high, min(one.due for one in spans), key, blame)


def waited(greedy: Greedy, span: Span, ticks: int) -> Span:
    """Return the span after so many ticks."""
    if ticks < span.due:
        return replace(span, due=span.due - ticks)
    period = greedy.patience + 1 + min(greedy.cooldown, greedy.warmup)
    more, rest = divmod(ticks - span.due, period)
    ratio = math.exp(min(-(1 + more) * math.log(greedy.factor), _HUGE))
    low = max(span.low / ratio, min(span.low, greedy.min_lr))
    high = min(span.high * ratio, max(span.high, greedy.max_lr))
    if low <= greedy.min_lr * (1 + _ROUNDING):  # there it may have started over
        low, high = min(low, greedy.lr), max(high, greedy.lr)
    return replace(span, low=low, high=high, due=period - rest)


def narrowed(driver: Driver, span: Span, seen: Seen, tick: int, peak: float) -> Span | None:
    """Return the span under which `seen` may be the LR after `tick` ticks; None where it cannot."""
    expected = nearest(driver, span, seen, tick)
    key = seen.key(expected, peak)
    if key is None:
        return None
    found = span
    if driver.settled is None:
        if seen.below is not None:
            half = max(seen.below, seen.above)
        else:
            half = float(seen.format.half_widths(np.array([seen.value]), max(peak, expected))[0])
        # What lies outside by rounding alone is held on to.
        low, high = min(seen.value - half, span.high), max(seen.value + half, span.low)
        found = replace(span, low=max(low, span.low), high=min(high, span.high))
    both, blame = noted(span.key, span.blame, key, seen, expected)
    return replace(found, key=both, blame=blame)


def nearest(driver: Driver, span: Span, seen: Seen, tick: int) -> float:
    """Return the LR in the span that is nearest to what was seen."""
    low, high = driver.lr_at(tick, span.low), driver.lr_at(tick, span.high)
    return low if math.isnan(seen.value) else min(max(seen.value, low), high)
