"""When a channel is given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from trackside_service.dying import DEAD_AFTER, REFUSALS, REFUSED_FOR, TRIES, Failing, why_dead

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MOMENT = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("lasted", "refusals", "answered", "insisted", "others", "dead"),
    [
        (DEAD_AFTER, 0, True, True, False, True),
        (DEAD_AFTER - MOMENT, 0, True, True, True, False),
        # Nobody answers and nothing arrives elsewhere either: it may be our own network.
        (DEAD_AFTER, 0, False, True, False, False),
        (DEAD_AFTER, 0, False, True, True, True),
        (REFUSED_FOR, REFUSALS, True, True, False, True),
        (REFUSED_FOR, REFUSALS - 1, True, True, False, False),
        # A burst that is refused, while somebody sets the receiver up.
        (REFUSED_FOR - MOMENT, 100, True, True, False, False),
        # A message now and days ago, none of them tried again.
        (DEAD_AFTER, TRIES - 1, True, False, True, False),
        (DEAD_AFTER, TRIES, True, False, True, True),
    ],
)
def test_it_takes_time_or_many_refusals(
    *, lasted: timedelta, refusals: int, answered: bool, insisted: bool, others: bool, dead: bool
) -> None:
    failing = Failing(NOW - lasted, refusals, others)
    how = {"answered": answered, "insisted": insisted}
    assert (why_dead(failing, **how, now=NOW, dead_after=DEAD_AFTER) is not None) is dead
    assert why_dead(failing, **how, now=NOW, dead_after=None) is None
