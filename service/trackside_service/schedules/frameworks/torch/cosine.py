"""torch's cosines: CosineAnnealingLR and CosineAnnealingWarmRestarts."""

from __future__ import annotations

from trackside_service.schedules.curve import Curve
from trackside_service.schedules.frameworks.constructor import LAST_EPOCH, Built, ClassSpec, Site, Values
from trackside_service.schedules.frameworks.torch import leaves
from trackside_service.schedules.kinds.ramp import Ramp
from trackside_service.schedules.kinds.restarts import Restarts
from trackside_service.schedules.params import MAX_TICKS, Param


def _cosine(values: Values, site: Site) -> Built:
    t_max, eta_min = values["T_max"], values["eta_min"]
    groups = tuple(Ramp(base, eta_min, t_max, "cosine", "continue") for base in site.bases)
    return Built(groups, part=(leaves.cosine_annealing_lr(t_max, eta_min),) * len(groups))


def _warm_restarts(values: Values, site: Site) -> Built:
    def curve(base: float) -> Curve:
        return Restarts(base, values["eta_min"], values["T_0"], values["T_mult"])

    groups = tuple(curve(base) for base in site.bases)
    leaf = leaves.closed(lambda base, group: curve(base))  # noqa: ARG005
    return Built(groups, part=(leaf,) * len(groups))


COSINES: tuple[ClassSpec, ...] = (
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
            LAST_EPOCH,
        ),
        build=_cosine,
        past_the_end="Rebounds: the LR rises again after T_max ticks, as fast as it fell.",
        pitfall="T_max counts ticks: epochs if stepped per epoch, updates if stepped per batch. eta_min is an LR, "
        "not a factor: for a group with a smaller base_lr it may be a rise.",
        namesakes="Paddle and Hugging Face rebound as well; Keras and timm stay at the minimum.",
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
            LAST_EPOCH,
        ),
        build=_warm_restarts,
        past_the_end="Cycles without end.",
        pitfall="It starts at the maximum and only falls within a cycle: there is no warm-up in it, and each restart "
        "is a jump to the maximum.",
        namesakes="Paddle's is the same, but its state_dict forgets where in a cycle it was. Hugging Face's "
        "cosine_with_restarts divides the run into cycles and ends at 0; Keras' and timm's can lower each maximum.",
        needs_base_lr=True,
    ),
)
