"""Accuracy curves of made-up runs, by seed: healthy ones in the ways in which trainings look odd and are not, and the
same with a fault planted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator, default_rng


@dataclass(frozen=True)
class Curve:
    """A run: its records, one an epoch, and what it declares."""

    records: list[dict[str, Any]]
    declared: dict[str, Any] = field(default_factory=dict)


def _records(first: int = 1, **series: Any) -> list[dict[str, Any]]:
    length = max(map(len, series.values()))
    return [
        {
            "epoch": first + index,
            "metrics": {name: float(values[index]) for name, values in series.items() if index < len(values)},
        }
        for index in range(length)
    ]


def _counted(rng: Generator, accuracy: Any, samples: int) -> Any:
    """What an evaluation on so many samples prints of a true accuracy."""
    return rng.binomial(samples, np.clip(accuracy, 0, 1)) / samples


def _learned(epochs: int, start: float, end: float, tau: float) -> Any:
    return end - (end - start) * np.exp(-np.arange(epochs) / tau)


def _loss(accuracy: Any, classes: int) -> Any:
    """A cross-entropy that goes with an accuracy: ln k at chance, less the better."""
    share = (np.asarray(accuracy) - 1 / classes) / (1 - 1 / classes)
    return math.log(classes) * (1 - 0.9 * np.clip(share, -0.1, 1))


def scratch(rng: Generator) -> Curve:
    """From chance to good, in fractions or percent, on a validation set of some thousands."""
    classes, epochs = int(rng.choice([2, 3, 10, 100])), int(rng.integers(8, 90))
    end = rng.uniform(0.6, 0.95)
    acc = _learned(epochs, 1.1 / classes, end, rng.uniform(2, epochs / 3))
    val, train = _counted(rng, acc, 5000), _counted(rng, acc + rng.uniform(0, 0.08), 20000)
    unit = 100 if rng.random() < 0.5 else 1
    declared: dict[str, Any] = {"num_classes": classes} if rng.random() < 0.5 else {}
    val_loss = _loss(acc, classes) * rng.normal(1, 0.02, epochs)
    return Curve(_records(val_acc=unit * val, train_acc=unit * train, val_loss=val_loss), declared)


def small_validation(rng: Generator) -> Curve:
    """Some dozens of validation samples: evaluations jump about."""
    epochs, samples, classes = int(rng.integers(20, 120)), int(rng.integers(25, 120)), int(rng.choice([2, 5, 10]))
    acc = _learned(epochs, 1.05 / classes, rng.uniform(0.55, 0.9), rng.uniform(2, 12))
    val = _counted(rng, acc, samples)
    val_loss = _loss(acc, classes) * rng.normal(1, 0.08, epochs)
    return Curve(_records(val_acc=val, val_loss=val_loss, train_acc=_counted(rng, acc + 0.05, 2000)))


def warm_restarts(rng: Generator) -> Curve:
    """A cosine with restarts: accuracy dips at each and is back before the next."""
    cycle, cycles = int(rng.integers(8, 25)), 3
    epochs = cycle * cycles
    inside = np.arange(epochs) % cycle / cycle
    lr = 0.05 * (1 + np.cos(math.pi * inside)) + 1e-4
    base = _learned(epochs, 0.3, rng.uniform(0.75, 0.92), cycle / 2)
    acc = base - rng.uniform(0.05, 0.22) * (1 - inside) * (np.arange(epochs) >= cycle)
    val_loss = _loss(acc, 10) * rng.normal(1, 0.03, epochs)
    return Curve(_records(lr=lr, val_acc=100 * _counted(rng, acc, 3000), val_loss=val_loss))


def step_lr(rng: Generator) -> Curve:
    """Noisy plateaus between milestones, a step of accuracy at each."""
    third = int(rng.integers(15, 60))
    epochs = 3 * third
    stage = np.arange(epochs) // third
    acc = _learned(epochs, 0.3, 0.72, 6) + np.array([0.0, 0.14, 0.18])[stage]
    acc = acc + rng.normal(0, np.array([0.03, 0.006, 0.003])[stage])
    lr = 0.1 * 0.1**stage
    train = acc - 0.03 + 0.07 * stage
    return Curve(_records(lr=lr, val_acc=_counted(rng, acc, 10000), train_acc=np.minimum(train, 1)))


def one_cycle(rng: Generator) -> Curve:
    """Accuracy rises, sags while the LR is at its peak, and rises again as it falls."""
    epochs = int(rng.integers(20, 100))
    at = np.arange(epochs) / epochs
    lr = np.where(at < 0.3, 0.004 + 0.32 * at, 0.1 * (1 + np.cos(math.pi * (at - 0.3) / 0.7)) / 2 + 1e-6)
    acc = _learned(epochs, 0.4, 0.9, epochs / 5) - rng.uniform(0, 0.12) * lr / lr.max()
    val_loss = _loss(acc, 10) * rng.normal(1, 0.04, epochs)
    return Curve(_records(lr=lr, val_acc=_counted(rng, acc + rng.normal(0, 0.015, epochs), 2000), val_loss=val_loss))


def fine_tune(rng: Generator) -> Curve:
    """It begins good, and there is little left to gain; the validation loss rises a little in the end."""
    epochs = int(rng.integers(4, 25))
    start = rng.uniform(0.8, 0.95)
    acc = _learned(epochs, start, start + rng.uniform(0, 0.04), 3)
    val_loss = _loss(acc, 2) * (1 + rng.uniform(0, 0.5) * np.arange(epochs) / epochs)
    train = np.minimum(acc + 0.08 * np.arange(epochs) / epochs, 1)
    return Curve(_records(0, val_acc=_counted(rng, acc, 800), val_loss=val_loss, train_acc=train))


def detection(rng: Generator) -> Curve:
    """mAP of a pretrained detector: while the LR warms up it dips, deeply at times, and comes back."""
    epochs, dip = int(rng.integers(30, 150)), int(rng.integers(0, 7))
    base = _learned(epochs, rng.uniform(0.1, 0.5), rng.uniform(0.5, 0.9), 8)
    depth = np.zeros(epochs)
    depth[2 : 2 + dip] = rng.uniform(0.3, 0.85)
    score = np.clip(base * (1 - depth) * rng.normal(1, 0.05, epochs), 0, 1)
    loss = (1.2 + 0.8 * depth - 0.4 * base) * rng.normal(1, 0.03, epochs)
    lr = 0.001 * np.minimum(1, np.arange(1, epochs + 1) / 6) * (1 - np.arange(epochs) / epochs * 0.99)
    names: dict[str, Any] = {"metrics/mAP50(B)": score, "metrics/mAP50-95(B)": 0.7 * score, "val_metric": 0.7 * score}
    return Curve(_records(lr=lr, val_loss=loss, **names))


def overconfident(rng: Generator) -> Curve:
    """The usual end of a long training: the validation loss creeps up, the accuracy holds, the gap is what it is."""
    epochs = int(rng.integers(20, 80))
    at = np.arange(epochs)
    acc = _learned(epochs, 0.3, rng.uniform(0.6, 0.9), 5)
    train = np.minimum(acc + rng.uniform(0.05, 0.17) * np.minimum(1, at / 15), 0.999)
    val_loss = _loss(acc, 20) * (1 + rng.uniform(0, 0.6) * at / epochs) * rng.normal(1, 0.03, epochs)
    return Curve(_records(val_acc=_counted(rng, acc, 3000), train_acc=train, val_loss=val_loss))


def no_loss_wide_gap(rng: Generator) -> Curve:
    """Far better on training data than on others, and both go on rising: 0.89 against 0.46 was a healthy run."""
    epochs = int(rng.integers(15, 60))
    acc = _learned(epochs, 0.1, rng.uniform(0.4, 0.6), 8)
    train = _learned(epochs, 0.1, rng.uniform(0.85, 1.0), 10)
    return Curve(_records(val_acc=_counted(rng, acc, 1500), train_acc=train))


def solved_toy(rng: Generator) -> Curve:
    """A toy problem that is solved: all right from the first or second epoch on, and the losses say so too."""
    epochs = int(rng.integers(5, 40))
    loss = 0.5 * np.exp(-np.arange(epochs) / 2) * rng.normal(1, 0.05, epochs)
    train = np.minimum(1, 0.93 + 0.05 * np.arange(epochs))
    declared = {"num_classes": int(rng.choice([2, 3, 4, 10]))}
    return Curve(_records(val_acc=np.ones(epochs), train_acc=train, val_loss=loss, train_loss=1.1 * loss), declared)


def by_step(rng: Generator) -> Curve:
    """Training accuracy of batches of eight at each step, an evaluation now and then."""
    steps, every = int(rng.integers(300, 900)), int(rng.integers(30, 90))
    acc = _learned(steps, 0.1, rng.uniform(0.6, 0.9), steps / 5)
    records = []
    for step in range(steps):
        metrics = {"train_acc": float(rng.binomial(8, acc[step]) / 8), "train_loss": float(_loss(acc[step], 10))}
        if step % every == every - 1:
            metrics |= {
                "val_acc": float(rng.binomial(200, acc[step]) / 200),
                "val_loss": float(_loss(acc[step], 10) * rng.normal(1, 0.05)),
            }
        records.append({"step": step, "metrics": metrics})
    return Curve(records, {"num_classes": 10})


HEALTHY: dict[str, Callable[[Generator], Curve]] = {
    one.__name__: one
    for one in (
        scratch,
        small_validation,
        warm_restarts,
        step_lr,
        one_cycle,
        fine_tune,
        detection,
        overconfident,
        no_loss_wide_gap,
        solved_toy,
        by_step,
    )
}


def overfit(rng: Generator, *, gap: bool = True) -> Curve:
    """Training accuracy to 1, validation accuracy falls from its best and the validation loss doubles."""
    epochs = int(rng.integers(20, 60))
    at = np.arange(epochs) / epochs
    acc = _learned(epochs, 0.2, 0.6, 3) - rng.uniform(0.15, 0.3) * np.clip(at - 0.3, 0, 1) / 0.7
    val_loss = (2.0 - 1.5 * np.minimum(at / 0.3, 1) + 2.0 * np.clip(at - 0.3, 0, 1)) * rng.normal(1, 0.03, epochs)
    series: dict[str, Any] = {"val_acc": _counted(rng, acc, 2000), "val_loss": val_loss}
    if gap:
        series["train_acc"] = np.minimum(0.25 + 1.5 * at, 0.99)
    return Curve(_records(**series))


def fading_detection(rng: Generator) -> Curve:
    """A detector that begins good and gets worse from there."""
    epochs = int(rng.integers(50, 120))
    at = np.arange(epochs) / epochs
    score = (0.8 - rng.uniform(0.4, 0.6) * np.minimum(1, 2 * at)) * rng.normal(1, 0.04, epochs)
    loss = (1.2 + 0.5 * np.minimum(1, 2 * at)) * rng.normal(1, 0.02, epochs)
    names: dict[str, Any] = {"val/mAP": score}
    return Curve(_records(val_loss=loss, train_loss=1.2 - 0.6 * at, **names))


def collapsing(rng: Generator) -> Curve:
    """Good until a rise of the LR, at chance from there on."""
    epochs, classes = int(rng.integers(15, 50)), int(rng.choice([4, 10, 100]))
    fault = int(rng.integers(8, epochs - 4))
    acc = np.where(np.arange(epochs) < fault, _learned(epochs, 0.3, 0.85, 4), 1 / classes)
    lr = np.where(np.arange(epochs) < fault, 0.01, 0.5)
    return Curve(_records(lr=lr, val_acc=100 * _counted(rng, acc, 5000)))


def stuck(rng: Generator) -> Curve:
    """It never leaves chance: the loss at ln k, the accuracy at 1/k."""
    epochs, classes = int(rng.integers(10, 40)), int(rng.choice([2, 3, 5, 10, 100, 1000]))
    acc = _counted(rng, np.full(epochs, 1 / classes), 5000)
    loss = math.log(classes) * rng.normal(1.002, 0.002, epochs)
    declared = {"num_classes": classes} if rng.random() < 0.5 else {}
    return Curve(_records(val_acc=acc, val_loss=loss, train_loss=loss), declared)


def leaking(rng: Generator) -> Curve:
    """From some epoch on the evaluation compares labels with themselves: perfect, and the loss is what it was."""
    epochs, fault = int(rng.integers(12, 40)), int(rng.integers(4, 8))
    acc = np.where(np.arange(epochs) < fault, _counted(rng, _learned(epochs, 0.3, 0.7, 4), 1000), 1.0)
    val_loss = _loss(_learned(epochs, 0.3, 0.7, 4), 10) * rng.normal(1, 0.01, epochs)
    val_loss[fault:] = val_loss[fault - 1] * rng.normal(1.0, 0.01, epochs - fault)
    return Curve(_records(val_acc=acc, val_loss=val_loss))


def drawn(make: Callable[[Generator], Curve], seed: int) -> Curve:
    """A curve by its seed."""
    return make(default_rng(seed))
