"""A receiver for each test that asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened
