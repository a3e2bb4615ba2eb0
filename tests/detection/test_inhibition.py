"""A cause hides its symptoms, and gives them back when it is over."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from tests.detection.test_alerting import LATER, reconcile
from tests.rules.support import epochs, report_of
from trackside_service import alerting
from trackside_service.alerting.inhibition import Inhibition
from trackside_service.domain.alerts import Alert, AlertChange, Telling, past_of, under_causes
from trackside_service.domain.findings import Cleared, Finding
from trackside_service.domain.records import Position
from trackside_service.rules import RULES


def found(code: str, epoch: float | None, subject: str = "train_loss", **values: Any) -> Finding:
    place = None if epoch is None else Position(epoch=epoch)
    values = {"severity": "critical", "title": code, "detail": "d", "advice": "a", **values}
    return Finding(code=code, subject=subject, opened=place, detected=place, **values)


def standing(*changes: AlertChange) -> tuple[Alert, ...]:
    latest = {change.alert.id: change.alert for change in changes}
    return tuple(alert for alert in latest.values() if alert.state != "resolved")


def told(changes: list[AlertChange]) -> list[tuple[str, str]]:
    return [(change.event, change.alert.code) for change in changes]


def test_what_follows_a_nan_comes_under_it_and_changes_it() -> None:
    (nan,) = reconcile(found("LOSS001", 3))
    collapse, cause = reconcile(found("ACC001", 3, "val_acc"), standing=standing(nan), now=LATER)
    assert (collapse.event, collapse.alert.cause_id) == ("opened", nan.alert.id)
    assert (cause.event, cause.alert.id, cause.worsened, cause.alert.changed_at) == (
        "changed",
        nan.alert.id,
        False,
        LATER,
    )
    listed, symptoms = under_causes(standing(nan, collapse, cause))
    assert [alert.code for alert in listed] == ["LOSS001"]
    assert [alert.code for alert in symptoms[nan.alert.id]] == ["ACC001"]
    # In one post the cause is told once.
    assert told(reconcile(found("LOSS001", 3), found("ACC001", 4, "val_acc"))) == [
        ("opened", "LOSS001"),
        ("opened", "ACC001"),
    ]


def test_what_began_before_it_stands_beside_it() -> None:
    nan, collapse = reconcile(found("LOSS001", 5), found("ACC001", 3, "val_acc"))
    assert collapse.alert.cause_id is None
    collapse, nan = reconcile(found("ACC001", 3, "val_acc"), found("LOSS001", 5))
    assert (collapse.alert.cause_id, nan.alert.cause_id) == (None, None)


def test_a_cause_that_is_seen_later_takes_what_it_began_before() -> None:
    (collapse,) = reconcile(found("ACC001", 4, "val_acc"))
    off, moved = reconcile(found("LR001", 2, "lr"), standing=standing(collapse))
    assert told([off, moved]) == [("opened", "LR001"), ("changed", "ACC001")]
    assert (moved.alert.cause_id, moved.worsened) == (off.alert.id, False)


def test_nothing_is_hidden_under_what_is_less_severe() -> None:
    plan, collapse = reconcile(found("PLAN001", None, "schedule", severity="warning"), found("ACC001", 2, "val_acc"))
    assert (plan.alert.cause_id, collapse.alert.cause_id) == (None, None)
    off, collapse = reconcile(found("LR001", 2, "lr", severity="warning"), found("ACC001", 2, "val_acc"))
    assert collapse.alert.cause_id is None
    # A rate that is off by little explains nothing, as long as it is so.
    off, dull = reconcile(
        found("LR001", 2, "lr", severity="warning"), found("LOSS005", 9, "train_loss", severity="warning")
    )
    assert dull.alert.cause_id is None
    worse, moved = reconcile(found("LR001", 2, "lr"), standing=standing(off, dull))
    assert (worse.alert.severity, moved.alert.cause_id) == ("critical", off.alert.id)


def test_a_symptom_that_grows_worse_than_its_cause_speaks_for_itself() -> None:
    first, second = reconcile(
        found("LOSS007", 1, severity="warning"), found("ACC004", 2, "val_acc", severity="warning")
    )
    assert second.alert.cause_id == first.alert.id
    (surfaced,) = reconcile(found("ACC004", 2, "val_acc"), standing=standing(first, second))
    assert (surfaced.event, surfaced.surfaced, surfaced.alert.cause_id) == ("opened", True, None)


def test_a_cause_that_is_over_gives_its_symptoms_back() -> None:
    opened = reconcile(found("LOSS001", 3), found("ACC001", 4, "val_acc"), found("ACC002", 5, "val_acc"))
    nan, collapse, worse = standing(*opened)
    assert [collapse.cause_id, worse.cause_id] == [nan.id, nan.id]
    over = reconcile(Cleared("LOSS001", "train_loss"), standing=(nan, collapse, worse), now=LATER)
    assert [(change.event, change.alert.code, change.surfaced) for change in over] == [
        ("resolved", "LOSS001", False),
        ("opened", "ACC001", True),
        ("changed", "ACC002", False),
    ]
    # The second of the two has a cause still: the first.
    assert [change.alert.cause_id for change in over[1:]] == [None, collapse.id]
    # Whoever heard of it before it came under the cause does not hear of it again.
    known = replace(collapse, telling=Telling(told="critical"))
    over = reconcile(Cleared("LOSS001", "train_loss"), standing=(nan, known), now=LATER)
    assert told(over) == [("resolved", "LOSS001"), ("changed", "ACC001")]


def test_a_symptom_that_is_over_stays_under_its_cause() -> None:
    nan, collapse = standing(*reconcile(found("LOSS001", 3), found("ACC001", 4, "val_acc")))
    over, cause = reconcile(Cleared("ACC001", "val_acc"), standing=(nan, collapse))
    assert (over.event, over.alert.cause_id, cause.event) == ("resolved", nan.id, "changed")


def test_each_loss_speaks_of_itself() -> None:
    nan, stuck = reconcile(found("LOSS001", 3, "val_loss"), found("LOSS005", 4, "train_loss"))
    assert stuck.alert.cause_id is None
    nan, stuck = reconcile(found("LOSS001", 3, "val_loss"), found("LOSS005", 4, "val_loss"))
    assert stuck.alert.cause_id == nan.alert.id
    first, second = reconcile(found("LOSS001", 3, "train_loss"), found("LOSS001", 3, "val_loss"))
    assert second.alert.cause_id == first.alert.id


@pytest.mark.parametrize("cause", ["ACC001", "LOSS002", "LOSS003"])
def test_what_falls_to_guessing_is_told_once(cause: str) -> None:
    subject = "val_acc" if cause == "ACC001" else "train_loss"
    first, stuck, guess = reconcile(
        found(cause, 9, subject, severity="warning"),
        found("LOSS007", 9, severity="warning"),
        found("ACC004", 12, "val_acc", severity="warning"),
    )
    assert [change.alert.cause_id for change in (stuck, guess)] == [first.alert.id, first.alert.id]


def test_the_gap_that_a_collapse_leaves_comes_under_it_and_one_from_before_does_not() -> None:
    collapse, gap = reconcile(found("ACC001", 9, "val_acc"), found("FIT001", 9, "val_acc", severity="warning"))
    assert gap.alert.cause_id == collapse.alert.id
    gap, collapse = reconcile(found("FIT001", 5, "val_acc", severity="warning"), found("ACC001", 9, "val_acc"))
    assert (gap.alert.cause_id, collapse.alert.cause_id) == (None, None)


def test_a_collapse_to_guessing_of_a_whole_log_is_one_alert() -> None:
    learned = [2.2 * 0.7**epoch + 0.2 for epoch in range(8)]
    guessed = [math.log(10) * (1 + 0.002 * (-1) ** epoch) for epoch in range(20)]
    accuracy = [*(1 - 0.9 * 0.7 ** (epoch + 1) for epoch in range(8)), *[0.1] * 20]
    losses = [*learned, *guessed]
    report = report_of(epochs(train_loss=losses, val_loss=losses, train_acc=accuracy, val_acc=accuracy))
    (collapse,) = report.alerts
    assert collapse.code == "ACC001"
    assert {"LOSS003", "LOSS007"} <= {alert.code for alert in report.symptoms[collapse.id]}


def test_at_the_end_a_symptom_of_silence_stands_by_itself() -> None:
    silent, missing = standing(*reconcile(found("RUN001", 3, "run"), found("RUN006", 3, "val_acc", severity="warning")))
    assert missing.cause_id == silent.id
    first, second = alerting.end([silent, missing], now=LATER)
    assert (first.event, second.event, second.surfaced) == ("resolved", "opened", True)
    assert (second.alert.state, second.alert.cause_id) == ("ended", None)
    known = replace(missing, telling=Telling(told="warning"))
    assert told(list(alerting.end([silent, known], now=LATER))) == [("resolved", "RUN001"), ("changed", "RUN006")]


def test_the_table_names_rules_and_gives_reasons() -> None:
    families = {alerting.family(rule.code) for rule in RULES}
    for inhibition in alerting.INHIBITIONS:
        assert alerting.family(inhibition.cause) in families
        assert inhibition.cause not in inhibition.symptoms
        assert inhibition.reason.endswith(".")
        for symptom in inhibition.symptoms:
            assert alerting.family(symptom) in {*families, "FIT", "GRAD"}, symptom


CODES = tuple(rule.code for rule in RULES)
PAIRS = [
    (inhibition, code)
    for inhibition in alerting.INHIBITIONS
    for code in CODES
    if (code in inhibition.symptoms or alerting.family(code) in inhibition.symptoms)
    # The same rule about the same is one alert.
    and not (inhibition.same_subject and code == inhibition.cause)
]


@pytest.mark.parametrize(("inhibition", "code"), PAIRS, ids=lambda one: getattr(one, "cause", one))
def test_each_pair_of_the_table_hides_and_gives_back(inhibition: Inhibition, code: str) -> None:
    subject = inhibition.subject or "val_loss"
    other = subject if inhibition.same_subject else f"{subject} beside"
    (cause,) = reconcile(found(inhibition.cause, 3, subject))
    hidden, changed = reconcile(found(code, 3, other), standing=standing(cause))
    assert (hidden.event, hidden.alert.cause_id, changed.alert.id) == ("opened", cause.alert.id, cause.alert.id)
    past = {alert.fingerprint: past_of(alert) for alert in (cause.alert, hidden.alert)}
    over = Cleared(inhibition.cause, subject, Position(epoch=5))
    changes = reconcile(over, standing=standing(cause, hidden), past=past, now=LATER)
    states = {change.alert.id: (change.alert.state, change.alert.cause_id) for change in changes}
    assert states == {cause.alert.id: ("resolved", None), hidden.alert.id: ("open", None)}


@pytest.mark.parametrize("cause", CODES)
def test_what_is_not_in_the_table_stands_beside(cause: str) -> None:
    for code in CODES:
        holds = [one for one in alerting.INHIBITIONS if one.cause == cause and (one, code) in PAIRS]
        if not holds and code != cause:
            _, second = reconcile(found(cause, 3), found(code, 3))
            assert second.alert.cause_id is None, code
