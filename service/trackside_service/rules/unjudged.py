"""For EXP001: an expectation that nothing was reported for, so that nobody knows whether it came true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

from trackside_service.domain.findings import Finding
from trackside_service.domain.reading import nearest
from trackside_service.domain.records import Position
from trackside_service.domain.runs import Expectation

CODE: Final = "EXP001"
Missing: TypeAlias = Literal["metric", "other", "epoch", "epochs"]
_LATE: Final = 2  # epochs later: an evaluation may be told of after the next epoch has begun


def why(
    expectation: Expectation, *, epoch: int | None, ended: bool, reported: bool, other_reported: bool
) -> Missing | None:
    """Return what is missing to judge an expectation that no value was judged by; None where it is not yet time.

    `epoch`: the highest that a record was in (None: none said). `reported`, `other_reported`: whether its metric ever
    was, and the one that it compares with.
    """
    first = expectation.epoch if expectation.epoch is not None else expectation.from_epoch
    last = expectation.epoch if expectation.epoch is not None else expectation.until_epoch
    if first is None and last is None:
        if not ended:
            return None
    elif epoch is None:
        return "epochs" if ended else None
    elif first is not None and epoch < first:
        return None  # the run has not come so far
    elif not ended and (last is None or epoch < last + _LATE):
        return None
    if not reported:
        return "metric"
    return "other" if expectation.max_above is not None and not other_reported else "epoch"


def finding(
    expectation: Expectation, subject: str, missing: Missing, names: Sequence[str], at: Position | None
) -> Finding:
    """Return what to say. `names`: metrics that the run does report; `at`: how far it has come."""
    metric = expectation.metric
    if missing == "other" and expectation.max_above is not None:
        metric = expectation.max_above.metric
    details = {
        "metric": f"{metric} was never reported",
        "other": f"{metric}, which it compares with, was never reported",
        "epoch": f"{metric} was not reported in the epochs that it is about",
        "epochs": "No record says which epoch it is of",
    }
    evidence: dict[str, Any] = {"metric": metric, "missing": missing, "reported": list(names)}
    return Finding(
        code=CODE,
        subject=subject,
        severity="info",
        title=f"Not known: {subject}",
        detail=f"{details[missing]}, so nobody knows whether this came true.",
        advice=_advice(missing, metric, names),
        opened=at,
        detected=at,
        evidence=evidence,
    )


def _advice(missing: Missing, metric: str, names: Sequence[str]) -> str:
    if missing == "epochs":
        return "Report `epoch` with each record, or declare steps_per_epoch, so that steps tell the epoch."
    if missing == "epoch":
        return (
            f"{metric} is reported in other epochs: name one of those in the expectation, or a range that holds one "
            "(epochs count as the log prints them, from 0 or from 1)."
        )
    return (
        f"Report {metric}, or name in the expectation what the run reports ({nearest(metric, tuple(names))}); "
        "metric_names maps a run's own names to the usual ones."
    )
