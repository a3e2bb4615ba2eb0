"""Which parameter of a declared schedule says how long it is, and which how long its warm-up is, in the user's own
words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_LENGTHS: Final[Mapping[tuple[str, str], str]] = {
    ("torch", "StepLR"): "step_size",
    ("torch", "MultiStepLR"): "milestones",
    ("torch", "ConstantLR"): "total_iters",
    ("torch", "LinearLR"): "total_iters",
    ("torch", "ExponentialLR"): "gamma",
    ("torch", "PolynomialLR"): "total_iters",
    ("torch", "CosineAnnealingLR"): "T_max",
    ("torch", "CosineAnnealingWarmRestarts"): "T_0",
    ("torch", "OneCycleLR"): "total_steps",
    ("torch", "CyclicLR"): "step_size_up",
    ("paddle", "CosineAnnealingDecay"): "T_max",
    ("paddle", "CosineAnnealingWarmRestarts"): "T_0",
    ("paddle", "LinearLR"): "total_steps",
    ("paddle", "OneCycleLR"): "total_steps",
    ("paddle", "CyclicLR"): "step_size_up",
    ("paddle", "NoamDecay"): "warmup_steps",
    ("paddle", "PiecewiseDecay"): "boundaries",
    ("paddle", "NaturalExpDecay"): "gamma",
    ("paddle", "InverseTimeDecay"): "gamma",
    ("paddle", "PolynomialDecay"): "decay_steps",
    ("paddle", "ExponentialDecay"): "gamma",
    ("paddle", "MultiStepDecay"): "milestones",
    ("paddle", "StepDecay"): "step_size",
    ("transformers", "get_scheduler"): "num_training_steps",
    ("timm", "CosineLRScheduler"): "t_initial",
    ("timm", "TanhLRScheduler"): "t_initial",
    ("timm", "PolyLRScheduler"): "t_initial",
    ("timm", "StepLRScheduler"): "decay_t",
    ("timm", "MultiStepLRScheduler"): "decay_t",
    ("timm", "WSDLRScheduler"): "t_initial",
    ("keras", "ExponentialDecay"): "decay_steps",
    ("keras", "PiecewiseConstantDecay"): "boundaries",
    ("keras", "PolynomialDecay"): "decay_steps",
    ("keras", "InverseTimeDecay"): "decay_steps",
    ("keras", "CosineDecay"): "decay_steps",
    ("keras", "CosineDecayRestarts"): "first_decay_steps",
}
_DEFAULTS: Final[Mapping[tuple[str, str], float]] = {
    ("ConstantLR", "total_iters"): 5,
    ("LinearLR", "total_iters"): 5,
    ("PolynomialLR", "total_iters"): 5,
    ("CyclicLR", "step_size_up"): 2000,
}
_KINDS: Final[Mapping[str, str]] = {
    "ramp": "over",
    "decay": "every",
    "piecewise": "at",
    "inverse_time": "every",
    "power_law": "timescale",
    "restarts": "t0",
    "cyclic": "up",
    "phases": "phases",
    "product": "factors",
    "table": "values",
}
_WARMUPS: Final[Mapping[tuple[str, str], str]] = {
    ("torch", "LinearLR"): "total_iters",
    ("torch", "OneCycleLR"): "pct_start",
    ("torch", "CyclicLR"): "step_size_up",
    ("paddle", "LinearWarmup"): "warmup_steps",
    ("paddle", "LinearLR"): "total_steps",
    ("paddle", "OneCycleLR"): "phase_pct",
    ("paddle", "CyclicLR"): "step_size_up",
    ("paddle", "NoamDecay"): "warmup_steps",
    ("transformers", "get_scheduler"): "num_warmup_steps",
    ("keras", "CosineDecay"): "warmup_steps",
}


@dataclass(frozen=True, slots=True)
class PlanKnob:
    """A parameter: its class, name and value. `before`: ticks that pass before the class's own clock begins."""

    owner: str
    name: str
    value: Any
    before: float = 0.0

    @property
    def label(self) -> str:
        """The class and the parameter: "CosineAnnealingLR's T_max"."""
        return f"{self.owner}'s {self.name}"

    def fitted(self, length: int) -> str:
        """Say the change that makes the schedule end with a run of `length` ticks: "T_max 300 to 85"."""
        fit = max(length - self.before, 1)
        if self.name == "epochs and steps_per_epoch":
            return f"OneCycleLR's epochs * steps_per_epoch from {self.value:.9g} to {fit:.9g}"
        if isinstance(self.value, (int, float)):
            return f"{self.label} from {self.value:.9g} to {fit:.9g}"
        return f"{self.label} to values up to {fit:.9g}"

    @property
    def setting(self) -> str:
        """The parameter as it is set: "T_max=300"."""
        shown = f"{self.value:.9g}" if isinstance(self.value, (int, float)) else str(self.value)
        return f"{self.name}={shown if len(shown) <= 60 else shown[:57] + '...'}"


def length_knob(source: Mapping[str, Any]) -> PlanKnob | None:
    """Return the parameter that says how long the schedule is; of nested ones that of the last. None if not known."""
    if "kind" in source:
        return _of_kind(source, 0.0)
    return _of_class(str(source.get("framework")), source, 0.0)


def warmup_knob(source: Mapping[str, Any]) -> PlanKnob | None:
    """Return the parameter that says how long the first rise is; None if not known."""
    if "kind" in source:
        phases = source.get("phases")
        first = phases[0].get("schedule") if isinstance(phases, (list, tuple)) and phases else source
        return _of_kind(first, 0.0) if isinstance(first, Mapping) else None
    framework = str(source.get("framework"))
    while source.get("class") in ("SequentialLR", "ChainedScheduler"):
        source = _params(source)["schedulers"][0]
    owner, params = str(source.get("class")), _params(source)
    name = "warmup_t" if framework == "timm" else _WARMUPS.get((framework, owner))
    if name is None:
        return None
    value = params.get(name, _DEFAULTS.get((owner, name)))
    return PlanKnob(owner, name, value) if value is not None else None


def _of_class(framework: str, source: Mapping[str, Any], before: float) -> PlanKnob | None:
    owner, params = str(source.get("class")), _params(source)
    if owner == "SequentialLR":
        marks = params["milestones"]
        return _of_class(framework, params["schedulers"][-1], before + (marks[-1] if marks else 0))
    if owner == "ChainedScheduler":
        knobs = [_of_class(framework, inner, before) for inner in params["schedulers"]]
        lasting = [knob for knob in knobs if knob is not None and isinstance(knob.value, (int, float))]
        return max(lasting, key=lambda knob: knob.value) if lasting else next(iter(knobs), None)
    if owner == "LinearWarmup":
        inner, warm = params["learning_rate"], params["warmup_steps"]
        if isinstance(inner, Mapping):
            return _of_class(framework, inner, before + warm)
        return PlanKnob(owner, "warmup_steps", warm, before)
    if owner == "OneCycleLR" and params.get("total_steps") is None and params.get("epochs") is not None:
        total = params["epochs"] * params["steps_per_epoch"]
        return PlanKnob(owner, "epochs and steps_per_epoch", total, before)
    name = _LENGTHS.get((framework, owner))
    if owner == "get_scheduler" and params.get(str(name)) is None:
        name = "num_warmup_steps"
    if name is None:
        return None
    value = params.get(name, _DEFAULTS.get((owner, name)))
    if framework == "timm" and params.get("warmup_prefix"):
        before += params.get("warmup_t", 0)
    if framework == "keras" and params.get("warmup_target") is not None:
        before += params.get("warmup_steps", 0)
    return PlanKnob(owner, name, value, before) if value is not None else None


def _of_kind(source: Mapping[str, Any], before: float) -> PlanKnob | None:
    kind = str(source.get("kind"))
    if kind == "phases":
        phases = source["phases"]
        last = phases[-1]
        begun = phases[-2]["until"] if len(phases) > 1 and last.get("clock") != "global" else 0
        return _of_kind(last["schedule"], before + begun)
    name = _KINDS.get(kind)
    return PlanKnob(kind, name, source[name], before) if name is not None and name in source else None


def _params(source: Mapping[str, Any]) -> Mapping[str, Any]:
    params = source.get("params")
    return params if isinstance(params, Mapping) else {}
