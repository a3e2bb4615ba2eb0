"""A silence: until a time, nobody is told of the alerts that it matches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final
from uuid import UUID

from trackside_service.domain.alerts import Alert
from trackside_service.domain.findings import Severity
from trackside_service.domain.runs import RunSpec


@dataclass(frozen=True, slots=True)
class Matchers:
    """What an alert has to be: in every field that is given, one of its values.

    `run` is a run's id or its name, `tag` one of its tags, `code` a rule's code (LOSS001) or a family (LOSS).
    """

    project: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    severity: tuple[Severity, ...] = ()

    def __post_init__(self) -> None:
        if not any(getattr(self, name) for name in FIELDS):
            raise ValueError(f"at least one matcher is needed: {', '.join(FIELDS)}")

    def match(self, alert: Alert, run: RunSpec) -> bool:
        """Whether they match an alert of a run that is declared so."""
        return (
            one_of(self.project, [run.project])
            and one_of(self.run, [str(alert.run_id), run.name])
            and one_of(self.tag, run.tags)
            and names_code(self.code, alert.code)
            and one_of(self.severity, [alert.severity])
        )


FIELDS: Final = tuple(one.name for one in fields(Matchers))


@dataclass(frozen=True, slots=True)
class Silence:
    """`until` is when it expires; deleting it brings that forward to the moment."""

    id: UUID
    matchers: Matchers
    until: datetime
    created_at: datetime
    by: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        if self.until.tzinfo is None or self.created_at.tzinfo is None:
            raise ValueError("times must carry their zone")


def silenced_until(silences: Iterable[Silence], alert: Alert, run: RunSpec, now: datetime) -> datetime | None:
    """Return when the last of the silences that match an alert at `now` expires; None where none does."""
    matching = [one.until for one in silences if one.until > now and one.matchers.match(alert, run)]
    return max(matching, default=None)


def names_code(wanted: Sequence[str], code: str) -> bool:
    """Whether `wanted` names a rule's code, by itself or by its family; nothing wanted is any."""
    return one_of(wanted, [code, family(code)])


def family(code: str) -> str:
    """Return the family of a rule's code: LOSS of LOSS001."""
    return code.rstrip("0123456789")


def one_of(wanted: Sequence[str], has: Sequence[str]) -> bool:
    """Whether one of what it `has` is wanted; nothing wanted is any."""
    return not wanted or any(each in wanted for each in has)
