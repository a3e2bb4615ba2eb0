"""The words of torch.optim.lr_scheduler."""

from __future__ import annotations

from typing import Final

from trackside_service.conformance.causes.words.plain import Table, Words
from trackside_service.conformance.causes.words.stepped import STEPPED

TORCH: Final[Table] = {
    "lagged": Words(
        "its first calls of {step} were skipped",
        "Look for updates that skip {step}: a GradScaler that skips steps on overflow, a condition such as "
        "`if step > 0`, or a scheduler that was built or first stepped late.",
    ),
    "stepped_per_epoch": Words(
        STEPPED["stepped_per_epoch"].why,
        "Call {step} after every `optimizer.step()`, not in the epoch loop (Lightning: `interval: 'step'`); "
        "or give the "
        "scheduler totals in epochs.",
    ),
    "stepped_per_batch": Words(
        STEPPED["stepped_per_batch"].why,
        "Move {step} out of the batch loop to the end of the epoch (Lightning: `interval: 'epoch'`); or give the "
        "scheduler totals in batches.",
    ),
    "last_epoch_misuse": Words(
        "the position given on resume (`last_epoch`) is wrong, {how}",
        "`last_epoch` counts calls of `scheduler.step()`, less one, and needs the restored optimizer: rather build the "
        "scheduler without it and call `scheduler.load_state_dict(...)`.",
    ),
}
