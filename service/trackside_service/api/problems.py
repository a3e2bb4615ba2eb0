"""RFC 9457 problem details: one shape for every status, and the one table that maps a named error to its status.

A problem never repeats what was sent: it points at the place (a JSON pointer) and says what is wanted there.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy import exc as sa_exc
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trackside_service import errors
from trackside_service.api import errors as api_errors
from trackside_service.api.errors import Place
from trackside_service.api.metrics import Meters
from trackside_service.api.validation import faults_of, summary
from trackside_service.errors import TracksideError

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 2

STATUSES: Final[Mapping[type[TracksideError], HTTPStatus]] = {
    api_errors.MalformedBodyError: HTTPStatus.BAD_REQUEST,
    api_errors.NotAuthenticatedError: HTTPStatus.UNAUTHORIZED,
    api_errors.CrossOriginError: HTTPStatus.FORBIDDEN,
    api_errors.RouteNotFoundError: HTTPStatus.NOT_FOUND,
    errors.RunNotFoundError: HTTPStatus.NOT_FOUND,
    errors.AlertNotFoundError: HTTPStatus.NOT_FOUND,
    errors.SilenceNotFoundError: HTTPStatus.NOT_FOUND,
    errors.RuleNotFoundError: HTTPStatus.NOT_FOUND,
    errors.ChannelNotFoundError: HTTPStatus.NOT_FOUND,
    errors.DeliveryNotFoundError: HTTPStatus.NOT_FOUND,
    api_errors.MethodNotAllowedError: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.RunConflictError: HTTPStatus.CONFLICT,
    errors.RunEndedError: HTTPStatus.CONFLICT,
    errors.RunUnhealthyError: HTTPStatus.CONFLICT,
    errors.AlertResolvedError: HTTPStatus.CONFLICT,
    errors.SecretKeyMissingError: HTTPStatus.CONFLICT,
    api_errors.BodyTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    api_errors.UnsupportedMediaError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    api_errors.UnsupportedEncodingError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    api_errors.WrongHostError: HTTPStatus.MISDIRECTED_REQUEST,
    errors.InvalidInputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.StorageUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.BusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    TracksideError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_HEADERS: Final[Mapping[HTTPStatus, Mapping[str, str]]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": 'Bearer realm="trackside", Basic realm="trackside", charset="UTF-8"'},
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: {"Accept": "application/json", "Accept-Encoding": "gzip, identity"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": str(RETRY_AFTER_S)},
}

_log = logging.getLogger("trackside.api")


def status_of(error: type[TracksideError]) -> HTTPStatus:
    """Return the status of an error: its own line in the table, else its nearest ancestor's."""
    return next(STATUSES[kind] for kind in error.__mro__ if kind in STATUSES)


def new_instance() -> str:
    """Return the name of one occurrence of a problem: its answer and its line in the log carry the same."""
    return f"urn:uuid:{uuid4()}"


def render(error: TracksideError, headers: Mapping[str, str] | None = None, *, instance: str | None = None) -> Response:
    """Return the answer for `error`. `instance` is given where a line of the log names it already."""
    status = status_of(type(error))
    place = getattr(error, "place", "body")
    body = {
        "type": f"urn:trackside:problem:{error.code}",
        "title": error.title,
        "status": int(status),
        "detail": error.detail,
        "code": error.code,
        "instance": instance or new_instance(),
        "errors": [{"in": place, "pointer": fault.pointer, "detail": fault.message} for fault in error.faults],
    }
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and instance is None:
        _log.warning("problem", extra={"fields": {"code": error.code, "instance": body["instance"]}})
    return Response(
        json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"),
        status_code=status,
        headers={**_HEADERS.get(status, {}), **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def install(app: FastAPI, routes: Sequence[APIRoute]) -> None:
    """Answer every refusal of `app`, the framework's own included, with a problem; `routes` are all that it has."""

    async def of_framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # The framework would name the methods of one route of this path only.
            path = request.scope["path"]
            allowed = ", ".join(
                sorted(each for route in routes if route.path_regex.match(path) for each in route.methods or ())
            )
            return render(api_errors.MethodNotAllowedError(f"This path takes {allowed}."), {"Allow": allowed})
        if error.status_code == HTTPStatus.NOT_FOUND:
            return render(
                api_errors.RouteNotFoundError("No route has this path; GET /openapi.json lists those that exist.")
            )
        return render(api_errors.MalformedBodyError("The request cannot be read."))

    app.add_exception_handler(TracksideError, _named)
    app.add_exception_handler(HTTPException, of_framework)
    app.add_exception_handler(RequestValidationError, _parameters)
    for kind in (sa_exc.OperationalError, sa_exc.InterfaceError, sa_exc.TimeoutError):
        app.add_exception_handler(kind, _database_away)


class Guard:
    """ASGI middleware: what nobody foresaw becomes a problem with status 500, and one log line with its traceback."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app = app
        self._responses = meters.responses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on what comes after the answer has begun (the connection is then cut)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._responses.labels(status=f"{message['status'] // 100}xx").inc()
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except TracksideError as error:
            # Raised by the middleware itself (security), outside the application's own handlers.
            if started:
                raise
            await render(error)(scope, receive, watch)
        except ClientDisconnect:
            _log.debug("the client left before its body had come")  # nobody waits for an answer
        except Exception:
            instance = new_instance()
            where = {"method": scope["method"], "path": scope["path"], "instance": instance}
            _log.exception("unforeseen", extra={"fields": where})
            if started:
                raise
            unforeseen = api_errors.InternalError("An error that nobody foresaw. The service's log has the details.")
            await render(unforeseen, instance=instance)(scope, receive, watch)


async def _named(request: Request, error: Exception) -> Response:
    assert isinstance(error, TracksideError)
    if isinstance(error, errors.StorageUnavailableError) and error.__cause__ is not None:
        return await _database_away(request, error)
    return render(error)


async def _parameters(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    details: Sequence[Any] = error.errors()
    place: Place = details[0]["loc"][0] if details else "query"
    faults = faults_of([{**each, "loc": each["loc"][1:]} for each in details], {})
    return render(api_errors.InvalidParameterError(summary(faults), place=place, faults=faults))


async def _database_away(_request: Request, error: Exception) -> Response:
    # The driver's message may name hosts and users: it goes to the log only.
    instance = new_instance()
    message = (str(error).splitlines() or [""])[0][:300]
    _log.error("database", extra={"fields": {"error": type(error).__name__, "message": message, "instance": instance}})
    away = errors.StorageUnavailableError("The database does not answer; nothing was stored. Try again soon.")
    return render(away, instance=instance)
