"""Refusals that only an HTTP request can earn: a missing key, a wrong host, a body that is not JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from trackside_service.errors import Fault, InvalidInputError, TracksideError

Place: TypeAlias = Literal["body", "query", "path", "header"]


class RouteNotFoundError(TracksideError):
    """No route has this path."""

    code = "not_found"
    title = "Nothing is here"


class MethodNotAllowedError(TracksideError):
    """The path exists, but not with this method."""

    code = "method_not_allowed"
    title = "This method is not offered here"


class MalformedBodyError(TracksideError):
    """The body is not JSON."""

    code = "malformed_json"
    title = "The body is not JSON"


class BodyTooLargeError(TracksideError):
    """The body is longer than the service accepts."""

    code = "body_too_large"
    title = "The body is too large"


class UnsupportedMediaError(TracksideError):
    """The body's media type is not application/json."""

    code = "unsupported_media_type"
    title = "The body must be application/json"


class UnsupportedEncodingError(TracksideError):
    """The body is compressed otherwise than with gzip."""

    code = "unsupported_encoding"
    title = "The body may be compressed with gzip only"


class NotAuthenticatedError(TracksideError):
    """The key is missing or wrong."""

    code = "not_authenticated"
    title = "A key is needed"


class WrongHostError(TracksideError):
    """Without a key, only requests addressed to the loopback interface are answered."""

    code = "wrong_host"
    title = "This service answers only on its own machine"


class CrossOriginError(TracksideError):
    """A page of another site asked the browser to send this request."""

    code = "cross_origin"
    title = "Requests from another site's pages are refused"


class InvalidParameterError(InvalidInputError):
    """A value in the path or the query is not acceptable."""

    def __init__(self, detail: str, *, place: Place = "query", faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail, faults=faults)
        self.place: Final = place


class InternalError(TracksideError):
    """Something that nobody foresaw; the log has the same instance."""
