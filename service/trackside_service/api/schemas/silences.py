"""Silences: what nobody is told of for a while."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BeforeValidator, Field, WithJsonSchema

from trackside_service.api.schemas.base import Body, Name, Severity, Shown, Time
from trackside_service.domain.findings import SEVERITIES

MAX_VALUES: Final = 100


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _values(**value: Any) -> WithJsonSchema:
    one = {"type": "string", **value}
    several = {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_VALUES}
    return WithJsonSchema({"anyOf": [one, several]})


_LISTED: Final = BeforeValidator(_as_list)
_FEW: Final = Field(min_length=1, max_length=MAX_VALUES)
Names = Annotated[list[Name], _LISTED, _FEW, _values(minLength=1, maxLength=200)]
Severities = Annotated[list[Severity], _LISTED, _FEW, _values(enum=list(SEVERITIES))]


class MatchersBody(Body):
    """What an alert has to be, in every field that is given: one value, or a list of which one fits."""

    project: Names | None = Field(None, description="The run's project.")
    run: Names | None = Field(None, description="The run's id, or its name.")
    tag: Names | None = Field(None, description="One of the run's tags.")
    code: Names | None = Field(None, description="A rule's code (LOSS001), or a family (LOSS).")
    severity: Severities | None = Field(None, description="As the alert has it.")


class SilenceBody(Body):
    """The body of POST /v1/silences."""

    matchers: MatchersBody = Field(description="Which alerts: at least one field, and all that are given have to fit.")
    until: Time = Field(description="When it expires: a time ahead.")
    by: Name | None = Field(None, description="Who makes it.")
    note: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")] | None = Field(None, description="Why.")


class MatchersShown(Shown):
    """What an alert has to be, in every field; an empty list is no condition."""

    project: list[str] = Field(description="The run's project.")
    run: list[str] = Field(description="The run's id, or its name.")
    tag: list[str] = Field(description="One of the run's tags.")
    code: list[str] = Field(description="A rule's code, or a family.")
    severity: list[Severity] = Field(description="As the alert has it.")


class SilenceShown(Shown):
    """A silence."""

    id: UUID = Field(description="The silence's id.")
    matchers: MatchersShown = Field(description="Which alerts.")
    until: datetime = Field(description="When it expires, or was ended.")
    active: bool = Field(description="Whether it is still ahead of that.")
    created_at: datetime = Field(description="When it was made.")
    by: str | None = Field(description="Who made it.")
    note: str | None = Field(description="Why.")


class Unmatched(Shown):
    """A value of a matcher that is of no run so far."""

    pointer: str = Field(description="Where it is in the silence, as a JSON pointer.")
    detail: str = Field(description="What is missing, and the nearest that there is.")


class Matching(Shown):
    """What a silence matches at the moment."""

    runs: int = Field(description="The runs that fit its matchers on project, run and tag.")
    alerts: int = Field(description="The open alerts that fit all of them.")
    unmatched: list[Unmatched] = Field(description="Values that no run has so far: ahead of their runs, or mistyped.")


class SilenceWithMatches(SilenceShown):
    """A silence, and what it matches at the moment."""

    matching: Matching = Field(description="What it matches at the moment.")


class SilencePage(Shown):
    """A page of silences, the latest first."""

    items: list[SilenceShown] = Field(description="The silences.")
    next_cursor: str | None = Field(description="For the next page; null on the last.")
