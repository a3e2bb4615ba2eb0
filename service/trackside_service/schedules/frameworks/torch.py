"""torch.optim.lr_scheduler: constructor parameters to canonical kinds. Formulas: the classes' own get_lr,
version 2.13.
"""

from __future__ import annotations

from typing import Literal

from trackside_service.schedules.curve import Curve
from trackside_service.schedules.frameworks.constructor import Built, ClassSpec, FrameworkSpec, Site, Values
from trackside_service.schedules.kinds.constant import Constant
from trackside_service.schedules.kinds.decay import Decay
from trackside_service.schedules.kinds.phases import Phase, Phases
from trackside_service.schedules.kinds.ramp import Ramp
from trackside_service.schedules.kinds.restarts import Restarts
from trackside_service.schedules.params import MAX_TICKS, Param, refuse

_LAST_EPOCH = Param(
    "last_epoch",
    "integer",
    "the last tick of a resumed run; -1 for a new one",
    default=-1,
    fixed="declare the schedule as it was at the run's beginning and report later records under their own step",
)


def _step(values: Values, site: Site) -> Built:
    every, gamma = values["step_size"], values["gamma"]
    return Built(tuple(Decay(base, gamma, every) for base in site.bases))


def _linear(values: Values, site: Site) -> Built:
    first, last, total = values["start_factor"], values["end_factor"], values["total_iters"]
    if total == 0:  # the recursion never moves: base * start_factor for good
        return Built(tuple(Constant(base * first) for base in site.bases))
    return Built(tuple(Ramp(base * first, base * last, total) for base in site.bases))


def _cosine(values: Values, site: Site) -> Built:
    t_max, eta_min = values["T_max"], values["eta_min"]
    groups = tuple(Ramp(base, eta_min, t_max, "cosine", "continue") for base in site.bases)
    return Built(groups)


def _warm_restarts(values: Values, site: Site) -> Built:
    return Built(tuple(Restarts(base, values["eta_min"], values["T_0"], values["T_mult"]) for base in site.bases))


def _leg(begin: float, end: float, low: float, high: float, cosine: bool) -> Ramp:
    """Return the leg from `low` to `high` between ticks `begin` and `end`, on the leg's own clock; past its end
    it goes on.

    A leg that ends before it begins (three_phase with pct_start > 0.5, at the very last tick) runs backwards.
    """
    shape: Literal["linear", "cosine"] = "cosine" if cosine else "linear"
    if end < begin and not cosine:
        high = 2 * low - high
    return Ramp(low, high, abs(end - begin), shape, "continue", offset=max(-begin, 0.0))


def _one_cycle(values: Values, site: Site) -> Built:
    place = f"{site.pointer}/params"
    total, epochs, per_epoch = values["total_steps"], values["epochs"], values["steps_per_epoch"]
    if total is None:
        if epochs is None or per_epoch is None:
            raise refuse(place, "OneCycleLR needs either total_steps, or epochs and steps_per_epoch")
        total = epochs * per_epoch
    share, three = values["pct_start"], values["three_phase"]
    ends = [share * total - 1, 2 * share * total - 2, total - 1] if three else [share * total - 1, total - 1]
    if ends[0] == 0:
        raise refuse(
            f"{place}/pct_start", "pct_start * total_steps is 1: the real class divides by zero at its first tick"
        )
    maxima = values["max_lr"]
    bases = site.base_lrs
    if not isinstance(maxima, list):
        maxima = [maxima] * (len(bases) if bases else 1)
    elif bases is not None and len(bases) not in (1, len(maxima)):
        raise refuse(f"{place}/max_lr", f"max_lr has {len(maxima)} values, but base_lr names {len(bases)} groups")
    cosine = values["anneal_strategy"] == "cos"
    groups: list[Curve] = []
    refused_after = total
    for top in maxima:
        first = top / values["div_factor"]
        least = first / values["final_div_factor"]
        levels = [first, top, first, least] if three else [first, top, least]
        phases: list[Phase] = []
        begin = 0.0
        for index, end in enumerate(ends):
            last = index == len(ends) - 1
            if not last and end < 0:  # a leg over before the first tick; the next counts from its end all the same
                begin = end
                continue
            if begin >= total:
                break
            if last and end == begin:  # the leg of no length divides by zero at the tick after it
                refused_after = total - 1
                break
            leg = _leg(begin, end, levels[index], levels[index + 1], cosine)
            phases.append(Phase(leg, None if last else end))
            begin = end
        phases[-1] = Phase(phases[-1].curve)
        groups.append(Phases(tuple(phases)))
    return Built(
        tuple(groups),
        total=total,
        refused_after=refused_after,
        refusal=f"OneCycleLR raises ValueError when stepped more than total_steps = {total} times",
        steps_per_epoch=per_epoch,
    )


TORCH = FrameworkSpec(
    framework="torch",
    title="PyTorch (torch.optim.lr_scheduler)",
    version="2.13",
    base_lr="The optimizer's lr, one number or one a parameter group; the schedulers multiply it. OneCycleLR "
    "ignores it.",
    classes=(
        ClassSpec(
            name="StepLR",
            description="The LR is multiplied by gamma every step_size ticks.",
            formula="base_lr * gamma^floor(t/step_size)",
            params=(
                Param("step_size", "integer", "ticks between two decays", minimum=1),
                Param("gamma", "number", "the factor", default=0.1, minimum=0.0),
                _LAST_EPOCH,
            ),
            build=_step,
            past_the_end="Goes on decaying.",
            pitfall="step_size counts ticks: stepped per batch, it decays after so many batches.",
            needs_base_lr=True,
        ),
        ClassSpec(
            name="LinearLR",
            description="From base_lr * start_factor to base_lr * end_factor in a line.",
            formula="base_lr * (start_factor + (end_factor - start_factor) * min(t, total_iters)/total_iters)",
            params=(
                Param(
                    "start_factor",
                    "number",
                    "the factor at the start, in (0, 1]",
                    default=1.0 / 3,
                    minimum=0.0,
                    exclusive=True,
                    maximum=1.0,
                ),
                Param(
                    "end_factor", "number", "the factor at the end, in [0, 1]", default=1.0, minimum=0.0, maximum=1.0
                ),
                Param("total_iters", "integer", "ticks from the start to the end", default=5, minimum=0),
                _LAST_EPOCH,
            ),
            build=_linear,
            past_the_end="Stays at base_lr * end_factor.",
            pitfall="start_factor cannot be 0: a warm-up starts above 0.",
            needs_base_lr=True,
        ),
        ClassSpec(
            name="CosineAnnealingLR",
            description="Half a cosine from base_lr to eta_min in T_max ticks.",
            formula="eta_min + (base_lr - eta_min)(1 + cos(pi t/T_max))/2",
            params=(
                Param(
                    "T_max",
                    "number",
                    "ticks from the maximum to the minimum",
                    minimum=0.0,
                    exclusive=True,
                    maximum=MAX_TICKS,
                ),
                Param("eta_min", "number", "the minimum, the same for every group", default=0.0, minimum=0.0),
                _LAST_EPOCH,
            ),
            build=_cosine,
            past_the_end="Rebounds: the LR rises again after T_max ticks.",
            pitfall="T_max counts ticks: epochs if stepped per epoch, updates if stepped per batch.",
            needs_base_lr=True,
        ),
        ClassSpec(
            name="CosineAnnealingWarmRestarts",
            description="Half cosines from base_lr towards eta_min, each T_mult times as long as the one before.",
            formula="eta_min + (base_lr - eta_min)(1 + cos(pi T_cur/T_i))/2; T_i = T_0 * T_mult^i",
            params=(
                Param("T_0", "integer", "ticks of the first cycle", minimum=1, strict=True),
                Param(
                    "T_mult",
                    "integer",
                    "each cycle is so many times as long as the one before",
                    default=1,
                    minimum=1,
                    strict=True,
                ),
                Param("eta_min", "number", "the minimum, which is never quite reached", default=0.0, minimum=0.0),
                _LAST_EPOCH,
            ),
            build=_warm_restarts,
            past_the_end="Cycles without end.",
            pitfall="It starts at the maximum and only falls within a cycle: there is no warm-up in it.",
            needs_base_lr=True,
        ),
        ClassSpec(
            name="OneCycleLR",
            description="Up from max_lr/div_factor to max_lr, then down to max_lr/div_factor/final_div_factor.",
            formula="cosine (or linear) legs that end at ticks pct_start*total_steps - 1 and total_steps - 1",
            params=(
                Param("max_lr", "number", "the peak, one number or one a group", minimum=0.0, per_group=True),
                Param("total_steps", "integer", "ticks of the whole cycle", default=None, minimum=1, strict=True),
                Param(
                    "epochs",
                    "integer",
                    "with steps_per_epoch, in place of total_steps",
                    default=None,
                    minimum=1,
                    strict=True,
                ),
                Param(
                    "steps_per_epoch",
                    "integer",
                    "with epochs, in place of total_steps",
                    default=None,
                    minimum=1,
                    strict=True,
                ),
                Param(
                    "pct_start",
                    "number",
                    "the share of the cycle (0.0 to 1.0) spent rising",
                    default=0.3,
                    minimum=0.0,
                    maximum=1.0,
                    strict=True,
                ),
                Param("anneal_strategy", "choice", "the legs' shape", default="cos", choices=("cos", "linear")),
                Param("cycle_momentum", "boolean", "also cycle the momentum (of no effect on the LR)", default=True),
                Param(
                    "base_momentum",
                    "number",
                    "the least momentum (of no effect on the LR)",
                    default=0.85,
                    per_group=True,
                ),
                Param(
                    "max_momentum",
                    "number",
                    "the largest momentum (of no effect on the LR)",
                    default=0.95,
                    per_group=True,
                ),
                Param(
                    "div_factor",
                    "number",
                    "the first LR is max_lr/div_factor",
                    default=25.0,
                    minimum=1e-6,
                ),
                Param(
                    "final_div_factor",
                    "number",
                    "the last LR is the first LR/final_div_factor",
                    default=1e4,
                    minimum=1e-6,
                ),
                Param(
                    "three_phase", "boolean", "down to the first LR as fast as up, and then to the last", default=False
                ),
                _LAST_EPOCH,
            ),
            build=_one_cycle,
            past_the_end="Tick total_steps is taken and goes back up to the LR of tick total_steps - 2; the "
            "next raises ValueError.",
            pitfall="The last LR is max_lr/div_factor/final_div_factor, not max_lr/final_div_factor; the "
            "optimizer's lr is ignored.",
        ),
    ),
)
