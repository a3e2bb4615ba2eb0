"""Values of a schedule read off a copy of a live scheduler; the scheduler, its optimizer and the model stay untouched.

The copy never holds a model: `copy.deepcopy` of a scheduler follows `optimizer` to every parameter, and a schedule
function that is a trainer's method to the whole trainer. So the optimizer is replaced by a stand-in whose groups hold
numbers only, and tensors, modules and what methods are bound to are shared, not copied.
"""

from __future__ import annotations

import copy
import functools
import types
import warnings
from collections.abc import Mapping
from typing import Any, Callable

from trackside import _functions, _wire

MAX_VALUES = 100_000
_REACTS = ("ReduceLROnPlateau", "ReduceOnPlateau", "GreedyLR")
_HEAVY = ("Module", "Layer", "Tensor", "Parameter", "Optimizer")


class UnreadableScheduleError(ValueError):
    """A live scheduler whose values cannot be known beforehand; the text says why."""


class StandIn:
    """What a torch scheduler needs of an optimizer: groups of numbers, without parameters."""

    def __init__(self, optimizer: Any) -> None:
        self.param_groups = [
            {**{key: _plain(value) for key, value in group.items() if key != "params"}, "params": []}
            for group in optimizer.param_groups
        ]
        self.defaults = {key: _plain(value) for key, value in optimizer.defaults.items()}
        self.state: dict[Any, Any] = {}
        self._opt_called = True  # torch warns when a scheduler steps before its optimizer

    def step(self) -> None:
        """Do nothing."""

    step._wrapped_by_lr_sched = True  # type: ignore[attr-defined]


def torch_values(scheduler: Any, length: int | None) -> list[float]:
    """Return the first group's LR at `length` ticks from tick 0 on. Raises `UnreadableScheduleError`."""
    length = _checked(scheduler, length)
    stand_in = StandIn(scheduler.optimizer)
    done = max(int(getattr(part, "last_epoch", 0)) for part in _parts(scheduler))
    twin = _copy(scheduler, {id(scheduler.optimizer): stand_in})
    if done:
        now = [_number(group["lr"]) for group in stand_in.param_groups]
        _rewind_torch(twin, stand_in)

    def lr() -> float:
        return _number(stand_in.param_groups[0]["lr"])

    rates = _walk(twin, lr, max(length, done + 1))
    if done and rates[done : done + 1] != now[:1]:
        raise UnreadableScheduleError(
            f"the {type(scheduler).__name__} has already made {done} steps and its earlier values cannot be read back; "
            "start the run before the first step, or declare the schedule by hand"
        )
    return rates[:length]


def paddle_values(scheduler: Any, length: int | None) -> list[float]:
    """Return the LR at `length` ticks from tick 0 on. Raises `UnreadableScheduleError`."""
    length = _checked(scheduler, length)
    done = int(scheduler.last_epoch)
    now = _number(scheduler.last_lr)
    twin = _copy(scheduler, {})
    if done:
        twin.last_epoch, twin.last_lr = -1, _number(scheduler.base_lr)
        _step(twin)
    rates = _walk(twin, lambda: _number(twin.last_lr), max(length, done + 1))
    if done and rates[done : done + 1] != [now]:
        raise UnreadableScheduleError(
            f"the {type(scheduler).__name__} has already made {done} steps and its earlier values cannot be read back; "
            "start the run before the first step, or declare the schedule by hand"
        )
    return rates[:length]


def refuse_successor(scheduler: Any) -> None:
    """Raise `UnreadableScheduleError` where an SWALR was made for the optimizer and is no part of the scheduler: from
    some epoch on, which only the loop knows, that is what sets the rates.
    """
    groups = getattr(getattr(scheduler, "optimizer", None), "param_groups", None) or []
    if any("swa_lr" in group for group in groups) and not any(
        base.__name__ == "SWALR" for part in _parts(scheduler) for base in type(part).__mro__
    ):
        raise UnreadableScheduleError(
            f"an SWALR takes the place of the {type(scheduler).__name__} at an epoch that the loop decides; pass its "
            "rates as schedule=trackside.schedules.table([...], unit=...), or SequentialLR([...]) of both as scheduler="
        )


def _checked(scheduler: Any, length: int | None) -> int:
    for part in _parts(scheduler):
        if any(base.__name__ in _REACTS for base in type(part).__mro__):
            raise UnreadableScheduleError(
                f"a {type(part).__name__} follows a metric, so its rates cannot be known beforehand"
            )
    if not all(
        hasattr(part, "last_epoch") or hasattr(part, "_schedulers") for part in _parts(scheduler)
    ) or not callable(getattr(scheduler, "step", None)):
        raise UnreadableScheduleError(f"a {type(scheduler).__name__} is no scheduler of torch or Paddle")
    if length is None:
        raise UnreadableScheduleError(
            f"a {type(scheduler).__name__} is read as a table of its values, for which the length must be known: pass "
            "total_epochs, and steps_per_epoch where scheduler.step() is called every update"
        )
    if length > MAX_VALUES:
        raise UnreadableScheduleError(f"a table holds at most {MAX_VALUES} values, and this schedule has {length}")
    return max(1, length)


def _parts(scheduler: Any) -> list[Any]:
    """The scheduler and those nested in it."""
    found: list[Any] = []
    left = [scheduler]
    while left and len(found) < 100:
        part = left.pop()
        found.append(part)
        inner = [getattr(part, "learning_rate", None), *list(getattr(part, "_schedulers", None) or [])]
        left += [item for item in inner if item is not None and not isinstance(item, (int, float))]
    return found


def copied(schedule: Any) -> Any:
    """Return a schedule function, or an object that is called, that can be asked for rates while the one that the
    training asks stays as it is. Raises `UnreadableScheduleError`.
    """
    return _copy(schedule, {})


def _copy(scheduler: Any, replaced: dict[int, Any]) -> Any:
    memo = dict(replaced)
    _share(scheduler, memo, depth=0)
    try:
        return copy.deepcopy(scheduler, memo)
    except Exception as error:
        raise UnreadableScheduleError(
            f"the {type(scheduler).__name__} cannot be copied ({type(error).__name__}); declare the schedule by hand"
        ) from None


def _share(value: Any, memo: dict[int, Any], depth: int) -> None:
    """Enter into `memo` all that the copy should share instead of copying."""
    if depth > 6 or id(value) in memo or isinstance(value, (int, float, str, bytes, type(None), type)):
        return
    if isinstance(value, types.MethodType):
        if not _is_scheduler(value.__self__):
            memo[id(value)] = _separate(value)
            memo[id(value.__self__)] = value.__self__
        return
    plain = value.func if isinstance(value, functools.partial) else value
    if isinstance(plain, (types.FunctionType, types.MethodType, types.BuiltinFunctionType)):
        memo[id(value)] = _separate(value)
        return
    if any(base.__name__ in _HEAVY for base in type(value).__mro__):
        memo[id(value)] = value
        return
    if isinstance(value, Mapping):
        inner = list(value.values())
    elif isinstance(value, (list, tuple, set)):
        inner = list(value)
    else:
        inner = list(getattr(value, "__dict__", {}).values())
    for item in inner:
        _share(item, memo, depth + 1)


def _separate(function: Any) -> Any:
    try:
        return _functions.separate(function)
    except ValueError as error:
        raise UnreadableScheduleError(str(error)) from None


def _is_scheduler(value: Any) -> bool:
    return hasattr(value, "last_epoch") and hasattr(value, "step")


def _rewind_torch(twin: Any, stand_in: StandIn) -> None:
    """Put a copy back to tick 0 as its constructor left it. Whether that worked is checked by its later values."""
    if len(_parts(twin)) > 1:
        raise UnreadableScheduleError(
            f"a {type(twin).__name__} that has already been stepped cannot be read; start the run before the first "
            "step, or declare the schedule by hand"
        )
    for group in stand_in.param_groups:
        group["lr"] = group.get("initial_lr", group["lr"])
    twin.last_epoch = -1
    try:
        _initial_step(twin)
    except Exception as error:
        raise UnreadableScheduleError(f"the {type(twin).__name__} cannot be put back to its start") from error


def _initial_step(part: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        initial = getattr(part, "_initial_step", None)
        if callable(initial):
            initial()
        else:
            part.step()


def _step(twin: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        twin.step()


def _walk(twin: Any, lr: Callable[[], float], length: int) -> list[float]:
    """Read the LR now and after each further step. A scheduler that refuses to go on ends the table there."""
    rates = [lr()]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            while len(rates) < length:
                twin.step()
                rates.append(lr())
    except Exception as error:
        if len(rates) < 2:
            raise UnreadableScheduleError(
                f"a copy of the {type(twin).__name__} cannot be stepped ({type(error).__name__}); "
                "declare the schedule by hand"
            ) from None
    return rates


def _number(value: Any) -> float:
    found = _wire.to_float(_wire.freeze(value))
    if found is None:
        raise UnreadableScheduleError("a learning rate of the scheduler is no number")
    return found


def _plain(value: Any) -> Any:
    """A group's setting without its tensor: a copy must not change the optimizer's own."""
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item) for item in value) if not hasattr(value, "_fields") else value
    if hasattr(value, "detach"):
        try:
            return _wire.to_float(_wire.freeze(value))
        except _wire.RefusedError:
            return None
    return value
