"""The short way to a route that jobs ask all the time: past what the framework does for every route alike, which costs
as much again as the rest of answering.
"""

from __future__ import annotations

from starlette.routing import Match, Route
from starlette.types import Scope

_DASHES = 4  # of a UUID as it is usually written


class Direct(Route):
    """A POST to a path with one id, asked in the usual form. Anything else (a query, another method, an id written in
    another way) is left to the ordinary route of the same path, which stands behind it, documents it, and refuses what
    is to be refused.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match what is asked in the usual form."""
        usual = scope["type"] == "http" and scope["method"] == "POST" and not scope["query_string"]
        if not usual or scope["path"].count("-") != _DASHES:
            return Match.NONE, {}
        return super().matches(scope)
