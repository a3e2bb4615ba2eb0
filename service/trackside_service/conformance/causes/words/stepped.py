"""The words of the frameworks whose scheduler is an object beside the optimizer that the loop steps."""

from __future__ import annotations

from typing import Final

from trackside_service.conformance.causes.words.plain import Table, Words

STEPPED: Final[Table] = {
    "lagged": Words(
        "its first calls of {step} were skipped",
        "Look for updates that skip {step}: steps that mixed precision skips on overflow, a condition such as "
        "`if step > 0`, or a scheduler that was built or first stepped late.",
    ),
    "never_stepped": Words(
        "the scheduler was never stepped",
        "Call {step} {each}; if it is called, check that it is the scheduler of the optimizer that trains, and that no "
        "condition skips the call.",
    ),
    "logged_after_step": Words(
        "it was logged after {step}",
        "Read the LR for the log before {step} (the LR that the update used), or declare "
        '`reporting: {{"when": "after_step"}}`.',
    ),
    "step_before_optimizer": Words(
        "{step} was called before the optimizer's step",
        "Call `optimizer.step()` first and {step} after it{end}.",
    ),
    "stepped_per_epoch": Words(
        "it was built for batches and stepped {rate}",
        "Call {step} after every `optimizer.step()`, not in the epoch loop; or give the scheduler totals in epochs.",
    ),
    "stepped_per_batch": Words(
        "it was built for epochs and stepped at every batch",
        "Move {step} out of the batch loop to the end of the epoch; or give the scheduler totals in batches.",
    ),
    "double_step": Words(
        "it is stepped {k} times per {tick}",
        "Remove {calls} of {step}: often one is in the loop and another in the trainer, a callback or a second loop.",
    ),
    "accelerate_num_processes": Words(
        "prepared by accelerate, it is stepped once for each of {k} processes",
        "A scheduler given to `accelerator.prepare` steps `num_processes` times per call: build it with {total} times "
        "`accelerator.num_processes`, or do not prepare it.",
    ),
    "grad_accum_micro_step": Words(
        "with gradients accumulated over {k} micro-batches, it is stepped at every one of them",
        "Call {step} only where `optimizer.step()` is called, inside the `if (i + 1) % accumulation == 0` branch.",
    ),
    "resume_no_state": Words(
        "the run was resumed without the scheduler's state",
        "Save `scheduler.state_dict()` in the checkpoint and load it on resume, after the scheduler is built.",
    ),
    "resume_optimizer_only": Words(
        "the optimizer's state was restored, the scheduler's was not, and its decay compounds",
        "Load both: build the scheduler, then `optimizer.load_state_dict(...)`, then `scheduler.load_state_dict(...)`.",
    ),
    "resume_scheduler_only": Words(
        "the scheduler's state was restored, the optimizer's was not",
        "Load the optimizer's state too (`optimizer.load_state_dict(...)`), after the scheduler is built and before "
        "its state is loaded.",
    ),
    "manual_override": Words(
        "it was set by hand or by a callback",
        "Look for code that writes `param_group['lr']` around there: a plateau callback, a manual decay, a second "
        "scheduler on the same optimizer, an lr given anew on resume.",
    ),
    "other_group": Words(
        "",
        "If the optimizer has several parameter groups, log `optimizer.param_groups[0]['lr']`, and declare `base_lr` "
        "with one value a group.",
    ),
    "another_group": Words(
        "",
        "Log `optimizer.param_groups[{own}]['lr']` (or report this one as `lr/{other}`): the log reads another "
        "group's.",
    ),
    "world_size_total": Words(
        "it was counted on the loader before it was divided among {k} processes",
        "Compute the total after the loader is sharded (with the DistributedSampler): {total} is the batches of one "
        "process * epochs.",
    ),
    "mixed_units": Words("{how}", "Give the warm-up ({warmup}) in {ticks}, what one {step} counts: {declared}."),
    "clamped": Words(
        "it is cut off there",
        "Look for a `max(lr, min_lr)` (or `min`) in the training loop; or for the scheduler no longer being stepped "
        "from there on. {bound}",
    ),
}
