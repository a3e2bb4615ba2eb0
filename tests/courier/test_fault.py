"""A small run of `fault.py`: kills and a receiver's every mood, and still each alert arrives under one id."""

from __future__ import annotations

from tests.courier import fault


def test_nothing_is_lost_whatever_dies(database_url: str) -> None:
    found = fault.run(database_url, alerts=20, kills=2, seed=3, patience_s=120.0)
    assert found.good, (str(found), found)
    assert sum(found.kills.values()) == 2
    assert found.arrived - found.twice == found.expected == 40
    assert found.received > found.expected, "some were answered with something else"
