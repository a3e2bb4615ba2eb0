"""A run's health for a terminal: what is wrong, since when, and what to do, in a screenful of 100 columns."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from trackside_service.conformance import Explanation
from trackside_service.domain.alerts import Alert
from trackside_service.domain.numbers import said
from trackside_service.domain.records import Position
from trackside_service.domain.runs import Run
from trackside_service.storage.metrics import Metric

_WIDTH: Final = 100
_TIME: Final = "%Y-%m-%d %H:%M:%S"
_MAX_ALERTS: Final = 10
_MAX_METRICS: Final = 12
_VERDICTS: Final = {
    "on_schedule": "as the schedule has it",
    "off_schedule": "OFF its schedule",
    "undetermined": "not comparable with the schedule",
}


def screenful(
    run: Run,
    alerts: Sequence[Alert],
    symptoms: Mapping[UUID, Sequence[Alert]],
    metrics: Sequence[Metric],
    lr: Explanation | None,
    *,
    silenced: Mapping[UUID, datetime],
    lost: int = 0,
) -> str:
    """Return the lines, each ended by a line break. `alerts` come worst first, `symptoms` are under them;
    `silenced` says until when an alert is; `lost` is how many records are missing.
    """
    lines = [f"{run.spec.project} / {run.spec.name}   {run.status}   {run.health.upper()}"]
    if run.reason:
        lines += _wrapped(run.reason, "  ")
    last = max(metrics, key=lambda metric: metric.ordinal, default=None)
    place = f", at {Position(last.step, last.epoch)}" if last is not None else ""
    if run.last_seen_at is not None:
        due = "" if run.deadline is None else f"; expected again by {run.deadline.astimezone(UTC):{_TIME}}"
        lines.append(f"last heard {run.last_seen_at.astimezone(UTC):{_TIME}} UTC{place}{due}")
    if lost:
        lines.append(f"{lost} records are missing: the job could neither send nor keep them")
    if metrics:
        shown = "   ".join(f"{metric.name} {said(metric.value)}" for metric in metrics[:_MAX_METRICS])
        lines += _wrapped(shown, "")
    lines += _of_lr(lr)
    for alert in alerts[:_MAX_ALERTS]:
        since = f"   since {alert.opened}" if alert.opened is not None else "   before training"
        hand = f"   acknowledged{_by(alert)}" if alert.acknowledgement is not None else ""
        quiet = f"   silenced until {silenced[alert.id].astimezone(UTC):{_TIME}}" if alert.id in silenced else ""
        lines += ["", *_wrapped(f"{alert.severity.upper()} {alert.code} {alert.title}{since}{hand}{quiet}", "")]
        lines += [*_wrapped(alert.detail, "  "), *_wrapped(f"-> {alert.advice}", "  ", "     ")]
        for each in symptoms.get(alert.id, ()):
            lines += _wrapped(f"with it: {each.severity} {each.code} {each.title}", "  ", "     ")
    if len(alerts) > _MAX_ALERTS:
        lines += ["", f"and {len(alerts) - _MAX_ALERTS} more"]
    if not alerts:
        lines += ["", "no alert"]
    return "\n".join(lines) + "\n"


def _by(alert: Alert) -> str:
    held = alert.acknowledgement
    return "" if held is None or held.by is None else f" by {held.by}"


def _of_lr(lr: Explanation | None) -> list[str]:
    if lr is None:
        return []
    lines = _wrapped(f"learning rate: {_VERDICTS[lr.verdict]}" + (f" ({lr.reason})" if lr.reason else ""), "")
    causes = list(lr.causes)
    if lr.first_off is not None:
        off = lr.first_off
        expected = "none" if off.expected is None else f"{off.expected:.6g}"
        observed = said(off.observed) + ("" if math.isfinite(off.observed) else ", which is not a finite number")
        lines += _wrapped(
            f"from {Position(off.step, off.epoch)} on: expected {expected}, observed {observed}",
            "  ",
        )
        # That no other schedule explains a NaN need not be said.
        causes = [each for each in causes if math.isfinite(off.observed) or each.family != "other_schedule"]
    for cause in causes[:3]:
        lines += _wrapped(cause.statement, "  ")
    return lines


def _wrapped(text: str, first: str, further: str | None = None) -> list[str]:
    below = first if further is None else further
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=below, break_on_hyphens=False) or [""]
