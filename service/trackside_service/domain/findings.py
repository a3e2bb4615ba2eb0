"""What a rule says: a defect found at a place, or that it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from trackside_service.domain.records import Position

Severity: TypeAlias = Literal["info", "warning", "critical"]
Health: TypeAlias = Literal["ok", "info", "warning", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical")
_RANK: Final[dict[str, int]] = {"ok": 0, "info": 1, "warning": 2, "critical": 3}


def rank(level: Health) -> int:
    """Order levels: ok < info < warning < critical."""
    return _RANK[level]


@dataclass(frozen=True, slots=True)
class Finding:
    """A defect that a rule sees.

    `subject` is what it is about (a metric, a group, an expectation); with the run and the code it is the fingerprint
    of an alert.
    `opened` is the first offending point, `detected` the point at which it was seen; both None before training.
    `evidence` holds the numbers (JSON values; floats may be non-finite), `advice` says what to look at and what to
    change.
    """

    code: str
    subject: str
    severity: Severity
    title: str
    detail: str
    advice: str
    opened: Position | None = None
    detected: Position | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cleared:
    """The condition behind the alerts of `code` about `subject` has ended, at `position`."""

    code: str
    subject: str
    position: Position | None = None


Outcome: TypeAlias = Finding | Cleared
