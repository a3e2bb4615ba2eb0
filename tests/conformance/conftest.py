"""A cause search that raises costs no verdict, but it is a bug: it fails the test in which it did."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

SELECTION = "trackside_service.conformance.causes.selection"


@pytest.fixture
def failing_search() -> None:
    """Say that the test lets a search fail on purpose."""


@pytest.fixture(autouse=True)
def no_search_failed(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    if "failing_search" not in request.fixturenames:
        for when in ("setup", "call"):
            assert [record for record in caplog.get_records(when) if record.name == SELECTION] == []
