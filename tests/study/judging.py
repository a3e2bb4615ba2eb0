"""A training's log through the engine, told in the ways in which people tell it, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.study.trainings import Plan, by_epoch, on_wire, train
from trackside_service import replay
from trackside_service.domain.alerts import Alert
from trackside_service.domain.declarations import parse_records, parse_run

SERIOUS = ("warning", "critical")


@dataclass(frozen=True, slots=True)
class Judged:
    """One log of one training: `form` says how it was told, `alerts` what it raised, `symptoms` what is under those."""

    plan: Plan
    form: str
    alerts: tuple[Alert, ...]
    symptoms: tuple[Alert, ...] = ()

    @property
    def serious(self) -> list[Alert]:
        """The alerts that would wake somebody."""
        return [alert for alert in self.alerts if alert.severity in SERIOUS]

    def first(self, codes: tuple[str, ...]) -> float | None:
        """The epochs from the fault's beginning to the first serious alert of these rules; None if there is none."""
        places = [alert.detected for alert in self.serious if alert.code.startswith(codes)]
        epochs = [place.epoch for place in places if place is not None and place.epoch is not None]
        return min(epochs) - self.plan.since if epochs else None


def judged(plan: Plan, seed: int, *, undeclared: bool) -> Iterator[Judged]:
    """Train once; yield the log of updates and the log of epochs, with the schedule declared, and without one where
    `undeclared`.
    """
    log = train(plan, seed)
    for form, told in (("updates", log), ("epochs", by_epoch(log))):
        records = parse_records(on_wire(told))
        for declared in (True, False) if undeclared else (True,):
            body = plan.declaration()
            if not declared:
                del body["schedule"]
            report = replay.check(parse_run(body), records)
            assert not report.faults, report.faults
            symptoms = tuple(each for under in report.symptoms.values() for each in under)
            yield Judged(plan, f"{form}{'' if declared else ', undeclared'}", report.alerts, symptoms)
