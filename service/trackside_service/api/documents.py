"""How a route documents itself, and how the OpenAPI document is put together from that: no leftovers of the
framework's defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from trackside_service import errors
from trackside_service.api import errors as api_errors
from trackside_service.api.problems import MEDIA_TYPE, status_of
from trackside_service.api.schemas import ANSWERS, BODIES
from trackside_service.api.schemas.declared import schedule_schema
from trackside_service.api.security import READS
from trackside_service.errors import Fault, TracksideError

_REF: Final = "#/components/schemas/{model}"
_EVERYWHERE: Final[tuple[type[TracksideError], ...]] = (
    api_errors.NotAuthenticatedError,
    api_errors.WrongHostError,
    api_errors.InternalError,
)
_OF_BODIES: Final[tuple[type[TracksideError], ...]] = (
    api_errors.MalformedBodyError,
    api_errors.BodyTooLargeError,
    api_errors.UnsupportedMediaError,
    api_errors.UnsupportedEncodingError,
    errors.InvalidInputError,
)
_DETAILS: Final[Mapping[str, str]] = {
    "not_authenticated": "Send the key as 'Authorization: Bearer <key>', or as the password of Basic.",
    "wrong_host": "No key is set, so only requests to 127.0.0.1, [::1] or localhost are answered.",
    "internal_error": "An error that nobody foresaw. The service's log has the details.",
    "malformed_json": "The body is not JSON: expected value at line 1 column 10.",
    "cross_origin": "The page that sent this request is not Trackside's own.",
    "body_too_large": "A body may have 33554432 bytes, unpacked; send the records in several posts.",
    "unsupported_media_type": "Send the body with 'Content-Type: application/json'.",
    "unsupported_encoding": "Send the body with 'Content-Encoding: gzip', or without compression.",
    "invalid_input": '/totl_epochs: is not a known field; did you mean "total_epochs"?',
    "invalid_schedule": "/schedule/params: max_lr is needed.",
    "target_refused": "The address is on a private network.",
    "storage_unavailable": "The database does not answer; nothing was stored. Try again soon.",
    "busy": "Too many posts are waiting. Try again after a moment.",
    "run_unhealthy": "The run's health is critical.",
    "run_ended": "The run is finished already and stays so; a PUT with a new process.id reopens it.",
    "alert_resolved": "The alert is resolved: there is nothing to take in hand any more.",
    "run_conflict": "The run exists with another configuration; announce a new process to change it.",
}

_OF_PARAMETERS: Final = Fault("/limits", 'is not a known parameter; did you mean "limit"?')

TAGS: Final = (
    ("runs", "Open a run, report to it, end it, find it again."),
    ("records", "What a run reported: as pages, as a stream, or thinned for a plot."),
    ("health", "How a run is, and what its learning rate does against its schedule."),
    ("schedules", "What a schedule does, and why a log differs from it. Nothing is stored."),
    ("check", "Replay a finished log through the same rules. Nothing is stored."),
    ("rules", "The defects that Trackside looks for."),
    ("alerts", "What was found, and who has it in hand."),
    ("silences", "What nobody is told of for a while."),
    ("channels", "Where alerts are sent, and what became of each message."),
    ("service", "Is it alive, is it ready, how is it doing."),
)
_DESCRIPTION: Final = """\
Trackside watches training runs from the side of the track: a job reports its metrics, Trackside compares the learning
rate with the schedule that was configured, names what went wrong, and tells people.

* JSON in and out. Numbers that JSON lacks travel as `"NaN"`, `"Infinity"`, `"-Infinity"`; bare `NaN` tokens are
  accepted.
* Unknown fields and unknown query parameters are refused, with the nearest known name.
* Every refusal is a problem (RFC 9457, `application/problem+json`) with a stable `code`.
* A body may be compressed: `Content-Encoding: gzip`.
* Lists are pages: pass `next_cursor` as `cursor`. Times are RFC 3339 in UTC.
* With a key set (`TRACKSIDE_ADMIN_KEY`), send it as `Authorization: Bearer <key>`, or as Basic's password. Without
  one, only requests to the loopback interface are answered.
"""


def operation(
    *,
    summary: str,
    says: str,
    answer: type[BaseModel] | None = None,
    example: Any = None,
    status: int = 200,
    also: Mapping[int, str] | None = None,
    other: Mapping[str, str] | None = None,
    body: type[BaseModel] | None = None,
    bodies: Mapping[str, Any] | None = None,
    body_required: bool = True,
    problems: Sequence[type[TracksideError]] = (),
    refused: Mapping[int, Mapping[str, str]] | None = None,
    stored: bool = True,
    is_open: bool = False,
) -> dict[str, Any]:
    """Return the keyword arguments that document a route.

    `says` describes the answer, `answer` and `example` show it, `other` are examples in further media types, `also`
    further statuses with the same answer. `body` and `bodies` (by name) describe the request's, which may be left out
    where it is not `body_required`. `problems` are the refusals beyond those that every route has: those of a body, of
    parameters, of the database (`stored`); `refused` are examples in further media types by their status.
    """
    refusals = [*problems]
    refusals += [] if is_open else _EVERYWHERE
    refusals += [api_errors.InternalError] if is_open else []
    refusals += _OF_BODIES if body else []
    refusals += [] if body else [api_errors.InvalidParameterError]
    refusals += [errors.StorageUnavailableError] if stored else []
    responses: dict[int | str, dict[str, Any]] = {}
    content: dict[str, Any] = {}
    if answer is not None:
        content["application/json"] = {"schema": {"$ref": _REF.format(model=answer.__name__)}}
        if example is not None:
            content["application/json"]["example"] = example
    for media_type, text in (other or {}).items():
        content[media_type] = {"schema": {"type": "string"}, "example": text}
    for each, words in {status: says, **(also or {})}.items():
        responses[each] = {"description": words, **({"content": content} if content else {})}
    responses.update(_problem_responses(refusals))
    for each, texts in (refused or {}).items():
        responses[each]["content"].update(
            {media_type: {"schema": {"type": "string"}, "example": text} for media_type, text in texts.items()}
        )
    extra: dict[str, Any] = {}
    if body is not None:
        content = {"schema": {"$ref": _REF.format(model=body.__name__)}}
        if bodies:
            content["examples"] = {name: {"summary": name, "value": value} for name, value in bodies.items()}
        extra["requestBody"] = {"required": body_required, "content": {"application/json": content}}
    if is_open:
        extra["security"] = []
    return {
        "summary": summary,
        "status_code": status,
        "response_description": says,
        "response_model": None,
        "responses": responses,
        "openapi_extra": extra,
    }


def _problem_responses(refusals: Sequence[type[TracksideError]]) -> dict[int | str, dict[str, Any]]:
    by_status: dict[HTTPStatus, dict[str, type[TracksideError]]] = {}
    for kind in refusals:
        by_status.setdefault(status_of(kind), {})[kind.code] = kind
    return {
        int(status): {
            "description": "; ".join(kind.title for kind in kinds.values()) + ".",
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": _REF.format(model="Problem")},
                    "examples": {code: {"summary": kind.title, "value": _sample(kind)} for code, kind in kinds.items()},
                }
            },
        }
        for status, kinds in sorted(by_status.items())
    }


def _sample(kind: type[TracksideError]) -> dict[str, Any]:
    detail = _DETAILS.get(kind.code, kind.title + ".")
    pointer, colon, words = detail.partition(": ")
    faults = [{"in": "body", "pointer": pointer, "detail": words.rstrip(".")}] if colon and pointer[0] == "/" else []
    if kind is api_errors.InvalidParameterError:
        detail = f"{_OF_PARAMETERS.pointer} {_OF_PARAMETERS.message}."
        faults = [{"in": "query", "pointer": _OF_PARAMETERS.pointer, "detail": _OF_PARAMETERS.message}]
    return {
        "type": f"urn:trackside:problem:{kind.code}",
        "title": kind.title,
        "status": int(status_of(kind)),
        "detail": detail,
        "code": kind.code,
        "instance": "urn:uuid:5b0f1c7e-1a1f-4d0e-9c53-8f3f3a3c9c11",
        "errors": faults,
    }


class _Plain(GenerateJsonSchema):
    """pydantic's schema without a title for every field, which only repeats its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """No field gets a title."""
        return False


def build(app: FastAPI, routes: Sequence[APIRoute]) -> dict[str, Any]:
    """Return the OpenAPI document of `app`; `routes` are all that it has."""
    document = get_openapi(
        title="Trackside",
        version=version("trackside-service"),
        summary="Watches training runs: the learning rate against its schedule, the cause, and the alert.",
        description=_DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": words} for name, words in TAGS],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    wanted = [(model, "validation") for model in BODIES] + [(model, "serialization") for model in ANSWERS]
    _names, definitions = models_json_schema(wanted, ref_template=_REF, schema_generator=_Plain)  # type: ignore[arg-type]
    cross_origin = {str(status): answer for status, answer in _problem_responses([api_errors.CrossOriginError]).items()}
    for route in routes:
        for method in route.methods or () if route.include_in_schema else ():
            # As they were written: the framework leaves every null out of an example.
            written = document["paths"][route.path_format][method.lower()]
            written["responses"] = {str(status): answer for status, answer in route.responses.items()}
            if method not in READS:
                written["responses"].update(cross_origin)
            written.update(route.openapi_extra or {})
    components = document.setdefault("components", {})
    components["schemas"] = dict(
        sorted({**components.get("schemas", {}), **definitions["$defs"], **schedule_schema()}.items())
    )
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "The key as it is."},
        "basic": {"type": "http", "scheme": "basic", "description": "Any user name; the key as the password."},
    }
    document["security"] = [{"bearer": []}, {"basic": []}, {}]
    return document
