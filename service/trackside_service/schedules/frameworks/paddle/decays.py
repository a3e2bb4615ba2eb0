"""Paddle's decays: by steps, exponential, inverse, Noam and polynomial, and the two of functions."""

from __future__ import annotations

import itertools
import math

from trackside_service.schedules.frameworks.constructor import Built, ClassSpec, Site, Values, of_function
from trackside_service.schedules.frameworks.paddle.common import LEARNING_RATE, TAIL, for_all
from trackside_service.schedules.kinds.decay import Decay
from trackside_service.schedules.kinds.inverse_time import InverseTime
from trackside_service.schedules.kinds.phases import Phase, Phases
from trackside_service.schedules.kinds.piecewise import pieces
from trackside_service.schedules.kinds.power_law import PowerLaw
from trackside_service.schedules.kinds.ramp import Ramp
from trackside_service.schedules.params import MAX_TICKS, Param, read_list, refuse

_BELOW_ONE = Param("gamma", "number", "the factor, below 1", default=0.1, minimum=0.0)
_TICK = Param("boundaries", "number", "a boundary", minimum=-MAX_TICKS, maximum=MAX_TICKS)
_VALUE = Param("values", "number", "an LR", minimum=0.0)
_MILESTONE = Param("milestones", "number", "a milestone", minimum=-MAX_TICKS, maximum=MAX_TICKS)


def _below_one(values: Values, site: Site, owner: str) -> float:
    gamma: float = values["gamma"]
    if gamma >= 1.0:
        raise refuse(f"{site.pointer}/params/gamma", f"{owner} refuses a gamma of 1 or more: gamma should be < 1.0")
    return gamma


def _step(values: Values, site: Site) -> Built:
    return for_all(Decay(values["learning_rate"], _below_one(values, site, "StepDecay"), values["step_size"]), site)


def _multi_step(values: Values, site: Site) -> Built:
    place = f"{site.pointer}/params/milestones"
    marks = read_list(values["milestones"], _MILESTONE, place)
    if any(later <= earlier for earlier, later in itertools.pairwise(marks)):
        raise refuse(place, "MultiStepDecay refuses milestones that do not rise: The elements must be incremented")
    gamma = _below_one(values, site, "MultiStepDecay")
    levels = [values["learning_rate"] * gamma**index for index in range(len(marks) + 1)]
    return for_all(pieces(marks, levels), site)


def _piecewise(values: Values, site: Site) -> Built:
    place = f"{site.pointer}/params"
    at = read_list(values["boundaries"], _TICK, f"{place}/boundaries", least=1)
    levels = read_list(values["values"], _VALUE, f"{place}/values")
    if len(levels) <= len(at):
        raise refuse(f"{place}/values", "PiecewiseDecay needs one value more than boundaries")
    if any(later < earlier for earlier, later in itertools.pairwise(at)):
        raise refuse(f"{place}/boundaries", "boundaries are in order: one below an earlier one would never be passed")
    return for_all(pieces(at, [*levels[: len(at)], levels[-1]]), site)


def _exponential(values: Values, site: Site) -> Built:
    gamma = values["gamma"]
    if not 0.0 < gamma < 1.0:
        raise refuse(
            f"{site.pointer}/params/gamma", "ExponentialDecay refuses a gamma that is not between 0 and 1 (exclusive)"
        )
    return for_all(Decay(values["learning_rate"], gamma, 1.0, staircase=False), site)


def _natural(values: Values, site: Site) -> Built:
    return for_all(Decay(values["learning_rate"], math.exp(-min(values["gamma"], 700.0)), staircase=False), site)


def _inverse_time(values: Values, site: Site) -> Built:
    return for_all(InverseTime(values["learning_rate"], values["gamma"]), site)


def _noam(values: Values, site: Site) -> Built:
    warm = values["warmup_steps"]
    scale = values["learning_rate"] * values["d_model"] ** -0.5
    rise = Ramp(0.0, scale * warm * warm**-1.5, warm, after="continue")
    if warm < 1:  # the rise meets the fall before tick 1
        return for_all(Phases((Phase(rise, 0.5), Phase(PowerLaw(scale, 1.0, 0.0), global_clock=True))), site)
    return for_all(Phases((Phase(rise, warm), Phase(PowerLaw(scale, 1.0, 0.0), global_clock=True))), site)


def _polynomial(values: Values, site: Site) -> Built:
    return for_all(
        Ramp(
            values["learning_rate"],
            values["end_lr"],
            values["decay_steps"],
            "poly",
            "stretch" if values["cycle"] else "hold",
            power=values["power"],
        ),
        site,
    )


def _gamma(doc: str) -> Param:
    return Param("gamma", "number", doc, minimum=0.0)


DECAYS: tuple[ClassSpec, ...] = (
    ClassSpec(
        name="NoamDecay",
        description="The Transformer's schedule: a line up, then the inverse square root of the time.",
        formula="learning_rate * d_model^-0.5 * min(t^-0.5, t * warmup_steps^-1.5)",
        params=(
            Param("d_model", "number", "the width of the model", minimum=0.0, exclusive=True),
            Param("warmup_steps", "number", "ticks of the rise", minimum=0.0, exclusive=True, maximum=MAX_TICKS),
            Param("learning_rate", "number", "a factor, not an LR", default=1.0, minimum=0.0),
            *TAIL,
        ),
        build=_noam,
        past_the_end="Goes on falling with the inverse square root.",
        pitfall="learning_rate is a factor: the peak is learning_rate/sqrt(d_model * warmup_steps). The LR is 0 at "
        "tick 0.",
        namesakes="Hugging Face's inverse_sqrt peaks at the optimizer's own lr.",
    ),
    ClassSpec(
        name="PiecewiseDecay",
        description="Constant values with boundaries between them.",
        formula="values[number of boundaries <= t]",
        params=(
            Param("boundaries", "table", "ticks, in order"),
            Param("values", "table", "LRs, one more than boundaries"),
            *TAIL,
        ),
        build=_piecewise,
        past_the_end="Stays at the last value.",
        pitfall="The values are LRs, not factors.",
        namesakes="The boundary's own tick has the new value; Keras' PiecewiseConstantDecay keeps the old one there.",
    ),
    ClassSpec(
        name="NaturalExpDecay",
        description="Falls with the natural exponential.",
        formula="learning_rate * exp(-gamma t)",
        params=(
            LEARNING_RATE,
            Param("gamma", "number", "the rate, above 0", minimum=0.0, exclusive=True),
            *TAIL,
        ),
        build=_natural,
        past_the_end="Goes on decaying.",
        pitfall="gamma is a rate: 0.1 takes a tenth off at each tick, it does not leave a tenth.",
    ),
    ClassSpec(
        name="InverseTimeDecay",
        description="Divided by a line that grows with the time.",
        formula="learning_rate/(1 + gamma t)",
        params=(LEARNING_RATE, _gamma("the rate"), *TAIL),
        build=_inverse_time,
        past_the_end="Goes on decaying, ever slower.",
        namesakes="Keras' has decay_steps as well, and a staircase.",
    ),
    ClassSpec(
        name="PolynomialDecay",
        description="From learning_rate to end_lr in decay_steps ticks, by a power of what is left.",
        formula="(learning_rate - end_lr)(1 - min(t, decay_steps)/decay_steps)^power + end_lr; cycle: decay_steps is "
        "stretched to the next multiple that t has not passed",
        params=(
            LEARNING_RATE,
            Param("decay_steps", "integer", "ticks to end_lr", minimum=1, strict=True),
            Param("end_lr", "number", "the LR at the end", default=0.0001, minimum=0.0),
            Param("power", "number", "the exponent", default=1.0, minimum=0.0, exclusive=True, maximum=1e3),
            Param("cycle", "boolean", "rise again after each decay_steps ticks", default=False),
            *TAIL,
        ),
        build=_polynomial,
        past_the_end="Stays at end_lr; with cycle the LR jumps up again, each time less.",
        pitfall="end_lr is 1e-4 unless given: from a learning_rate below it the LR rises.",
        namesakes="torch's PolynomialLR ends at 0, Hugging Face's at 1e-7.",
    ),
    ClassSpec(
        name="ExponentialDecay",
        description="Multiplied by gamma at every tick.",
        formula="learning_rate * gamma^t",
        params=(LEARNING_RATE, _gamma("the factor of each tick, between 0 and 1"), *TAIL),
        build=_exponential,
        past_the_end="Goes on decaying.",
        pitfall="A gamma of 1 or more is refused.",
        namesakes="torch's ExponentialLR takes any gamma. Keras' reaches decay_rate after decay_steps.",
    ),
    ClassSpec(
        name="MultiStepDecay",
        description="Multiplied by gamma at each milestone.",
        formula="learning_rate * gamma^(number of milestones <= t)",
        params=(LEARNING_RATE, Param("milestones", "table", "ticks that rise"), _BELOW_ONE, *TAIL),
        build=_multi_step,
        past_the_end="Stays where the last milestone has brought it.",
        pitfall="Milestones count ticks; they must rise, and gamma be below 1.",
        namesakes="torch's MultiStepLR takes them in any order.",
    ),
    ClassSpec(
        name="StepDecay",
        description="Multiplied by gamma every step_size ticks.",
        formula="learning_rate * gamma^floor(t/step_size)",
        params=(
            LEARNING_RATE,
            Param("step_size", "integer", "ticks between two decays", minimum=1, strict=True),
            _BELOW_ONE,
            *TAIL,
        ),
        build=_step,
        past_the_end="Goes on decaying.",
        pitfall="step_size counts ticks: stepped per batch, it decays after so many batches.",
        namesakes="torch's StepLR takes any gamma.",
    ),
    ClassSpec(
        name="LambdaDecay",
        description="learning_rate times a function of the tick.",
        formula="learning_rate * lr_lambda(t)",
        params=(LEARNING_RATE, Param("lr_lambda", "any", "a function", default=None), *TAIL),
        build=of_function,
        past_the_end="As the function says.",
        pitfall="The function gives a factor, not an LR. It cannot be declared: the client sends a table.",
    ),
    ClassSpec(
        name="MultiplicativeDecay",
        description="Multiplied by a function of the tick, again and again.",
        formula="learning_rate * lr_lambda(1) * lr_lambda(2) * ... * lr_lambda(t)",
        params=(LEARNING_RATE, Param("lr_lambda", "any", "a function", default=None), *TAIL),
        build=of_function,
        past_the_end="As the function says.",
        pitfall="It cannot be declared: the client sends a table.",
    ),
)
