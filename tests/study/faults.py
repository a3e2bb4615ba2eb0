"""What is planted, where, and which rules should speak of it; and the healthy trainings beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.study.trainings import SCHEDULES, Plan

_BY_NAME: Final = {schedule.name: schedule for schedule in SCHEDULES}
COSINE: Final = _BY_NAME["cosine"]
STEPS: Final = _BY_NAME["steps"]
MIDWAY: Final = 8


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault: what it is in the words of who made it, the trainings that have it, and the rules that fit it."""

    title: str
    plans: tuple[Plan, ...]
    fitting: tuple[str, ...]


FAULTS: Final = (
    Planted(
        "LR a hundred times too high", (Plan(COSINE, "SGD", 20.0), Plan(STEPS, "AdamW", 1.0)), ("LOSS", "ACC", "GRAD")
    ),
    Planted(
        "scheduler built for updates, stepped each epoch",
        (
            Plan(COSINE, "SGD", 0.05, "scheduler_per_epoch"),
            Plan(_BY_NAME["one cycle"], "AdamW", 0.01, "scheduler_per_epoch"),
        ),
        ("LR001",),
    ),
    Planted(
        "resumed without optimizer and scheduler",
        (
            Plan(COSINE, "SGD", 0.05, "resumed_without_state", MIDWAY),
            Plan(_BY_NAME["linear"], "AdamW", 0.003, "resumed_without_state", MIDWAY),
        ),
        ("LR001",),
    ),
    Planted(
        "labels shuffled from an epoch on",
        (Plan(COSINE, "SGD", 0.05, "labels_shuffled", MIDWAY), Plan(STEPS, "AdamW", 0.003, "labels_shuffled", MIDWAY)),
        ("LOSS", "ACC", "FIT"),
    ),
    Planted(
        "labels random from the start",
        (Plan(COSINE, "SGD", 0.01, "labels_random"), Plan(STEPS, "SGD", 0.05, "labels_random")),
        ("LOSS", "ACC", "FIT"),
    ),
    Planted(
        "gradients explode (a loss scale that is never taken back)",
        (Plan(COSINE, "SGD", 0.05, "loss_scaled", MIDWAY), Plan(STEPS, "SGD", 0.02, "loss_scaled", MIDWAY)),
        ("LOSS", "ACC", "GRAD"),
    ),
    Planted(
        "data sorted by class from an epoch on",
        (Plan(COSINE, "SGD", 0.05, "sorted_data", MIDWAY), Plan(STEPS, "AdamW", 0.003, "sorted_data", MIDWAY)),
        ("LOSS", "ACC"),
    ),
    Planted(
        "NaN in one batch of every epoch",
        (Plan(COSINE, "SGD", 0.05, "nan_inputs", MIDWAY), Plan(STEPS, "AdamW", 0.003, "nan_inputs", MIDWAY)),
        ("LOSS001",),
    ),
    Planted(
        "optimizer built from copies of the weights",
        (Plan(COSINE, "SGD", 0.05, "frozen_weights"), Plan(STEPS, "AdamW", 0.003, "frozen_weights")),
        ("LOSS", "ACC"),
    ),
    Planted(
        "validation with inverted inputs from an epoch on",
        (
            Plan(COSINE, "SGD", 0.05, "validation_inverted", MIDWAY),
            Plan(STEPS, "AdamW", 0.003, "validation_inverted", MIDWAY),
        ),
        ("ACC", "FIT", "LOSS"),
    ),
    Planted(
        "64 examples, a quarter of them wrongly labelled",
        (
            Plan(COSINE, "SGD", 0.05, "few_noisy_examples"),
            Plan(_BY_NAME["constant"], "AdamW", 0.003, "few_noisy_examples"),
        ),
        ("FIT", "ACC", "LOSS"),
    ),
    Planted(
        "nine sigmoids in a row",
        (Plan(COSINE, "SGD", 0.05, "saturated_sigmoids"), Plan(STEPS, "SGD", 0.1, "saturated_sigmoids")),
        ("LOSS", "ACC", "GRAD"),
    ),
)
HEALTHY: Final = tuple(
    plan
    for schedule in SCHEDULES
    for plan in (Plan(schedule, "SGD", 0.1), Plan(schedule, "SGD", 0.01), Plan(schedule, "AdamW", 0.003))
)
