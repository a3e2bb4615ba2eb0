"""Schedules on the wire: the declaration S, preview, explain."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from trackside_service.api.schemas.base import Body, Shown, WireNumber
from trackside_service.schedules import MAX_UPDATES

Schedule = Annotated[
    dict[str, Any],
    WithJsonSchema({"allOf": [{"$ref": "#/components/schemas/Schedule"}]}),
    Field(description="The schedule in its framework's own words, or as a canonical kind."),
]


class PreviewBody(Body):
    """The body of POST /v1/schedules/preview: exactly one of `steps` and `total`."""

    schedule: Schedule
    steps: list[Annotated[int, Field(ge=0, le=10**12)]] | None = Field(
        None, min_length=1, max_length=100_000, description="Update indices, from 0; for more of them, give total."
    )
    total: int | None = Field(None, ge=1, le=MAX_UPDATES, description="The first so many updates.")
    metric: list[WireNumber] | None = Field(
        None, max_length=100_000, description="For schedules that react: one value a tick."
    )


class Preview(Shown):
    """The learning rate in use at each update."""

    lrs: list[float] = Field(description="Of the first group.")
    groups: list[list[float]] | None = Field(None, description="Of each group, where base_lr is a list.")


class ObservedLr(Body):
    """A learning rate as it was logged."""

    lr: WireNumber
    step: int | None = Field(None, ge=0, description="Optimizer updates, as the log counts them.")
    epoch: float | None = Field(None, ge=0, description="As printed; may be fractional.")
    lr_text: str | None = Field(None, max_length=64, description="As printed: tells how precise it is.")
    metric: WireNumber | None = Field(
        None, description="Of a schedule that follows a metric: what it was given there, as the log has it."
    )


class ExplainBody(Body):
    """The body of POST /v1/schedules/explain."""

    schedule: Schedule
    observed: list[ObservedLr] = Field(max_length=100_000, description="In the order of the log.")
    run_updates: int | None = Field(None, ge=1, description="How many updates the run makes, where known.")
    group: int = Field(0, ge=0, description="The parameter group whose rates these are, where base_lr is a list.")


class IdentifyBody(Body):
    """The body of POST /v1/schedules/identify."""

    observed: list[ObservedLr] = Field(max_length=100_000, description="The points of the log, in its order.")
    framework: Literal["torch", "paddle", "transformers", "timm", "keras"] | None = Field(
        None, description="Whose words the schedules are put in, where it has them."
    )
    total_epochs: int | None = Field(None, ge=1, le=10**9, description="Epochs of the whole run, where known.")
    steps_per_epoch: int | None = Field(None, ge=1, le=10**9, description="Updates an epoch, where known.")


class IdentifiedSchedule(Shown):
    """A schedule that lies within every print."""

    family: Literal[
        "constant",
        "step",
        "multi_step",
        "cyclic",
        "warmup_stable_decay",
        "exponential",
        "linear",
        "polynomial",
        "cosine",
        "warm_restarts",
        "one_cycle",
        "inverse_sqrt",
    ] = Field(description="Of which kind it is.")
    warmup: bool = Field(description="Whether a linear warm-up comes first.")
    params: dict[str, Any] = Field(description="Its numbers, each with the interval that the prints allow.")
    schedule: dict[str, Any] = Field(description="The declaration, ready for explain and preview.")
    framework: str | None = Field(description="In whose words; null for a canonical kind.")
    convention: dict[str, Any] = Field(description="How the log's step or epoch maps to the schedule's ticks.")
    statement: str = Field(description="In a sentence.")


class Identification(Shown):
    """What schedule a log shows."""

    verdict: Literal["identified", "ambiguous", "undetermined", "none"] = Field(
        description="One family; several; too little to say; no listed schedule fits."
    )
    statement: str = Field(description="In a sentence.")
    reason: str | None = Field(None, description="Why it is ambiguous or undetermined.")
    families: list[str] = Field(description="All that the log does not rule out.")
    schedules: list[IdentifiedSchedule] = Field(description="Simplest first, at most six.")
    points: int = Field(description="How many were given.")


class FirstOff(Shown):
    """The first point that the schedule does not explain."""

    index: int = Field(description="Among the points that carry the LR, from 0.")
    step: int | None = Field(description="Optimizer updates; null where none was given.")
    epoch: float | None = Field(description="The epoch as reported; null where none was given.")
    expected: float | None = Field(description="null where the library itself would have raised.")
    observed: WireNumber


class Cause(Shown):
    """Something that the log cannot rule out as the cause."""

    cause: str = Field(description="Stable name of the mechanism.")
    family: Literal[
        "frozen", "shift", "time_scale", "scale", "warmup", "total", "restart", "level_change", "other_schedule"
    ] = Field(description="The kind of mistake; other_schedule where none of the known ones fits.")
    params: dict[str, Any] = Field(description="Its numbers, with an interval where the prints allow one.")
    statement: str = Field(description="What happened, with its numbers.")
    advice: str = Field(description="What to change.")


class Explanation(Shown):
    """The verdict on the learning rate."""

    verdict: Literal["on_schedule", "off_schedule", "undetermined"] = Field(
        description="undetermined: no point could be compared."
    )
    reason: str | None = Field(None, description="Why it is undetermined.")
    first_off: FirstOff | None = Field(
        None, description="The first point that the schedule does not explain; null unless it is off."
    )
    causes: list[Cause] = Field(description="Simplest first.")
    convention: dict[str, Any] | None = Field(
        None,
        description="How the log's step or epoch maps to the schedule's ticks; `prints` is there, `cut_off`, where the "
        "log shows that its numbers are cut off, not rounded.",
    )
    points: int | None = Field(None, description="How many points were compared.")


class LrPoint(Shown):
    """The learning rate at one place."""

    step: int | None = Field(description="Optimizer updates; null where none was given.")
    epoch: float | None = Field(description="The epoch as reported; null where none was given.")
    observed: WireNumber
    expected: float | None = Field(description="null where the point cannot be placed on the schedule.")


class GroupLr(Explanation):
    """The verdict on one parameter group's learning rate."""

    group: int = Field(description="The parameter group, from 0.")
    metric: str = Field(description="What its learning rate is reported as.")


class LrShown(Explanation):
    """Expected and observed learning rate of a run, of its first parameter group."""

    schedule: dict[str, Any] | None = Field(description="As declared.")
    series: list[LrPoint] = Field(description="In the order of arrival, thinned.")
    identified: Identification | None = Field(
        None, description="Where no schedule was declared: the ones that the series shows."
    )
    groups: list[GroupLr] | None = Field(
        None, description="Each group's verdict, where several are declared or reported; at most 16."
    )
