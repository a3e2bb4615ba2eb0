"""The defects that Trackside looks for."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import PlainTextResponse

from trackside_service.api import examples
from trackside_service.api.answers import MARKDOWN, TEXT
from trackside_service.api.documents import operation
from trackside_service.api.negotiation import preferred
from trackside_service.api.schemas.rules import RuleList, RuleShown
from trackside_service.domain.numbers import wire_safe
from trackside_service.errors import RuleNotFoundError
from trackside_service.rules import RULES, rule
from trackside_service.rules.base import Rule

router = APIRouter(prefix="/v1/rules", tags=["rules"])


@router.get(
    "",
    **operation(
        summary="List the rules",
        says="Every rule.",
        answer=RuleList,
        example={"items": [examples.RULE]},
        stored=False,
    ),
)
async def list_rules() -> Any:
    """Return every rule with its code, its severity and the parameters that a run may set."""
    return {"items": [_summary(each) for each in RULES]}


@router.get(
    "/{code}",
    **operation(
        summary="Read a rule's page",
        says="The rule. With `Accept: text/markdown`, its page alone.",
        answer=RuleShown,
        example={**examples.RULE, "page": "What it detects ..."},
        other={MARKDOWN: "What it detects ..."},
        problems=(RuleNotFoundError,),
        stored=False,
    ),
)
async def show_rule(
    request: Request,
    code: Annotated[str, Path(max_length=20, description="Such as LOSS001.", examples=["LOSS001"])],
) -> Any:
    """Return what a rule detects, why it matters, an example, what to try, where its defaults come from and how often
    they cry wolf.
    """
    found = rule(code.upper())
    kind = preferred(request.headers.get("accept"), ("application/json", MARKDOWN, TEXT))
    if kind in (MARKDOWN, TEXT):
        return PlainTextResponse(found.page.strip() + "\n", media_type=kind)
    return {**_summary(found), "page": found.page.strip()}


def _summary(each: Rule[Any, Any]) -> dict[str, Any]:
    return {
        "code": each.code,
        "name": each.name,
        "summary": each.summary,
        "severity": each.severity,
        "parameters": wire_safe(asdict(each.parameters())),
    }
