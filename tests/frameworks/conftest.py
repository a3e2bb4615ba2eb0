"""Like the client's tests: a receiver, no settings of the machine, short waits; and the service itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.conftest import environment, receiver
from tests.support.service import service
from trackside_service.storage import migrate
from trackside_service.storage.engine import open_engine

__all__ = ["environment", "receiver"]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The address of a service of the test's own."""
    database = f"sqlite:///{tmp_path / 'trackside.db'}"
    engine = open_engine(database)
    migrate.upgrade(engine)
    engine.dispose()
    with service(database) as address:
        yield address
