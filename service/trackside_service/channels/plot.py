"""A small text plot of the expected against the observed learning rate (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

WIDTH: Final = 44
HEIGHT: Final = 9
_EXPECTED: Final = "·"
_OBSERVED: Final = "o"
_BOTH: Final = "@"
# Beyond this factor between the largest and the smallest rate, only a logarithmic axis shows both.
_LOG_FROM: Final = 20.0


def plot(
    at: Sequence[float],
    expected: Sequence[float | None],
    observed: Sequence[float | None],
    *,
    unit: str = "step",
    width: int = WIDTH,
    height: int = HEIGHT,
) -> str:
    """Return lines of text: `·` expected, `o` observed, `@` both at one place.

    `at` are the places (steps or epochs, as `unit` says), `expected` and `observed` the rates there, of the same
    length; None or a non-finite rate leaves its place empty. The axis is logarithmic where the rates span a factor
    of 20 or more. Returns "" where there are not at least two places with a rate.
    """
    rows = [
        (float(x), _drawable(e), _drawable(o))
        for x, e, o in zip(at, expected, observed, strict=True)
        if math.isfinite(x)
    ]
    rates = [rate for _, e, o in rows for rate in (e, o) if rate is not None]
    if len(rows) < 2 or not rates:
        return ""
    positive = [rate for rate in rates if rate > 0]
    logarithmic = bool(positive) and max(positive) / min(positive) >= _LOG_FROM
    floor = min(positive) if logarithmic else min(rates)

    def scaled(rate: float) -> float:
        return math.log10(max(rate, floor)) if logarithmic else rate

    low, high = scaled(min(rates)), scaled(max(rates))
    first, last = min(x for x, _, _ in rows), max(x for x, _, _ in rows)
    grid = [[" "] * width for _ in range(height)]

    def put(x: float, rate: float | None, mark: str) -> None:
        if rate is None:
            return
        column = 0 if last == first else round((x - first) / (last - first) * (width - 1))
        row = 0 if high == low else round((high - scaled(rate)) / (high - low) * (height - 1))
        there = grid[row][column]
        grid[row][column] = mark if there in (" ", mark) else _BOTH

    for x, e, _ in rows:
        put(x, e, _EXPECTED)
    for x, _, o in rows:
        put(x, o, _OBSERVED)

    labels = [""] * height
    labels[0], labels[-1] = f"{max(rates):.3g}", f"{min(rates):.3g}"
    margin = max(len(label) for label in labels)
    lines = [f"{label:>{margin}} |{''.join(row).rstrip()}" for label, row in zip(labels, grid, strict=True)]
    left, right = f"{unit} {first:g}", f"{last:g}"
    lines.append(" " * margin + " +" + "-" * width)
    lines.append(" " * (margin + 2) + left + right.rjust(max(len(right) + 1, width - len(left))))
    lines.append(f"{_EXPECTED} expected  {_OBSERVED} observed  {_BOTH} both" + ("  (log scale)" if logarithmic else ""))
    return "\n".join(lines)


def _drawable(rate: float | None) -> float | None:
    return rate if rate is not None and math.isfinite(rate) else None
