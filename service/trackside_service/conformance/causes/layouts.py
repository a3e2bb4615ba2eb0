"""Where a declaration keeps its warm-up and its total, and the declaration with another of either."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal

from trackside_service.conformance.causes.variants import Path, class_of, edited, read, rebuilt
from trackside_service.conformance.intervals import digits_of, simplest
from trackside_service.schedules.compiled import CompiledSchedule

_TOTALS: Final[Mapping[tuple[str, str], str]] = {
    ("torch", "OneCycleLR"): "total_steps",
    ("torch", "CosineAnnealingLR"): "T_max",
    ("torch", "PolynomialLR"): "total_iters",
    ("torch", "LinearLR"): "total_iters",
    ("paddle", "OneCycleLR"): "total_steps",
    ("paddle", "CosineAnnealingDecay"): "T_max",
    ("paddle", "PolynomialDecay"): "decay_steps",
    ("paddle", "LinearLR"): "total_steps",
    ("transformers", "get_scheduler"): "num_training_steps",
    ("timm", "CosineLRScheduler"): "t_initial",
    ("timm", "PolyLRScheduler"): "t_initial",
    ("timm", "TanhLRScheduler"): "t_initial",
    ("timm", "WSDLRScheduler"): "t_initial",
    ("keras", "CosineDecay"): "decay_steps",
    ("keras", "PolynomialDecay"): "decay_steps",
}
_WARMUPS: Final[Mapping[tuple[str, str], str]] = {
    ("transformers", "get_scheduler"): "num_warmup_steps",
    ("timm", "CosineLRScheduler"): "warmup_t",
    ("timm", "PolyLRScheduler"): "warmup_t",
    ("timm", "TanhLRScheduler"): "warmup_t",
    ("timm", "StepLRScheduler"): "warmup_t",
    ("timm", "MultiStepLRScheduler"): "warmup_t",
    ("timm", "WSDLRScheduler"): "warmup_t",
    ("timm", "PlateauLRScheduler"): "warmup_t",
    ("keras", "CosineDecay"): "warmup_steps",
}
_RISES: Final = ("LinearLR", "ConstantLR")
"""Schedulers of torch that may be a warm-up; their `total_iters` is 5 where it is not given."""
_LEGS: Final = ("num_decay_steps", "num_stable_steps")
Style = Literal["param", "sequence", "wrapped", "chained", "none"]
Stretch = Literal["total", "legs", "all"]


@dataclass(frozen=True, slots=True)
class Length:
    """A length besides the total: `warmup` says whether it is the warm-up's."""

    path: Path
    ticks: int
    warmup: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a declaration keeps its warm-up and its total.

    `main`: path of the scheduler whose total it is; `before`: ticks before that one's clock starts. `total`: the tick
    at which it ends, on the run's clock. `warmup` ticks: 0 where there is none. `style`: "param" where the warm-up is
    a parameter of the scheduler itself, "sequence", "wrapped" and "chained" where it is a scheduler of its own
    (SequentialLR, LinearWarmup, the one at `member` of a ChainedScheduler), "none" otherwise.
    """

    schedule: CompiledSchedule
    main: Path
    total_name: str | None
    total: int | None
    before: int
    warmup: int
    warmup_name: str
    style: Style
    member: int = 0

    @property
    def own_total(self) -> int | None:
        """The total as its parameter has it."""
        return None if self.total is None else self.total - self.before

    @property
    def begins(self) -> Path:
        """The path of the length after which the clock of `main` starts; () where that is the run's start."""
        if not self.before:
            return ()
        if class_of(self.schedule) == ("torch", "SequentialLR"):
            return ("params", "milestones", len(self.schedule.source["params"]["milestones"]) - 1)
        return ("params", self.warmup_name)

    def with_total(self, total: float, *, stretch: Stretch = "total") -> CompiledSchedule | None:
        """Return the schedule that ends at that tick; legs, or warm-up and legs, in proportion where asked.

        A leg that is a round share of the declared total (seven tenths, cut to a whole tick) is one of the other too.
        """
        if self.total is None or self.total_name is None:
            return None
        scale = total / self.total
        changes: dict[Path, int | None] = {}
        for length in self.lengths():
            if stretch == "total" or (length.warmup and stretch == "legs"):
                continue
            share = simplest(length.ticks / self.total, (length.ticks + 0.999) / self.total)
            as_share = not length.warmup and digits_of(share) == 1
            changes[length.path] = int(share * total + 1e-9) if as_share else round(length.ticks * scale)
        left = round(total) - (changes.get(self.begins, self.before) or 0)
        if left < 1:
            return None
        changes[(*self.main, "params", self.total_name)] = left
        if self.total_name == "total_steps":  # in place of epochs and steps_per_epoch
            changes |= {
                (*self.main, "params", name): None
                for name in ("epochs", "steps_per_epoch")
                if name in read(self.schedule.source, self.main)["params"]
            }
        return rebuilt(self.schedule, edited(self.schedule.source, changes))

    def lengths(self) -> Iterator[Length]:
        """Yield the lengths besides the total: warm-up, milestones, a decay's."""
        source = self.schedule.source
        if class_of(self.schedule) == ("torch", "SequentialLR"):
            for place, mark in enumerate(source["params"]["milestones"]):
                yield Length(("params", "milestones", place), int(mark), self.style == "sequence" and place == 0)
        if self.style in ("sequence", "chained"):
            path: Path = ("params", "schedulers", self.member, "params", "total_iters")
            yield Length(path, int(read(source, path[:-1]).get("total_iters", 5)), warmup=True)
        elif self.style in ("wrapped", "param") and self.warmup:
            yield Length(("params", self.warmup_name), self.warmup, warmup=True)
        extra = source.get("params", {}).get("scheduler_specific_kwargs") or {}
        for name in _LEGS:
            if isinstance(extra.get(name), int):
                yield Length(("params", "scheduler_specific_kwargs", name), extra[name], warmup=False)

    def with_warmup(self, length: float, *, ends: bool = False, moved: bool = False) -> CompiledSchedule | None:
        """Return the schedule with a warm-up of that length, without it where that is 0.

        What follows has its declared length, or ends where it was declared to end where `ends`. `moved`: milestones
        behind the warm-up's move with it.
        """
        source, count = self.schedule.source, round(length)
        if self.style == "none" or self.warmup_name == "":
            return None
        by = count - self.warmup
        changes: dict[Path, Any] = {}
        if ends:
            own = self.own_total
            if own is None or self.total_name is None or own - by < 1:
                return None
            changes[(*self.main, "params", self.total_name)] = own - by
        if self.style in ("param", "wrapped"):
            if count == 0 and self.style == "wrapped":
                return self._without(edited(source, changes), self.main)
            return rebuilt(self.schedule, edited(source, {**changes, ("params", self.warmup_name): count}))
        changes["params", "schedulers", self.member, "params", "total_iters"] = count
        if self.style == "sequence":
            milestones = source["params"]["milestones"]
            marks = [count, *(mark + by if moved else mark for mark in milestones[1:])]
            if any(late < early for early, late in pairwise(marks)):
                return None
            changes["params", "milestones"] = marks
        changed = edited(source, changes)
        if count:
            return rebuilt(self.schedule, changed)
        params = dict(changed["params"])
        params["schedulers"] = [each for place, each in enumerate(params["schedulers"]) if place != self.member]
        if "milestones" in params:
            params["milestones"] = params["milestones"][1:]
        changed["params"] = params
        if len(params["schedulers"]) == 1:
            return self._without(changed, ("params", "schedulers", 0))
        return rebuilt(self.schedule, changed)

    def _without(self, declaration: Mapping[str, Any], inner: Path) -> CompiledSchedule | None:
        """Return the scheduler at `inner` by itself."""
        beside = {key: value for key, value in declaration.items() if key not in ("class", "params")}
        main = read(declaration, inner)
        return rebuilt(self.schedule, {**beside, **main}) if isinstance(main, Mapping) else None

    def with_ramp(self, length: float) -> CompiledSchedule | None:
        """Return the schedule whose warm-up aims at a ramp of that length, and is followed where declared."""
        if self.style != "sequence":
            return None
        path: Path = ("params", "schedulers", self.member, "params", "total_iters")
        return rebuilt(self.schedule, edited(self.schedule.source, {path: round(length)}))


def layout_of(schedule: CompiledSchedule) -> Layout:
    """Return where the declaration keeps its warm-up and total."""
    framework, name = class_of(schedule)
    params = schedule.source.get("params", {})
    main: Path = ()
    before = warmup = member = 0
    style: Style = "none"
    warmup_name = _WARMUPS.get((framework, name), "")
    if warmup_name:
        style, warmup = "param", int(params.get(warmup_name) or 0)
        if framework == "keras" and params.get("warmup_target") is None:  # it is ignored then
            warmup = 0
        before = warmup if _own_clock(framework, name, params) else 0
    elif (framework, name) == ("paddle", "LinearWarmup"):
        style, warmup_name, warmup = "wrapped", "warmup_steps", int(params["warmup_steps"])
        before = warmup
        main = ("params", "learning_rate")
    elif (framework, name) == ("torch", "SequentialLR") and len(params.get("schedulers", ())) > 1:
        milestones = params["milestones"]
        before, main = int(milestones[-1]), ("params", "schedulers", len(params["schedulers"]) - 1)
        if _rises(params["schedulers"][0]):
            style, warmup_name, warmup = "sequence", "milestones", int(milestones[0])
    elif (framework, name) == ("torch", "ChainedScheduler") and params.get("schedulers"):
        members = params["schedulers"]
        member = next((place for place, each in enumerate(members) if _rises(each)), -1)
        others = [place for place in range(len(members)) if place != member]
        totalled = [place for place in others if ("torch", members[place].get("class")) in _TOTALS]
        if member >= 0 and others:
            style, warmup_name = "chained", "total_iters"
            warmup = int(members[member].get("params", {}).get("total_iters", 5))
        member = max(member, 0)
        main = ("params", "schedulers", (totalled or others or [0])[0])
    total_name = _TOTALS.get(class_of(schedule, main))
    total = _total(schedule, main, total_name)
    ends = None if total is None else total + before
    return Layout(schedule, main, total_name, ends, before, warmup, warmup_name, style, member)


def _own_clock(framework: str, name: str, params: Mapping[str, Any]) -> bool:
    """Say whether the total of a class that has its own warm-up counts from the warm-up's end."""
    if framework == "timm":  # `StepLRScheduler` and its like have no total
        return name == "WSDLRScheduler" or params.get("warmup_prefix") is True
    return framework == "keras"


def _rises(member: Any) -> bool:
    """Say whether a member of a nesting class is a warm-up."""
    if not isinstance(member, Mapping) or member.get("class") not in _RISES:
        return False
    params = member.get("params", {})
    if member["class"] == "ConstantLR":
        return bool(params.get("factor", 1 / 3) < 1.0)
    return bool(params.get("start_factor", 1 / 3) < params.get("end_factor", 1.0))


def _total(schedule: CompiledSchedule, main: Path, name: str | None) -> int | None:
    node = read(schedule.source, main)
    if name is None or not isinstance(node, Mapping):
        return None
    params = node.get("params", {})
    if str(params.get("name", "")).startswith(("constant", "inverse")):
        return None
    value = params.get(name)
    if value is None and name == "total_steps" and params.get("epochs") and params.get("steps_per_epoch"):
        value = params["epochs"] * params["steps_per_epoch"]
    if value is None and name == "total_iters":
        value = 5
    return int(value) if isinstance(value, (int, float)) and value >= 1 else None
