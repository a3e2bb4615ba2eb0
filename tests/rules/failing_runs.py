"""Failing runs of the kinds that people report, told as trainers tell them, each with the families of rules that can
see it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.random import Generator

from tests.rules.curves import Curve
from tests.rules.usual_runs import by_epoch, by_step, fall, rarely, wobble


def _learned(rng: Generator, epochs: int, classes: int = 10) -> dict[str, Any]:
    acc = fall(epochs, 1.3 / classes, rng.uniform(0.7, 0.93), epochs / 5)
    loss = math.log(classes) * (1.08 - acc) * wobble(rng, epochs, 0.03)
    return {
        "train_loss": loss,
        "val_loss": 1.1 * loss * wobble(rng, epochs, 0.04),
        "val_acc": np.clip(acc + rng.normal(0, 0.01, epochs), 0, 1),
    }


def _some(rng: Generator, series: dict[str, Any], *always: str) -> dict[str, Any]:
    """Not every trainer tells all."""
    return {name: values for name, values in series.items() if name in always or rng.random() < 0.7}


def _percent(rng: Generator, series: dict[str, Any]) -> dict[str, Any]:
    if rng.random() < 0.5:
        return series
    return {name: 100 * values if name.endswith("acc") else values for name, values in series.items()}


def not_a_number_late(rng: Generator) -> Curve:
    """NaN after a long sound training."""
    epochs = int(rng.integers(20, 80))
    series, where = _learned(rng, epochs), int(rng.integers(12, epochs - 3))
    records = by_epoch(**_percent(rng, series))
    for record in records[where:]:
        record["metrics"].update(train_loss="NaN", val_loss="NaN")
    return Curve(records)


def diverges_fast(rng: Generator) -> Curve:
    """By batch, from a place on: tenfold within dozens of records, for good."""
    count = int(rng.integers(200, 600))
    where = int(rng.integers(60, count - 60))
    loss = fall(count, 4.0, 0.8, count / 6) * wobble(rng, count, 0.15)
    loss[where:] *= np.minimum(1.15 ** np.arange(count - where), 1e6)
    series: dict[str, Any] = {"loss": loss, "lr": np.full(count, 0.1)}
    if rng.random() < 0.5:
        norm = wobble(rng, count, 0.3)
        norm[where:] *= np.minimum(1.2 ** np.arange(count - where), 1e5)
        series["grad_norm"] = norm
    return Curve(by_step(int(rng.choice([1, 10, 50])), **series))


def diverges_slowly(rng: Generator) -> Curve:
    """A few percent an epoch, training and validation alike, until most of what was learned is lost."""
    epochs, where = int(rng.integers(30, 80)), int(rng.integers(8, 20))
    series = _learned(rng, epochs)
    climb = rng.uniform(0.03, 0.12) * np.maximum(0, np.arange(epochs) - where)
    series["train_loss"] = series["train_loss"] + climb
    series["val_loss"] = series["val_loss"] + 1.1 * climb
    series["val_acc"] = np.clip(series["val_acc"] - 0.25 * climb, 0.1, 1)
    return Curve(by_epoch(**_percent(rng, _some(rng, series, "train_loss", "val_loss"))))


def collapses(rng: Generator) -> Curve:
    """The LR jumps, and from there on the model guesses."""
    epochs, classes = int(rng.integers(20, 60)), int(rng.choice([2, 10, 100]))
    series, where = _learned(rng, epochs, classes), int(rng.integers(8, epochs - 6))
    rest = epochs - where
    series["train_loss"][where:] = math.log(classes) * wobble(rng, rest, 0.004)
    series["val_loss"][where:] = math.log(classes) * wobble(rng, rest, 0.004)
    series["val_acc"][where:] = rng.binomial(2000, 1 / classes, rest) / 2000
    series["lr"] = np.where(np.arange(epochs) < where, 1e-3, 0.05)
    return Curve(by_epoch(**_percent(rng, _some(rng, series, "val_acc"))))


def dead_from_the_start(rng: Generator) -> Curve:
    """All units dead: the loss at ln k, one class for every input."""
    epochs, classes = int(rng.integers(8, 50)), int(rng.choice([2, 10, 100, 1000]))
    loss = math.log(classes) * (1 + 0.0005 * np.abs(rng.normal(0, 1, epochs)))
    acc = np.full(epochs, 1 / classes)
    series = {"train_loss": loss, "val_loss": loss * wobble(rng, epochs, 2e-4), "val_acc": acc, "train_acc": acc}
    series["train_acc"] = rng.binomial(10000, 1 / classes, epochs) / 10000
    return Curve(by_epoch(**_percent(rng, _some(rng, series, "train_loss", "val_acc"))))


def overfits(rng: Generator) -> Curve:
    """The training set by heart, and validation that gets worse and worse."""
    epochs = int(rng.integers(25, 100))
    at = np.arange(epochs) / epochs
    val = fall(epochs, 2.2, 1.2, 3) + rng.uniform(1.5, 6) * np.maximum(0, at - 0.15)
    train_acc = np.minimum(fall(epochs, 0.3, 1.02, epochs / 10), 1)
    val_acc = fall(epochs, 0.25, 0.55, 3) - rng.uniform(0.0, 0.2) * at + rng.normal(0, 0.008, epochs)
    series = {"train_loss": fall(epochs, 2.2, 0.001, epochs / 12), "val_loss": val * wobble(rng, epochs, 0.03)}
    series |= {"train_acc": train_acc, "val_acc": val_acc}
    return Curve(by_epoch(**_percent(rng, series)))


def overfits_by_losses(rng: Generator) -> Curve:
    """The same where losses are all that is told: validation ends far above where it began."""
    epochs = int(rng.integers(25, 100))
    at = np.arange(epochs) / epochs
    val = fall(epochs, 2.2, 1.3, 3) + rng.uniform(3, 8) * np.maximum(0, at - 0.15)
    train = fall(epochs, 2.2, 0.01, epochs / 10)
    return Curve(by_epoch(train_loss=train * wobble(rng, epochs, 0.03), val_loss=val * wobble(rng, epochs, 0.04)))


def shuffled_labels(rng: Generator) -> Curve:
    """Labels that do not belong to their inputs: training learns by heart in the end, validation guesses throughout."""
    epochs, classes = int(rng.integers(15, 60)), int(rng.choice([2, 10, 100]))
    chance = math.log(classes)
    series = {
        "train_loss": chance * wobble(rng, epochs, 0.001),
        "val_loss": chance * (1 + 0.002 * np.abs(rng.normal(0, 1, epochs))),
        "val_acc": rng.binomial(5000, 1 / classes, epochs) / 5000,
    }
    return Curve(by_epoch(**_percent(rng, series)))


def spike_that_stays(rng: Generator) -> Curve:
    """A language model's loss jumps, and stays far above where it was."""
    count = int(rng.integers(300, 900))
    where = int(rng.integers(150, count - 100))
    loss = fall(count, 10.5, 3.0, count / 12)
    loss[where:] = rng.uniform(7.3, 9.5)
    loss = loss * wobble(rng, count, 0.012)
    series: dict[str, Any] = {"loss": loss, "learning_rate": np.full(count, 3e-4)}
    if rng.random() < 0.5:
        series["eval_loss"] = rarely(loss, 50)
    return Curve(by_step(10, **series))


def gradients_explode(rng: Generator) -> Curve:
    """The norm is a hundred times what it was, and the loss suffers."""
    count = int(rng.integers(150, 500))
    where = int(rng.integers(50, count - 40))
    loss, norm = fall(count, 4.0, 1.0, count / 6) * wobble(rng, count, 0.06), wobble(rng, count, 0.3)
    norm[where:] *= rng.uniform(80, 2000)
    loss[where:] += rng.uniform(1.0, 3.0)
    return Curve(by_step(5, loss=loss, grad_norm=norm))


def frozen(rng: Generator) -> Curve:
    """The optimizer holds no weights: each epoch's loss is the same, but for the order of its sums, or its dropout."""
    epochs, start = int(rng.integers(12, 60)), rng.uniform(0.8, 7)
    jitter = float(rng.choice([0, 1e-7, 1e-3]))
    acc = np.full(epochs, 0.1312)
    train = start * (1 + jitter * rng.normal(0, 1, epochs))
    return Curve(by_epoch(train_loss=train, val_loss=np.full(epochs, 1.003 * start), val_acc=acc))


def too_low(rng: Generator) -> Curve:
    """A learning rate a thousand times too low."""
    epochs = int(rng.integers(15, 60))
    train = rng.uniform(2, 7) * (1 - 1e-5 * np.arange(epochs)) * wobble(rng, epochs, 5e-4)
    series = {"train_loss": train, "val_loss": train[0] * wobble(rng, epochs, 5e-4)}
    series |= {"val_acc": 0.05 + rng.normal(0, 0.002, epochs), "lr": np.full(epochs, 1e-7)}
    return Curve(by_epoch(**_percent(rng, _some(rng, series, "train_loss", "val_loss"))))


def zeros_for_nan(rng: Generator) -> Curve:
    """A trainer that prints 0 where the loss is NaN, with a gradient norm of NaN or none."""
    count = int(rng.integers(60, 300))
    where = int(rng.integers(20, count - 10))
    loss = fall(count, 2.5, 1.2, count / 4) * wobble(rng, count, 0.05)
    loss[where:] = 0
    records = by_step(10, 1000, loss=loss, grad_norm=wobble(rng, count, 0.3))
    for record in records[where:]:
        record["metrics"]["grad_norm"] = "NaN" if rng.random() < 1 else 0.0
    return Curve(records)


def score_lost(rng: Generator) -> Curve:
    """A detector's mAP falls to nothing and stays there, as its losses rise."""
    epochs = int(rng.integers(30, 120))
    where = int(rng.integers(10, epochs - 14))
    score = fall(epochs, 0.05, 0.6, 6) * wobble(rng, epochs, 0.04)
    score[where:] *= 0.01
    loss = fall(epochs, 4, 1.2, 8) * wobble(rng, epochs, 0.04)
    loss[where:] = 3.6
    names: dict[str, Any] = {"metrics__mAP50(B)": score, "train__box_loss": loss, "val__box_loss": loss}
    return Curve(by_epoch(**names))


def learned_and_lost(rng: Generator) -> Curve:
    """A language model that forgets a part for good, at once or over many records, and its validation says so too."""
    count = int(rng.integers(500, 1200))
    where, slow = int(count * rng.uniform(0.35, 0.5)), int(rng.choice([1, 20, 100]))
    loss = fall(count, 10.8, 2.5, count / 14)
    loss = loss + rng.uniform(1.1, 3.5) * np.clip((np.arange(count) - where) / slow, 0, 1)
    told = {"loss": loss * wobble(rng, count, 0.015), "learning_rate": np.full(count, 3e-4)}
    return Curve(by_step(10, **told, eval_loss=rarely(loss * wobble(rng, count, 0.005) + 0.05, 50)))


def climbs_for_epochs(rng: Generator) -> Curve:
    """The same where nothing is validated: from 3.4 to 7.4, over eight of twenty epochs."""
    per_epoch = int(rng.choice([20, 50, 100]))
    count = 20 * per_epoch
    loss = fall(count, 10.8, 3.4, 2 * per_epoch)
    loss = loss + 4 * np.clip((np.arange(count) / per_epoch - 10) / 8, 0, 1)
    told: dict[str, Any] = {"loss": loss * wobble(rng, count, 0.015), "learning_rate": np.full(count, 3e-4)}
    return Curve(by_step(10, 10 * per_epoch if rng.random() < 0.5 else None, **told))


def never_leaves_its_vocabulary(rng: Generator) -> Curve:
    """A language model at ln V: no epochs, no accuracy, the noise of batches."""
    count, vocabulary = int(rng.integers(220, 600)), int(rng.choice([30522, 32000, 50257, 128256]))
    loss = math.log(vocabulary) * wobble(rng, count, 0.002)
    loss[:5] += np.linspace(rng.uniform(0, 0.5), 0, 5)
    series: dict[str, Any] = {"loss": loss}
    if rng.random() < 0.5:
        series["learning_rate"] = 3e-4 * np.minimum(1, np.arange(count) / 40)
    return Curve(by_step(10, **series))


def jumps_up_and_down(rng: Generator) -> Curve:
    """Good, and then good and bad by turns: each evaluation is of other weights."""
    epochs = int(rng.integers(30, 60))
    where = epochs // 2
    acc = fall(epochs, 0.3, 0.9, 4)
    acc[where:] = np.where(np.arange(epochs - where) % 2, 0.6, 0.1)
    acc += rng.normal(0, 0.008, epochs)
    return Curve(by_epoch(**_percent(rng, _some(rng, {"val_acc": acc, "train_loss": 2.3 * (1.05 - acc)}, "val_acc"))))


def fine_tuning_at_too_high_a_rate(rng: Generator) -> Curve:
    """A pretrained language model is thrown far away within dozens of records, and stays there."""
    count, start = int(rng.integers(60, 300)), rng.uniform(1, 2.2)
    loss = start + (rng.uniform(6.5, 10) - start) * (1 - np.exp(-np.arange(count) / rng.uniform(6, 15)))
    return Curve(by_step(10, loss=loss * wobble(rng, count, rng.uniform(0.04, 0.08))))


def restoration_lost(rng: Generator) -> Curve:
    """PSNR falls to that of noise, as the loss rises."""
    epochs = int(rng.integers(30, 80))
    where = int(rng.integers(10, epochs - 12))
    psnr, loss = fall(epochs, 20, 32, 6), fall(epochs, 0.1, 0.02, 6)
    psnr[where:], loss[where:] = rng.uniform(6, 12), rng.uniform(0.03, 0.4)
    told: dict[str, Any] = {"val__psnr": psnr + rng.normal(0, 0.2, epochs)}
    return Curve(by_epoch(train_loss=loss * wobble(rng, epochs, 0.04), **told))


FAILING: Final[tuple[tuple[Callable[[Generator], Curve], tuple[str, ...]], ...]] = (
    (not_a_number_late, ("LOSS",)),
    (diverges_fast, ("LOSS", "GRAD")),
    (diverges_slowly, ("LOSS", "ACC")),
    (collapses, ("ACC", "LOSS")),
    (dead_from_the_start, ("LOSS", "ACC")),
    (overfits, ("FIT", "ACC")),
    (overfits_by_losses, ("FIT", "LOSS")),
    (shuffled_labels, ("LOSS", "ACC")),
    (spike_that_stays, ("LOSS",)),
    (gradients_explode, ("GRAD", "LOSS")),
    (frozen, ("LOSS",)),
    (too_low, ("LOSS", "ACC")),
    (zeros_for_nan, ("LOSS", "GRAD")),
    (score_lost, ("ACC",)),
    (jumps_up_and_down, ("ACC",)),
    (learned_and_lost, ("LOSS",)),
    (climbs_for_epochs, ("LOSS",)),
    (never_leaves_its_vocabulary, ("LOSS",)),
    (fine_tuning_at_too_high_a_rate, ("LOSS",)),
    (restoration_lost, ("LOSS", "ACC")),
)
