"""Durations in words."""

from __future__ import annotations

import pytest

from trackside_service.domain.durations import spoken


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.25, "0.25 seconds"),
        (1, "1 second"),
        (45.4, "45 seconds"),
        (60, "1 minute"),
        (61, "1 minute 1 second"),
        (4800, "1 hour 20 minutes"),
        (3605, "1 hour"),
        (86400 + 7200 + 60, "1 day 2 hours"),
    ],
)
def test_two_units_at_most(seconds: float, words: str) -> None:
    assert spoken(seconds) == words
