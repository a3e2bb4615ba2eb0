"""Like the client's tests: a receiver, no settings of the machine, short waits."""

from __future__ import annotations

from tests.client.conftest import environment, receiver

__all__ = ["environment", "receiver"]
