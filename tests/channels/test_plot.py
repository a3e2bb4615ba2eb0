"""The text plot of the learning rate."""

from __future__ import annotations

import math
import textwrap

from trackside_service.channels.plot import HEIGHT, WIDTH, plot


def test_expected_and_observed_on_a_linear_axis() -> None:
    at = [float(step) for step in range(11)]
    expected = [0.1 - 0.005 * step for step in at]
    observed = [rate if step < 5 else 0.075 for step, rate in zip(at, expected, strict=True)]
    assert plot(at, expected, observed, width=21, height=11) == textwrap.dedent(
        """\
         0.1 |@
             |  @
             |    @
             |      @
             |        @
             |          @ o o o o o
             |            ·
             |              ·
             |                ·
             |                  ·
        0.05 |                    ·
             +---------------------
              step 0             10
        · expected  o observed  @ both"""
    )


def test_a_constant_factor_shows_on_a_logarithmic_axis() -> None:
    text = plot([1, 2, 3], [0.1, 0.01, 0.001], [0.01, 0.001, 0.0001], unit="epoch", width=9, height=4)
    assert text == textwrap.dedent(
        """\
           0.1 |·
               |o   ·
               |    o   ·
        0.0001 |        o
               +---------
                epoch 1 3
        · expected  o observed  @ both  (log scale)"""
    )


def test_it_is_small_whatever_it_is_given() -> None:
    text = plot(range(5000), [1e-3] * 5000, [math.sin(step / 99) + 2 for step in range(5000)])
    lines = text.splitlines()
    assert len(lines) == HEIGHT + 3
    assert max(len(line) for line in lines) <= WIDTH + 14


def test_what_cannot_be_drawn_is_left_out() -> None:
    assert plot([], [], []) == ""
    assert plot([1], [0.1], [0.1]) == ""
    assert plot([1, 2], [None, math.nan], [math.inf, None]) == ""
    assert plot([math.nan, 2], [0.1, 0.1], [0.1, 0.1]) == ""
    assert "o" in plot([1, 2, 3], [None, None, None], [0.1, math.nan, 0.0])
    assert plot([1, 2], [0.0, 0.0], [0.0, 0.0]).splitlines()[0].startswith("0 |@")
    assert plot([1, 1], [0.1, 0.2], [0.1, 0.2])
