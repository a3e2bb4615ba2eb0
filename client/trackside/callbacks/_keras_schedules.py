"""What a Keras model's learning rate is going to be: read off its optimizer and the callbacks that `fit` was given."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from trackside import _tables, _wire, schedules
from trackside.callbacks._loop import own_or_canonical

_CLASSES = (
    *("ExponentialDecay", "PiecewiseConstantDecay", "PolynomialDecay", "InverseTimeDecay"),
    *("CosineDecay", "CosineDecayRestarts"),
)
_SETTING = ("LearningRateScheduler", "ReduceLROnPlateau")
_MOST_CALLS = 10_000  # a schedule's values are asked for one by one, and each may take 0.1 ms


def companions(callback: Any) -> list[Any] | None:
    """Return all callbacks of the `fit` that calls `callback`, itself among them; None where they are not to be found.

    Keras tells no callback of the others, but the list of them is who calls.
    """
    frame = sys._getframe(1).f_back
    for _ in range(12):
        if frame is None:
            return None
        found = getattr(frame.f_locals.get("self"), "callbacks", None)
        if isinstance(found, list) and any(each is callback for each in found):
            return found
        frame = frame.f_back
    return None


def canonical(name: str, own: Mapping[str, str]) -> str:
    """Return "train_loss" for "loss", "val_acc" for "val_accuracy" and so on; other names as they are."""
    return (
        own_or_canonical(name, "val_", "val", own)
        if name.startswith("val_")
        else own_or_canonical(name, "", "train", own)
    )


def number(value: Any) -> float:
    """Return a rate as Keras holds it, a variable or a tensor of any backend, as a number."""
    found = _wire.to_float(still(value))
    if found is None:
        raise ValueError("no number")
    return found


def still(value: Any) -> Any:
    """Return a rate that later updates cannot alter."""
    return _wire.freeze(value.value if hasattr(value, "assign") and hasattr(value, "value") else value)


def of_schedule(schedule: Any, place: Mapping[str, Any], ticks: int | None) -> dict[str, Any] | None:
    """Declare a LearningRateSchedule: Keras' own by its arguments, any other as a table of its values."""
    name = type(schedule).__name__
    if name in _CLASSES and _is_of_keras(schedule):
        return schedules.declare("keras", name, unit="step", **place, **schedule.get_config())
    if ticks is None or ticks > _MOST_CALLS:
        raise schedules.UnreadableScheduleError(
            f"a {name} is read as a table of its values, which takes a known number of updates, at most {_MOST_CALLS}"
        )
    return schedules.table([number(schedule(tick)) for tick in range(ticks)], unit="step", **place)


def of_callbacks(
    found: Sequence[Any],
    own: Any,
    lr: float,
    place: Mapping[str, Any],
    *,
    epochs: int | None,
    begun: int,
    names: Mapping[str, str] | None,
) -> dict[str, Any] | None:
    """Declare what the callbacks make of a rate that is a number; None where one of them may do what it likes.

    `begun`: the epochs done before. `names`: the run's `metric_names`.
    """
    setting = [each for each in found if _is_of_keras(each) and type(each).__name__ in _SETTING]
    walking = [each for each in setting if type(each).__name__ == "LearningRateScheduler"]
    if walking:
        # the last that is asked at an epoch's begin has the last word, whatever is asked at its end
        rates = _walked(walking[-1].schedule, lr, epochs, begun, alone=len(setting) == 1)
        return schedules.table(rates, unit="epoch", **place)
    if len(setting) > 1:
        raise schedules.UnreadableScheduleError("several ReduceLROnPlateau change the rate")
    if setting:
        return _plateau(setting[0], lr, place, names)
    if all(each is own or (_is_of_keras(each) and type(each).__name__ != "LambdaCallback") for each in found):
        return schedules.constant(lr)
    return None


def _is_of_keras(instance: Any) -> bool:
    """A subclass may do what it likes, so the class itself is asked for."""
    return type(instance).__module__.partition(".")[0] == "keras"


def _walked(given: Any, lr: float, epochs: int | None, begun: int, *, alone: bool) -> list[float]:
    """The rates that a LearningRateScheduler sets, epoch by epoch, each given the one before.

    `alone`: no other callback changes the rate that it is given.
    """
    if epochs is None or epochs > _MOST_CALLS:
        raise schedules.UnreadableScheduleError(f"the epochs of the LearningRateScheduler are not known: {epochs}")

    def walk(first: float) -> list[float]:
        rates, now = [], first
        schedule = _tables.copied(given)
        for epoch in range(epochs):
            try:
                now = number(schedule(epoch, now))
            except TypeError:
                now = number(schedule(epoch))
            rates.append(now)
        return rates

    rates = walk(lr)
    follows = (begun or not alone) and rates != walk(lr / 2)
    if follows and not alone:
        raise schedules.UnreadableScheduleError(
            "the LearningRateScheduler goes on from the rate before, and another callback changes that"
        )
    if follows:
        raise schedules.UnreadableScheduleError(
            "the LearningRateScheduler goes on from the rate before, and that of the first epoch is not known any more"
        )
    return rates


def _plateau(callback: Any, lr: float, place: Mapping[str, Any], names: Mapping[str, str] | None) -> dict[str, Any]:
    """Keras' ReduceLROnPlateau in torch's counts: its patience and its rest include the epoch that ends them."""
    bare = callback.monitor.split("_", 1)[-1] if callback.monitor.startswith("val_") else callback.monitor
    mode = callback.mode
    if mode not in ("min", "max"):
        mode = "min" if bare.endswith("loss") else "max" if canonical(bare, {}) == "train_acc" else None
    if mode is None:
        raise schedules.UnreadableScheduleError(
            f"whether more or less of {callback.monitor} is better is Keras' own knowledge: pass mode= to the callback"
        )
    return {
        "kind": "plateau",
        "lr": lr,
        "factor": float(callback.factor),
        "patience": max(int(callback.patience), 1) - 1,
        "threshold": abs(float(callback.min_delta)),
        "threshold_mode": "abs",
        "cooldown": max(int(callback.cooldown) - 1, 0),
        "min_lr": float(callback.min_lr),
        "eps": 0.0,
        "mode": mode,
        "unit": "epoch",
        **place,
        "metric": canonical(callback.monitor, names or {}),
    }
