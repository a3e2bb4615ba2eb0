"""What all models share: unknown fields are refused, `false` is no number, and a number may be one of three words."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

Severity: TypeAlias = Literal["info", "warning", "critical"]
Health: TypeAlias = Literal["ok", "info", "warning", "critical"]
RunStatus: TypeAlias = Literal["running", "finished", "failed", "killed"]

WireNumber = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}],
            "description": 'A number, or "NaN", "Infinity", "-Infinity".',
        }
    ),
]
JsonObject = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": True})]
MetricName = Annotated[str, Field(min_length=1, max_length=200)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


def _time(value: object) -> object:
    """JSON has no times: they come as text."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _id(value: object) -> object:
    """Nor has it ids."""
    try:
        return UUID(value) if isinstance(value, str) else value
    except ValueError:
        return value


Time = Annotated[AwareDatetime, BeforeValidator(_time)]
Id = Annotated[UUID, BeforeValidator(_id)]


class Body(BaseModel):
    """A request's body, or an object inside it."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=True)


class Shown(BaseModel):
    """An answer, or an object inside it."""

    model_config = ConfigDict(extra="forbid")


class Place(Shown):
    """A place in the run, as its log counts it."""

    step: int | None = Field(description="Optimizer updates.")
    epoch: float | None = Field(description="The epoch as reported; may be fractional.")
