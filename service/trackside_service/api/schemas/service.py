"""The service about itself."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trackside_service.api.schemas.base import Shown


class Alive(Shown):
    """The process answers."""

    status: Literal["ok"]
    version: str = Field(description="The version of the service.")


class Ready(Shown):
    """The database answers and has the right revision."""

    status: Literal["ready"]
