"""The words of timm.scheduler: its schedulers are told the epoch or the number of updates."""

from __future__ import annotations

from typing import Final

from trackside_service.conformance.causes.words.plain import Table, Words

TIMM: Final[Table] = {
    "resume_no_state": Words(
        "the run was resumed without the scheduler's place",
        "Tell the scheduler where the run goes on: `scheduler.step(start_epoch)`, or "
        "`scheduler.step_update(start_epoch * updates_per_epoch)`, after the optimizer's state is loaded.",
    ),
    "resume_scheduler_only": Words(
        "the scheduler had not set the optimizer's LR yet",
        "Call `scheduler.step(start_epoch)` (or `scheduler.step_update(...)`) before the first update after "
        "the resume.",
    ),
    "last_epoch_misuse": Words(
        "the position that the scheduler was called with is wrong, {how}",
        "Look at what is passed to {step} after the resume: it takes the epoch (or the number of updates) of the whole "
        "run, in the unit of `t_initial`.",
    ),
    "stepped_per_epoch": Words(
        "it was built for updates and stepped {rate}",
        "With `t_in_epochs=False` call `scheduler.step_update(num_updates)` after every update; or give `t_initial` in "
        "epochs.",
    ),
    "stepped_per_batch": Words(
        "it was built for epochs and given the number of updates",
        "With `t_in_epochs=True` call `scheduler.step(epoch + 1)` at the end of the epoch; or give `t_initial` in "
        "updates.",
    ),
    "double_step": Words(
        "the number that it is called with grows by {k} per {tick}",
        "Look at what is passed to {step}: it is counted twice, often in the loop and in a callback.",
    ),
    "grad_accum_micro_step": Words(
        "with gradients accumulated over {k} micro-batches, every one of them is counted as an update",
        "Count `num_updates` only where `optimizer.step()` is called.",
    ),
    "lagged": Words(
        "the number that it is called with starts late",
        "Look at what is passed to {step}: {counting}.",
    ),
}
