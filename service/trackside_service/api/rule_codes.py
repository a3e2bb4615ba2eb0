"""Rules as a request names them: by code or by family, in any case."""

from __future__ import annotations

from collections.abc import Iterable

from trackside_service.errors import Fault, RuleNotFoundError
from trackside_service.rules import codes_of


def upper(codes: Iterable[str] | None) -> tuple[str, ...]:
    """Return the codes as they are stored, each once."""
    return tuple(dict.fromkeys(code.upper() for code in codes or ()))


def unknown_codes(codes: Iterable[str] | None, pointer: str) -> list[Fault]:
    """Return a fault for each of the codes, listed at `pointer`, that no rule and no family has."""
    found = []
    for place, code in enumerate(codes or ()):
        try:
            codes_of(code)
        except RuleNotFoundError as error:
            found.append(Fault(f"{pointer}/{place}", error.detail))
    return found
