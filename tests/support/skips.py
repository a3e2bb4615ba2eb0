"""In CI a skipped test is a failure: what is meant to run must not fall silent because something is not there.

A `conftest.py` takes part by importing both hooks. Outside CI a skip stays a skip. An expected failure is none.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest


def _refuse(report: Any) -> None:
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure in CI: {reason}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Turn a skipped test into a failed one."""
    outcome = yield
    _refuse(outcome.get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, None]:
    """Turn a module that skips itself into one that cannot be collected."""
    outcome = yield
    _refuse(outcome.get_result())
