"""A query that names what a route does not know is refused: a guard with a typo (`?failon=warning`) must not pass."""

from __future__ import annotations

import difflib
from typing import Any, get_args, get_origin

from fastapi.routing import APIRoute
from starlette.requests import Request

from trackside_service.api.errors import InvalidParameterError
from trackside_service.api.validation import MAX_FAULTS
from trackside_service.domain.reading import pointer_to
from trackside_service.errors import Fault


async def refuse_unknown(request: Request) -> None:
    """Hold a request's query to the parameters that its route declares; one that takes one value is given once.

    Raises `InvalidParameterError` with the nearest known name.
    """
    if not request.scope["query_string"]:
        return
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    known = {each.alias: _repeats(each.field_info.annotation) for each in route.dependant.query_params}
    faults: list[Fault] = []
    for name in request.query_params:
        if name not in known:
            faults.append(Fault("/" + pointer_to(name), _unknown(name, list(known))))
        elif not known[name] and len(request.query_params.getlist(name)) > 1:
            faults.append(Fault("/" + pointer_to(name), "is given more than once"))
    if faults:
        first = f"{faults[0].pointer} {faults[0].message}."
        more = f" And {len(faults) - 1} more." if len(faults) > 1 else ""
        raise InvalidParameterError(first + more, faults=faults[:MAX_FAULTS])


def _unknown(name: str, known: list[str]) -> str:
    if not known:
        return "is not known: this path takes no parameters"
    near = difflib.get_close_matches(name[:100], known, n=1, cutoff=0.5)
    return "is not a known parameter; " + (f'did you mean "{near[0]}"?' if near else f"known are {', '.join(known)}")


def _repeats(annotation: Any) -> bool:
    """Tell whether a parameter of this type (`list[str] | None`) may be given several times."""
    return any(get_origin(each) is list for each in (annotation, *get_args(annotation)))
