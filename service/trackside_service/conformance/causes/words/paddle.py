"""The words of paddle.optimizer.lr."""

from __future__ import annotations

from typing import Final

from trackside_service.conformance.causes.words.plain import PLAIN, Table, Words
from trackside_service.conformance.causes.words.stepped import STEPPED

PADDLE: Final[Table] = {
    "never_stepped": Words(
        "the scheduler was never stepped",
        "Call {step} {each}; if it is called, check that it is the `LRScheduler` that the optimizer was given as "
        "`learning_rate`, and that no condition skips the call.",
    ),
    "lagged": Words(
        "its first calls of {step} were skipped",
        "Look for updates that skip {step}: steps that `paddle.amp.GradScaler` skips on overflow, a condition such as "
        "`if step > 0`, or an `LRScheduler` that was built or first stepped late.",
    ),
    "stepped_per_epoch": Words(
        STEPPED["stepped_per_epoch"].why,
        "Call {step} after every `optimizer.step()`, not in the epoch loop (`paddle.Model`: "
        "`paddle.callbacks.LRScheduler(by_step=True)`); or give the scheduler totals in epochs.",
    ),
    "stepped_per_batch": Words(
        STEPPED["stepped_per_batch"].why,
        "Move {step} out of the batch loop to the end of the epoch (`paddle.Model` steps at every batch: give it "
        "`paddle.callbacks.LRScheduler(by_step=False, by_epoch=True)`); or give the scheduler totals in batches.",
    ),
    "resume_no_state": Words(
        "the run was resumed without the scheduler's state",
        "Save `scheduler.state_dict()` and call `scheduler.set_state_dict(...)` on resume.",
    ),
    "resume_no_state/CosineAnnealingWarmRestarts": Words(
        "the run was resumed without the scheduler's place in its cycle",
        "Save `scheduler.state_dict()` and call `scheduler.set_state_dict(...)` on resume; CosineAnnealingWarmRestarts "
        "does not save T_cur: call `scheduler.step(epoch)` with the epoch after loading.",
    ),
    "resume_optimizer_only": Words(
        STEPPED["resume_optimizer_only"].why,
        "Restore both: `optimizer.set_state_dict(...)` and `scheduler.set_state_dict(...)`.",
    ),
    "resume_scheduler_only": Words(
        "the scheduler was restored, the rest of the optimizer was not",
        "Restore the optimizer too (`optimizer.set_state_dict(...)`).",
    ),
    "last_epoch_misuse": Words(
        "the position given on resume (`last_epoch`) is wrong, {how}",
        "`last_epoch` counts calls of `scheduler.step()`, less one: rather build the `LRScheduler` without it and call "
        "`scheduler.set_state_dict(...)`.",
    ),
    "manual_override": Words(
        "it was set by hand or by a callback",
        "Look for code that sets the LR around there: `scheduler.base_lr` or `last_lr` written, `optimizer.set_lr` or "
        "another optimizer built on resume, a plateau callback, a manual decay.",
    ),
    "accelerate_num_processes": PLAIN["accelerate_num_processes"],
    "another_group": PLAIN["another_group"],
    "other_group": PLAIN["other_group"],
    "world_size_total": Words(
        STEPPED["world_size_total"].why,
        "Compute the total after the loader is sharded (with `paddle.io.DistributedBatchSampler`): {total} is the "
        "batches of one process * epochs.",
    ),
}
