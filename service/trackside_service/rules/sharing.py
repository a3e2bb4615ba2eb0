"""What several rules work out alike of one record is worked out once.

A pure function of state and record gives the same to every rule whose state is the same. The first that asks has it
computed, the next gets that very value; from there on their states share it, so that the comparison is one of identity.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
_NEVER: Final = object()


def shared(function: Callable[P, R]) -> Callable[P, R]:
    """Return a pure `function` that remembers its last call. Arguments are given by position, and are values."""
    last: tuple[Any, Any] = (_NEVER, None)  # replaced as one, so that threads see no half of it

    @wraps(function)
    def remembered(*args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal last
        before, held = last
        if before == args and not kwargs:
            result: R = held
            return result
        result = function(*args, **kwargs)
        if not kwargs:
            last = (args, result)
        return result

    return remembered
