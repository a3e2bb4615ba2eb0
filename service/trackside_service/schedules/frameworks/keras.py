"""keras.optimizers.schedules: constructor parameters to canonical kinds. Formulas: the classes' own call, version 3.15.

Keras computes in float32; the values here are those of the formulas in float64, equal to 1e-6 of the peak. Where a
rounded quotient decides between two values (a staircase, a restart), the quotient is computed in float32 as Keras does.
"""

from __future__ import annotations

import itertools

import numpy as np

from trackside_service.schedules.curve import Curve
from trackside_service.schedules.frameworks.constructor import Built, ClassSpec, FrameworkSpec, Site, Values
from trackside_service.schedules.kinds.decay import Decay
from trackside_service.schedules.kinds.inverse_time import InverseTime
from trackside_service.schedules.kinds.phases import Phase, Phases
from trackside_service.schedules.kinds.piecewise import pieces
from trackside_service.schedules.kinds.ramp import Ramp
from trackside_service.schedules.kinds.restarts import Restarts
from trackside_service.schedules.params import MAX_TICKS, Param, read_list, refuse

_BOUNDARY = Param("boundaries", "number", "a boundary", minimum=-MAX_TICKS, maximum=MAX_TICKS)
_VALUE = Param("values", "number", "an LR", minimum=0.0)


def _for_all(curve: Curve, site: Site, *, total: float | None = None) -> Built:
    """Return one curve for every group: a Keras optimizer has one learning rate."""
    return Built((curve,) * (len(site.base_lrs) if site.base_lrs else 1), total=total)


def _single(value: float) -> float:
    """Return the nearest float32: what a high power makes of the difference shows."""
    return float(np.float32(value))


def _exponential(values: Values, site: Site) -> Built:
    first, every, rate = values["initial_learning_rate"], values["decay_steps"], values["decay_rate"]
    return _for_all(Decay(first, _single(rate), every, values["staircase"], single=True), site)


def _inverse_time(values: Values, site: Site) -> Built:
    first, every, rate = values["initial_learning_rate"], values["decay_steps"], values["decay_rate"]
    return _for_all(InverseTime(first, rate, every, values["staircase"], single=True), site)


def _piecewise(values: Values, site: Site) -> Built:
    place = f"{site.pointer}/params"
    at = read_list(values["boundaries"], _BOUNDARY, f"{place}/boundaries", least=1)
    levels = read_list(values["values"], _VALUE, f"{place}/values")
    if len(levels) != len(at) + 1:
        raise refuse(
            f"{place}/boundaries",
            f"The length of boundaries should be 1 less than the length of values: {len(at)} and {len(levels)} given",
        )
    if isinstance(values["values"][0], int) and any(level != int(level) for level in levels):
        raise refuse(
            f"{place}/values/0", f"Keras computes in the type of the first value: write {values['values'][0]}.0"
        )
    at = [float(int(mark)) for mark in at]  # cast to the step's type
    if any(later < earlier for earlier, later in itertools.pairwise(at)):
        raise refuse(f"{place}/boundaries", "boundaries are in order: else Keras adds up the values of two pieces")
    return _for_all(pieces(at, levels, "after"), site)


def _polynomial(values: Values, site: Site) -> Built:
    ramp = Ramp(
        values["initial_learning_rate"],
        values["end_learning_rate"],
        values["decay_steps"],
        "poly",
        "stretch" if values["cycle"] else "hold",
        power=values["power"],
        single=True,
    )
    return _for_all(ramp, site)


def _cosine(values: Values, site: Site) -> Built:
    first, over, alpha = values["initial_learning_rate"], values["decay_steps"], values["alpha"]
    target, warm = values["warmup_target"], values["warmup_steps"]
    if target is None:  # warmup_steps is not looked at
        return _for_all(Ramp(first, alpha * first, over, "cosine", single=True), site)
    fall = Ramp(target, alpha * target, over, "cosine", single=True)
    if warm == 0:
        return _for_all(fall, site)
    return _for_all(Phases((Phase(Ramp(first, target, warm), warm), Phase(fall))), site)


def _cosine_restarts(values: Values, site: Site) -> Built:
    first, alpha = values["initial_learning_rate"], values["alpha"]
    t_mul = values["t_mul"]
    if t_mul != 1.0 and abs(t_mul - 1.0) < 0.01:
        raise refuse(f"{site.pointer}/params/t_mul", "t_mul is 1, or differs from it by 0.01 or more here")
    curve = Restarts(
        first,
        alpha * first,
        values["first_decay_steps"],
        t_mul,
        peak_decay=_single(values["m_mul"]),
        decay_range=True,
        counting="log32",
    )
    return _for_all(curve, site)


def _steps(name: str, doc: str) -> Param:
    return Param(name, "number", doc, minimum=0.0, exclusive=True, maximum=MAX_TICKS)


def _name(default: str) -> Param:
    return Param("name", "any", "of no effect on the LR", default=default)


_FIRST = Param("initial_learning_rate", "number", "the LR at step 0, a float", minimum=0.0, strict=True)
_IN_INTEGERS = (
    " Keras computes in the type of initial_learning_rate: from the integer 0 the whole schedule is 0. Write 0.0."
)
_STAIRCASE = Param("staircase", "boolean", "in steps, once a decay_steps", default=False)
_ALPHA = Param("alpha", "number", "the least LR as a share of the maximum", default=0.0, minimum=0.0)
_ACCUMULATION = (
    " The schedule sees optimizer.iterations; with gradient_accumulation_steps=k it counts the k batches of an update "
    "one by one, and runs k times as fast."
)

KERAS = FrameworkSpec(
    framework="keras",
    title="Keras (keras.optimizers.schedules)",
    version="3.15",
    base_lr="The schedule is the optimizer's learning rate: base_lr may repeat it and is not used. A tick is an "
    "update; "
    "Keras' own values are float32.",
    classes=(
        ClassSpec(
            name="ExponentialDecay",
            description="Multiplied by decay_rate every decay_steps, smoothly or in steps.",
            formula="initial_learning_rate * decay_rate^(step/decay_steps), with the floor of step/decay_steps in a "
            "staircase",
            params=(
                _FIRST,
                _steps("decay_steps", "steps after which decay_rate is reached"),
                Param("decay_rate", "number", "the factor", minimum=0.0),
                _STAIRCASE,
                _name("ExponentialDecay"),
            ),
            build=_exponential,
            past_the_end="Goes on decaying.",
            pitfall="Without staircase the LR falls at every step." + _ACCUMULATION,
            namesakes="torch's ExponentialLR and Paddle's ExponentialDecay apply gamma at every tick.",
        ),
        ClassSpec(
            name="PiecewiseConstantDecay",
            description="Constant values with boundaries between them.",
            formula="values[number of boundaries < step]",
            params=(
                Param("boundaries", "table", "steps, in order"),
                Param("values", "table", "LRs, one more than boundaries"),
                _name("PiecewiseConstant"),
            ),
            build=_piecewise,
            past_the_end="Stays at the last value.",
            pitfall="The boundary's own step keeps the old value." + _ACCUMULATION,
            namesakes="In torch and Paddle the boundary's own tick has the new value.",
        ),
        ClassSpec(
            name="PolynomialDecay",
            description="From initial_learning_rate to end_learning_rate in decay_steps, by a power of what is left.",
            formula="(initial - end)(1 - min(step, decay_steps)/decay_steps)^power + end; cycle: decay_steps is "
            "stretched to the next multiple that step has not passed",
            params=(
                _FIRST,
                _steps("decay_steps", "steps to the end"),
                Param("end_learning_rate", "number", "the LR at the end", default=0.0001, minimum=0.0),
                Param("power", "number", "the exponent", default=1.0, minimum=0.0, maximum=1e3),
                Param("cycle", "boolean", "rise again after each decay_steps", default=False),
                _name("PolynomialDecay"),
            ),
            build=_polynomial,
            past_the_end="Stays at end_learning_rate; with cycle the LR jumps up again, each time less.",
            pitfall="end_learning_rate is 1e-4 unless given: from an LR below it, it rises." + _ACCUMULATION,
            namesakes="torch's ends at 0, Hugging Face's at 1e-7.",
        ),
        ClassSpec(
            name="InverseTimeDecay",
            description="Divided by a line that grows with the time.",
            formula="initial_learning_rate/(1 + decay_rate step/decay_steps), with the floor of step/decay_steps in a "
            "staircase",
            params=(
                _FIRST,
                _steps("decay_steps", "steps of one period"),
                Param("decay_rate", "number", "how fast it falls", minimum=0.0),
                _STAIRCASE,
                _name("InverseTimeDecay"),
            ),
            build=_inverse_time,
            past_the_end="Goes on decaying, ever slower.",
            pitfall="After decay_steps the LR is divided by 1 + decay_rate." + _ACCUMULATION,
            namesakes="Paddle's has no decay_steps.",
        ),
        ClassSpec(
            name="CosineDecay",
            description="Half a cosine down to alpha of the maximum, after a warm-up where warmup_target is given.",
            formula="top (alpha + (1 - alpha)(1 + cos(pi s/decay_steps))/2), s = min(step - warmup_steps, "
            "decay_steps); "
            "before: initial_learning_rate + (warmup_target - initial_learning_rate) step/warmup_steps",
            params=(
                _FIRST,
                _steps("decay_steps", "steps of the fall, without the warm-up"),
                _ALPHA,
                _name("CosineDecay"),
                Param(
                    "warmup_target",
                    "number",
                    "the LR that the warm-up reaches; none without it",
                    default=None,
                    minimum=0.0,
                ),
                Param("warmup_steps", "number", "steps of the warm-up", default=0, minimum=0.0, maximum=MAX_TICKS),
            ),
            build=_cosine,
            past_the_end="Stays at alpha of the maximum.",
            pitfall="warmup_steps without warmup_target is ignored. With it, initial_learning_rate is where the "
            "warm-up "
            "starts, not the maximum, and decay_steps does not include it." + _IN_INTEGERS + _ACCUMULATION,
            namesakes="torch's, Paddle's and Hugging Face's cosines rebound past the end. alpha is a share; torch's "
            "eta_min is an LR.",
        ),
        ClassSpec(
            name="CosineDecayRestarts",
            description="Half cosines, each t_mul times as long and m_mul times as high as the one before.",
            formula="initial_learning_rate (alpha + (1 - alpha) m_mul^i (1 + cos(pi x))/2), x the share of "
            "cycle i done",
            params=(
                _FIRST,
                _steps("first_decay_steps", "steps of the first cycle"),
                Param(
                    "t_mul",
                    "number",
                    "each cycle is so many times as long",
                    default=2.0,
                    minimum=0.0,
                    exclusive=True,
                    maximum=MAX_TICKS,
                ),
                Param("m_mul", "number", "each cycle is so many times as high", default=1.0, minimum=0.0),
                _ALPHA,
                _name("SGDRDecay"),
            ),
            build=_cosine_restarts,
            past_the_end="Cycles without end.",
            pitfall="Cycles double in length unless t_mul is given. m_mul shrinks what is above alpha only."
            + _ACCUMULATION,
            namesakes="torch's CosineAnnealingWarmRestarts keeps length and height unless told.",
        ),
    ),
)
