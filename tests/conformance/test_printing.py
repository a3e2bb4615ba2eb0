"""The format of a log's numbers, inferred over the whole of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from trackside_service.conformance.print_stats import PrintStats
from trackside_service.conformance.printing import PrintFormat, deviations, read_print


def seen(values: Sequence[float], texts: Sequence[str | None] = ()) -> PrintStats:
    stats = PrintStats()
    for value, text in zip(values, texts or [None] * len(values), strict=True):
        stats = stats.seen(read_print(value, text))
    return stats


def coarsest(values: Sequence[float], texts: Sequence[str | None] = ()) -> PrintFormat:
    return seen(values, texts).coarsest()


def inferred(values: Sequence[float], texts: Sequence[str | None] = ()) -> PrintFormat:
    return seen(values, texts).format()


@pytest.mark.parametrize(
    ("form", "style", "digits", "decimals"),
    [
        ("%.6f", "fixed", None, 6),
        ("%.2e", "significant", 3, None),
        ("%.1e", "significant", 2, None),
        ("%r", "full", None, None),
    ],
)
def test_texts_show_their_format(form: str, style: str, digits: int | None, decimals: int | None) -> None:
    lrs = [0.003 * (1 + math.cos(t / 7)) / 2 for t in range(20)]
    texts = [form % lr for lr in lrs]
    shown = inferred([float(text) for text in texts], texts)
    assert shown.style == style
    assert digits in (None, shown.digits)
    assert decimals in (None, shown.decimals)


def test_floats_show_fixed_decimals_by_sharing_the_last_one() -> None:
    assert inferred([0.002, 0.001995, 0.001978]).style == "fixed"
    assert inferred([0.002, 0.001995, 0.001978]).decimals == 6
    assert inferred([0.0003, 0.0003]).style == "either"
    assert inferred([1e-5, 1 / 3e4]).style == "full"


def test_a_lone_digit_is_taken_for_two_and_known_to_be_worth_one() -> None:
    (half,) = inferred([3e-5]).half_widths(np.array([3e-5]), 0.0)
    assert half == pytest.approx(5e-7, rel=0.01)
    (half,) = coarsest([3e-5]).half_widths(np.array([3e-5]), 0.0)
    assert half == pytest.approx(5e-6, rel=0.01)


def test_a_power_of_ten_in_one_digit_reaches_less_far_down_than_up() -> None:
    shown = inferred([0.001], ["1e-03"])
    assert (shown.style, shown.digits) == ("significant", 1)
    values, tried = np.array([0.001, 0.001]), np.array([0.0009, 0.0011])
    assert shown.half_widths(values, 0.0, tried) == pytest.approx([5e-5, 5e-4], rel=0.01)
    by_digits, _, _ = deviations(values, np.array([0.00094, 0.00149]), 0.0)
    assert [shown.explains((int(key), 13, 1)) for key in by_digits] == [False, True]


@pytest.mark.parametrize(
    ("values", "texts", "style", "digits", "decimals"),
    [
        ([0.001] * 5, (), "fixed", 1, 3),  # the number itself, or %.3f, or one digit
        ([0.1] * 5, (), "fixed", 1, 2),  # nobody prints an LR with one decimal
        ([0.1] * 5, ["0.1"] * 5, "fixed", 1, 1),  # but where it stands so, it is taken at its word
        ([0.0] * 5, (), "fixed", 1, 2),
        ([0.1, 0.01, 0.001], (), "fixed", 1, 3),
        ([0.01, 0.009], (), "fixed", 1, 3),
        ([0.0012, 0.00098], (), "fixed", 2, 5),
        ([1e-5, 2e-5], ["1e-05", "2e-05"], "fixed", 1, 5),  # %.0e, or str(round(lr, 5))
        ([1e-5, 2e-5], ["1.0e-05", "2.0e-05"], "significant", 2, 6),
        ([0.01, 0.02], ["0.010", "0.020"], "fixed", 0, 3),
        ([0.1, 1 / 3], (), "full", 16, 16),
        ([float(np.float32(0.001))], (), "full", 17, 19),
        ([float(np.float16(0.001))], (), "fixed", 3, 7),
        ([0.010009765625, 0.0087890625], (), "fixed", 2, 7),  # bfloat16
    ],
)
def test_the_coarsest_way_in_which_a_log_may_be_meant(
    values: Sequence[float], texts: Sequence[str], style: str, digits: int, decimals: int
) -> None:
    shown = coarsest(values, texts)
    assert (shown.style, shown.digits, shown.decimals) == (style, digits, decimals)


def test_a_text_that_is_no_number_is_passed_over() -> None:
    for text in ("lr", "", ".", "1e", "0x10", "9" * 100, "nan", "2,5e-1", "0.25 x"):
        assert read_print(0.25, text).value == 0.25
    assert read_print(0.0003, " 3.0e-04 ").significant == 2
    assert read_print(0.0003, "+3.00E-4\n").significant == 3


def test_what_a_point_excludes_is_monotone_in_the_format() -> None:
    rng = np.random.default_rng(0)
    values = np.round(10.0 ** rng.uniform(-6, 0, 300), 6)
    expected = values * rng.uniform(0.8, 1.2, 300)
    by_digits, by_decimals, full = deviations(values, expected, 1.0)
    for index, value in enumerate(values):
        key = (int(by_digits[index]), int(by_decimals[index]), int(full[index]))
        gap = abs(value - expected[index])
        for style in ("significant", "fixed", "either", "full"):
            for digits in range(2 if style == "either" else 1, 8):
                for decimals in range(1, 12):
                    shown = PrintFormat(style, digits, decimals)  # type: ignore[arg-type]
                    (half,) = shown.half_widths(values[[index]], 1.0, expected[[index]])
                    assert shown.explains(key) == (gap <= half)
