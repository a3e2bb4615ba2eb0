"""Whether accuracies are in percent or fractions."""

from __future__ import annotations

from collections.abc import Sequence

from trackside_service.domain.metrics import ACCURACIES
from trackside_service.domain.runs import MetricUnit, RunSpec

_ABOVE_ONE = 1 + 1e-9
_FEW_SAMPLES = 64
_HALVES = {0.0, 0.5, 1.0}
_PRINTED = 6e-5  # half a digit where a hundredth of a percent is the last


def declared_unit(spec: RunSpec, metric: str) -> MetricUnit | None:
    """Return the unit of an accuracy as far as the declaration tells it: `metric_units`, else percent once a bound
    exceeds 1.
    """
    unit = spec.metric_units.get(metric)
    if unit is not None or metric not in ACCURACIES:
        return unit
    for expectation in spec.expectations:
        bounds = (expectation.min, expectation.max) if expectation.metric == metric else ()
        if any(bound is not None and bound > _ABOVE_ONE for bound in bounds):
            return "percent"
    return None


def unit_after(unit: MetricUnit | None, value: float) -> MetricUnit | None:
    """Return the unit once `value` was seen: percent as soon as one exceeds 1. None: not known yet."""
    return "percent" if unit is None and value > _ABOVE_ONE else unit


def scale(unit: MetricUnit | None) -> float:
    """Return what stands for "all right": 100 in percent, else 1."""
    return 100.0 if unit == "percent" else 1.0


def samples_of(values: Sequence[float], unit: MetricUnit | None) -> int | None:
    """Return of how few samples (up to 64) all of these accuracies may be shares: 0.25, 0.5 and 0 are those of four.
    None where they are of more, or there are none, and where all are whole tenths: so they may have been printed.
    """
    shares = {value / scale(unit) for value in values}
    if not shares <= _HALVES and all(_of(share, 10) for share in shares):
        return None
    return next((n for n in range(1, _FEW_SAMPLES + 1) if shares and all(_of(share, n) for share in shares)), None)


def _of(share: float, samples: int) -> bool:
    counted = share * samples
    return abs(counted - round(counted)) <= _PRINTED * samples


def show(value: float, unit: MetricUnit | None) -> str:
    """Return the value as people read it."""
    return f"{value:.4g} %" if unit == "percent" else f"{value:.4g}"
