"""paddle.optimizer.lr: constructor parameters to canonical kinds. Formulas: the classes' own get_lr, version 3.3."""

from __future__ import annotations

from trackside_service.schedules.curve import Curve
from trackside_service.schedules.frameworks.constructor import Built, ClassSpec, FrameworkSpec, Site, Values
from trackside_service.schedules.kinds.constant import Constant
from trackside_service.schedules.kinds.decay import Decay
from trackside_service.schedules.kinds.phases import Phase, Phases
from trackside_service.schedules.kinds.ramp import Ramp
from trackside_service.schedules.params import Param, refuse

_LAST_EPOCH = Param(
    "last_epoch",
    "integer",
    "the last tick of a resumed run; -1 for a new one",
    default=-1,
    fixed="declare the schedule as it was at the run's beginning and report later records under their own step",
)
_VERBOSE = Param("verbose", "boolean", "print at every step (of no effect on the LR)", default=False)
_LEARNING_RATE = Param("learning_rate", "number", "the LR at the start", minimum=0.0)


def _groups(curve: Curve, site: Site) -> tuple[Curve, ...]:
    """One curve for every group: Paddle's scheduler has one value, and a group's own rate is a multiplier that
    it never shows.
    """
    return (curve,) * (len(site.base_lrs) if site.base_lrs else 1)


def _step(values: Values, site: Site) -> Built:
    if values["gamma"] >= 1.0:
        raise refuse(f"{site.pointer}/params/gamma", "StepDecay refuses a gamma of 1 or more: gamma should be < 1.0")
    return Built(_groups(Decay(values["learning_rate"], values["gamma"], values["step_size"]), site))


def _cosine(values: Values, site: Site) -> Built:
    curve = Ramp(values["learning_rate"], values["eta_min"], values["T_max"], "cosine", "continue")
    return Built(_groups(curve, site))


def _warmup(values: Values, site: Site) -> Built:
    place = f"{site.pointer}/params"
    first, last, over = values["start_lr"], values["end_lr"], values["warmup_steps"]
    if last <= first:
        raise refuse(
            f"{place}/end_lr",
            f"LinearWarmup refuses an end_lr ({last:g}) that is not greater than start_lr ({first:g})",
        )
    inner = values["learning_rate"]
    if isinstance(inner, float):
        if inner < 0:
            raise refuse(f"{place}/learning_rate", "learning_rate must be at least 0")
        built = Built((Constant(inner),))
    else:
        built = site.nest(inner, f"{place}/learning_rate")
    curve = Phases((Phase(Ramp(first, last, over), over), Phase(built.groups[0])))
    return Built(
        _groups(curve, site),
        total=None if built.total is None else over + built.total,
        refused_after=None if built.refused_after is None else over + built.refused_after,
        refusal=built.refusal,
    )


PADDLE = FrameworkSpec(
    framework="paddle",
    title="PaddlePaddle (paddle.optimizer.lr)",
    version="3.3",
    base_lr="The scheduler is the optimizer's learning rate and says its LRs itself: base_lr may repeat them "
    "and is not used.",
    classes=(
        ClassSpec(
            name="LinearWarmup",
            description="A line from start_lr towards end_lr over warmup_steps ticks, then a number or another "
            "scheduler.",
            formula="t < warmup_steps: start_lr + (end_lr - start_lr) t/warmup_steps; then learning_rate(t - "
            "warmup_steps)",
            params=(
                Param(
                    "learning_rate",
                    "schedule",
                    "what follows the warm-up: a number or a scheduler {class, params}",
                    or_number=True,
                ),
                Param("warmup_steps", "integer", "ticks of the warm-up", minimum=1, strict=True),
                Param("start_lr", "number", "the LR at tick 0", minimum=0.0),
                Param("end_lr", "number", "the LR that the warm-up aims at, above start_lr", minimum=0.0),
                _LAST_EPOCH,
                _VERBOSE,
            ),
            build=_warmup,
            past_the_end="As what follows the warm-up does.",
            pitfall="warmup_steps counts ticks: one tick is a jump from start_lr, not a ramp. end_lr itself is "
            "never reached: tick "
            "warmup_steps has the first LR of what follows.",
        ),
        ClassSpec(
            name="CosineAnnealingDecay",
            description="Half a cosine from learning_rate to eta_min in T_max ticks.",
            formula="eta_min + (learning_rate - eta_min)(1 + cos(pi t/T_max))/2",
            params=(
                _LEARNING_RATE,
                Param("T_max", "integer", "ticks from the maximum to the minimum", minimum=1, strict=True),
                Param("eta_min", "number", "the minimum", default=0, minimum=0.0),
                _LAST_EPOCH,
                _VERBOSE,
            ),
            build=_cosine,
            past_the_end="Rebounds: the LR rises again after T_max ticks.",
            pitfall="T_max counts ticks: epochs if stepped per epoch, updates if stepped per batch.",
        ),
        ClassSpec(
            name="StepDecay",
            description="The LR is multiplied by gamma every step_size ticks.",
            formula="learning_rate * gamma^floor(t/step_size)",
            params=(
                _LEARNING_RATE,
                Param("step_size", "integer", "ticks between two decays", minimum=1, strict=True),
                Param("gamma", "number", "the factor, below 1", default=0.1, minimum=0.0),
                _LAST_EPOCH,
                _VERBOSE,
            ),
            build=_step,
            past_the_end="Goes on decaying.",
            pitfall="step_size counts ticks: stepped per batch, it decays after so many batches.",
        ),
    ),
)
