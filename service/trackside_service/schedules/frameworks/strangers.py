"""Schedulers that people name and that no framework here has: of other libraries, and of old versions. For each, what
to declare in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_OLD = "it is pytorch-transformers' old name of transformers' {0}: declare that (its t_total is num_training_steps)"
_DEEPSPEED = "it is DeepSpeed's, whose warm-up is logarithmic by default: " + (
    'send a table ({"kind": "table", "values": [the LR at each tick]}), read off the live scheduler'
)

STRANGERS: Final[Mapping[str, str]] = {
    "LinearWarmupCosineAnnealingLR": "it is Lightning Bolts': declare the canonical kind phases, a ramp from "
    "warmup_start_lr to the lr over warmup_epochs - 1 ticks until warmup_epochs, then a cosine ramp to eta_min over "
    "max_epochs - warmup_epochs (after: continue)",
    "WarmupMultiStepLR": "it is Detectron's: declare torch's ChainedScheduler of LinearLR (start_factor=warmup_factor, "
    "total_iters=warmup_iters) and MultiStepLR",
    "WarmupLR": _DEEPSPEED,
    "WarmupDecayLR": _DEEPSPEED,
    "WarmupCosineLR": _DEEPSPEED,
    "WarmupCosineSchedule": _OLD.format("get_cosine_schedule_with_warmup"),
    "WarmupLinearSchedule": _OLD.format("get_linear_schedule_with_warmup"),
    "WarmupConstantSchedule": _OLD.format("get_constant_schedule_with_warmup"),
    "WarmupCosineWithHardRestartsSchedule": _OLD.format("get_cosine_with_hard_restarts_schedule_with_warmup"),
    "ConstantLRSchedule": _OLD.format("get_constant_schedule"),
}
OF_TRANSFORMERS: Final[Mapping[str, str]] = {
    "LambdaLR": "transformers' schedules are LambdaLRs in the end: declare the function that made it, as "
    "get_linear_schedule_with_warmup, or get_scheduler with its name",
}
TABLE: Final = "one of your own or of another library is sent as a table, read off the live scheduler"
