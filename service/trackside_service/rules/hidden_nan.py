"""LOSS006: a number stands where the loss has broken: exactly 0, exactly constant, or at a ceiling.

**What.** The training loss falls from a sound value to exactly 0.0 and stays there, or is 0.0 from the first record on
while the accuracy is low or the gradient norm is NaN or 0; or a loss arrives at exactly ln k for k classes and stays
(all outputs are alike); or it stands at the ceiling at which a framework cuts the logarithm of zero (87.3365, also many
times over; 16.1181); or it is the same number in every digit, record after record.

**Why it matters.** Some loops print 0, the last mean or a ceiling in place of NaN. Nothing that compares losses sees
it: 0 is even the best loss of all. The run is as dead as one whose loss is NaN.

**Example.** Iteration 0: 184.354, iterations 100, 200 and 300: 1746.73 each, which is 20 times 87.3365: the logarithm
of the smallest float, averaged over nothing but overflows. The alert opens at iteration 100.

**What to try.** Look at the gradient norm, and at the weights: are they finite, do they change at all? Log the raw
loss of a batch beside the printed one (transformers replaces NaN by the mean unless `logging_nan_inf_filter` is
off). At 0: look at labels that are all ignored or empty, and at float16. At ln k or at a ceiling: the outputs no longer
depend on the input; restart from an earlier checkpoint with half the peak learning rate, or another initialisation.

**Defaults.** Three zeros in a row that no zero preceded in fifty records, and none while the gradient norm is a sound
number (some losses are 0 by design). Exact equality is asked of six significant digits, since 0.0 and 1.23 repeat by
rounding: five epochs in a row, or twenty records of several an epoch that reach into a second one; three at exactly ln
k; two at a ceiling. A loss that came to its value by a last step of less than one part in ten thousand has converged:
without noise, full batch, it stays there. Nothing is judged at a learning rate under a thousandth of the highest so
far. It raised nothing on 185 healthy public runs. It resolves after three other values in a row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, Literal

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import GRAD_NORM, LOSSES, LR, TRAIN_ACC, TRAIN_LOSS, VAL_ACC, VAL_LOSS
from trackside_service.domain.numbers import to_wire
from trackside_service.rules import advice
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.chance import classes_of, loss_at
from trackside_service.rules.places import Place, by_batch, epoch_of, is_summary, place_from, place_of, position, say
from trackside_service.rules.running import NONE, Streak, dump_streak, extended, load_streak

CODE = "LOSS006"
Reason = Literal["zero", "chance", "ceiling", "constant"]
CEILINGS: Final = (87.33654475, 16.11809565)  # -ln of the smallest normal float32, and of Keras' 1e-7
_MULTIPLES: Final = 100
_DIGITS: Final = 6
_SIDE_LOSSES: Final = 4
_IDLE_LR: Final = 1e-3
_ARRIVED: Final = 1e-4  # of the loss: a last movement of less is how a run without noise converges


@dataclass(frozen=True, slots=True)
class Parameters:
    """How many records in a row it takes.

    `zeros`: exactly 0.0; `apart`: records without a zero that come before them. `at_chance`: exactly ln k.
    `at_ceiling`: at a ceiling. `epochs`: the same number where a record speaks for an epoch; `records`: where it does
    not. `clears_after`: other values in a row after which the alert resolves.
    """

    zeros: int = 3
    apart: int = 50
    at_chance: int = 3
    at_ceiling: int = 2
    epochs: int = 5
    records: int = 20
    clears_after: int = 3

    def __post_init__(self) -> None:
        if min(self.zeros, self.at_chance, self.at_ceiling, self.epochs, self.records, self.clears_after) < 1:
            raise ValueError("zeros, at_chance, at_ceiling, epochs, records and clears_after are counts of 1 or more")
        if self.apart < 0:
            raise ValueError("apart is a count of 0 or more")


@dataclass(frozen=True, slots=True)
class Loss:
    """One loss: its first and last value, how often in a row it has been the last one, and the other one before that.

    `moved`: it has been another than what it is now. `exact`: how often in a row it was at ln k. `unlike_zero`: values
    since the last 0 (None: there was none). `repeated`: the longest row of one number before. `batched`: several
    values an epoch.
    """

    first: float | None = None
    last: float | None = None
    last_at: Place | None = None
    same: Streak = NONE
    before: float | None = None
    exact: Streak = NONE
    unlike_zero: int | None = None
    repeated: int = 0
    batched: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """The losses by name, the latest LR and the highest, the latest accuracy; the loss that the alert is about (None:
    none is open) and other values of it in a row since.
    """

    losses: Mapping[str, Loss] = field(default_factory=dict)
    lr: float | None = None
    highest_lr: float = 0.0
    accuracy: float | None = None
    open: str | None = None
    good: int = 0


def start(_context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State()


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at the losses of one record."""
    values = reading.record.metrics
    if reading.starts_life:
        state = State(open=state.open, good=state.good)
    here = place_of(reading.record)
    lr, accuracy, losses = values.get(LR), values.get(VAL_ACC, values.get(TRAIN_ACC)), state.losses
    if lr is None or not math.isfinite(lr):
        lr = state.lr
    if accuracy is None or not math.isfinite(accuracy):
        accuracy = state.accuracy
    seen: list[str] = []
    for name in (*LOSSES, *_side_losses(tuple(values))):
        value = values.get(name)
        if value is None or not math.isfinite(value):
            continue
        before = losses.get(name)
        if name not in LOSSES and before is not None and before.last != value and not _odd(value):
            continue  # most values of most side losses: nothing to keep
        losses = {**losses, name: _next(context, before or Loss(), value, here)}
        seen.append(name)
    highest = state.highest_lr if lr is None else max(state.highest_lr, lr)
    state = State(losses, lr, highest, accuracy, state.open, state.good)
    for name in seen:
        reason = _reason(context, parameters, state, name, values)
        if state.open == name:
            good = 0 if reason is not None or losses[name].same.count > 1 else state.good + 1
            state = replace(state, good=good)
            if good >= parameters.clears_after:
                return replace(state, open=None), [Cleared(CODE, name, reading.record.position)]
        elif state.open is None and reason is not None:
            return replace(state, open=name, good=0), [_finding(context, state, name, reason, reading)]
    return state, ()


def _next(context: RunContext, loss: Loss, value: float, here: Place) -> Loss:
    batched = loss.batched or by_batch(loss.last_at, here, context.spec.steps_per_epoch)
    at_chance = _chance(context, value) is not None
    if value == loss.last:
        exact = extended(loss.exact, at_chance, here)
        return replace(loss, last_at=here, same=extended(loss.same, True, here), exact=exact, batched=batched)
    unlike_zero = loss.unlike_zero
    if value != 0:
        unlike_zero = 1 if loss.last == 0 else None if unlike_zero is None else unlike_zero + 1
    return Loss(
        first=value if loss.first is None else loss.first,
        last=value,
        last_at=here,
        same=Streak(1, here),
        before=loss.before if at_chance and loss.exact.count else loss.last,
        exact=extended(loss.exact, at_chance, here),
        unlike_zero=unlike_zero,
        repeated=max(loss.repeated, loss.same.count),
        batched=batched,
    )


def _reason(
    context: RunContext, parameters: Parameters, state: State, name: str, values: Mapping[str, float]
) -> Reason | None:
    loss = state.losses[name]
    value, row = loss.last, loss.same.count
    if value is None:
        return None
    if loss.exact.count >= (parameters.at_chance if loss.before is not None else 2 * parameters.epochs):
        return "chance"
    if row < 2:
        return None
    if value == 0:
        zeros = name == TRAIN_LOSS and row >= parameters.zeros and _broken_zero(parameters, state, loss, values)
        return "zero" if zeros else None
    if row >= parameters.at_ceiling and _ceiling(value) is not None:
        return "ceiling"
    if name not in LOSSES or row < parameters.epochs or 1 < loss.repeated >= row / 3:
        return None
    if state.lr is not None and state.lr <= _IDLE_LR * state.highest_lr:
        return None
    if significant_digits(value) < _DIGITS or _has_converged(loss, value):
        return None
    if name == VAL_LOSS:
        # By step, the last evaluation's value may be printed with every record.
        return "constant" if loss.last_at is not None and is_summary(loss.last_at) and not loss.batched else None
    if not loss.batched:
        return "constant"
    steps = context.spec.steps_per_epoch
    since, now = (None if at is None else epoch_of(at, steps) for at in (loss.same.since, loss.last_at))
    return "constant" if row >= parameters.records and (now is None or since != now) else None


def _broken_zero(parameters: Parameters, state: State, loss: Loss, values: Mapping[str, float]) -> bool:
    norm = values.get(GRAD_NORM)
    if norm is not None and math.isfinite(norm) and norm != 0:
        return False
    if loss.before is not None:
        sound = abs(loss.before) >= min(0.05, 0.1 * abs(loss.first or loss.before))
        return sound and (loss.unlike_zero is None or loss.unlike_zero >= parameters.apart)
    accuracy = state.accuracy
    low = accuracy is not None and accuracy < (50 if accuracy > 1 else 0.5)
    return low or norm is not None


def _has_converged(loss: Loss, value: float) -> bool:
    """Whether a loss came down to a value in ever smaller steps, where what breaks stops in its usual ones."""
    if loss.before is None or loss.first is None:
        return False
    moved = abs(value - loss.before)
    return moved <= _ARRIVED * max(abs(value), abs(loss.first)) and moved <= 0.1 * abs(value - loss.first)


def _odd(value: float) -> bool:
    return _ceiling(value) is not None or classes_of(value, within=1e-6) is not None


def _chance(context: RunContext, value: float) -> int | None:
    """The k for which a value is ln k in every printed digit, of which there are at least six."""
    classes = classes_of(value, within=1e-5, declared=context.spec.num_classes)
    if classes is None or significant_digits(value) < _DIGITS:
        return None
    decimals = -int(Decimal(repr(value)).as_tuple().exponent)
    return classes if abs(value - loss_at(classes)) <= max(0.51 * 10.0**-decimals, 2e-7 * value) else None


def _ceiling(value: float) -> tuple[int, float] | None:
    """How many times which ceiling a value is."""
    times = round(value / CEILINGS[0])
    if 1 <= times <= _MULTIPLES and abs(value - times * CEILINGS[0]) <= 3e-6 * value:
        return times, CEILINGS[0]
    return (1, CEILINGS[1]) if abs(value - CEILINGS[1]) <= 3e-6 * value else None


def significant_digits(value: float) -> int:
    """Return how many significant digits a reported number has: 0.0120 has 2, since a zero at the end is not sent."""
    return len(Decimal(repr(value)).normalize().as_tuple().digits)


@lru_cache(maxsize=512)
def _side_losses(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the metrics that are losses by their name, beside the two that are known: the first few of them."""
    others = (name for name in names if name not in LOSSES)
    return tuple(name for name in others if "loss" in name.lower() or "entropy" in name.lower())[:_SIDE_LOSSES]


def _finding(context: RunContext, state: State, name: str, reason: Reason, reading: Reading) -> Finding:
    loss = state.losses[name]
    assert loss.last is not None
    value, row = loss.last, loss.exact if reason == "chance" else loss.same
    before = "" if loss.before is None else f" Before, it was {loss.before:.6g}."
    classes, ceiling = _chance(context, value), _ceiling(value)
    if reason == "zero":
        title, what = f"{name} is exactly 0", "exactly 0.0, which no loss of a model that still learns is"
    elif reason == "chance":
        title = f"{name} is exactly ln {classes}"
        what = f"{value:.6g}, ln {classes} in every digit: all outputs are alike, for every input"
    elif reason == "ceiling" and ceiling is not None:
        title = f"{name} stands at an overflow ceiling"
        times = "" if ceiling[0] == 1 else f"{ceiling[0]} times "
        what = f"{value:.6g}, {times}{ceiling[1]:.6g}, which stands for the logarithm of zero"
    else:
        title, what = f"{name} is exactly constant", f"{value:.10g} in every digit"
    return Finding(
        code=CODE,
        subject=name,
        severity="warning",
        title=title,
        detail=f"{name} has been {what}, {row.count} records in a row since {say(row.since)}.{before} Such a number "
        "mostly hides a NaN or an overflow.",
        advice=_advice(context, state, reason, row.since),
        opened=position(row.since),
        detected=reading.record.position,
        evidence={
            "metric": name,
            "value": value,
            "reason": reason,
            "in_a_row": row.count,
            "before": loss.before,
            "classes": classes if reason == "chance" else None,
            "lr": None if state.lr is None else to_wire(state.lr),
        },
    )


def _advice(context: RunContext, state: State, reason: Reason, since: Place | None) -> str:
    look = f"Look at the gradient norm and at the weights about {say(since)}: are they finite, and do they change?"
    if reason == "zero":
        return (
            f"{look} Look at the labels (all ignored, or empty) and at overflow in float16; log the raw loss, since "
            f"some loops print 0 or the mean in place of NaN. If it came suddenly, {advice.lower_peak(context)}, and "
            "restart from a checkpoint of before."
        )
    if reason == "constant":
        rate = "" if state.lr is None else f" (it is {state.lr:.6g})"
        held = "the optimizer" if context.spec.optimizer is None else context.spec.optimizer.name
        return (
            f"{look} NaN or infinite: go on from a checkpoint of before, and {advice.lower_peak(context)}. Finite, and "
            f"they do not change: {held} does not hold these parameters, its step is skipped (a loss scale at its "
            f"floor), or the learning rate is 0{rate}. They change: the loop prints a value of an earlier record again."
        )
    return (
        f"{look} The outputs no longer depend on the input: restart from a checkpoint of before, and "
        f"{advice.lower_peak(context)}; from the first records on, suspect the initialisation of the last layer, the "
        "scale of the inputs and the labels."
    )


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    losses = {
        name: [
            *(loss.first, loss.last, loss.last_at, dump_streak(loss.same), loss.before, dump_streak(loss.exact)),
            *(loss.unlike_zero, loss.repeated, loss.batched),
        ]
        for name, loss in state.losses.items()
    }
    rest = [state.lr, state.highest_lr, state.accuracy, state.open, state.good]
    return {"losses": losses, "rest": rest}


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    losses = {}
    for name, (first, last, last_at, same, before, exact, *rest) in data["losses"].items():
        losses[name] = Loss(first, last, place_from(last_at), load_streak(same), before, load_streak(exact), *rest)
    return State(losses, *data["rest"])


RULE = Rule(
    code=CODE,
    name="hidden NaN",
    summary="The loss is exactly 0, exactly constant, exactly ln k, or at an overflow ceiling.",
    severity="warning",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    dump=dump,
    load=load,
)
