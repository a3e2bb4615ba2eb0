"""The words of no framework: for canonical schedules, and for what every framework says alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias


class Words(NamedTuple):
    """The reason that ends a statement, and the advice."""

    why: str
    advice: str


Table: TypeAlias = Mapping[str, Words]

PLAIN: Final[Table] = {
    "never_stepped": Words(
        "it is never moved on",
        "Move the schedule on {each}; if that is done, check that it is the schedule of the optimizer that trains, and "
        "that no condition skips it.",
    ),
    "logged_after_step": Words(
        "it was logged after the schedule had moved on",
        "Read the LR for the log before the schedule moves on (the LR that the update used), or declare "
        '`reporting: {{"when": "after_step"}}`.',
    ),
    "step_before_optimizer": Words(
        "the schedule is moved on before the optimizer's update",
        "Update the weights first and move the schedule on after that.",
    ),
    "lagged": Words(
        "its first ticks were skipped",
        "Look for updates that do not move the schedule on: steps that mixed precision skips on overflow, a condition "
        "such as `if step > 0`, or a schedule that was built or first used late.",
    ),
    "stepped_per_epoch": Words(
        "it was built for batches and moved on {rate}",
        "Move it on after every update, not in the epoch loop; or give it lengths in epochs.",
    ),
    "stepped_per_batch": Words(
        "it was built for epochs and moved on at every batch",
        "Move it on at the end of the epoch, not at every batch; or give it lengths in batches.",
    ),
    "double_step": Words(
        "it is moved on {k} times per {tick}",
        "Remove {calls} that move it on: often one is in the loop and another in the trainer or a callback.",
    ),
    "accelerate_num_processes": Words(
        "it is moved on once for each of {k} processes",
        "Move it on once per update of all processes, or give it lengths that are {k} times as long.",
    ),
    "grad_accum_micro_step": Words(
        "with gradients accumulated over {k} micro-batches, it is moved on at every one of them",
        "Move it on only where the weights are updated, once per accumulation.",
    ),
    "grad_accum_total": Words(
        "it was counted in micro-batches, of which {k} make one update",
        "Divide the total by the accumulation: batches of an epoch // accumulation * epochs.",
    ),
    "world_size_total": Words(
        "it was counted on the loader before it was divided among {k} processes",
        "Compute the total after the loader is divided: the batches of one process * epochs.",
    ),
    "wrong_total": Words("", "Give the schedule ({total}) the run's own length in {ticks}: {declared}."),
    "wrong_total_less": Words(
        "",
        "Give the schedule ({total}) the run's own length less the {before} {ticks} before it, in {ticks}: {declared}.",
    ),
    "wrong_total_and_legs": Words(
        "", "Compute {total}, the milestones and the warm-up from the run's own length in {ticks}: {declared}."
    ),
    "total_changed_on_resume": Words(
        "the total was changed when the run was resumed",
        "Keep the number of epochs and the total ({total}) on resume as they were, or start a new schedule from the "
        "current LR; a changed total bends the curve.",
    ),
    "resume_no_state": Words(
        "the run was resumed without the schedule's position",
        "Save the schedule's position in the checkpoint and restore it on resume.",
    ),
    "resume_optimizer_only": Words(
        "the optimizer's state was restored, the schedule's was not, and its decay compounds",
        "Restore both the optimizer's state and the schedule's.",
    ),
    "resume_scheduler_only": Words(
        "the schedule's state was restored, the optimizer's was not",
        "Restore the optimizer's state too.",
    ),
    "last_epoch_misuse": Words(
        "the position given on resume is wrong, {how}",
        "Rather than giving a position by hand, restore the one that the checkpoint holds, in the unit that the "
        "schedule counts.",
    ),
    "manual_override": Words(
        "it was set by hand or by a callback",
        "Look for code that sets the optimizer's LR around there: a plateau callback, a manual decay, a second "
        "schedule on the same optimizer, an lr given anew on resume.",
    ),
    "other_group": Words(
        "",
        "If the optimizer has several parameter groups, log the first one's LR, and declare `base_lr` with one value "
        "a group.",
    ),
    "another_group": Words("", "Log group {own}'s LR (or report this one as `lr/{other}`): the log reads another's."),
    "warmup_missing": Words(
        "the run starts at its end",
        "Look for the warm-up option being ignored or overridden: a length of 0, a configuration that is not passed "
        "on, a warm-up that was built and never used.",
    ),
    "warmup_extra": Words(
        "", "Look for a warm-up that the trainer or a default adds ({warmup}), and set it to 0 or declare it."
    ),
    "mixed_units": Words(
        "{how}", "Give the warm-up ({warmup}) in {ticks}, which is what the schedule counts: {declared}."
    ),
    "clamped": Words(
        "it is cut off there",
        "Look for a `max(lr, min_lr)` (or `min`) in the training loop; or for the schedule no longer being moved on "
        "from there on. {bound}",
    ),
    "different_curve": Words(
        "", "Look at which schedule the training script builds: {shape} ran where {name} was declared."
    ),
}
