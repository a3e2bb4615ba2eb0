"""The real client and the real service, on a fresh database of either kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.client.conftest import environment
from tests.support.service import service

__all__ = ["environment"]


@pytest.fixture
def url(database_url: str) -> Iterator[str]:
    """The address of a service."""
    with service(database_url) as address:
        yield address
