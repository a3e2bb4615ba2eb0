"""Rules as a request names them: by code or by family, in any case."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from trackside_service.domain.reading import nearest
from trackside_service.domain.silences import family
from trackside_service.errors import Fault
from trackside_service.rules import RULES

_CODES: Final = [rule.code for rule in RULES]
KNOWN: Final = (*_CODES, *sorted({family(code) for code in _CODES}))


def upper(codes: Iterable[str] | None) -> tuple[str, ...]:
    """Return the codes as they are stored, each once."""
    return tuple(dict.fromkeys(code.upper() for code in codes or ()))


def unknown_codes(codes: Iterable[str] | None, pointer: str) -> list[Fault]:
    """Return a fault for each of the codes, listed at `pointer`, that no rule and no family has."""
    return [
        Fault(f"{pointer}/{place}", f"no rule or family has this code; {nearest(code.upper(), KNOWN)}")
        for place, code in enumerate(codes or ())
        if code.upper() not in KNOWN
    ]
