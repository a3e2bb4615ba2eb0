"""Runs of the kinds that the field has: healthy ones raise nothing serious, failing ones a fitting alert and few."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from numpy.random import Generator, default_rng

from tests.rules.curves import Curve
from tests.rules.failing_runs import FAILING
from tests.rules.staged_runs import STAGED
from tests.rules.support import report_of
from tests.rules.usual_runs import USUAL

SEEDS = range(5)
Kind = Callable[[Generator], Curve]


def serious(kind: Kind, seed: int) -> list[str]:
    """The codes of the serious alerts that are listed; no rule may raise."""
    run = kind(default_rng(seed))
    return [one.code for one in report_of(run.records, **run.declared).alerts if one.severity != "info"]


@pytest.mark.parametrize("kind", [*USUAL, *STAGED], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_healthy_run_is_left_alone(kind: Kind, seed: int) -> None:
    assert not serious(kind, seed)


@pytest.mark.parametrize(("kind", "families"), FAILING, ids=lambda value: getattr(value, "__name__", ""))
@pytest.mark.parametrize("seed", SEEDS)
def test_a_failing_run_is_seen_by_a_fitting_rule(kind: Kind, families: tuple[str, ...], seed: int) -> None:
    codes = serious(kind, seed)
    assert any(code.startswith(families) for code in codes)
    assert len(codes) <= 3
