"""What the causes of a plateau schedule advise, in every framework's words: an LR that follows a metric is stepped,
resumed and built otherwise than the others.

Words in braces are filled in: `step`, the call with the `metric`, and `parameter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trackside_service.conformance.causes.words.plain import Table, Words

_PLAIN: Final[Table] = {
    "never_stepped": Words(
        "the schedule is not told the metric",
        "Give the schedule the value of {metric} once after each validation.",
    ),
    "double_step": Words(
        "the schedule is told {metric} {k} times per {tick}",
        "Tell the schedule each value once.",
    ),
    "resume_no_state": Words(
        "the run was resumed without the schedule's state, so that it forgot the best value and the ticks without "
        "improvement",
        "Save the best value and the count of ticks without improvement in the checkpoint and restore them on resume.",
    ),
    "manual_override": Words(
        "it was set by hand or by a callback",
        "Look for code that sets the optimizer's LR around there: a callback, a manual decay, a second schedule on the "
        "same optimizer, an LR given anew on resume.",
    ),
    "param_mismatch": Words("", "Compare the {parameter} in the training script with the declared one."),
    "metric": Words("", "Give the schedule {metric}, or name in the declared schedule's `metric` what it is given."),
    "scale": Words(
        "", "Compare the LR that the optimizer gets with the declared one; look for code that multiplies it."
    ),
    "different_schedule": Words(
        "", "Compare where the schedule is built, and what it is told when, with what was declared."
    ),
}
_STEPPED: Final[Table] = {
    **_PLAIN,
    "never_stepped": Words(
        "{step} is not called", "Call {step} once after each validation, with the value of {metric}."
    ),
    "double_step": Words(
        "{step} is called {k} times per {tick}",
        "Remove all but one call of {step}: often one is in the loop and another in the trainer or a callback.",
    ),
    "resume_no_state": Words(
        "the run was resumed without the scheduler's state, so that it forgot the best value and the ticks without "
        "improvement",
        "Save `scheduler.state_dict()` in the checkpoint and call `scheduler.load_state_dict(...)` on resume.",
    ),
    "manual_override": Words(
        "it was set by hand or by a callback",
        "Look for code that writes `param_group['lr']` around there: a callback, a manual decay, a second scheduler on "
        "the same optimizer, an lr given anew on resume.",
    ),
    "param_mismatch": Words("", "Compare the scheduler's {parameter} in the training script with the declared one."),
    "metric": Words("", "Call {step} with {metric}, or name in the declared schedule's `metric` what it is given."),
    "scale": Words(
        "", "Compare the optimizer's `lr` with the declared `base_lr`, and look for code that multiplies it."
    ),
    "different_schedule": Words(
        "", "Compare where the scheduler is built, and what {step} is given when, with what was declared."
    ),
}
_PADDLE: Final[Table] = {
    **_STEPPED,
    "resume_no_state": Words(
        _STEPPED["resume_no_state"].why,
        "Save `scheduler.state_dict()` in the checkpoint and call `scheduler.set_state_dict(...)` on resume.",
    ),
    "manual_override": Words(
        "it was set by hand or by a callback",
        "Look for code that writes the scheduler's `last_lr`, or gives the optimizer another `learning_rate`, around "
        "there (`optimizer.set_lr` raises beside a scheduler): a callback, a manual decay, an optimizer built anew on "
        "resume.",
    ),
    "scale": Words(
        "", "Compare the scheduler's `learning_rate` with the declared one, and look for code that multiplies it."
    ),
}
_TIMM: Final[Table] = {
    **_STEPPED,
    "double_step": Words(
        "{step} is called {k} times per {tick} with a metric",
        "Remove all but one call of {step} with a metric: often one is in the loop and another in a callback.",
    ),
    "resume_no_state": Words(
        "the run was resumed without the scheduler's state, so that it forgot the best value or the ticks without "
        "improvement",
        "Save `scheduler.state_dict()` and load it on resume; it holds the best value alone: the ticks without "
        "improvement are in `scheduler.lr_scheduler.state_dict()`.",
    ),
    "never_stepped": Words(
        "{step} is not called with a metric",
        "Call {step} once after each validation: without a metric it does nothing past the warm-up.",
    ),
}
_TRANSFORMERS: Final[Table] = {
    **_STEPPED,
    "never_stepped": Words(
        "the scheduler is not stepped",
        "The Trainer steps it at every evaluation with `metric_for_best_model`: set `eval_strategy` and the metric; in "
        "a loop of your own call {step} after each validation.",
    ),
    "double_step": Words(
        "the scheduler is stepped {k} times per evaluation",
        "The Trainer steps it at every evaluation: remove the call of {step} in a callback or in the loop.",
    ),
    "resume_no_state": Words(
        _STEPPED["resume_no_state"].why,
        "Resume with `trainer.train(resume_from_checkpoint=...)` from a checkpoint that holds `scheduler.pt` and "
        "`optimizer.pt` (`save_only_model=False`).",
    ),
    "param_mismatch": Words(
        "", "Compare {parameter} in `lr_scheduler_kwargs` (or where the scheduler is built) with the declared one."
    ),
    "metric": Words(
        "",
        "Set the Trainer's `metric_for_best_model` to {metric}, or name in the declared schedule's `metric` what it "
        "is given.",
    ),
    "scale": Words(
        "", "Compare the Trainer's `learning_rate` with the declared `base_lr`, and look for code that multiplies it."
    ),
    "different_schedule": Words(
        "", "Compare `lr_scheduler_type`, and at which evaluations the scheduler is stepped, with what was declared."
    ),
}

PLATEAU: Final[Mapping[str, Table]] = {
    "": _PLAIN,
    "torch": _STEPPED,
    "paddle": _PADDLE,
    "transformers": _TRANSFORMERS,
    "timm": _TIMM,
}
STEPS: Final[Mapping[str, str]] = {
    "": "the schedule",
    "torch": "`scheduler.step({metric})`",
    "paddle": "`scheduler.step({metric})`",
    "transformers": "`lr_scheduler.step({metric})`",
    "timm": "`scheduler.step(epoch, {metric})`",
}
_TIMM_NAMES: Final = {
    "patience": "patience_t",
    "cooldown": "cooldown_t",
    "factor": "decay_rate",
    "min_lr": "lr_min",
}


def plateau_words(framework: str | None, cause: str, *, metric: str | None, **filled: object) -> Words:
    """Return how a framework words a cause of a plateau that follows `metric`, with what the cause fills in."""
    own = framework if framework in PLATEAU else ""
    step = STEPS[own or ""].format(metric=metric or "metric")
    found, fill = PLATEAU[own or ""][cause], {"step": step, "metric": metric or "the metric", **filled}
    return Words(found.why.format(**fill), found.advice.format(**fill))


def parameter_name(framework: str | None, name: str) -> str:
    """Return what the framework calls a parameter of `Plateau`."""
    return _TIMM_NAMES.get(name, name) if framework == "timm" else name
