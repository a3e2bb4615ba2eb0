"""What a loop prints of its LRs: every so many updates or once an epoch, rounded, with gaps, perhaps only a prefix."""

from __future__ import annotations

from random import Random

import numpy as np
from tests.conformance.mechanisms import Run, mechanisms
from tests.conformance.misuse import Case, Setting, draw_setting

from trackside_service.conformance import LrPoint

FORMS = ["%r", "%r", "%.1e", "%.2e", "%.3e", "%.6f", "%.8f"]


def draw_case(rng: Random, cause: str | None = None) -> Case:
    """Return a case of this cause, or of any."""
    while True:
        setting = draw_setting(rng)
        runs = mechanisms(setting, rng)
        wanted = cause or rng.choice(sorted(runs))
        if wanted in runs:
            case = _logged(setting, runs[wanted](), wanted, rng)
            if case is not None:
                return case


def _logged(setting: Setting, run: Run, cause: str, rng: Random) -> Case | None:
    at = rng.choice(["start", "start", "end", "every", "every"])
    every = rng.choice([1, 2, 4, 5, 10, 20])
    offset = setting.per_epoch - 1 if at == "end" else 0
    steps = np.arange(offset, setting.updates, every if at == "every" else setting.per_epoch)
    refused = np.isnan(run.lrs[steps])
    if refused.any():  # OneCycleLR raised there: the run ended
        steps = steps[: int(np.argmax(refused))]
    style = rng.random()
    if style < 0.3:
        steps = steps[: max(2, int(len(steps) * rng.uniform(0.1, 1.0)))]
    elif style < 0.5 and len(steps) > 4:
        steps = steps[np.sort(rng.sample(range(len(steps)), max(3, int(len(steps) * 0.8))))]
    if len(steps) < 2:
        return None
    form = rng.choice(FORMS)
    texts = [form % float(lr) for lr in run.lrs[steps]]
    values = np.array([float(text) for text in texts])
    ticks = steps if setting.unit == "step" else steps // setting.per_epoch
    schedule = setting.schedule()
    if cause == "other_group":
        declared_form = setting.make(**setting.args)
        base = setting.args["base"]
        ratio = float(run.info[1:])
        declared_form = {**declared_form, "base_lr": [base, base * ratio]}
        setting = Setting(
            lambda **_: declared_form, setting.args, setting.unit, setting.per_epoch, setting.epochs, setting.has
        )
        schedule = setting.schedule()
    expected = schedule.lrs(ticks)
    true_half = _true_half(form, values, schedule.peak())
    off = ~(np.abs(values - expected) <= 1.0001 * true_half)
    own = ~(
        np.abs(values - expected) <= [1.001 * _half_of(t) + 1e-9 * abs(e) for t, e in zip(texts, expected, strict=True)]
    )
    return Case(
        cause=cause,
        setting=setting,
        points=tuple(
            LrPoint(float(v), int(s), int(s) // setting.per_epoch, t if form != "%r" else None)
            for v, s, t in zip(values, steps, texts, strict=True)
        ),
        visible_from=int(np.argmax(off)) if off.any() else None,
        own_digits_from=int(np.argmax(own)) if own.any() else None,
        inseparable=frozenset({cause}) | run.same,
        families=run.families,
        shows=int((steps >= run.at).sum()) >= 2,
        info=f"{run.info} {form} {at} {every} {schedule.name}",
        steps=tuple(int(s) for s in steps),
    )


def _true_half(form: str, values: np.ndarray, peak: float) -> np.ndarray:
    if form == "%r":
        return np.full(values.shape, 1e-6 * peak)
    if form.endswith("f"):
        return np.full(values.shape, 0.5 * 10.0 ** -int(form[2:-1]) + 1e-9 * peak)
    size = np.where(values == 0, 1.0, np.abs(values))
    decade = 10.0 ** np.floor(np.log10(size) + 1e-12)
    return np.asarray(np.where(values == 0, 0.0, 0.5 * decade * 10.0 ** -int(form[2:-1])) + 1e-9 * peak)


def _half_of(text: str) -> float:
    mantissa, _, exponent = text.lower().partition("e")
    return 0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
