"""Real trainings with a fault planted are seen, healthy ones are left alone: docs/detection.md at one seed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.study.faults import FAULTS, HEALTHY, Planted
from tests.study.judging import judged
from tests.study.trainings import Plan


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums in one order, so that a seed is a training."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("plan", HEALTHY[::3], ids=lambda plan: plan.schedule.name)
def test_a_healthy_training_raises_nothing_serious(plan: Plan) -> None:
    for log in judged(plan, 1, undeclared=True):
        assert log.serious == [], log.form


@pytest.mark.parametrize("planted", FAULTS, ids=lambda planted: planted.title)
def test_a_planted_fault_is_seen(planted: Planted) -> None:
    logs = list(judged(planted.plans[0], 1, undeclared=False))
    assert any(log.first(planted.fitting) is not None for log in logs), [log.alerts for log in logs]
    assert all(len(log.serious) <= 3 for log in logs)
