"""The format of a log's numbers, inferred over the whole of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from trackside_service.conformance.printing import PrintFormat, PrintStats, deviations, read_print


def inferred(values: Sequence[float], texts: Sequence[str | None] = ()) -> PrintFormat:
    stats = PrintStats()
    for value, text in zip(values, texts or [None] * len(values), strict=True):
        stats = stats.seen(read_print(value, text))
    return stats.format()


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


def test_a_lone_digit_is_taken_for_two() -> None:
    (half,) = inferred([3e-5]).half_widths(np.array([3e-5]), 0.0)
    assert half == pytest.approx(5e-7, rel=0.01)


def test_a_text_that_is_no_number_is_passed_over() -> None:
    for text in ("lr", "", ".", "1e", "0x10", "9" * 100, "nan"):
        assert read_print(0.25, text).value == 0.25
    assert read_print(0.0003, " 3.0e-04 ").significant == 2


def test_what_a_point_excludes_is_monotone_in_the_format() -> None:
    rng = np.random.default_rng(0)
    values = np.round(10.0 ** rng.uniform(-6, 0, 300), 6)
    expected = values * rng.uniform(0.8, 1.2, 300)
    by_digits, by_decimals, full = deviations(values, expected, 1.0)
    for index, value in enumerate(values):
        key = (int(by_digits[index]), int(by_decimals[index]), int(full[index]))
        gap = abs(value - expected[index])
        for style in ("significant", "fixed", "either", "full"):
            for digits in range(2, 8):
                for decimals in range(1, 12):
                    shown = PrintFormat(style, digits, decimals)  # type: ignore[arg-type]
                    (half,) = shown.half_widths(values[index : index + 1], 1.0)
                    assert shown.explains(key) == (gap <= half)
