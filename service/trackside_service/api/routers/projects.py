"""Projects: how their runs want the rules."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool

from trackside_service import detection
from trackside_service.api import examples
from trackside_service.api.bodies import read_json
from trackside_service.api.context import Context, context
from trackside_service.api.documents import operation
from trackside_service.api.pages import TEXT_PATTERN
from trackside_service.api.schemas.rules import ProjectRules, ProjectRulesBody
from trackside_service.api.validation import validate
from trackside_service.domain.declarations import parse_rules
from trackside_service.domain.declared import declared_rules
from trackside_service.domain.runs import RuleSetting
from trackside_service.errors import BusyError
from trackside_service.storage import project_rules
from trackside_service.storage.engine import read_transaction, write_transaction

router = APIRouter(prefix="/v1/projects", tags=["rules"])
Project = Annotated[
    str,
    Path(min_length=1, max_length=200, pattern=TEXT_PATTERN, description="As its runs name it.", examples=["vision"]),
]
_SHOWN = {
    "project": "vision",
    "rules": {
        "ACC001": {"enabled": True, "severity": "warning", "params": {"share": 0.4}},
        "LR003": {"enabled": False, "severity": None, "params": {}},
    },
}


# A project's name may hold slashes.
@router.get(
    "/{project:path}/rules",
    **operation(
        summary="Read a project's settings of the rules",
        says="The settings; none where nothing was set.",
        answer=ProjectRules,
        example=_SHOWN,
    ),
)
def read_project_rules(request: Request, project: Project) -> Any:
    """Return how the runs of a project want the rules, where they differ from the rules' own defaults."""
    with read_transaction(context(request).engine) as connection:
        return _shown(project, project_rules.get(connection, project))


@router.put(
    "/{project:path}/rules",
    **operation(
        summary="Set the rules for a project",
        says="The settings as they stand now.",
        answer=ProjectRules,
        example=_SHOWN,
        body=ProjectRulesBody,
        bodies={"one weaker, one off": examples.PROJECT_RULES},
        problems=(BusyError,),
    ),
)
async def set_project_rules(request: Request, project: Project) -> Any:
    """Replace a project's settings of the rules: severity, parameters, or off.

    They hold for runs that are opened from now on; a run keeps the settings that it was opened under, also when it
    resumes. What a run says under its own `rules` goes before them.
    """
    body = await read_json(request)
    validate(ProjectRulesBody, body)
    rules = parse_rules(body["rules"])
    detection.check_settings(rules)
    return await run_in_threadpool(_save, context(request), project, rules)


def _save(here: Context, project: str, rules: dict[str, RuleSetting]) -> dict[str, Any]:
    with write_transaction(here.engine) as connection:
        project_rules.save(connection, project, rules, now=here.now())
    return _shown(project, rules)


def _shown(project: str, rules: dict[str, RuleSetting]) -> dict[str, Any]:
    return {"project": project, "rules": declared_rules(rules)}
