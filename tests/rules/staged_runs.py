"""Healthy runs in which the training changes on purpose: another objective, task, stage or model from a place on, or
several trainings one after the other under a counter that goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.random import Generator

from tests.rules.curves import Curve
from tests.rules.usual_runs import by_epoch, by_step, fall, rarely, wobble


def _classifier(rng: Generator, epochs: int, classes: int = 10) -> dict[str, Any]:
    """One training from its start."""
    acc = fall(epochs, 1.3 / classes, rng.uniform(0.75, 0.95), epochs / 4)
    loss = math.log(classes) * (1.08 - acc) * wobble(rng, epochs, 0.03)
    lr = 0.05 * (1 + np.cos(math.pi * np.arange(epochs) / epochs))
    val = np.clip(acc - 0.02 + rng.normal(0, 0.008, epochs), 0, 1)
    return {"lr": lr, "train_loss": loss, "val_loss": 1.1 * loss, "train_acc": np.clip(acc, 0, 1), "val_acc": val}


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def folds(rng: Generator) -> Curve:
    """Cross-validation in one process: a new model every so many epochs, under a counter that goes on."""
    epochs, count = int(rng.integers(8, 40)), int(rng.integers(3, 6))
    told = _joined([_classifier(rng, epochs) for _ in range(count)])
    drop = [name for name in ("lr", "train_acc", "val_loss", "val_acc") if rng.random() < 0.3]
    series = {name: values for name, values in told.items() if name not in drop}
    if rng.random() < 0.3:
        series["fold"] = np.repeat(np.arange(count), epochs)
    return Curve(by_epoch(0, **series) if rng.random() < 0.5 else by_step(100, **series))


def search(rng: Generator) -> Curve:
    """A search over hyper-parameters in one process: trials of different lengths, some of them good and some poor."""
    trials = [_classifier(rng, int(rng.integers(6, 25))) for _ in range(int(rng.integers(3, 8)))]
    for trial in trials:
        trial["lr"] = np.full(len(trial["lr"]), 10 ** rng.uniform(-3, -1.2))
    return Curve(by_step(391, **_joined(trials)))


def curriculum(rng: Generator) -> Curve:
    """Harder data from some places on: every loss jumps there, and comes down again."""
    epochs, stages = int(rng.integers(10, 30)), int(rng.integers(2, 4))
    train = np.concatenate([fall(epochs, 1.2 + stage, 0.25 + 0.25 * stage, 5) for stage in range(stages)])
    acc = np.concatenate([fall(epochs, 0.55 - 0.1 * stage, 0.9 - 0.1 * stage, 5) for stage in range(stages)])
    train = train * wobble(rng, len(train), 0.03)
    names: dict[str, Any] = {"train_loss": train, "val_loss": 1.1 * train}
    if rng.random() < 0.6:
        names["val_acc"] = acc + rng.normal(0, 0.01, len(acc))
    return Curve(by_epoch(**names))


def longer_sequences(rng: Generator) -> Curve:
    """A language model whose context is lengthened: another batch, another loss, the LR warmed up anew."""
    count = int(rng.integers(150, 400))
    first, second = fall(count, 10.5, 3.0, count / 8), fall(count, rng.uniform(4.2, 7.5), 2.8, count / 10)
    loss = np.concatenate([first, second]) * wobble(rng, 2 * count, 0.02)
    half = np.minimum(1, np.arange(count) / 20) * (1 - 0.9 * np.arange(count) / count)
    return Curve(by_step(20, loss=loss, learning_rate=3e-4 * np.concatenate([half, half])))


def second_stage(rng: Generator) -> Curve:
    """Another objective on top: from a place on the loss has a further term and is of another size for good."""
    first, second = int(rng.integers(15, 40)), int(rng.integers(15, 40))
    size = rng.uniform(2, 8)
    train = np.concatenate([fall(first, 2.0, 0.3, 5), fall(second, size, 0.6 * size, 10)])
    train = train * wobble(rng, len(train), 0.03)
    acc = np.concatenate([fall(first, 0.3, 0.8, 5), fall(second, 0.76, 0.86, 6)]) + rng.normal(0, 0.006, first + second)
    names: dict[str, Any] = {"train_loss": train, "val_acc": acc}
    if rng.random() < 0.5:
        names["val_loss"] = 1.1 * train
    return Curve(by_epoch(**names))


def more_classes(rng: Generator) -> Curve:
    """Class-incremental learning: each task brings classes, so that accuracy over all falls and the loss jumps."""
    epochs, tasks = int(rng.integers(8, 25)), int(rng.integers(3, 6))
    acc = np.concatenate([fall(epochs, 0.5 / (task + 1), 0.9 / (1 + 0.5 * task), 3) for task in range(tasks)])
    loss = np.concatenate([fall(epochs, 1.6 + 0.3 * task, 0.2 + 0.1 * task, 3) for task in range(tasks)])
    names: dict[str, Any] = {"train_loss": loss * wobble(rng, len(loss), 0.04)}
    names["val_acc"] = np.clip(acc + rng.normal(0, 0.01, len(acc)), 0, 1)
    if rng.random() < 0.5:
        names["task"] = np.repeat(np.arange(tasks), epochs)
    return Curve(by_epoch(**names))


def unfrozen(rng: Generator) -> Curve:
    """The head alone first, then all layers at a lower rate: a bump, and better from there on."""
    first, second = int(rng.integers(3, 12)), int(rng.integers(8, 40))
    acc = np.concatenate([fall(first, 0.4, 0.72, 2), fall(second, rng.uniform(0.45, 0.72), 0.9, 4)])
    loss = 2.3 * (1.05 - acc) * wobble(rng, first + second, 0.03)
    lr = np.concatenate([np.full(first, 1e-3), np.full(second, 1e-4)])
    return Curve(by_epoch(lr=lr, train_loss=loss, val_loss=1.1 * loss, val_acc=acc))


def pruned(rng: Generator) -> Curve:
    """Weights are cut away in rounds: the accuracy falls deeply at each and is regained in a few epochs."""
    rounds, epochs = int(rng.integers(2, 5)), int(rng.integers(6, 15))
    acc = [fall(20, 0.2, 0.92, 5)]
    acc += [fall(epochs, rng.uniform(0.3, 0.75), 0.91 - 0.02 * place, 1.2) for place in range(rounds)]
    told = np.concatenate(acc) + rng.normal(0, 0.004, 20 + rounds * epochs)
    loss = 2.3 * (1.05 - told) * wobble(rng, len(told), 0.03)
    return Curve(by_epoch(train_loss=loss, val_acc=told, val_loss=1.1 * loss))


def averaged_at_the_end(rng: Generator) -> Curve:
    """Stochastic weight averaging: a constant LR late, and evaluation of averages, bad at first for batch norm's
    statistics.
    """
    epochs, late = int(rng.integers(40, 120)), int(rng.integers(8, 20))
    acc = np.concatenate([fall(epochs, 0.3, 0.9, 8), fall(late, 0.9, 0.925, 3)])
    if rng.random() < 0.5:
        acc[epochs] = rng.uniform(0.1, 0.5)
    lr = np.concatenate([0.05 * (1 + np.cos(math.pi * np.arange(epochs) / epochs)), np.full(late, 0.05)])
    acc += rng.normal(0, 0.004, len(acc))
    train = 2.3 * (1.02 - np.concatenate([fall(epochs, 0.3, 0.97, 8), np.full(late, 0.9)]))
    return Curve(by_epoch(lr=lr, train_loss=train * wobble(rng, len(train), 0.03), val_acc=acc))


def resumed(rng: Generator) -> Curve:
    """A log in which a resume overlaps: the counters fall back some epochs, and the same is told again, nearly."""
    told = _classifier(rng, int(rng.integers(20, 60)))
    records = by_epoch(**told)
    where, back = int(rng.integers(8, len(records) - 4)), int(rng.integers(1, 4))
    again = [
        {**one, "metrics": {name: value * float(1 + 0.01 * rng.normal()) for name, value in one["metrics"].items()}}
        for one in records[where - back :]
    ]
    return Curve([*records[:where], *again])


def appended_trainings(rng: Generator) -> Curve:
    """Several trainings appended to one file, each counted from its own start; another number of classes each."""
    records: list[dict[str, Any]] = []
    for classes in rng.choice([2, 10, 100], size=3):
        records += by_epoch(0, **_classifier(rng, int(rng.integers(8, 40)), int(classes)))
    return Curve(records)


def sparse_in_stages(rng: Generator) -> Curve:
    """By batch, with an evaluation now and then, and a second stage whose loss is smaller."""
    count = int(rng.integers(150, 400))
    loss = np.concatenate([fall(count, 4.0, 0.8, count / 6), fall(count, 0.12, 0.05, count / 6)])
    loss = loss * wobble(rng, 2 * count, 0.25)
    return Curve(by_step(10, 500, train_loss=loss, val_loss=rarely(loss, 50)))


def other_texts(rng: Generator) -> Curve:
    """A language model that goes on with other texts, and is validated on them too: worse at first, then learned."""
    count = int(rng.integers(150, 400))
    loss = np.concatenate([fall(count, 10.8, 2.5, count / 8), fall(count, rng.uniform(3.8, 5), 3.1, count / 6)])
    told: dict[str, Any] = {"loss": loss * wobble(rng, 2 * count, 0.015)}
    if rng.random() < 0.7:
        told["eval_loss"] = rarely((loss + 0.05) * wobble(rng, 2 * count, 0.004), 50)
    return Curve(by_step(10, **told))


def stronger_augmentation(rng: Generator) -> Curve:
    """From a place on the training data are made harder for good; validation is none the worse for it."""
    half = int(rng.integers(15, 40))
    train = np.concatenate([fall(half, 2.3, 0.4, 4), fall(half, 0.8, 0.65, half)]) * wobble(rng, 2 * half, 0.02)
    val = fall(2 * half, 2.3, 0.42, 6) * wobble(rng, 2 * half, 0.03)
    return Curve(by_epoch(train_loss=train, val_loss=val))


def tasks(rng: Generator) -> Curve:
    """The same with all that a trainer tells: the training accuracy soon back at all right in each task, validation
    over all classes ever lower, and of what was learned before a part, or all, is lost.
    """
    epochs, count = int(rng.integers(8, 40)), int(rng.integers(3, 7))
    told: list[dict[str, Any]] = []
    for task in range(count):
        end = 0.95 / (1 + task) if rng.random() < 0.3 else 0.95 / (1 + 0.35 * task)
        told.append(
            {
                "train_loss": fall(epochs, 1.6 + 0.3 * task, 0.03, 4) * wobble(rng, epochs, 0.04),
                "train_acc": np.clip(fall(epochs, 0.4, 0.99, 3) + rng.normal(0, 0.004, epochs), 0, 1),
                "val_acc": np.clip(
                    fall(epochs, rng.uniform(0.3, 0.75) * end, end, 3) + rng.normal(0, 0.01, epochs), 0, 1
                ),
                "val_loss": fall(epochs, 0.5 + 0.9 * task, 0.3 + 0.7 * task, 4) * wobble(rng, epochs, 0.03),
            }
        )
    series = _joined(told)
    if rng.random() < 0.4:
        del series["val_loss"]
    return Curve(by_epoch(**series))


def tasks_that_are_counted(rng: Generator) -> Curve:
    """A log that counts its tasks, of which each is learned in its first epoch and the others are forgotten."""
    epochs, count = int(rng.integers(5, 12)), int(rng.integers(3, 6))
    acc = np.concatenate([np.full(epochs, 0.95 / (1 + task)) for task in range(count)])
    acc += rng.normal(0, 0.005, len(acc))
    names: dict[str, Any] = {
        str(rng.choice(["task", "train/task_id", "experience"])): np.repeat(np.arange(count), epochs)
    }
    return Curve(by_epoch(val_acc=acc, train_acc=np.full(len(acc), 0.97), **names))


def sharpened(rng: Generator) -> Curve:
    """Image restoration: first alike, then sharp for the eye. The second loss is larger, and PSNR falls a little."""
    first, second = int(rng.integers(15, 50)), int(rng.integers(15, 50))
    loss = np.concatenate([fall(first, 0.1, 0.02, 5), 0.02 + rng.uniform(0.05, 0.6) * fall(second, 1.3, 1, 5)])
    told: dict[str, Any] = {"train_loss": loss * wobble(rng, first + second, 0.05)}
    down = rng.uniform(1.5, 3.5)
    psnr = np.concatenate([fall(first, 22, 31, 5), np.full(second, 31 - down)])
    told[str(rng.choice(["psnr", "val__psnr", "val_psnr", "PSNR"]))] = psnr + rng.normal(0, 0.15, first + second)
    if rng.random() < 0.5:
        told["ssim"] = np.concatenate([fall(first, 0.5, 0.88, 5), np.full(second, 0.88 - 0.025 * down)])
    return Curve(by_epoch(**told))


def range_test(rng: Generator) -> Curve:
    """The LR is raised by one factor until the loss explodes; the training follows in the same log."""
    count, sweep = int(rng.integers(150, 400)), int(rng.integers(60, 150))
    lr = 1e-7 * 10 ** (8 * np.arange(sweep) / (sweep - 1))
    start, end = rng.choice([2.3, 4.6, 6.9]), rng.uniform(-1.5, -0.5)
    explodes = start * np.exp(rng.uniform(1.5, 4) * np.maximum(0, np.log10(lr) - end))
    trains, rest = fall(count, start, 0.4, count / 6), 1e-3 * np.linspace(1, 0.01, count)
    loss = np.concatenate([explodes, trains]) * wobble(rng, sweep + count, 0.05)
    return Curve(by_step(1, train_loss=loss, lr=np.concatenate([lr, rest])))


def growing_sums(rng: Generator) -> Curve:
    """A loss summed over sequences that are lengthened on the way, with their length beside it."""
    epochs = int(rng.integers(20, 60))
    at = np.arange(epochs) / epochs
    length = 32 * (2.0 ** np.floor(4 * at) if rng.random() < 0.5 else 1 + rng.uniform(3, 15) * at)
    loss = length * fall(epochs, 6, 2.5, epochs / 8) * wobble(rng, epochs, 0.02)
    told: dict[str, Any] = {"train_loss": loss, str(rng.choice(["seq_len", "batch_size"])): length}
    if rng.random() < 0.5:
        told["val_loss"] = 1.05 * loss
    return Curve(by_epoch(**told))


STAGED: Final[tuple[Callable[[Generator], Curve], ...]] = (
    *(folds, search, curriculum, longer_sequences, second_stage, more_classes, unfrozen, pruned, averaged_at_the_end),
    *(resumed, appended_trainings, sparse_in_stages, other_texts, stronger_augmentation),
    *(tasks, tasks_that_are_counted, sharpened, range_test, growing_sums),
)
