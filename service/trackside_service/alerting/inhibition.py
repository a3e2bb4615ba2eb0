"""Which alert is a symptom of which: a run that fails raises its cause, and under it what follows from it.

`INHIBITIONS` is the one list, each line with its reason. A symptom is stored as an alert of its own, under its cause:
it is not listed beside it and nobody is told of it, until its cause resolves while it stands. What follows is told only
by the order: a finding comes under an alert that stands already and that began no later. Nothing is hidden under what
is less severe, so that a channel for the critical never misses one.

What is not here, on purpose:

* The first NaN of the training loss is hidden by nothing: whatever led to it, the run is dead from there on.
* LR002 and LR003 hide nothing: where no schedule is declared, a drop or a jump may be meant.
* PLAN001 hides nothing: it judges a plan, and a plan that jumps may be survived. A collapse stands beside it.
* LR001 as a warning hides nothing: a rate that is a few percent off explains no failure, and stays so to the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from trackside_service.domain.alerts import Alert
from trackside_service.domain.findings import Severity, rank
from trackside_service.domain.metrics import TRAIN_LOSS
from trackside_service.domain.records import Position


@dataclass(frozen=True, slots=True)
class Inhibition:
    """Alerts of the code `cause` hide those of the codes (or whole families) `symptoms`.

    `subject`: only where the cause is about this. `same_subject`: only where both are about the same. `least`: only
    where the cause is at least that severe.
    """

    cause: str
    symptoms: tuple[str, ...]
    reason: str
    subject: str | None = None
    same_subject: bool = False
    least: Severity = "info"

    def holds(self, cause: Alert, symptom: Alert) -> bool:
        """Whether `symptom` comes under `cause`, as far as what they are goes."""
        return (
            cause.code == self.cause
            and (symptom.code in self.symptoms or family(symptom.code) in self.symptoms)
            and (self.subject is None or cause.subject == self.subject)
            and (not self.same_subject or cause.subject == symptom.subject)
            and rank(cause.severity) >= rank(self.least)
        )


_LEARNING: Final = ("ACC", "FIT", "GRAD", "LOSS002", "LOSS003", "LOSS004", "LOSS005", "LOSS006", "LOSS007", "LOSS008")

INHIBITIONS: Final[tuple[Inhibition, ...]] = (
    Inhibition(
        "LOSS001",
        ("LOSS", "ACC", "FIT", "GRAD", "EXP"),
        "After the first update with a NaN the weights are lost: no metric of the run means anything any more, and no "
        "expectation of it can be met.",
        subject=TRAIN_LOSS,
    ),
    Inhibition(
        "LOSS001",
        ("LOSS", "FIT"),
        "What is not a number neither rises nor falls, and leaves no gap.",
        same_subject=True,
    ),
    Inhibition(
        "LR004",
        _LEARNING,
        "An update with a rate that is not a number, or negative, undoes what was learned.",
    ),
    Inhibition(
        "LR001",
        ("ACC001", "ACC003", "ACC004", "GRAD", "LOSS002", "LOSS003", "LOSS004", "LOSS005", "LOSS007"),
        "A rate that is off by a factor of two or more explains why the run blows up, or does not learn. Overfitting "
        "(ACC002, FIT001) it does not explain.",
        least="critical",
    ),
    Inhibition(
        "LOSS002",
        ("ACC", "FIT", "GRAD001", "LOSS003", "LOSS004", "LOSS005", "LOSS007"),
        "A loss that runs away takes everything that is measured on the same weights with it, and may end at guessing.",
    ),
    Inhibition(
        "ACC001",
        ("ACC002", "ACC003", "ACC004", "FIT", "LOSS003", "LOSS005", "LOSS007"),
        "An accuracy that has collapsed is far below its best and below the other one, and may be at chance; the loss "
        "rises with it, to that of guessing, and makes no progress from there.",
    ),
    Inhibition(
        "LOSS003",
        ("LOSS007",),
        "A loss that has risen and stays up may lie where guessing is: it was learned, and is lost.",
    ),
    Inhibition(
        "LOSS007",
        ("ACC003", "ACC004", "LOSS005"),
        "A model that guesses has the accuracy of guessing, and makes no progress.",
    ),
    Inhibition(
        "ACC004",
        ("ACC003", "LOSS005"),
        "A model that guesses starts slowly and makes no progress.",
    ),
    Inhibition(
        "RUN001",
        ("RUN004", "RUN006"),
        "A run that says nothing reports no metric, and none in time.",
    ),
    Inhibition(
        "RUN002",
        ("RUN001", "RUN004", "RUN006"),
        "A run that has crashed says nothing any more.",
    ),
)


def family(code: str) -> str:
    """Return the letters of a rule's code."""
    return re.sub(r"\d+$", "", code)


def cause_of(symptom: Alert, standing: Iterable[Alert]) -> Alert | None:
    """Return the alert under which `symptom` is to be listed, if there is one among those that stand: never itself, one
    of its own symptoms, or one that began after it. Of several the first in the order of `INHIBITIONS`; and where that
    is a symptom itself, its cause.
    """
    present = {alert.id: alert for alert in standing}
    for inhibition in INHIBITIONS:
        for cause in present.values():
            if cause.id == symptom.id or not inhibition.holds(cause, symptom) or _began_after(cause, symptom):
                continue
            root = cause if cause.cause_id is None else present.get(cause.cause_id)
            if root is not None and root.id != symptom.id and rank(root.severity) >= rank(symptom.severity):
                return root
    return None


def _began_after(cause: Alert, symptom: Alert) -> bool:
    """Whether the places say so; where they cannot be compared, they do not."""
    first, second = cause.opened or Position(), symptom.opened or Position()
    if first.step is not None and second.step is not None:
        return first.step > second.step
    if first.epoch is not None and second.epoch is not None:
        return first.epoch > second.epoch
    return False
