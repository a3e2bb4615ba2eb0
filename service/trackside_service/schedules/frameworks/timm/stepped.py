"""timm's schedulers without cycles: StepLRScheduler, MultiStepLRScheduler, WSDLRScheduler, PlateauLRScheduler."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

from trackside_service.schedules.curve import Curve
from trackside_service.schedules.frameworks.constructor import FUNCTION, Built, ClassSpec, Site, Values
from trackside_service.schedules.frameworks.timm.common import IN_EPOCHS, LR_MIN, TAIL, each, warmed, warmup
from trackside_service.schedules.frameworks.timm.wsd import Stable
from trackside_service.schedules.frameworks.torch.plateau import whole_counts
from trackside_service.schedules.kinds.decay import Decay
from trackside_service.schedules.kinds.phases import Phase, Phases
from trackside_service.schedules.kinds.piecewise import pieces
from trackside_service.schedules.kinds.plateau import Plateau
from trackside_service.schedules.kinds.ramp import Ramp
from trackside_service.schedules.params import MAX_TICKS, Param, read_list, refuse

_MILESTONE = Param("decay_t", "number", "a milestone", minimum=-MAX_TICKS, maximum=MAX_TICKS)


def _step(values: Values, site: Site) -> Built:
    def curve(base: float) -> Curve:
        return warmed(
            base, values, Decay(base, values["decay_rate"], values["decay_t"]), prefix=values["warmup_prefix"]
        )

    return each(values, site, curve)


def _multi_step(values: Values, site: Site) -> Built:
    place = f"{site.pointer}/params/decay_t"
    marks = read_list(values["decay_t"], _MILESTONE, place)
    if any(later < earlier for earlier, later in itertools.pairwise(marks)):
        raise refuse(place, "decay_t is in order: the real class searches it as sorted")
    rate = values["decay_rate"]

    def curve(base: float) -> Curve:
        levels = [base * rate**index for index in range(len(marks) + 1)]
        return warmed(base, values, pieces([mark - 1 for mark in marks], levels), prefix=values["warmup_prefix"])

    return each(values, site, curve)


def _wsd(values: Values, site: Site) -> Built:
    place = f"{site.pointer}/params"
    total, decay = values["t_initial"], values["decay_t"]
    if not 0 < decay <= total:
        raise refuse(f"{place}/decay_t", f"WSDLRScheduler refuses a decay_t that is not in (0, t_initial = {total:g}]")
    scale: float | None = values["stable_timescale"]
    if values["stable_fn"] != "constant":
        scale = values["warmup_t"] if scale is None else scale
        if scale is None or scale <= 0:
            raise refuse(
                f"{place}/stable_timescale",
                f"stable_fn={values['stable_fn']} requires a positive stable_timescale; it defaults to warmup_t",
            )
    timescale = scale or 1.0
    power: float = {"constant": 0.0, "rsqrt": 0.5}.get(values["stable_fn"], float(values["stable_power"]))

    def curve(base: float) -> Curve:
        own = Stable(
            base,
            values["lr_min"],
            total - decay,
            decay,
            values["decay_fn"],
            values["decay_power"],
            values["decay_ratio"],
            power,
            timescale,
        )
        return warmed(base, values, own, prefix=True)

    return each(values, site, curve)


def _plateau(values: Values, site: Site) -> Built:
    if values["decay_rate"] >= 1.0:
        raise refuse(f"{site.pointer}/params/decay_rate", "PlateauLRScheduler refuses a decay_rate of 1 or more")
    floors, bases = values["lr_min"], site.bases
    if isinstance(floors, list) and len(floors) != len(bases):
        raise refuse(f"{site.pointer}/params/lr_min", f"lr_min has {len(floors)} values for {len(bases)} groups")
    warm, counts = values["warmup_t"], whole_counts(values, "patience_t", "cooldown_t")
    # With a fraction the warm-up stops at the last whole tick, short of base, and the plateau goes on from there.
    first, held = values["warmup_lr_init"], math.floor(warm)

    def curve(base: float, floor: float) -> Curve:
        own = Plateau(
            base if held == warm else first + held * (base - first) / warm,
            values["decay_rate"],
            counts["patience"],
            values["threshold"],
            cooldown=counts["cooldown"],
            min_lr=floor,
            mode=values["mode"],
        )
        return Phases((Phase(Ramp(first, base, warm), held), Phase(own))) if held else own

    listed = floors if isinstance(floors, list) else [floors] * len(bases)
    return Built(tuple(curve(base, floor) for base, floor in zip(bases, listed, strict=True)))


_RATE = Param("decay_rate", "number", "the factor", default=1.0, minimum=0.0)
_FUNCTIONS = ("linear", "1-sqrt", "cosine", "power", "exp")

STEPPED: tuple[ClassSpec, ...] = (
    ClassSpec(
        name="StepLRScheduler",
        description="Multiplied by decay_rate every decay_t ticks, after a warm-up.",
        formula="base_lr * decay_rate^floor(t/decay_t)",
        params=(
            Param(
                "decay_t",
                "number",
                "ticks between two decays; fractions are allowed",
                minimum=1e-6,
                maximum=MAX_TICKS,
            ),
            _RATE,
            *warmup(prefix=True),
            IN_EPOCHS,
            *TAIL,
        ),
        build=_step,
        past_the_end="Goes on decaying.",
        pitfall="decay_rate is 1 unless given: no decay at all.",
        namesakes="torch's StepLR has no warm-up and takes whole ticks.",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="MultiStepLRScheduler",
        description="Multiplied by decay_rate at each milestone, after a warm-up.",
        formula="base_lr * decay_rate^(number of decay_t <= t + 1)",
        params=(Param("decay_t", "table", "milestones, in order"), _RATE, *warmup(prefix=True), IN_EPOCHS, *TAIL),
        build=_multi_step,
        past_the_end="Stays where the last milestone has brought it.",
        pitfall="A milestone m takes effect at tick m - 1, on purpose. A milestone of 1 does not touch tick 0.",
        namesakes="In torch and Paddle the milestone's own tick is the first with the new LR.",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="WSDLRScheduler",
        description="A warm-up, a stable stretch, and a decay over the last decay_t ticks.",
        formula="lr_min + (s - lr_min) d(x), s = max(base_lr (1 + t/stable_timescale)^-stable_power, lr_min), x the "
        "share of the decay done; d: linear 1 - x, 1-sqrt 1 - sqrt(x), cosine, power 1 - x^decay_power, exp "
        "(decay_ratio^x - decay_ratio)/(1 - decay_ratio)",
        params=(
            Param(
                "t_initial",
                "number",
                "ticks after the warm-up, the decay included",
                minimum=0.0,
                exclusive=True,
                maximum=MAX_TICKS,
            ),
            Param("decay_t", "number", "ticks of the decay", minimum=0.0, maximum=MAX_TICKS),
            LR_MIN,
            Param(
                "stable_fn",
                "choice",
                "what the stable stretch does",
                default="constant",
                choices=("constant", "rsqrt", "power"),
            ),
            Param(
                "stable_timescale",
                "number",
                "ticks over which rsqrt and power fall; warmup_t where left out",
                default=None,
                maximum=MAX_TICKS,
            ),
            Param("stable_power", "number", "of power", default=0.5, minimum=0.0, exclusive=True, maximum=100.0),
            Param("decay_fn", "choice", "how it decays; " + FUNCTION, default="1-sqrt", choices=_FUNCTIONS),
            Param("decay_power", "number", "of power", default=0.5, minimum=0.0, exclusive=True, maximum=100.0),
            Param("decay_ratio", "number", "of exp, in (0, 1)", default=0.1, minimum=1e-12, maximum=0.999999),
            *warmup(prefix=None),
            IN_EPOCHS,
            *TAIL,
        ),
        build=_wsd,
        past_the_end="Stays at lr_min.",
        pitfall="t_initial does not include the warm-up: the run is warmup_t + t_initial ticks long.",
        namesakes="Hugging Face's warmup_stable_decay counts the warm-up into num_training_steps, and decays by a "
        "cosine.",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="PlateauLRScheduler",
        description="torch's ReduceLROnPlateau behind a warm-up. Deprecated in timm.",
        formula="lr <- max(lr * decay_rate, lr_min) after patience_t + 1 ticks without an improvement",
        params=(
            Param("decay_rate", "number", "the factor, below 1", default=0.1, minimum=0.0),
            Param(
                "patience_t",
                "number",
                "ticks without improvement that are borne",
                default=10,
                minimum=0,
                maximum=MAX_TICKS,
            ),
            Param("threshold", "number", "the least improvement that counts, relative", default=1e-4, minimum=0.0),
            Param("cooldown_t", "number", "ticks of rest after a reduction", default=0, minimum=0, maximum=MAX_TICKS),
            Param("warmup_t", "number", "ticks of the warm-up", default=0, minimum=0, maximum=MAX_TICKS),
            Param("warmup_lr_init", "number", "the LR at tick 0, with a warm-up", default=0.0, minimum=0.0),
            Param("lr_min", "number", "never lowered below", default=0.0, minimum=0.0, per_group=True),
            Param("mode", "choice", "whether more is better or less", default="max", choices=("min", "max")),
            Param("noise_type", "any", "of no effect without noise", default="normal"),
            *(replace(param, default=None) if param.name == "noise_seed" else param for param in TAIL),
        ),
        build=_plateau,
        past_the_end="Falls as long as the metric stands still.",
        pitfall="mode is max by default: given a loss, it lowers the LR as long as the model learns. The metric is not "
        "looked at during the warm-up.",
        namesakes="torch's ReduceLROnPlateau expects a metric that falls (mode='min').",
        needs_base_lr=True,
    ),
)
