"""other_schedule: what remains where no listed cause explains the log."""

from __future__ import annotations

from trackside_service.conformance.causes.evidence import Evidence
from trackside_service.conformance.explanation import Cause


def different_schedule(evidence: Evidence) -> Cause:
    """Return the answer that says so plainly, with the numbers of the first point off."""
    off = evidence.first_off
    place = ", ".join(
        part
        for part in (
            None if off.epoch is None else f"epoch {off.epoch:g}",
            None if off.step is None else f"step {off.step}",
        )
        if part
    )
    where = f"From {place} on" if place else f"From point {off.index} on"
    wanted = "none is defined there" if off.expected is None else f"{off.expected:.4g} was declared"
    ratio = ""
    if off.expected and off.observed == off.observed:
        ratio = f", {off.observed / off.expected:.3g} times as much"
    return Cause(
        "different_schedule",
        "other_schedule",
        {"observed": off.observed, "expected": off.expected},
        f"{where} the LR is {off.observed:.4g} where {wanted}{ratio}, and no known cause explains the whole "
        f"log: another schedule ran, "
        "or its parameters differ.",
        f"Compare the {evidence.schedule.name} that the training script builds with the declared one, parameter "
        f"by parameter, and look "
        "for code or a callback that sets the LR by hand from there on.",
    )
