"""The service about itself."""

from __future__ import annotations

from typing import Literal

from trackside_service.api.schemas.base import Shown


class Alive(Shown):
    """The process answers."""

    status: Literal["ok"]
    version: str


class Ready(Shown):
    """The database answers and has the right revision."""

    status: Literal["ready"]
