"""Maps applied one after another: many at once, and to the last digit what one by one gives."""

from __future__ import annotations

import numpy as np
import pytest

from trackside_service.schedules.frameworks.torch import recursion


@pytest.mark.parametrize(
    "adding", [(), (0,), (4_999,), (7, 8, 9), (1_000, 3_000), tuple(range(0, 5_000, 11)), tuple(range(0, 5_000, 2))]
)
def test_products_round_as_the_real_classes_do(adding: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    scale, shift = rng.uniform(0.99, 1.01, 5_000), np.zeros(5_000)
    shift[list(adding)] = 0.01
    lr, expected = 0.1, [0.1]
    for a, b in zip(scale.tolist(), shift.tolist(), strict=True):
        lr = a * lr + b
        expected.append(lr)
    assert recursion._applied(scale, shift, 0.1).tolist() == expected


@pytest.mark.parametrize("count", [16_384, 16_385, 16_387, 17_000, 60_000])
def test_very_many_maps_that_add_are_composed_to_nearly_what_one_by_one_gives(count: int) -> None:
    rng = np.random.default_rng(count)
    scale, shift = rng.uniform(0.99, 1.01, count), rng.uniform(-1e-3, 1e-3, count)
    lr, expected = 0.1, [0.1]
    for a, b in zip(scale.tolist(), shift.tolist(), strict=True):
        lr = a * lr + b
        expected.append(lr)
    got = recursion._applied(scale, shift, 0.1)
    assert got[: 16_384 + 1].tolist() == expected[: 16_384 + 1]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_what_raises_is_not_known_from_there_on() -> None:
    scale, shift = np.full(20, 0.9), np.zeros(20)
    scale[12:] = shift[12:] = np.nan
    lrs = recursion._applied(scale, shift, 1.0)
    assert np.isnan(lrs).tolist() == [False] * 13 + [True] * 8
