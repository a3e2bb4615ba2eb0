"""How far what follows a metric can have come, where its states are too many to be told apart.

A plateau only comes down, by `reach`; GreedyLR goes up and down, within a `span`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from trackside_service.conformance.driven import reach, span
from trackside_service.conformance.driven.reach import Reach
from trackside_service.conformance.driven.span import Span
from trackside_service.conformance.driven.worlds import Seen, World
from trackside_service.schedules.driving import Driver, Following
from trackside_service.schedules.kinds.greedy import Greedy
from trackside_service.schedules.kinds.plateau import Plateau

Range: TypeAlias = Reach | Span


def range_of(following: Following, worlds: Sequence[World]) -> Range:
    """Return the range that covers all of the states (at least one)."""
    if isinstance(following, Greedy):
        return span.span_of(following, worlds)
    return reach.reach_of(following, worlds)


def united(following: Following, one: Range, other: Range) -> Range:
    """Return the range that covers both."""
    if isinstance(one, Span) and isinstance(other, Span):
        return span.covering((one, other))
    assert isinstance(following, Plateau)
    assert isinstance(one, Reach)
    assert isinstance(other, Reach)
    return reach.united(following, one, other)


def waited(following: Following, held: Range, ticks: int) -> Range:
    """Return the range after so many ticks."""
    if isinstance(held, Span):
        assert isinstance(following, Greedy)
        return span.waited(following, held, ticks)
    assert isinstance(following, Plateau)
    return reach.waited(following, held, ticks)


def narrowed(driver: Driver, held: Range, seen: Seen, tick: int, peak: float) -> Range | None:
    """Return the range under which `seen` may be the LR after `tick` ticks; None where it cannot."""
    if isinstance(held, Span):
        return span.narrowed(driver, held, seen, tick, peak)
    return reach.narrowed(driver, held, seen, tick, peak)


def nearest(driver: Driver, held: Range, seen: Seen, tick: int) -> float:
    """Return the LR in the range that is nearest to what was seen."""
    if isinstance(held, Span):
        return span.nearest(driver, held, seen, tick)
    return reach.nearest(driver, held, seen, tick)


def known_again(following: Following, held: Range) -> World | None:
    """Return the state where only one is left, though with any best value; of a span none ever is."""
    if isinstance(held, Span):
        return None
    assert isinstance(following, Plateau)
    return reach.known_again(following, held)
