"""Expectations in words, for EXP001: what one says in short, and what to do where it is broken."""

from __future__ import annotations

import math

from trackside_service.domain.metrics import ACCURACIES, LOSSES
from trackside_service.domain.runs import Expectation
from trackside_service.rules import advice
from trackside_service.rules.base import RunContext


def subject_of(expectation: Expectation) -> str:
    """Return the expectation in short, as the subject of its alert: "train_acc at epoch 1 >= 5".

    Different expectations never read alike: their alerts would be one.
    """
    when = ""
    if expectation.epoch is not None:
        when = f" at epoch {_exactly(expectation.epoch)}"
    elif expectation.from_epoch is not None or expectation.until_epoch is not None:
        when = "" if expectation.from_epoch is None else f" from epoch {_exactly(expectation.from_epoch)}"
        when += "" if expectation.until_epoch is None else f" until epoch {_exactly(expectation.until_epoch)}"
    bounds = []
    if expectation.min is not None:
        bounds.append(f">= {_exactly(expectation.min)}")
    if expectation.max is not None:
        bounds.append(f"<= {_exactly(expectation.max)}")
    if expectation.max_drop is not None:
        bounds.append(f"at most {_exactly(expectation.max_drop)} below its best")
    if expectation.max_above is not None:
        bounds.append(f"at most {_exactly(expectation.max_above.by)} above {_word(expectation.max_above.metric)}")
    return f"{_word(expectation.metric)}{when} {' and '.join(bounds)}"


def _exactly(number: float) -> str:
    """Return the shortest digits that no other number has."""
    return repr(float(number)).removesuffix(".0")


def _word(metric: str) -> str:
    """Return the name, quoted where its own words could be taken for the expectation's."""
    return metric if metric.split() == [metric] else repr(metric)


def advice_for(context: RunContext, expectation: Expectation, *, value: float, epoch: int | None) -> str:
    """Return what to do about a `value` in `epoch` that breaks an expectation."""
    accuracy = expectation.metric in ACCURACIES
    if not math.isfinite(value):
        return f"A value that is not finite meets no expectation; {advice.lower_peak(context)}, and look at the loss."
    if expectation.max_above is not None:
        return (
            "The gap says over-fitting: more regularisation (weight decay, dropout), augmentation or data, or fewer "
            "epochs. Look first whether both are "
            "measured alike (the same mode, the same classes)."
        )
    if expectation.max_drop is not None:
        return (
            "It has been better: keep the checkpoint of its best, and see what changed since then. A fall while the "
            "training metric still improves is "
            "over-fitting (stop earlier, regularise more); one together with it is an LR that is too high for this "
            "phase."
        )
    if accuracy and expectation.min is not None and value < expectation.min:
        words = []
        if value <= 1 < expectation.min:
            words.append("If the metric is logged as a fraction, say so in metric_units.")
        rise = advice.higher_start(context)
        if epoch is not None and epoch <= 1 and rise is not None:
            words.append(f"The first epochs learn too little: raise the initial LR ({rise}).")
        else:
            words.append(
                "Less is learned than planned: look whether the LR is as high by now as it should be, and whether the "
                "peak comes too late or is too high."
            )
        words.append("Several regularisers at once under a low LR hold a model back just so: try one less.")
        return " ".join(words)
    if expectation.metric in LOSSES:
        return (
            f"The loss is higher than planned: compare data and initialisation with the run that set the "
            f"expectation; if it also swings, {advice.lower_peak(context)}."
        )
    return (
        "Compare with the run that set the expectation: its data, its learning rate at this epoch, its seed. If "
        "the bound was a guess, move it."
    )
