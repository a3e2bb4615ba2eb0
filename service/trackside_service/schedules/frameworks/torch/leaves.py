"""The maps of torch's schedulers, one function a class, as `recursion` needs them. Source: their get_lr."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from trackside_service.schedules.curve import Curve, FloatArray
from trackside_service.schedules.frameworks.torch.recursion import Group, Leaf, Map, Maps, remember


def _scaled(factors: FloatArray) -> Maps:
    return factors, np.zeros_like(factors)


def _kept(base: float, group: Group) -> Map:  # noqa: ARG001
    return 1.0, 0.0


def _set_to(factor: float) -> Callable[[float, Group], Map]:
    return lambda base, group: (0.0, base * factor)  # noqa: ARG005


def step_lr(step_size: float, gamma: float) -> Leaf:
    """StepLR: gamma where step_size divides last_epoch, but not at 0."""

    def step(epochs: FloatArray, base: float, group: Group) -> Maps:  # noqa: ARG001
        falls = (np.mod(epochs, step_size) == 0.0) & (epochs != 0.0)
        return _scaled(np.where(falls, gamma, 1.0))

    return Leaf(step, _kept, _set_to(1.0), factor=True)


def multi_step_lr(milestones: Sequence[float], gamma: float) -> Leaf:
    """MultiStepLR: gamma at each milestone, as often as it is listed."""
    counted = Counter(milestones)
    passed = sum(times for mark, times in counted.items() if mark <= 0)
    marks = np.asarray([*sorted(counted), math.inf])
    falls = np.asarray([*(gamma ** counted[mark] for mark in sorted(counted)), 1.0])

    def step(epochs: FloatArray, base: float, group: Group) -> Maps:  # noqa: ARG001
        place = np.minimum(np.searchsorted(marks, epochs), len(marks) - 1)
        return _scaled(np.where(marks[place] == epochs, falls[place], 1.0))

    return Leaf(
        step,
        lambda base, group: (gamma ** counted[0], 0.0),  # noqa: ARG005
        _set_to(gamma**passed),
        exact="always" if passed == counted[0] else "never",
        factor=True,
    )


def constant_lr(factor: float, total_iters: float) -> Leaf:
    """ConstantLR: factor at 0, 1/factor at total_iters; a factor of 0 divides by zero there."""

    def step(epochs: FloatArray, base: float, group: Group) -> Maps:  # noqa: ARG001
        back = 1.0 / factor if factor else math.nan
        factors = np.where(epochs == total_iters, back, 1.0)
        return _scaled(np.where(epochs == 0.0, factor, factors))

    return Leaf(
        step,
        lambda base, group: (factor, 0.0),  # noqa: ARG005
        _set_to(1.0 if total_iters <= 0 else factor),
        last=total_iters - 1 if factor == 0.0 and total_iters > 0 and total_iters.is_integer() else math.inf,
        exact="always" if total_iters > 0 else "never",
        factor=factor > 0.0,
    )


def linear_lr(start: float, end: float, total_iters: float) -> Leaf:
    """LinearLR: a recursion that ends at total_iters, and divides by zero when set to 0 with total_iters 0."""

    def step(epochs: FloatArray, base: float, group: Group) -> Maps:  # noqa: ARG001
        with np.errstate(divide="ignore", invalid="ignore"):
            factors = 1.0 + (end - start) / (total_iters * start + (epochs - 1.0) * (end - start))
        factors = np.where(epochs > total_iters, 1.0, factors)
        return _scaled(np.where(epochs == 0.0, start, factors))

    return Leaf(
        step,
        lambda base, group: (start, 0.0),  # noqa: ARG005
        _set_to(start),
        zero_raises=total_iters == 0,
        factor=True,
    )


def exponential_lr(gamma: float) -> Leaf:
    """ExponentialLR: gamma at every step but the constructor's."""

    def step(epochs: FloatArray, base: float, group: Group) -> Maps:  # noqa: ARG001
        return _scaled(np.full_like(epochs, gamma))

    return Leaf(step, _kept, _set_to(1.0), factor=True)


def polynomial_lr(total_iters: float, power: float) -> Leaf:
    """PolynomialLR: the quotient of two neighbours of (1 - t/n)^p."""

    def step(epochs: FloatArray, base: float, group: Group) -> Maps:  # noqa: ARG001
        if total_iters == 0:
            return _scaled(np.ones_like(epochs))
        with np.errstate(divide="ignore", invalid="ignore"):
            quotient = (1.0 - epochs / total_iters) / (1.0 - (epochs - 1.0) / total_iters)
            factors = np.power(quotient, power)
        return _scaled(np.where(epochs > total_iters, 1.0, factors))

    return Leaf(step, _kept, _set_to(1.0), zero_raises=total_iters == 0, factor=True)


def cosine_annealing_lr(t_max: float, eta_min: float) -> Leaf:
    """CosineAnnealingLR: towards eta_min by the quotient of neighbours; one tick after the minimum by a difference."""

    def step(epochs: FloatArray, base: float, group: Group) -> Maps:  # noqa: ARG001
        with np.errstate(divide="ignore", invalid="ignore"):
            quotient = (1.0 + np.cos(math.pi * epochs / t_max)) / (1.0 + np.cos(math.pi * (epochs - 1.0) / t_max))
            turning = np.mod(epochs - 1.0 - t_max, 2.0 * t_max) == 0.0
            rise = (base - eta_min) * (1.0 - math.cos(math.pi / t_max)) / 2.0
            return np.where(turning, 1.0, quotient), np.where(turning, rise, eta_min * (1.0 - quotient))

    return Leaf(step, _kept, _set_to(1.0))


def closed(curve_of: Callable[[float, Group], Curve], *, last: float = math.inf) -> Leaf:
    """Return the maps of a class that sets the LR by its clock alone, whatever it finds."""

    def step(epochs: FloatArray, base: float, group: Group) -> Maps:
        values = curve_of(base, group).lrs(np.maximum(epochs, 0.0))
        return np.zeros_like(values), values

    def at_zero(base: float, group: Group) -> Map:
        return 0.0, float(curve_of(base, group).lrs(np.zeros(1))[0])

    return Leaf(step, at_zero, at_zero, last=last, restarts_below_zero=True)


def cyclic_lr(base_lr: float, curve: Curve) -> Leaf:
    """CyclicLR: writes its base_lr into the group, and starts from the initial_lr that it finds."""

    def prepare(group: Group) -> float:
        group.lr = base_lr
        return remember(group)

    leaf = closed(lambda base, group: curve)  # noqa: ARG005
    return Leaf(
        leaf.step,
        lambda base, group: (0.0, base),  # noqa: ARG005
        leaf.at_zero,
        prepare,
        again=leaf.at_zero,
        exact="later",
    )


def one_cycle_lr(
    max_lr: float,
    div_factor: float,
    final_div_factor: float,
    curve_of: Callable[[float, float, float], Curve],
    last: int,
) -> Leaf:
    """OneCycleLR: overwrites initial_lr, max_lr and min_lr of the group, and reads them back at every step."""

    def prepare(group: Group) -> float:
        group.initial_lr, group.max_lr = max_lr / div_factor, max_lr
        group.min_lr = group.initial_lr / final_div_factor
        return group.initial_lr

    def of_group(base: float, group: Group) -> Curve:
        return curve_of(base if group.initial_lr is None else group.initial_lr, group.max_lr, group.min_lr)

    leaf = closed(of_group, last=last)
    return Leaf(leaf.step, leaf.first, leaf.at_zero, prepare, last=last, exact="never")
