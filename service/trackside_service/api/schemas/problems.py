"""The one shape of every refusal."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trackside_service.api.schemas.base import Shown


class ProblemFault(Shown):
    """One thing that is wrong."""

    in_: Literal["body", "query", "path", "header"] = Field(alias="in", description="The part of the request.")
    pointer: str = Field(description='A JSON pointer into that part; "" is the whole of it.')
    detail: str = Field(description="What is wanted there.")


class Problem(Shown):
    """Problem details (RFC 9457). `code` is stable: program against it, not against the words."""

    type: str = Field(description="A URN that names the kind of problem.")
    title: str = Field(description="The kind of problem, in words.")
    status: int = Field(description="The status of the answer.")
    detail: str = Field(description="What happened and what to change.")
    code: str = Field(description="The kind of problem, for programs.")
    instance: str = Field(description="This occurrence; the service's log names it too.")
    errors: list[ProblemFault] = Field(
        description="Each thing that is wrong; empty where there is nothing to point at."
    )
