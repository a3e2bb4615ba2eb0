"""When a message that could not be delivered is tried again, by the written retry schedule (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import Final

from trackside_service.errors import InvalidInputError

# Seconds before each attempt, counted from the one before it: the schedule of Standard Webhooks 1.0.0,
# "Deliverability and reliability". Ten attempts over 75 hours and 35 minutes.
STANDARD_WEBHOOKS: Final[tuple[float, ...]] = (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
# Up to this share of a delay is added, so that messages which failed together do not come back together.
JITTER: Final = 0.1
# A receiver's Retry-After is honoured up to a day: it may slow us down, not silence us.
LONGEST_PAUSE: Final[float] = 86400
# A receiver that has too much (429) and does not say for how long is left alone until the message is tried again, but
# no longer than this.
LONGEST_UNTOLD_PAUSE: Final[float] = 60
_MOST_ATTEMPTS: Final = 100


def parse_schedule(text: str) -> tuple[float, ...]:
    """Read `TRACKSIDE_RETRY_SCHEDULE`: seconds before each attempt after the one before it, separated by commas.

    The number of entries is the number of attempts. Raises `InvalidInputError` on anything but 1 to 100 finite
    numbers, 0 or more.
    """
    try:
        schedule = tuple(float(part) for part in text.split(","))
    except ValueError:
        schedule = ()
    if not schedule or len(schedule) > _MOST_ATTEMPTS or any(not math.isfinite(each) or each < 0 for each in schedule):
        raise InvalidInputError(
            f"a retry schedule is 1 to {_MOST_ATTEMPTS} numbers of seconds, separated by commas: 0,5,300,1800"
        )
    return schedule


def delay(attempt: int, schedule: Sequence[float], rng: Random, *, retry_after: float | None = None) -> float | None:
    """Return the seconds to wait before attempt number `attempt` (the first is 1), or None where the schedule has
    no such attempt.

    The scheduled delay grows by up to `JITTER` of itself and never shrinks. `retry_after` (seconds, what the
    receiver asked for) lengthens it, up to `LONGEST_PAUSE`. Raises `ValueError` on an attempt below 1.
    """
    if attempt < 1:
        raise ValueError("attempts are counted from 1")
    if attempt > len(schedule):
        return None
    wait = schedule[attempt - 1] * (1 + JITTER * rng.random())
    return max(wait, min(retry_after or 0.0, LONGEST_PAUSE))


def pause(retry_after: float | None, wait: float | None) -> float:
    """Return the seconds for which a channel that has too much (429) is left alone: what it asked for, up to
    `LONGEST_PAUSE`; else `wait`, that of the message (None: it is given up), up to `LONGEST_UNTOLD_PAUSE`.
    """
    if retry_after is not None:
        return min(retry_after, LONGEST_PAUSE)
    return LONGEST_UNTOLD_PAUSE if wait is None else min(wait, LONGEST_UNTOLD_PAUSE)
