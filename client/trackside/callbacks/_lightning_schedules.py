"""What Lightning makes of a scheduler over a training, where that is not what the scheduler computes by itself."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from typing import Any

from trackside import _tables, schedules

_PACKAGES = ("lightning", "pytorch_lightning")


def stretched(config: Any, *, unit: str, length: int | None, even: bool, place: Mapping[str, Any]) -> dict[str, Any]:
    """A scheduler that Lightning steps every so many epochs or batches only (`frequency`), as a table of its rates.

    `even`: an epoch's updates are a multiple of the frequency. Raises `UnreadableScheduleError`.
    """
    every = config.frequency
    if unit != config.interval or length is None or (unit == "step" and not even):
        raise schedules.UnreadableScheduleError(f"it is stepped every {every} {config.interval}s only")
    rates = _tables.torch_values(config.scheduler, -(-length // every))
    values = [rate for rate in rates for _ in range(every)][:length]
    return schedules.table(values, unit=unit, **place)


def averaging(trainer: Any) -> Any | None:
    """Return the callback that averages the weights over the last epochs at rates of its own, or None."""
    for callback in trainer.callbacks:
        for base in type(callback).__mro__:
            if base.__name__ == "StochasticWeightAveraging" and base.__module__.partition(".")[0] in _PACKAGES:
                return callback
    return None


def averaged(
    callback: Any,
    config: Any,
    *,
    unit: str,
    length: int | None,
    epochs_before: int,
    most_epochs: int,
    place: Mapping[str, Any],
) -> dict[str, Any] | None:
    """A scheduler in whose place `StochasticWeightAveraging` puts one of its own, stepped once an epoch, as a table.

    None where it does so after the training's end. Raises `UnreadableScheduleError`.
    """
    each = 1 if unit == "epoch" else place.get("steps_per_epoch")
    if unit != config.interval or config.frequency != 1 or length is None or each is None:
        raise schedules.UnreadableScheduleError("StochasticWeightAveraging takes the scheduler's place in the midst")
    start = (callback.swa_start - epochs_before) * each
    if start >= length:
        return None
    rates = _tables.torch_values(config.scheduler, start + 1) if start >= 0 else []
    if len(rates) <= start or start < 0:
        raise schedules.UnreadableScheduleError("StochasticWeightAveraging has begun, or the scheduler ends before it")
    own = _own_rates(callback, rates[start], most_epochs, -(-(length - start) // each))
    values = [*rates[:start], *(rate for rate in own for _ in range(each))]
    return schedules.table(values[:length], unit=unit, **place)


def _own_rates(callback: Any, now: float, most_epochs: int, count: int) -> list[float]:
    """The rates of the callback's own epochs, from torch's SWALR over one parameter, made as the callback makes it."""
    torch = sys.modules["torch"]
    chosen = callback._swa_lrs
    swa_lr = chosen[0] if isinstance(chosen, list) else chosen
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=now)
    optimizer.param_groups[0]["initial_lr"] = swa_lr
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the optimizer was not stepped
        scheduler = torch.optim.swa_utils.SWALR(
            optimizer,
            swa_lr=swa_lr,
            anneal_epochs=callback._annealing_epochs,
            anneal_strategy=callback._annealing_strategy,
            last_epoch=most_epochs if callback._annealing_strategy == "cos" else -1,
        )
        for _ in range(count):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            scheduler.step()
    return rates
