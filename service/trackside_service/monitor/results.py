"""What became of a post. `alerts` are those that count towards the run's health, after `changes`."""

from __future__ import annotations

from dataclasses import dataclass

from trackside_service.detection import RuleFault
from trackside_service.domain.alerts import Alert, AlertChange
from trackside_service.domain.findings import Health
from trackside_service.domain.runs import Run


@dataclass(frozen=True, slots=True)
class OpenResult:
    """`created`: the run is new. `changes`: what the declaration itself gave rise to (PLAN findings)."""

    run: Run
    created: bool
    changes: tuple[AlertChange, ...] = ()
    alerts: tuple[Alert, ...] = ()
    faults: tuple[RuleFault, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordResult:
    """`accepted` records were stored, `duplicates` had been before. `faults` are rules that failed and stood aside."""

    accepted: int
    duplicates: int
    health: Health
    changes: tuple[AlertChange, ...] = ()
    alerts: tuple[Alert, ...] = ()
    faults: tuple[RuleFault, ...] = ()
    points: int = 0


@dataclass(frozen=True, slots=True)
class LookResult:
    """What a look at a run came to that nobody posted to: that it is silent, or what became of alerts that were due."""

    changes: tuple[AlertChange, ...] = ()
    faults: tuple[RuleFault, ...] = ()


@dataclass(frozen=True, slots=True)
class FinishResult:
    """`ended` is False where the run had ended so before, and nothing was done."""

    run: Run
    ended: bool
    changes: tuple[AlertChange, ...] = ()
    alerts: tuple[Alert, ...] = ()
    faults: tuple[RuleFault, ...] = ()


@dataclass(frozen=True, slots=True)
class HandResult:
    """An alert as it is after what a person did with it, and those that follow from it. `changes`: none where it was
    so already.
    """

    alert: Alert
    symptoms: tuple[Alert, ...] = ()
    changes: tuple[AlertChange, ...] = ()
