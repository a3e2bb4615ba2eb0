"""One value an epoch, however often a metric is reported."""

from __future__ import annotations

import json

from trackside_service.rules.epoch_values import EMPTY, dump_filling, gather, load_filling


def gathered(places: list[tuple[int | None, float | None]], steps_per_epoch: int | None = None) -> list[float]:
    filling, values = EMPTY, []
    for value, place in enumerate(places):
        filling, done = gather(filling, float(value), place, steps_per_epoch)
        assert load_filling(json.loads(json.dumps(dump_filling(filling)))) == filling
        values += [] if done is None else [done[0]]
    return values


def test_a_summary_speaks_at_once() -> None:
    assert gathered([(None, 1.0), (None, 2.0), (None, 3.0)]) == [0.0, 1.0, 2.0]


def test_several_an_epoch_are_their_mean_when_the_next_begins() -> None:
    assert gathered([(0, 0.0), (1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0)]) == [0.5, 2.5]
    assert gathered([(None, 0.1), (None, 0.6), (None, 1.1)]) == [0.5]
    assert gathered([(0, None), (1, None), (2, None), (3, None), (4, None)], 2) == [0.5, 2.5]


def test_without_an_epoch_there_is_none() -> None:
    assert gathered([(0, None), (1, None), (2, None)]) == []
