"""From pydantic's list of errors to ours: JSON pointers, our words, the nearest name, and never the value that was
sent.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from trackside_service.errors import Fault, InvalidInputError

M = TypeVar("M", bound=BaseModel)

MAX_FAULTS: Final = 20
# Messages of pydantic that would repeat a value, or that say less than they could.
_WORDS: Final[Mapping[str, str]] = {
    "missing": "is needed",
    "model_type": "an object is wanted",
    "model_attributes_type": "an object is wanted",
    "dict_type": "an object is wanted",
    "list_type": "a list is wanted",
    "string_type": "text is wanted",
    "int_type": "a whole number is wanted",
    "int_from_float": "a whole number is wanted",
    "int_parsing": "a whole number is wanted",
    "int_parsing_size": "the number is too large",
    "float_type": "a number is wanted",
    "float_parsing": "a number is wanted",
    "bool_type": "true or false is wanted",
    "bool_parsing": "true or false is wanted",
    "uuid_parsing": "a UUID is wanted",
    "uuid_type": "a UUID is wanted",
    "datetime_type": "an RFC 3339 time is wanted, like 2026-12-31T18:00:00Z",
    "datetime_parsing": "an RFC 3339 time is wanted, like 2026-12-31T18:00:00Z",
    "datetime_from_date_parsing": "an RFC 3339 time is wanted, like 2026-12-31T18:00:00Z",
    "timezone_aware": "the time must carry its zone",
    "string_pattern_mismatch": "holds a character that is not allowed",
}
_BOUNDS: Final[Mapping[str, str]] = {
    "greater_than_equal": "at least {ge} is wanted",
    "greater_than": "more than {gt} is wanted",
    "less_than_equal": "at most {le} is wanted",
    "less_than": "less than {lt} is wanted",
    "string_too_short": "at least {min_length} characters are wanted",
    "string_too_long": "at most {max_length} characters are wanted",
    "too_short": "at least {min_length} items are wanted",
    "too_long": "at most {max_length} items are wanted",
}


def validate(model: type[M], value: object) -> M:
    """Return `value` (parsed JSON) as `model`, strictly. Raises `InvalidInputError` with a pointer to each fault."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = faults_of(error.errors(include_url=False, include_input=False), model.model_fields)
        raise InvalidInputError(summary(faults), faults=faults) from None


def summary(faults: Iterable[Fault]) -> str:
    """Return one sentence over all the faults."""
    listed = list(faults)
    if not listed:
        return "A value is not acceptable."
    first = f"{listed[0].pointer or 'The body'}: {listed[0].message}"
    first = first if first.endswith("?") else f"{first}."
    return first if len(listed) < 2 else f"{first} And {len(listed) - 1} more."


def faults_of(details: Iterable[Mapping[str, Any]], known: Iterable[str]) -> tuple[Fault, ...]:
    """Return pydantic's error details as faults; `known` are the names that an unknown one is compared with."""
    names = list(known)
    faults: list[Fault] = []
    for detail in details:
        place = detail["loc"]
        pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)
        fault = Fault(pointer, _words(detail, names))
        if fault not in faults:
            faults.append(fault)
    return tuple(faults[:MAX_FAULTS])


def _words(detail: Mapping[str, Any], names: list[str]) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(detail["loc"][-1]), names, n=1, cutoff=0.5)
        return f'is not a known field; did you mean "{near[0]}"?' if near else "is not a known field"
    context = detail.get("ctx") or {}
    if kind in ("literal_error", "enum"):
        return f"must be one of {context.get('expected', 'the known values')}"
    if kind in _BOUNDS:
        return _BOUNDS[kind].format(**context)
    if kind == "value_error":
        return str(context.get("error", "is not acceptable"))
    message = _WORDS.get(kind)
    return message if message is not None else str(detail["msg"])
