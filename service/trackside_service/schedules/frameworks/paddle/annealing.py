"""Paddle's LinearLR, CosineAnnealingDecay, CosineAnnealingWarmRestarts, OneCycleLR and CyclicLR."""

from __future__ import annotations

import math
from dataclasses import replace

from trackside_service.schedules.frameworks.constructor import FUNCTION, Built, ClassSpec, Site, Values
from trackside_service.schedules.frameworks.one_cycle import curve, ends, last_tick
from trackside_service.schedules.frameworks.paddle.common import LEARNING_RATE, TAIL, for_all
from trackside_service.schedules.kinds.cyclic import Cyclic
from trackside_service.schedules.kinds.ramp import Ramp
from trackside_service.schedules.kinds.restarts import Restarts
from trackside_service.schedules.params import MAX_TICKS, Param, refuse


def _linear(values: Values, site: Site) -> Built:
    base, total = values["learning_rate"], values["total_steps"]
    held = float(math.floor(total))
    return for_all(Ramp(base * values["start_factor"], base * values["end_factor"], total, held=held), site)


def _cosine(values: Values, site: Site) -> Built:
    return for_all(Ramp(values["learning_rate"], values["eta_min"], values["T_max"], "cosine", "continue"), site)


def _warm_restarts(values: Values, site: Site) -> Built:
    return for_all(Restarts(values["learning_rate"], values["eta_min"], values["T_0"], values["T_mult"]), site)


def _one_cycle(values: Values, site: Site) -> Built:
    place, total, share = f"{site.pointer}/params", values["total_steps"], values["phase_pct"]
    if values["three_phase"] and share >= 0.5:
        raise refuse(f"{place}/phase_pct", "OneCycleLR refuses a phase_pct of 0.5 or more when three_phase is true")
    legs = ends(total, share, three_phase=values["three_phase"])
    if legs[0] == 0:
        raise refuse(
            f"{place}/phase_pct", "phase_pct * total_steps is 1: the real class divides by zero at its first tick"
        )
    top = values["max_learning_rate"]
    levels = (top / values["divide_factor"], top, values["end_learning_rate"])
    return replace(
        for_all(curve(total, legs, levels, cosine=values["anneal_strategy"] == "cos"), site),
        total=total,
        refused_after=last_tick(total, legs),
        refusal=f"OneCycleLR raises ValueError when stepped more than total_steps = {total} times",
    )


def _cyclic(values: Values, site: Site) -> Built:
    up, down = values["step_size_up"], values["step_size_down"]
    low, high = values["base_learning_rate"], values["max_learning_rate"]
    return for_all(Cyclic(low, high, up, up if down is None else down, values["mode"], values["exp_gamma"]), site)


ANNEALING: tuple[ClassSpec, ...] = (
    ClassSpec(
        name="CosineAnnealingDecay",
        description="Half a cosine from learning_rate to eta_min in T_max ticks.",
        formula="eta_min + (learning_rate - eta_min)(1 + cos(pi t/T_max))/2",
        params=(
            LEARNING_RATE,
            Param("T_max", "integer", "ticks from the maximum to the minimum", minimum=1, strict=True),
            Param("eta_min", "number", "the minimum", default=0, minimum=0.0),
            *TAIL,
        ),
        build=_cosine,
        past_the_end="Rebounds: the LR rises again after T_max ticks.",
        pitfall="T_max counts ticks: epochs if stepped per epoch, updates if stepped per batch.",
        namesakes="The same curve as torch's CosineAnnealingLR; Keras' and timm's stay at the minimum.",
    ),
    ClassSpec(
        name="CosineAnnealingWarmRestarts",
        description="Half cosines from learning_rate towards eta_min, each T_mult times as long as the one before.",
        formula="eta_min + (learning_rate - eta_min)(1 + cos(pi T_cur/T_i))/2; T_i = T_0 * T_mult^i",
        params=(
            LEARNING_RATE,
            Param("T_0", "integer", "ticks of the first cycle", minimum=1, strict=True),
            Param(
                "T_mult",
                "integer",
                "each cycle is so many times as long as the one before",
                default=1,
                minimum=1,
                strict=True,
            ),
            Param("eta_min", "number", "the minimum, which is never quite reached", default=0, minimum=0.0),
            *TAIL,
        ),
        build=_warm_restarts,
        past_the_end="Cycles without end.",
        pitfall="It starts at the maximum: there is no warm-up in it. Its state_dict holds no T_cur: after a resume "
        "the cycle begins anew.",
        namesakes="The same curve as torch's. Inside LinearWarmup a logarithm finds the cycle, and its rounding can "
        "make a restart come a tick late.",
    ),
    ClassSpec(
        name="LinearLR",
        description="From learning_rate * start_factor to learning_rate * end_factor in a line.",
        formula="learning_rate * (start_factor + (end_factor - start_factor) * min(t, total_steps)/total_steps)",
        params=(
            LEARNING_RATE,
            Param(
                "total_steps",
                "number",
                "ticks from the start to the end",
                minimum=0.0,
                exclusive=True,
                maximum=MAX_TICKS,
            ),
            Param(
                "start_factor",
                "number",
                "the factor at the start, in (0, 1]",
                default=1.0 / 3,
                minimum=0.0,
                exclusive=True,
                maximum=1.0,
            ),
            Param("end_factor", "number", "the factor at the end, in [0, 1]", default=1.0, minimum=0.0, maximum=1.0),
            *TAIL,
        ),
        build=_linear,
        past_the_end="Stays at learning_rate * end_factor.",
        pitfall="start_factor cannot be 0. A warm-up of one tick is a jump. With a fraction (a share of the run) the "
        "leg stops at the last whole tick, short of its end.",
        namesakes="torch's LinearLR calls total_steps total_iters, 5 by default.",
    ),
    ClassSpec(
        name="OneCycleLR",
        description="Up from max_learning_rate/divide_factor to max_learning_rate, then down to end_learning_rate.",
        formula="cosine (or linear) legs that end at ticks phase_pct*total_steps - 1 and total_steps - 1; three_phase: "
        "at phase_pct*total_steps - 1, 2*phase_pct*total_steps - 2 and total_steps - 1",
        params=(
            Param("max_learning_rate", "number", "the peak", minimum=0.0),
            Param("total_steps", "integer", "ticks of the whole cycle", minimum=1, strict=True),
            Param(
                "divide_factor", "number", "the first LR is max_learning_rate/divide_factor", default=25.0, minimum=1e-6
            ),
            Param("end_learning_rate", "number", "the last LR, absolute", default=0.0001, minimum=0.0),
            Param(
                "phase_pct",
                "number",
                "the share of the cycle (0.0 to 1.0) spent rising",
                default=0.3,
                minimum=0.0,
                maximum=1.0,
                strict=True,
            ),
            Param("anneal_strategy", "choice", "the legs' shape", default="cos", choices=("cos", "linear")),
            Param("three_phase", "boolean", "down to the first LR as fast as up, then to the last", default=False),
            *TAIL,
        ),
        build=_one_cycle,
        past_the_end="Tick total_steps is taken and goes back up; the next raises ValueError.",
        pitfall="end_learning_rate is 1e-4 unless given: with a peak below that, the LR ends above its peak.",
        namesakes="torch's OneCycleLR ends at max_lr/div_factor/final_div_factor.",
    ),
    ClassSpec(
        name="CyclicLR",
        description="Triangles between base_learning_rate and max_learning_rate.",
        formula="base + (max - base) * triangle(t) * (1, 1/2^cycle or exp_gamma^t by mode)",
        params=(
            Param("base_learning_rate", "number", "the LR at the foot", minimum=0.0),
            Param("max_learning_rate", "number", "the LR at the top", minimum=0.0),
            Param("step_size_up", "integer", "ticks up", minimum=1, maximum=MAX_TICKS, strict=True),
            Param(
                "step_size_down",
                "integer",
                "ticks down; as many as up where left out",
                default=None,
                minimum=1,
                maximum=MAX_TICKS,
                strict=True,
            ),
            Param(
                "mode",
                "choice",
                "every triangle as high, half as high as the one before, or falling with exp_gamma^t",
                default="triangular",
                choices=("triangular", "triangular2", "exp_range"),
            ),
            Param("exp_gamma", "number", "the factor of exp_range, a tick", default=1.0, minimum=0.0, strict=True),
            Param("scale_fn", "any", "a function that scales the triangles", default=None, fixed=FUNCTION),
            Param(
                "scale_mode",
                "choice",
                "what scale_fn is given (without it of no effect)",
                default="cycle",
                choices=("cycle", "iterations"),
            ),
            *TAIL,
        ),
        build=_cyclic,
        past_the_end="Cycles without end.",
        pitfall="step_size_up is half a triangle.",
        namesakes="torch's CyclicLR is the same, with 2000 ticks up by default, and cycles the momentum as well.",
    ),
)
