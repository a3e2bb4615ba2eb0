"""What `trackside check --plan` prints: the findings on a declaration alone, and the LR at a few places."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from trackside_service import detection
from trackside_service.cli.common import say
from trackside_service.domain.findings import Severity
from trackside_service.domain.numbers import wire_safe
from trackside_service.domain.runs import RunSpec
from trackside_service.rules.base import RunContext
from trackside_service.rules.outlook import alone, outlook


def show(spec: RunSpec, *, as_json: bool) -> Sequence[Severity]:
    """Judge the declaration, print what there is to say, and return the findings' severities."""
    context = detection.configure(spec)
    findings = detection.plan(context)
    lr = _places(context)
    if as_json:
        listed = [
            {
                "code": found.code,
                "severity": found.severity,
                "opened": {"step": None, "epoch": None},
                "title": found.title,
                "detail": found.detail,
                "evidence": dict(found.evidence),
                "advice": found.advice,
            }
            for found in findings
        ]
        sys.stdout.write(json.dumps(wire_safe({"findings": listed, "lr": lr}), allow_nan=False) + "\n")
    else:
        for found in findings:
            say(found.severity, f"{found.code} {found.title}", f"before training: {found.detail}", found.advice)
        sys.stdout.write(f"{_line(context, lr)}\n{len(findings)} findings\n")
    return [found.severity for found in findings]


def _places(context: RunContext) -> dict[str, Any] | None:
    """The LR in use at the first tick, at the peak and at the last tick, of the run or (its length being unknown) of
    the schedule; for the group with the highest peak.
    """
    schedule = context.schedule
    if schedule is None:
        return None
    run = outlook(context)
    ahead = run or alone(schedule)
    start = float(schedule.lrs(0))
    places: dict[str, Any] = {"unit": schedule.unit, "group": 0, "run_ticks": None if run is None else run.length}
    if ahead is None or not np.isfinite(ahead.lrs).any():
        return {**places, "start": {"tick": 0, "lr": start}, "peak": None, "end": None}
    top = int(np.nanargmax(ahead.lrs))
    return {
        **places,
        "group": ahead.group,
        "start": {"tick": 0, "lr": float(ahead.lrs[0])},
        "peak": {"tick": int(ahead.ticks[top]), "lr": float(ahead.lrs[top])},
        "end": {"tick": int(ahead.ticks[-1]), "lr": float(ahead.lrs[-1])},
    }


def _line(context: RunContext, lr: dict[str, Any] | None) -> str:
    if lr is None:
        return "no schedule is declared: there is nothing to judge"
    unit = lr["unit"]
    parts = [f"LR at the start {lr['start']['lr']:.6g}"]
    if lr["peak"] is not None:
        end = lr["end"]["lr"]
        parts.append(f"at its peak {lr['peak']['lr']:.6g} ({unit} {lr['peak']['tick']})")
        parts.append(f"at the end {f'{end:.6g}' if math.isfinite(end) else 'not known'} ({unit} {lr['end']['tick']})")
    words = ", ".join(parts)
    if len(context.schedule.groups if context.schedule is not None else ()) > 1:
        words += f"; of group {lr['group']}"
    if lr["run_ticks"] is not None:
        return f"{words}; the run takes {lr['run_ticks']} {unit}s, counted from 0"
    if context.schedule is not None and context.schedule.metric_driven:
        return f"{words}; the rest depends on the metric"
    wanted = "total_epochs" if context.spec.total_epochs is None else "steps_per_epoch"
    return f"{words}; the run's length is not known: declare {wanted} to have the plan judged against it"
