"""Drawn logs: healthy ones of many kinds, and the same with a fault planted. Every one is told by its kind and seed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any, Final, TypeAlias

Log: TypeAlias = list[dict[str, Any]]
Declared: TypeAlias = dict[str, Any]


def _falling(rng: random.Random, points: int, *, start: float, end: float, noise: float) -> list[float]:
    """Losses that come down exponentially, with noise relative to the level."""
    speed = rng.uniform(3, 6) / points
    return [(end + (start - end) * math.exp(-speed * point)) * (1 + noise * rng.gauss(0, 1)) for point in range(points)]


def _epochs(**series: list[float]) -> Log:
    length = max(map(len, series.values()))
    return [
        {"epoch": place + 1, "metrics": {name: values[place] for name, values in series.items() if place < len(values)}}
        for place in range(length)
    ]


def by_epoch(rng: random.Random) -> Log:
    """A classifier: step LR, epochs, a validation that stops to improve before training does."""
    count = rng.randrange(12, 90)
    steps = {int(count * 0.5), int(count * 0.75)}
    lr, lrs = 0.1, []
    for epoch in range(count):
        lr *= 0.1 if epoch in steps else 1.0
        lrs.append(lr)
    train = _falling(rng, count, start=2.3, end=rng.choice([0.002, 0.2, 0.9]), noise=0.03)
    val = [0.3 + 0.8 * value + 0.004 * epoch * (epoch > count / 2) for epoch, value in enumerate(train)]
    val = [value * (1 + 0.08 * abs(rng.gauss(0, 1))) for value in val]
    acc = [max(0.1, 0.93 - 0.36 * value + 0.01 * rng.gauss(0, 1)) for value in train]
    return _epochs(lr=lrs, train_loss=train, val_loss=val, val_acc=acc)


def by_batch(rng: random.Random) -> Log:
    """Small noisy batches with single spikes, the gradient norm's overflows among them."""
    count = rng.randrange(200, 900)
    log: Log = []
    for step in range(count):
        loss = (0.3 + 2.0 * math.exp(-step / 80)) * math.exp(0.35 * rng.gauss(0, 1))
        loss *= 30 if rng.random() < 0.01 else 1
        norm: float | str = "NaN" if rng.random() < 0.02 else 1.5 * math.exp(0.7 * rng.gauss(0, 1))
        log.append({"step": step, "metrics": {"lr": 1e-3, "loss": loss, "grad_norm": norm}})
    return log


def with_restarts(rng: random.Random) -> Log:
    """Warm restarts: the loss jumps where a cycle begins, and the validation with it."""
    cycle, lrs, train = rng.randrange(6, 15), list[float](), list[float]()
    for number in range(4):
        for tick in range(cycle):
            lrs.append(0.05 * (1 + math.cos(math.pi * tick / cycle)) + 1e-5)
            high = (0.9 + 0.1 * rng.random()) * 2.3 * 0.8**number
            train.append(high * (0.15 + 0.85 * (1 - tick / cycle) ** 2) * (1 + 0.02 * rng.gauss(0, 1)))
    return _epochs(lr=lrs, train_loss=train, val_loss=[1.1 * value for value in train])


def fine_tuning(rng: random.Random) -> Log:
    """It begins well and has little to gain; the first epochs of its warm-up make it worse."""
    count = rng.randrange(5, 25)
    worse = [0.3 * math.exp(-((epoch - 3) ** 2) / 4) for epoch in range(count)]
    train = [0.55 + more - 0.004 * epoch + 0.01 * rng.gauss(0, 1) for epoch, more in enumerate(worse)]
    acc = [0.84 - 0.2 * more + 0.002 * epoch + 0.004 * rng.gauss(0, 1) for epoch, more in enumerate(worse)]
    return _epochs(train_loss=train, val_loss=[value + 0.05 for value in train], val_acc=acc)


def log_likelihood(rng: random.Random) -> Log:
    """A loss that falls through zero and far below."""
    count = rng.randrange(20, 200)
    slope = rng.uniform(1, 30)
    loss = [40.0 - slope * epoch**0.8 + 0.6 * slope * rng.gauss(0, 1) for epoch in range(count)]
    return _epochs(train_loss=loss, val_loss=[value + slope for value in loss])


def policy(rng: random.Random) -> Log:
    """Reinforcement learning: a loss that rises with the returns."""
    count = rng.randrange(50, 400)
    return [
        {
            "step": 2048 * place,
            "metrics": {
                "train_loss": 0.01 * place**1.5 * math.exp(0.5 * rng.gauss(0, 1)),
                "rollout/ep_rew_mean": place + 5 * rng.gauss(0, 1),
            },
        }
        for place in range(count)
    ]


def adversaries(rng: random.Random) -> Log:
    """Two networks against each other: the generator's loss is the run's, and climbs."""
    count = rng.randrange(20, 100)
    climbing = [0.7 + 0.1 * epoch + 0.3 * rng.gauss(0, 1) for epoch in range(count)]
    return _epochs(train_loss=climbing, d_loss=[max(0.05, 1.3 - 0.01 * epoch) for epoch in range(count)])


def language_model(rng: random.Random) -> Log:
    """From ln of the vocabulary down, over a long warm-up, by step; evaluations are rare."""
    count = rng.randrange(150, 500)
    log: Log = []
    for place in range(count):
        step = 50 * place
        lr = 3e-4 * min(1.0, step / 2000)
        loss = 2.9 + (math.log(50257) - 2.9) * math.exp(-step / 1500) + 0.05 * rng.gauss(0, 1)
        metrics = {"learning_rate": lr, "loss": loss, "grad_norm": 0.4 + 6 * math.exp(-place / 8) * rng.random()}
        log.append({"step": step, "epoch": step / 20_000, "metrics": metrics})
        if place % 40 == 39:
            log.append({"step": step, "epoch": step / 20_000, "metrics": {"eval_loss": loss + 0.1}})
    return log


def appended(rng: random.Random) -> Log:
    """Several runs in one log, each from its own start."""
    return [record for _ in range(3) for record in by_epoch(rng)]


def hinge(rng: random.Random) -> Log:
    """A margin loss that more and more batches satisfy exactly, to 0."""
    count = rng.randrange(200, 600)
    return [
        {"step": step, "metrics": {"train_loss": round(max(0.0, rng.gauss(0.6 - 1.2 * step / count, 0.3)), 4)}}
        for step in range(count)
    ]


HEALTHY: Final[tuple[Callable[[random.Random], Log], ...]] = (
    *(by_epoch, by_batch, with_restarts, fine_tuning, log_likelihood, policy, adversaries, language_model, appended),
    hinge,
)


def diverges(rng: random.Random) -> Log:
    """The steps become too large: from a place on the loss doubles."""
    log, base = by_batch(rng), 60.0
    for place, record in enumerate(log[150:], start=1):
        record["metrics"]["loss"] = base * min(2.0 ** min(place, 40), 1e12) * math.exp(0.3 * rng.gauss(0, 1))
    return log


def spikes(rng: random.Random) -> Log:
    """The loss jumps back to where it began, and stays."""
    log = by_epoch(rng)
    half = len(log) // 2
    lr = log[0]["metrics"]["lr"]
    for record in log[half:]:
        record["metrics"].update(lr=lr, train_loss=2.3 + 0.05 * rng.gauss(0, 1), val_loss=2.4, val_acc=0.1)
    for record in log[:half]:
        record["metrics"].update(lr=lr, train_loss=0.4 + 0.01 * rng.gauss(0, 1))
    return log


def stands_still(rng: random.Random) -> Log:
    """A learning rate far too low."""
    count = rng.randrange(14, 40)
    return _epochs(
        lr=[1e-7] * count,
        train_loss=[2.37 - 1e-4 * epoch + 2e-3 * rng.gauss(0, 1) for epoch in range(count)],
        val_loss=[2.37 + 2e-3 * rng.gauss(0, 1) for _ in range(count)],
        val_acc=[0.1 + 0.004 * rng.gauss(0, 1) for _ in range(count)],
    )


def guesses(rng: random.Random) -> Log:
    """Dead units: the loss is at ln 10 with the accuracy of guessing."""
    count = rng.randrange(10, 40)
    return _epochs(
        train_loss=[math.log(10) + 1e-3 * rng.gauss(0, 1) for _ in range(count)],
        train_acc=[0.1 + 0.004 * rng.gauss(0, 1) for _ in range(count)],
        val_loss=[math.log(10) + 1e-3 * rng.gauss(0, 1) for _ in range(count)],
        val_acc=[0.1 + 0.004 * rng.gauss(0, 1) for _ in range(count)],
    )


def falls_to_zero(rng: random.Random) -> Log:
    """From a step on the trainer prints 0 in place of NaN."""
    log = by_batch(rng)
    for record in log[120:]:
        record["metrics"].update(loss=0.0, grad_norm="NaN")
    return log


def overflows(rng: random.Random) -> Log:
    """From a step on the gradient norm is NaN, while the loss is a running mean."""
    log = by_batch(rng)
    for record in log[120:]:
        record["metrics"].update(grad_norm="NaN", loss=0.5 + 0.01 * rng.gauss(0, 1))
    return log


def explodes(rng: random.Random) -> Log:
    """From a step on the gradients are a hundred times as long, and the loss suffers."""
    log = by_batch(rng)
    for record in log[150:]:
        record["metrics"].update(grad_norm=200.0 * math.exp(0.5 * rng.gauss(0, 1)), loss=3.0 + 0.2 * rng.gauss(0, 1))
    return log


def swings(rng: random.Random) -> Log:
    """At the peak of the learning rate the loss goes up and down."""
    down = _falling(rng, 12, start=3.0, end=0.8, noise=0.02)
    up_and_down = [1.5 + 0.5 * (-1) ** epoch + 0.05 * rng.gauss(0, 1) for epoch in range(14)]
    return _epochs(lr=[0.1] * 26, train_loss=[*down, *up_and_down])


PLANTED: Final[tuple[tuple[Callable[[random.Random], Log], frozenset[str]], ...]] = (
    (diverges, frozenset({"LOSS002"})),
    (spikes, frozenset({"LOSS002", "LOSS003"})),
    (stands_still, frozenset({"LOSS005"})),
    (guesses, frozenset({"LOSS007"})),
    (falls_to_zero, frozenset({"LOSS006"})),
    (overflows, frozenset({"GRAD003"})),
    (explodes, frozenset({"GRAD001"})),
    (swings, frozenset({"LOSS004"})),
)
