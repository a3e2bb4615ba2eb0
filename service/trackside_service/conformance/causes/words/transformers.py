"""The words of transformers: its Trainer steps the scheduler."""

from __future__ import annotations

from typing import Final

from trackside_service.conformance.causes.words.plain import PLAIN, Table, Words
from trackside_service.conformance.causes.words.stepped import STEPPED

TRANSFORMERS: Final[Table] = {
    "never_stepped": Words(
        "the scheduler was never stepped",
        "The Trainer steps the scheduler after every update: check that it is the scheduler of the optimizer that "
        "trains (`optimizers=(optimizer, lr_scheduler)`); in a loop of your own, call `lr_scheduler.step()` {each}.",
    ),
    "logged_after_step": Words(
        "it was logged after the scheduler's step",
        "Trainers of before 2025 log the next update's LR: use a newer transformers, read the LR before "
        '`lr_scheduler.step()`, or declare `reporting: {{"when": "after_step"}}`.',
    ),
    "lagged": Words(
        "its first steps were skipped",
        "Look for updates at which the scheduler is not stepped: the Trainer leaves out those that mixed precision "
        "skips on overflow; or the scheduler was built or first stepped late.",
    ),
    "stepped_per_epoch": Words(
        STEPPED["stepped_per_epoch"].why,
        "The Trainer steps after every update; in a loop of your own call `lr_scheduler.step()` after every "
        "`optimizer.step()`, not in the epoch loop.",
    ),
    "stepped_per_batch": Words(
        STEPPED["stepped_per_batch"].why,
        "The Trainer steps after every update: give the scheduler totals in updates; in a loop of your own move "
        "{step} out of the batch loop to the end of the epoch.",
    ),
    "double_step": Words(
        "it is stepped {k} times per {tick}",
        "The Trainer already steps the scheduler: remove the call of `lr_scheduler.step()` in a callback, in "
        "`training_step`, or the second one in the loop.",
    ),
    "grad_accum_micro_step": Words(
        STEPPED["grad_accum_micro_step"].why,
        "Let the Trainer step the scheduler, with `gradient_accumulation_steps` set; in a loop of your own "
        "step it only "
        "where `optimizer.step()` is called.",
    ),
    "grad_accum_total": Words(
        PLAIN["grad_accum_total"].why,
        "Divide the total by the accumulation: `num_training_steps = len(loader) // gradient_accumulation_steps * "
        "epochs`, what the Trainer does unless `max_steps` is given.",
    ),
    "world_size_total": Words(
        PLAIN["world_size_total"].why,
        "Compute `num_training_steps` (or `max_steps`) after the loader is sharded (after `accelerator.prepare`): the "
        "batches of one process // `gradient_accumulation_steps` * epochs.",
    ),
    "total_changed_on_resume": Words(
        PLAIN["total_changed_on_resume"].why,
        "Keep `num_train_epochs` and `max_steps` (`num_training_steps`) on resume as they were, or start a "
        "new schedule "
        "from the current LR; a changed total bends the curve.",
    ),
    "resume_no_state": Words(
        "the run was resumed without the scheduler's state",
        "Resume with `trainer.train(resume_from_checkpoint=...)` from a checkpoint that holds `scheduler.pt` and "
        "`optimizer.pt` (`save_only_model=False`).",
    ),
    "resume_scheduler_only": Words(
        "the scheduler's state was restored, the optimizer's was not",
        "Resume with `trainer.train(resume_from_checkpoint=...)` from a checkpoint that holds `optimizer.pt` beside "
        "`scheduler.pt`.",
    ),
    "last_epoch_misuse": Words(
        "the position given on resume (`last_epoch`) is wrong, {how}",
        "Leave `last_epoch` at its default and restore `scheduler.pt`: `trainer.train(resume_from_checkpoint=...)`.",
    ),
    "mixed_units": Words("{how}", "Give the warm-up ({warmup}) in updates: {declared}."),
    "different_curve": Words(
        "", "Look at `lr_scheduler_type` (the name given to `get_scheduler`): {shape} ran where {name} was declared."
    ),
}
