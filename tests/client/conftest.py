"""A receiver for each test that asks, and an environment without the machine's own settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.environment import clean
from tests.client.processes import Process
from tests.client.receiver import Receiver
from tests.support.skips import pytest_make_collect_report, pytest_runtest_makereport
from trackside import _delivery

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No rank, no TRACKSIDE_ variable, a spool of the test's own (returned), and short waits between tries."""
    spool = tmp_path / "spool"
    wanted = clean(spool)
    for name in set(os.environ) - set(wanted):
        monkeypatch.delenv(name)
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(_delivery, "BASE_DELAY_S", 0.01)
    return spool


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    started = Receiver()
    yield started
    started.stop()


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process(tmp_path)
