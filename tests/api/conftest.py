"""A running service and a client that speaks to it, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

import httpx
import pytest
from tests.support.service import service

from trackside_service.channels import Targets

LOOPBACK = Targets((ip_network("127.0.0.0/8"),))
SECRET_KEY = "A" * 43 + "="


@pytest.fixture
def service_url(database_url: str) -> Iterator[str]:
    """The address of a service without a key, over a fresh database."""
    with service(database_url, allow_targets=LOOPBACK, secret_key=SECRET_KEY) as url:
        yield url


@pytest.fixture
def api(service_url: str) -> Iterator[httpx.Client]:
    """A client of that service."""
    with httpx.Client(base_url=service_url, timeout=30) as client:
        yield client
