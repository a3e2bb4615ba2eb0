"""A schedule found, as its framework declares it. What a framework cannot say is left to the canonical kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trackside_service.conformance.identification.found import Found, Number


def declared(found: Found, framework: str | None) -> dict[str, Any] | None:
    """Return {"framework", "class", "params", "base_lr"?}, None where the framework has no such class."""
    say = {"torch": _torch, "paddle": _paddle, "transformers": _transformers, "keras": _keras, "timm": _timm}
    if framework not in say:
        return None
    body = say[framework](found)
    return None if body is None else {"framework": framework, **body}


def _number(found: Found, name: str) -> float:
    number = found.numbers[name]
    assert isinstance(number, Number)
    return number.value


def _whole(found: Found, name: str) -> int:
    return int(_number(found, name))


def _milestones(found: Found, origin: float = 0.0) -> list[int]:
    listed = found.numbers["milestones"]
    assert isinstance(listed, list)
    return [int(each.value - origin) for each in listed]


def _scheduler(name: str, /, **params: Any) -> dict[str, Any]:
    return {"class": name, "params": params}


def _torch(found: Found) -> dict[str, Any] | None:
    peak = _number(found, "lr")
    if found.family == "one_cycle":
        start, end = _number(found, "start"), _number(found, "end")
        if not start > 0.0 or not end > 0.0:
            return None
        return _scheduler(
            "OneCycleLR",
            max_lr=peak,
            total_steps=_whole(found, "total"),
            pct_start=_number(found, "pct_start"),
            div_factor=_tidy(peak / start),
            final_div_factor=_tidy(start / end),
            **_phases(found),
        )
    if found.family == "cyclic":
        least = _number(found, "min")
        own = {"gamma": _number(found, "gamma")} if found.variant == "exp_range" else {}
        up, down = _whole(found, "up"), _whole(found, "down")
        sizes = {"base_lr": least, "max_lr": peak, "step_size_up": up, "step_size_down": down}
        return {**_scheduler("CyclicLR", **sizes, mode=found.variant, **own), "base_lr": least}
    warmup = found.warmup
    if warmup is None:
        main = _torch_main(found, 0.0)
        return None if main is None else {**main, "base_lr": peak}
    width = int(warmup.ticks.value)
    if not warmup.start.value > 0.0:
        return None
    rise = _scheduler("LinearLR", start_factor=_tidy(warmup.start.value / peak), end_factor=1.0, total_iters=width)
    if found.family == "constant":
        return {**rise, "base_lr": peak}
    main = _torch_main(found, float(width))
    if main is None or (found.clock_from_start and found.family != "multi_step"):
        return None
    return {**_scheduler("SequentialLR", schedulers=[rise, main], milestones=[width]), "base_lr": peak}


def _phases(found: Found) -> dict[str, Any]:
    return {"three_phase": True} if found.variant == "three_phase" else {}


def _tidy(ratio: float) -> float:
    return float(f"{ratio:.12g}")


def _torch_main(found: Found, origin: float) -> dict[str, Any] | None:
    peak = _number(found, "lr")
    match found.family:
        case "step":
            return _scheduler("StepLR", step_size=_whole(found, "every"), gamma=_number(found, "gamma"))
        case "multi_step":
            return _scheduler("MultiStepLR", milestones=_milestones(found, origin), gamma=_number(found, "gamma"))
        case "exponential":
            return _scheduler("ExponentialLR", gamma=_number(found, "gamma"))
        case "linear":
            end = _tidy(_number(found, "end") / peak)
            return _scheduler("LinearLR", start_factor=1.0, end_factor=end, total_iters=_whole(found, "over"))
        case "polynomial" if _number(found, "end") == 0.0:
            return _scheduler("PolynomialLR", total_iters=_whole(found, "over"), power=_number(found, "power"))
        case "cosine":
            return _scheduler("CosineAnnealingLR", T_max=_whole(found, "over"), eta_min=_number(found, "min"))
        case "warm_restarts":
            return _scheduler(
                "CosineAnnealingWarmRestarts",
                T_0=_whole(found, "t0"),
                T_mult=_whole(found, "t_mult"),
                eta_min=_number(found, "min"),
            )
    return None


def _paddle(found: Found) -> dict[str, Any] | None:
    peak = _number(found, "lr")
    if found.family == "one_cycle":
        start = _number(found, "start")
        if not start > 0.0:
            return None
        return _scheduler(
            "OneCycleLR",
            max_learning_rate=peak,
            total_steps=_whole(found, "total"),
            divide_factor=_tidy(peak / start),
            end_learning_rate=_number(found, "end"),
            phase_pct=float(_number(found, "pct_start")),
            **_phases(found),
        )
    warmup = found.warmup
    main = _paddle_main(found, 0.0 if warmup is None else warmup.ticks.value)
    if warmup is None:
        return main
    if found.family != "constant" and (main is None or (found.clock_from_start and found.family != "multi_step")):
        return None
    return _scheduler(
        "LinearWarmup",
        learning_rate=peak if main is None else main,
        warmup_steps=int(warmup.ticks.value),
        start_lr=warmup.start.value,
        end_lr=peak,
    )


def _paddle_main(found: Found, origin: float) -> dict[str, Any] | None:
    lr = _number(found, "lr")
    match found.family:
        case "step":
            gamma = _number(found, "gamma")
            return _scheduler("StepDecay", learning_rate=lr, step_size=_whole(found, "every"), gamma=gamma)
        case "multi_step":
            marks = _milestones(found, origin)
            return _scheduler("MultiStepDecay", learning_rate=lr, milestones=marks, gamma=_number(found, "gamma"))
        case "exponential":
            return _scheduler("ExponentialDecay", learning_rate=lr, gamma=_number(found, "gamma"))
        case "linear" | "polynomial":
            return _scheduler(
                "PolynomialDecay",
                learning_rate=lr,
                decay_steps=_whole(found, "over"),
                end_lr=_number(found, "end"),
                power=_number(found, "power") if found.family == "polynomial" else 1.0,
            )
        case "cosine":
            over, least = _whole(found, "over"), _number(found, "min")
            return _scheduler("CosineAnnealingDecay", learning_rate=lr, T_max=over, eta_min=least)
        case "warm_restarts":
            return _scheduler(
                "CosineAnnealingWarmRestarts",
                learning_rate=lr,
                T_0=_whole(found, "t0"),
                T_mult=_whole(found, "t_mult"),
                eta_min=_number(found, "min"),
            )
    return None


def _transformers(found: Found) -> dict[str, Any] | None:
    warmup = found.warmup
    least = _number(found, "min") if found.family == "warmup_stable_decay" else 0.0
    if warmup is not None and warmup.start.value != least:
        return None
    width = 0 if warmup is None else int(warmup.ticks.value)
    own: Mapping[str, Any] = {}
    total: int | None = None
    match found.family:
        case "constant":
            name = "constant_with_warmup" if width else "constant"
        case "linear" if _number(found, "end") == 0.0:
            name, total = "linear", width + _whole(found, "over")
        case "linear" | "polynomial":
            name, total = "polynomial", width + _whole(found, "over")
            power = _number(found, "power") if found.family == "polynomial" else 1.0
            own = {"lr_end": _number(found, "end"), "power": power}
        case "cosine" if not found.clock_from_start:
            name, total = "cosine", width + _whole(found, "over")
            if _number(found, "min"):
                name, own = "cosine_with_min_lr", {"min_lr": _number(found, "min")}
        case "warmup_stable_decay":
            name, stop = "warmup_stable_decay", _whole(found, "stable_until")
            own = {"num_stable_steps": stop - width, "num_decay_steps": _whole(found, "over")}
            own |= {"decay_type": found.variant, "min_lr_ratio": _tidy(_number(found, "min") / _number(found, "lr"))}
        case "inverse_sqrt":
            name = "inverse_sqrt"
            own = {"timescale": _whole(found, "timescale")} if _whole(found, "timescale") != width else {}
        case _:
            return None
    params: dict[str, Any] = {"name": name, "num_warmup_steps": width}
    if total is not None:
        params["num_training_steps"] = total
    if own:
        params["scheduler_specific_kwargs"] = dict(own)
    return {"class": "get_scheduler", "params": params, "base_lr": _number(found, "lr")}


def _keras(found: Found) -> dict[str, Any] | None:
    lr = _number(found, "lr")
    warmup = found.warmup
    if found.family == "cosine" and not found.clock_from_start:
        rise = {}
        if warmup is not None:
            rise = {"warmup_target": lr, "warmup_steps": int(warmup.ticks.value)}
        first = lr if warmup is None else warmup.start.value
        alpha = _tidy(_number(found, "min") / lr)
        return _scheduler(
            "CosineDecay", initial_learning_rate=first, decay_steps=_whole(found, "over"), alpha=alpha, **rise
        )
    if warmup is not None:
        return None
    match found.family:
        case "step" | "exponential":
            return _scheduler(
                "ExponentialDecay",
                initial_learning_rate=lr,
                decay_steps=_whole(found, "every") if found.family == "step" else 1,
                decay_rate=_number(found, "gamma"),
                staircase=found.family == "step",
            )
        case "multi_step":
            gamma = _number(found, "gamma")
            marks = _milestones(found)
            at = sorted(set(marks))
            values = [lr * gamma ** sum(mark <= edge for mark in marks) for edge in at]
            return _scheduler("PiecewiseConstantDecay", boundaries=[mark - 1 for mark in at], values=[lr, *values])
        case "linear" | "polynomial":
            return _scheduler(
                "PolynomialDecay",
                initial_learning_rate=lr,
                decay_steps=_whole(found, "over"),
                end_learning_rate=_number(found, "end"),
                power=_number(found, "power") if found.family == "polynomial" else 1.0,
            )
        case "warm_restarts":
            return _scheduler(
                "CosineDecayRestarts",
                initial_learning_rate=lr,
                first_decay_steps=_whole(found, "t0"),
                t_mul=float(_whole(found, "t_mult")),
                alpha=_tidy(_number(found, "min") / lr),
            )
    return None


def _timm(found: Found) -> dict[str, Any] | None:
    rise: dict[str, Any] = {}
    if found.warmup is not None:
        rise = {
            "warmup_t": int(found.warmup.ticks.value),
            "warmup_lr_init": found.warmup.start.value,
            "warmup_prefix": not found.clock_from_start,
        }
    main: dict[str, Any] | None = None
    match found.family:
        case "cosine":
            over = _whole(found, "over")
            main = _scheduler("CosineLRScheduler", t_initial=over, lr_min=_number(found, "min"), **rise)
        case "step":
            every, gamma = _whole(found, "every"), _number(found, "gamma")
            main = _scheduler("StepLRScheduler", decay_t=every, decay_rate=gamma, **rise)
        case "linear" | "polynomial":
            main = _scheduler(
                "PolyLRScheduler",
                t_initial=_whole(found, "over"),
                lr_min=_number(found, "end"),
                power=_number(found, "power") if found.family == "polynomial" else 1.0,
                **rise,
            )
    return None if main is None else {**main, "base_lr": _number(found, "lr")}
