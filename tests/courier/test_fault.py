"""Small runs of `fault.py` and `sharing.py`: what dies loses nothing, and what does not die sends nothing twice."""

from __future__ import annotations

from tests.courier import fault, sharing


def test_nothing_is_lost_whatever_dies(database_url: str) -> None:
    found = fault.run(database_url, alerts=40, kills=4, seed=3, patience_s=120.0)
    assert found.good, (str(found), found)
    assert sum(found.kills.values()) == 4
    assert found.arrived - found.twice == found.expected == 80
    assert found.received > found.expected, "some were answered with something else"


def test_couriers_share_the_work_and_send_nothing_twice(database_url: str) -> None:
    found = sharing.run(database_url, alerts=150, patience_s=60.0)
    assert (found.received, found.twice) == (found.expected, 0), str(found)
    assert sum(found.of_each) == found.expected == 300
    assert min(found.of_each) > 0, str(found)
