"""The written retry schedule."""

from __future__ import annotations

from random import Random

import pytest

from trackside_service.backoff import (
    JITTER,
    LONGEST_PAUSE,
    LONGEST_UNTOLD_PAUSE,
    STANDARD_WEBHOOKS,
    delay,
    parse_schedule,
    pause,
)
from trackside_service.errors import InvalidInputError


def test_the_default_is_the_schedule_of_standard_webhooks() -> None:
    total = sum(STANDARD_WEBHOOKS)
    assert (len(STANDARD_WEBHOOKS), total) == (10, 75 * 3600 + 35 * 60 + 5)


def test_delays_follow_the_schedule_with_jitter_that_only_adds() -> None:
    rng = Random(7)
    for attempt, base in enumerate(STANDARD_WEBHOOKS, start=1):
        waits = [delay(attempt, STANDARD_WEBHOOKS, rng) for _ in range(200)]
        assert all(wait is not None and base <= wait <= base * (1 + JITTER) for wait in waits)
        assert base == 0 or len(set(waits)) > 100
    assert delay(len(STANDARD_WEBHOOKS) + 1, STANDARD_WEBHOOKS, rng) is None


def test_retry_after_lengthens_and_never_shortens() -> None:
    rng = Random(7)
    assert delay(2, (0, 5), rng, retry_after=120) == 120
    assert delay(2, (0, 5), rng, retry_after=1) >= 5  # type: ignore[operator]
    assert delay(2, (0, 5), rng, retry_after=10**9) == LONGEST_PAUSE
    assert delay(3, (0, 5), rng, retry_after=120) is None


def test_attempts_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="from 1"):
        delay(0, STANDARD_WEBHOOKS, Random(7))


def test_a_schedule_is_read() -> None:
    assert parse_schedule("0, 5,300.5") == (0, 5, 300.5)


@pytest.mark.parametrize("text", ["", "a", "0,,5", "-1", "nan", "inf", ",".join(["1"] * 101)])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="retry schedule"):
        parse_schedule(text)


def test_a_channel_that_has_too_much_is_left_alone_for_as_long_as_it_asks() -> None:
    assert pause(30.0, 5.0) == 30
    assert pause(0.0, 5.0) == 0
    assert pause(1e9, 5.0) == LONGEST_PAUSE
    assert pause(None, 5.0) == 5
    assert pause(None, 7200.0) == pause(None, None) == LONGEST_UNTOLD_PAUSE
