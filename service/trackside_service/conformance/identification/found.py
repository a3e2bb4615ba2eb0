"""What a family's search finds: a schedule in canonical form, before it is put in a framework's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trackside_service.conformance.identification.answer import ScheduleFamily
from trackside_service.conformance.identification.bounds import roundness


@dataclass(frozen=True, slots=True)
class Number:
    """A number that the log bounds; `value` is the simplest one."""

    value: float
    low: float
    high: float

    def as_param(self) -> dict[str, float]:
        """Return the wire's form."""
        return {"value": _whole(self.value), "low": _whole(self.low), "high": _whole(self.high)}

    @property
    def exact(self) -> bool:
        """Whether nothing else is allowed, but for noise."""
        return self.high - self.low <= 1e-4 * abs(self.value)


def whole(value: float) -> Number:
    """Return the number that is known for sure."""
    return Number(value, value, value)


def _whole(value: float) -> float:
    return int(value) if abs(value) < 2**53 and value == int(value) else value


@dataclass(frozen=True, slots=True)
class Warmup:
    """A line from `start` up to the peak in `ticks` ticks."""

    start: Number
    ticks: Number


@dataclass(frozen=True, slots=True)
class Found:
    """A schedule that explains every point looked at; `numbers` are the family's own, `curve` the canonical kind.

    `whole_curve` is with the warm-up. `clock_from_start`: the part after the warm-up counts from the run's start.
    `variant`: which member of a family that has several, such as the shape of a decay.
    """

    family: ScheduleFamily
    numbers: Mapping[str, Number | list[Number]]
    curve: Mapping[str, Any]
    warmup: Warmup | None = None
    clock_from_start: bool = False
    note: str = ""
    variant: str = ""

    @property
    def key(self) -> str:
        """Family and variant: fits of different keys are different answers."""
        return f"{self.family} {self.variant}".rstrip()

    @property
    def whole_curve(self) -> dict[str, Any]:
        """The canonical declaration, less unit and reporting."""
        if self.warmup is None or self.family == "one_cycle":
            return dict(self.curve)
        peak = self.numbers["lr"]
        assert isinstance(peak, Number)
        rise = {"kind": "ramp", "from": self.warmup.start.value, "to": peak.value, "over": self.warmup.ticks.value}
        after: dict[str, Any] = {"schedule": dict(self.curve)}
        if self.clock_from_start:
            after["clock"] = "global"
        return {"kind": "phases", "phases": [{"until": self.warmup.ticks.value, "schedule": rise}, after]}

    @property
    def cost(self) -> float:
        """How much there is to say: the digits of every number, and two for each."""
        numbers = [*self.numbers.values()]
        if self.warmup is not None:
            numbers += [self.warmup.start, self.warmup.ticks]
        flat = [each for number in numbers for each in (number if isinstance(number, list) else [number])]
        return sum(roundness(float(f"{each.value:.9g}")) + (1.0 if each.value else 0.0) for each in flat)
