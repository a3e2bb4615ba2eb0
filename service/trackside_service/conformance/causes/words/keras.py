"""The words of keras.optimizers.schedules: the optimizer asks the schedule with its `iterations`."""

from __future__ import annotations

from typing import Final

from trackside_service.conformance.causes.words.plain import Table, Words

KERAS: Final[Table] = {
    "never_stepped": Words(
        "the optimizer does not follow it",
        "Give the optimizer the schedule object itself (`learning_rate=schedule`, not `schedule(0)`): Keras then asks "
        "it at every update with `optimizer.iterations`. Check that no callback sets the LR.",
    ),
    "logged_after_step": Words(
        "it was logged after the update had counted up `optimizer.iterations`",
        'Read the LR before the update (`on_train_batch_begin`), or declare `reporting: {{"when": "after_step"}}`.',
    ),
    "step_before_optimizer": Words(
        "`optimizer.iterations` was counted up before the update",
        "Look for code that writes `optimizer.iterations`: it is to be 0 at the first update.",
    ),
    "lagged": Words(
        "its first updates did not count",
        "Look for updates that do not count in `optimizer.iterations`: those that a `LossScaleOptimizer` skips on "
        "overflow, or those of an optimizer that was compiled anew.",
    ),
    "stepped_per_epoch": Words(
        "its `decay_steps` count updates and it was asked {rate}",
        "Give the optimizer the schedule itself (`learning_rate=schedule`) instead of a "
        "`LearningRateScheduler` callback "
        "that asks it with the epoch; or give `decay_steps` in epochs.",
    ),
    "stepped_per_batch": Words(
        "its `decay_steps` were given in epochs, and Keras counts updates",
        "Give `decay_steps` in updates: epochs * steps_per_epoch.",
    ),
    "double_step": Words(
        "`optimizer.iterations` counts {k} times per {tick}",
        "Look for more than one call of `optimizer.apply` (or `apply_gradients`) per batch with the same "
        "optimizer: each one "
        "counts.",
    ),
    "grad_accum_micro_step": Words(
        "with `gradient_accumulation_steps={k}` Keras counts every micro-batch in `optimizer.iterations`",
        "Multiply `decay_steps` (and `warmup_steps`) by `gradient_accumulation_steps`.",
    ),
    "resume_no_state": Words(
        "the run was resumed with `optimizer.iterations` at 0",
        "Restore the optimizer with the model (`model.save` and `keras.saving.load_model`, or "
        "`keras.callbacks.BackupAndRestore`): `model.fit(initial_epoch=...)` alone does not move "
        "`optimizer.iterations`.",
    ),
    "last_epoch_misuse": Words(
        "`optimizer.iterations` has a wrong value after the resume, {how}",
        "Look for code that writes `optimizer.iterations`: it counts updates; restore it with the optimizer.",
    ),
    "manual_override": Words(
        "it was set by hand or by a callback",
        "Look for code that writes `optimizer.learning_rate` around there: `ReduceLROnPlateau`, a "
        "`LearningRateScheduler` callback, an LR given anew when the model was compiled again.",
    ),
    "clamped": Words(
        "it is cut off there",
        "Look for a `max(lr, min_lr)` (or `min`) around the schedule's call, or a `ReduceLROnPlateau(min_lr=...)`. "
        "{bound}",
    ),
    "warmup_missing": Words(
        "the run starts at its end",
        "`warmup_steps` are ignored unless `warmup_target` is given too: check both.",
    ),
}
