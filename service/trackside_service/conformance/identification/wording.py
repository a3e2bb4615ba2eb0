"""A schedule found, in a sentence."""

from __future__ import annotations

from trackside_service.conformance.identification.found import Found, Number

NAMES = {
    "constant": "constant",
    "step": "step decay",
    "multi_step": "multi-step decay",
    "exponential": "exponential decay",
    "linear": "linear decay",
    "polynomial": "polynomial decay",
    "cosine": "cosine annealing",
    "warm_restarts": "cosine with warm restarts",
    "one_cycle": "one cycle",
    "inverse_sqrt": "inverse square root",
    "cyclic": "triangular cycles",
    "warmup_stable_decay": "warm-up, stable, decay",
}


def sentence(found: Found, unit: str) -> str:
    """Return the schedule in a sentence, with its parameters and how far the log leaves them open."""
    ticks = "epochs" if unit == "epoch" else "steps"
    body = _body(found, ticks, "epoch" if unit == "epoch" else "step")
    if found.warmup is None or found.family == "one_cycle":
        return f"{body[0].upper()}{body[1:]}."
    rise = f"Linear warm-up from {_shown(found.warmup.start)} over {_shown(found.warmup.ticks)} {ticks}, then {body}"
    counted = found.clock_from_start and found.family != "warmup_stable_decay"
    return f"{rise}{', counted from the start of the run' if counted else ''}."


def _body(found: Found, ticks: str, tick: str) -> str:
    lr = _of(found, "lr")
    match found.family:
        case "constant":
            return f"constant at {lr}"
        case "step":
            every, gamma = _of(found, "every"), _of(found, "gamma")
            return f"step decay from {lr}: times {gamma} every {every} {ticks} ({found.note})"
        case "multi_step":
            listed = found.numbers["milestones"]
            marks = ", ".join(_shown(each) for each in listed) if isinstance(listed, list) else ""
            return f"multi-step decay from {lr}: times {_of(found, 'gamma')} at {tick} {marks}"
        case "exponential":
            return f"exponential decay from {lr}: times {_of(found, 'gamma')} every {tick}"
        case "linear" if found.note:
            return found.note
        case "linear":
            return f"linear decay from {lr} to {_of(found, 'end')} over {_of(found, 'over')} {ticks}"
        case "polynomial":
            power = _of(found, "power")
            return (
                f"polynomial decay of power {power} from {lr} to {_of(found, 'end')} over {_of(found, 'over')} {ticks}"
            )
        case "cosine":
            return f"cosine annealing from {lr} to {_of(found, 'min')} over {_of(found, 'over')} {ticks}"
        case "warm_restarts":
            times = _of(found, "t_mult")
            longer = "" if times == "1" else f", each {times} times as long as the one before"
            least, first = _of(found, "min"), _of(found, "t0")
            return f"cosine from {lr} to {least} with warm restarts, first after {first} {ticks}{longer}"
        case "one_cycle":
            start, end = _of(found, "start"), _of(found, "end")
            share, total = _of(found, "pct_start"), _of(found, "total")
            then = "down to where it began as fast, and on" if found.variant == "three_phase" else "then down"
            return f"one cycle of {total} {ticks}: from {start} up to {lr} in a share of {share}, {then} to {end}"
        case "cyclic":
            up, down = _of(found, "up"), _of(found, "down")
            fades = ", each half as high as the one before" if found.variant == "triangular2" else ""
            if found.variant == "exp_range":
                fades = f", the height times {_of(found, 'gamma')} every {tick}"
            return f"triangles from {_of(found, 'min')} to {lr}, {up} {ticks} up and {down} down{fades}"
        case "warmup_stable_decay":
            until, over, least = _of(found, "stable_until"), _of(found, "over"), _of(found, "min")
            shape = {"linear": "in a line", "cosine": "along half a cosine", "1-sqrt": "by one minus a square root"}
            return f"level at {lr} until {tick} {until}, and down {shape[found.variant]} to {least} in {over} {ticks}"
        case "inverse_sqrt":
            return f"inverse square root from {lr} with a timescale of {_of(found, 'timescale')} {ticks}"


def _of(found: Found, name: str) -> str:
    number = found.numbers[name]
    return _shown(number) if isinstance(number, Number) else ""


def _shown(number: Number) -> str:
    if number.exact or (number.low == number.high):
        return f"{number.value:.6g}"
    return f"{number.value:.6g} ({number.low:.4g} to {number.high:.4g})"
