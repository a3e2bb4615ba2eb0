"""Healthy runs by the objective that they train: what the losses and scores of each field look like while all is well.

Each kind draws a run by its generator. What is drawn is told as its trainers tell it: by batch or by epoch, under
their own names, in their own units.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.random import Generator

from tests.rules.curves import Curve


def fall(length: int, start: float, end: float, tau: float) -> Any:
    """From `start` to `end`, exponentially."""
    return end + (start - end) * np.exp(-np.arange(length) / tau)


def wobble(rng: Generator, length: int, share: float) -> Any:
    """Factors about 1."""
    return np.exp(share * rng.normal(0, 1, length))


def by_epoch(first: int = 1, **series: Any) -> list[dict[str, Any]]:
    """A record an epoch; NaN in a series leaves the metric out."""
    return _told([{"epoch": first + place} for place in range(_length(series))], series)


def by_step(every: int = 1, per_epoch: int | None = None, **series: Any) -> list[dict[str, Any]]:
    """A record every so many steps, with its fractional epoch where the trainer knows how many make one."""
    places: list[dict[str, Any]] = []
    for place in range(_length(series)):
        step = every * place
        places.append({"step": step} if per_epoch is None else {"step": step, "epoch": round(step / per_epoch, 4)})
    return _told(places, series)


def rarely(values: Any, every: int) -> Any:
    """The series with only every so-many-th value: an evaluation now and then."""
    kept = np.arange(len(values)) % every == every - 1
    return np.where(kept, values, math.nan)


def _length(series: dict[str, Any]) -> int:
    return max(map(len, series.values()))


def _told(places: list[dict[str, Any]], series: dict[str, Any]) -> list[dict[str, Any]]:
    records = []
    for index, place in enumerate(places):
        metrics = {name: float(values[index]) for name, values in series.items() if index < len(values)}
        metrics = {name.replace("__", "/"): value for name, value in metrics.items() if not math.isnan(value)}
        if metrics:
            records.append({**place, "metrics": metrics})
    return records


def contrastive(rng: Generator) -> Curve:
    """InfoNCE among the batch: it begins at the logarithm of the batch and leaves it slowly."""
    batch, epochs = int(rng.choice([128, 256, 512, 4096])), int(rng.integers(20, 150))
    loss = fall(epochs, math.log(batch), math.log(batch) - rng.uniform(1.5, 4), epochs / 3)
    return Curve(by_epoch(0, train_loss=loss * wobble(rng, epochs, 0.004), lr=fall(epochs, 0.03, 0.0, epochs)))


def similarity(rng: Generator) -> Curve:
    """Negative cosine similarity: from 0 to about -0.95, by batch."""
    count = int(rng.integers(150, 800))
    loss = fall(count, -0.05, -rng.uniform(0.8, 0.97), count / 6) + rng.normal(0, 0.02, count)
    return Curve(by_step(10, 300, loss=loss))


def bootstrap_targets(rng: Generator) -> Curve:
    """A network that predicts its own moving average: the loss falls fast and then climbs as the target gets harder."""
    epochs = int(rng.integers(40, 200))
    at = np.arange(epochs) / epochs
    loss = fall(epochs, 1.8, 0.12, 3) + rng.uniform(0.1, 0.3) * at
    return Curve(by_epoch(train_loss=loss * wobble(rng, epochs, 0.02), knn_acc=0.2 + 0.4 * at))


def annealed_elbo(rng: Generator) -> Curve:
    """A VAE whose KL term is switched on slowly: the total climbs for a while, the reconstruction does not. Some tell
    the total alone.
    """
    epochs, ramp = int(rng.integers(25, 100)), int(rng.integers(5, 40))
    beta = np.minimum(1, np.arange(epochs) / ramp)
    free = rng.uniform(20, 60)
    kl = free / (1 + (free / rng.uniform(10, 25) - 1) * beta)
    recon = fall(epochs, rng.uniform(150, 500), rng.uniform(78, 110), rng.uniform(1, 4)) + 0.3 * (free - kl)
    train = (recon + beta * kl) * wobble(rng, epochs, 0.003)
    name, told = str(rng.choice(["recon_loss", "reconstruction", "rec", "nll"])), rng.random() < 0.6
    extra: dict[str, Any] = {name: recon, "kl": kl, "kl_weight": beta} if told else {}
    return Curve(by_epoch(0, train_loss=train, val_loss=1.02 * train * wobble(rng, epochs, 0.003), **extra))


def log_density(rng: Generator) -> Curve:
    """A normalising flow: nats that fall through zero; single batches are far off."""
    count = int(rng.integers(200, 900))
    loss = fall(count, rng.uniform(2, 60), -rng.uniform(1, 80), count / 8) + rng.normal(0, 1, count)
    loss += np.where(rng.random(count) < 0.01, rng.uniform(5, 50, count), 0)
    return Curve(by_step(50, loss=loss))


def separation(rng: Generator) -> Curve:
    """Negative SI-SNR in decibels, with the improvement as validation."""
    epochs = int(rng.integers(20, 120))
    train = -fall(epochs, 2, 17, epochs / 4) + rng.normal(0, 0.15, epochs)
    return Curve(by_epoch(train_loss=train, val_loss=train + 1.5 + rng.normal(0, 0.2, epochs)))


def uncertainty_weights(rng: Generator) -> Curve:
    """Tasks weighed by learned variances: the sum falls below zero while its parts are above."""
    epochs = int(rng.integers(20, 90))
    loss = fall(epochs, 3.0, -2.5, epochs / 3) + rng.normal(0, 0.05, epochs)
    return Curve(by_epoch(train_loss=loss, val_loss=loss + 0.3, loss_seg=fall(epochs, 1.2, 0.3, 10)))


def pretraining(rng: Generator) -> Curve:
    """A language model by step: a warm-up, spikes that recover within some dozens of records, rare evaluations."""
    count = int(rng.integers(300, 1500))
    loss = fall(count, 10.8, 3.3, count / 12) - 0.4 * np.arange(count) / count + rng.normal(0, 0.04, count)
    norm = 0.3 * wobble(rng, count, 0.3)
    for place in range(int(rng.integers(1, 4))):
        where, long = count // 4 * (place + 1) + int(rng.integers(0, count // 8)), int(rng.integers(5, count // 9))
        loss[where : where + long] += rng.uniform(0.5, 3) * np.exp(-np.arange(long) / (long / 3))
        norm[where : where + 4] *= rng.uniform(5, 60)
    warm = count // 20
    lr = 3e-4 * np.minimum(1, np.arange(count) / warm) * (0.55 + 0.45 * np.cos(math.pi * np.arange(count) / count))
    return Curve(
        by_step(10, loss=loss, grad_norm=norm, learning_rate=lr, eval_loss=rarely(loss + 0.05, 100)),
        {"total_epochs": 1} if rng.random() < 0.3 else {},
    )


def preference(rng: Generator) -> Curve:
    """Preference optimisation: it begins at ln 2 to the digit, since policy and reference are one."""
    count = int(rng.integers(40, 300))
    loss = fall(count, math.log(2), 0.45, count / 3) + np.where(np.arange(count) < 2, 0, rng.normal(0, 0.03, count))
    loss[:2] = math.log(2)
    names: dict[str, Any] = {"rewards__accuracies": fall(count, 0.5, 0.75, count / 3), "loss": loss}
    return Curve(by_step(5, 200, **names))


def adapter(rng: Generator) -> Curve:
    """Low-rank fine-tuning of a large language model: the loss comes down by a few percent, and that is all."""
    count, start = int(rng.integers(30, 400)), rng.uniform(0.9, 2.2)
    loss = fall(count, start, start * rng.uniform(0.9, 0.97), count / 4) * wobble(rng, count, 0.05)
    told = rng.random()
    lr = 2e-4 * np.linspace(1, 0.01, count)
    if told < 0.5:
        return Curve(by_step(10, 500, loss=loss, learning_rate=lr, grad_norm=0.5 * wobble(rng, count, 0.2)))
    mean = fall(12, start, start * rng.uniform(0.955, 0.985), 4) * wobble(rng, 12, 0.001)
    return Curve(by_epoch(train_loss=mean) if told < 0.75 else by_epoch(train_loss=mean, val_loss=mean + 0.02))


def diffusion(rng: Generator) -> Curve:
    """Denoising: nearly all is learned in the first epoch, and the mean loss then moves in its third digit."""
    epochs = int(rng.integers(30, 300))
    loss = 0.03 + 0.05 * np.exp(-np.arange(epochs) / 1.5) + 0.004 * np.exp(-np.arange(epochs) / 40)
    return Curve(by_epoch(int(rng.integers(0, 2)), train_loss=loss * wobble(rng, epochs, rng.choice([0.005, 0.02]))))


def detector(rng: Generator) -> Curve:
    """Detection from nothing: mAP is 0 for epochs, then climbs; the parts of the loss under their own names."""
    epochs, asleep = int(rng.integers(40, 200)), int(rng.integers(2, 12))
    score = np.maximum(0, fall(epochs, -0.05 * asleep, rng.uniform(0.3, 0.8), epochs / 4)) * wobble(rng, epochs, 0.05)
    box, cls = fall(epochs, 3.2, 1.1, 15), fall(epochs, 4.5, 0.8, 10)
    names: dict[str, Any] = {
        "metrics__mAP50(B)": score,
        "metrics__mAP50-95(B)": 0.6 * score,
        "train__box_loss": box,
        "train__cls_loss": cls,
        "val__box_loss": 1.05 * box * wobble(rng, epochs, 0.03),
        "val__cls_loss": 1.1 * cls * wobble(rng, epochs, 0.05),
        "lr__pg0": np.minimum(0.01, 0.0033 * np.arange(1, epochs + 1)) * np.linspace(1, 0.01, epochs),
    }
    return Curve(by_epoch(0, **names))


def segmentation(rng: Generator) -> Curve:
    """IoU or Dice beside a Dice loss, noisy over few images."""
    epochs = int(rng.integers(20, 120))
    score = fall(epochs, 0.05, rng.uniform(0.5, 0.93), epochs / 5) + rng.normal(0, 0.03, epochs)
    name = str(rng.choice(["val_iou", "val/dice", "val_miou", "dice"])).replace("/", "__")
    extra: dict[str, Any] = {name: np.clip(score, 0, 1)}
    loss = 1 - fall(epochs, 0.1, 0.9, epochs / 5)
    return Curve(by_epoch(train_loss=loss, val_loss=np.clip(1 - score, 0.02, 2), **extra))


def smoothed_labels(rng: Generator) -> Curve:
    """Mixed images and smoothed labels: training looks worse than validation all the way, and swings."""
    epochs = int(rng.integers(30, 200))
    val = fall(epochs, 0.05, rng.uniform(0.7, 0.85), epochs / 6)
    train = np.clip(0.6 * val + rng.normal(0, 0.04, epochs), 0.01, 1)
    loss = fall(epochs, 6.8, 2.6, epochs / 6) * wobble(rng, epochs, 0.05)
    lr = 1e-3 * (1 + np.cos(math.pi * np.arange(epochs) / epochs)) / 2
    unit = 100 if rng.random() < 0.5 else 1
    return Curve(by_epoch(0, lr=lr, train_loss=loss, train_acc=unit * train, val_acc=unit * val, val_loss=0.6 * loss))


def distillation(rng: Generator) -> Curve:
    """A student under a temperature: losses of a hundredth, beside a teacher's constant accuracy."""
    epochs = int(rng.integers(15, 80))
    loss = fall(epochs, 0.09, 0.02, epochs / 5) * wobble(rng, epochs, 0.02)
    acc = fall(epochs, 0.4, 0.9, epochs / 6) + rng.normal(0, 0.004, epochs)
    return Curve(by_epoch(train_loss=loss, val_acc=np.clip(acc, 0, 1), teacher_acc=np.full(epochs, 0.935)))


def tiny_batches(rng: Generator) -> Curve:
    """Batches of one to eight: the accuracy of one is 0 or 1, or an eighth's multiple, with summaries or without."""
    count, size, classes = int(rng.integers(200, 1200)), int(rng.choice([1, 2, 4, 8])), int(rng.choice([2, 10]))
    truth = fall(count, 1 / classes, rng.uniform(0.75, 0.97), count / 5)
    acc = rng.binomial(size, truth) / size
    loss = rng.gamma(size, np.maximum(1.05 - truth, 0.03) * math.log(classes) / 0.9 / size)
    per_epoch = int(rng.integers(50, 200)) if rng.random() < 0.6 else None
    names: dict[str, Any] = {"train_loss": loss, "train_acc": acc}
    if rng.random() < 0.5:
        names["val_acc"] = rarely(rng.binomial(300, truth) / 300, per_epoch or 100)
    return Curve(by_step(1, per_epoch, **names), {"num_classes": classes} if rng.random() < 0.5 else {})


def validation_by_batch(rng: Generator) -> Curve:
    """Each record carries the accuracy of one small validation batch, by step, and nothing tells the epochs."""
    count, size = int(rng.integers(200, 900)), int(rng.choice([4, 8, 16, 32]))
    truth = fall(count, 0.1, rng.uniform(0.6, 0.95), count / 6)
    loss = 2.3 * (1.05 - truth) * wobble(rng, count, 0.25)
    every = int(rng.choice([1, 1, 10]))
    return Curve(by_step(every, train_loss=loss, val_acc=rng.binomial(size, truth) / size))


def summed(rng: Generator) -> Curve:
    """A loss summed over the batch or the data set, or divided by the accumulation: thousands, or thousandths."""
    count, scale = int(rng.integers(100, 500)), float(rng.choice([3e4, 2e3, 1e-3]))
    loss = scale * fall(count, 2.3, rng.uniform(0.2, 1.0), count / 5) * wobble(rng, count, 0.15)
    norm = scale * fall(count, 3, 0.5, count / 5) * wobble(rng, count, 0.4)
    return Curve(by_step(20, 2000, train_loss=loss, grad_norm=norm))


def physics(rng: Generator) -> Curve:
    """A network that solves a differential equation: the residual falls by orders, with spikes of a hundredfold."""
    count = int(rng.integers(200, 1000))
    loss = 10.0 ** (-fall(count, 0, rng.uniform(4, 8), count / 3)) * wobble(rng, count, 0.3)
    for where in rng.integers(10, count - 20, size=int(rng.integers(2, 12))):
        long = int(rng.integers(1, 6))
        loss[where : where + long] *= rng.uniform(3, 100) * np.exp(-np.arange(long))
    every = int(rng.choice([1, 100]))
    loss_bc: Any = 0.1 * loss * wobble(rng, count, 0.5)
    if rng.random() < 0.5:
        return Curve(by_epoch(0, train_loss=loss, loss_bc=loss_bc))
    return Curve(by_step(every, loss=loss, loss_pde=0.9 * loss, loss_bc=loss_bc))


def learned_by_heart(rng: Generator) -> Curve:
    """One batch, or a toy task, on purpose: accuracy 1 and a loss that goes to 1e-8, printed as 0.0000 at the end."""
    epochs = int(rng.integers(40, 300))
    loss = 10.0 ** (-fall(epochs, -0.3, rng.uniform(3, 9), epochs / 4)) * wobble(rng, epochs, 0.1)
    acc = np.minimum(1, fall(epochs, 0.2, 1.01, epochs / 20))
    digits = int(rng.choice([4, 6, 12]))
    return Curve(by_epoch(train_loss=np.round(loss, digits), train_acc=acc))


def converged(rng: Generator) -> Curve:
    """A small convex problem, full batch, no noise: it arrives and stays, to the last digit."""
    epochs, end = int(rng.integers(60, 400)), rng.uniform(0.05, 1.2)
    loss = np.round(fall(epochs, 3 * end, end, epochs / 40), int(rng.choice([6, 9, 16])))
    names: dict[str, Any] = {"train_loss": loss}
    if rng.random() < 0.5:
        names["val_loss"] = np.round(1.1 * fall(epochs, 3 * end, end, epochs / 40), 8)
    if rng.random() < 0.3:
        names["lr"] = np.full(epochs, 0.1)
    return Curve(by_epoch(0, **names))


def regression(rng: Generator) -> Curve:
    """Errors that fall, and R2 from far below zero, under usual names."""
    epochs = int(rng.integers(20, 200))
    mse = fall(epochs, 900, 30, epochs / 6) * wobble(rng, epochs, 0.08)
    names: dict[str, Any] = {"train_loss": mse, "val_loss": 1.1 * mse * wobble(rng, epochs, 0.1)}
    names |= {"val_mae": np.sqrt(mse) * 0.8, "val_rmse": np.sqrt(mse), "val_r2": 1 - mse / 200, "mae": np.sqrt(mse)}
    return Curve(by_epoch(0, **names))


def language_scores(rng: Generator) -> Curve:
    """What falls while a model gets better (WER, CER, perplexity), beside what rises (BLEU, F1), each with its name."""
    epochs = int(rng.integers(8, 60))
    loss = fall(epochs, 6, 1.2, epochs / 4) * wobble(rng, epochs, 0.02)
    falling: dict[str, Any] = {"eval_wer": fall(epochs, 1.0, 0.12, 4), "val_cer": fall(epochs, 0.9, 0.05, 4)}
    rising: dict[str, Any] = {"eval_bleu": fall(epochs, 0.2, 28, 6), "eval_f1": fall(epochs, 0.1, 0.85, 5)}
    names = {"train_loss": loss, "val_loss": loss * 1.1, "val_ppl": np.exp(1.1 * loss), **falling, **rising}
    kept = [name for name in names if name.endswith("loss") or rng.random() < 0.5]
    return Curve(by_epoch(**{name: names[name] for name in kept}))


def clicks(rng: Generator) -> Curve:
    """Rare positives: a constant accuracy that is the majority's, a loss that moves in its third digit, a slow AUC."""
    epochs, share = int(rng.integers(10, 40)), rng.uniform(0.02, 0.2)
    entropy = -(share * math.log(share) + (1 - share) * math.log(1 - share))
    loss = fall(epochs, entropy, 0.9 * entropy, epochs / 3) * wobble(rng, epochs, 0.003)
    acc = np.full(epochs, round(1 - share, 4))
    names: dict[str, Any] = {"val_auc": fall(epochs, 0.62, 0.78, epochs / 4), "val_acc": acc, "train_acc": acc}
    return Curve(by_epoch(train_loss=loss, val_loss=1.01 * loss, **names))


def averaged_weights(rng: Generator) -> Curve:
    """Evaluation of a slow moving average: at chance for many epochs, while the training learns."""
    epochs, lag, classes = int(rng.integers(25, 90)), int(rng.integers(3, 12)), int(rng.choice([10, 100]))
    train = fall(epochs, 1.5 / classes, 0.9, 6)
    val = np.concatenate([np.full(lag, 1 / classes), train[: epochs - lag]])
    chance = math.log(classes)
    val_loss = np.concatenate(
        [np.full(lag, chance) + rng.normal(0, 0.002, lag), chance * (1.1 - train[: epochs - lag])]
    )
    declared: dict[str, Any] = {"num_classes": classes} if rng.random() < 0.5 else {}
    series = by_epoch(train_loss=chance * (1.1 - train), train_acc=train, val_acc=val, val_loss=val_loss)
    return Curve(series, declared)


def adversarial(rng: Generator) -> Curve:
    """A generator and a discriminator under the names that such trainers print."""
    count = int(rng.integers(60, 500))
    one, other = [
        ("Loss_D", "Loss_G"),
        ("errD", "errG"),
        ("lossD", "lossG"),
        ("D_loss", "G_loss"),
        ("loss_d", "loss_g"),
    ][int(rng.integers(0, 5))]
    names: dict[str, Any] = {
        one: np.maximum(0.02, fall(count, 1.4, 0.3, count / 6) * wobble(rng, count, 0.6)),
        other: fall(count, 0.8, rng.uniform(3, 8), count / 5) * wobble(rng, count, 0.4),
    }
    if rng.random() < 0.5:
        names["loss"] = names[one] + names[other]
    return Curve(by_step(50, **names) if rng.random() < 0.5 else by_epoch(**names))


def returns(rng: Generator) -> Curve:
    """Episodes: the score climbs with great noise, the loss climbs with the size of the returns."""
    count = int(rng.integers(100, 800))
    score = fall(count, 15, rng.uniform(150, 500), count / 3) * wobble(rng, count, 0.4)
    name = str(rng.choice(["score", "reward", "episode_return", "mean_score", "avg_reward"]))
    names: dict[str, Any] = {name: score, "loss": 0.002 * score**2 * wobble(rng, count, 0.7) + 0.01}
    names["epsilon"] = np.maximum(0.01, 0.99 ** np.arange(count))
    return Curve(by_epoch(0, **names) if rng.random() < 0.5 else by_step(1000, **names))


def loss_scaling(rng: Generator) -> Curve:
    """Mixed precision: the first gradients overflow, and single ones later."""
    count, first = int(rng.integers(100, 600)), int(rng.integers(2, 9))
    norm = 1.2 * wobble(rng, count, 0.5)
    records = by_step(1, train_loss=fall(count, 7, 2.5, count / 6) * wobble(rng, count, 0.03), grad_norm=norm)
    for place in (*range(first), *rng.integers(first, count, size=count // 100)):
        records[place]["metrics"]["grad_norm"] = str(rng.choice(["NaN", "Infinity"]))
    return Curve(records)


def clip_free(rng: Generator) -> Curve:
    """A recurrent net: gradient norms with a heavy tail, that grow over the run as the loss falls."""
    count = int(rng.integers(150, 900))
    norm = fall(count, 0.3, rng.uniform(3, 12), count) * np.exp(rng.standard_t(2.5, count) * 0.7)
    return Curve(by_step(5, loss=fall(count, 4.4, 1.4, count / 5) * wobble(rng, count, 0.06), grad_norm=norm))


def rare_evaluation(rng: Generator) -> Curve:
    """An evaluation every ten epochs of a long run, with milestones."""
    epochs = int(rng.integers(100, 300))
    lr = 0.1 * 0.1 ** (np.arange(epochs) // (epochs // 3 + 1))
    train = fall(epochs, 2.3, 0.02, epochs / 5) * wobble(rng, epochs, 0.05)
    acc = fall(epochs, 20, 93, epochs / 6) + rng.normal(0, 1.5, epochs)
    return Curve(by_epoch(lr=lr, train_loss=train, val_acc=rarely(acc, 10), val_loss=rarely(0.3 + 0.5 * train, 10)))


def stopped_early(rng: Generator) -> Curve:
    """It overfits a little, and a patience of some epochs ends it."""
    best, patience = int(rng.integers(4, 40)), int(rng.integers(3, 12))
    epochs = best + patience
    val = fall(best, 2.0, 0.7, best / 3)
    val = np.concatenate([val, val[-1] * (1 + 0.015 * np.arange(1, patience + 1))]) * wobble(rng, epochs, 0.02)
    acc = np.clip(0.9 - 0.3 * val + rng.normal(0, 0.01, epochs), 0, 1)
    train = np.minimum(acc + 0.006 * np.arange(epochs), 0.99)
    return Curve(by_epoch(train_loss=fall(epochs, 2.0, 0.2, epochs / 3), val_loss=val, val_acc=acc, train_acc=train))


def pretrained(rng: Generator) -> Curve:
    """A pretrained encoder on a small task: near its best after an epoch, while the validation loss doubles."""
    epochs = int(rng.integers(3, 20))
    acc = rng.uniform(0.86, 0.95) + rng.normal(0, 0.006, epochs)
    val = np.linspace(0.28, rng.uniform(0.4, 0.8), epochs) * wobble(rng, epochs, 0.04)
    train_acc = np.minimum(0.9 + 0.03 * np.arange(epochs), 0.998)
    return Curve(by_epoch(train_loss=fall(epochs, 0.4, 0.005, 2), train_acc=train_acc, val_loss=val, val_acc=acc))


def cycles(rng: Generator) -> Curve:
    """A triangular LR: loss and accuracy follow it, cycle after cycle; the rate is reported, or declared."""
    cycle, count = int(rng.integers(8, 20)), int(rng.integers(3, 7))
    epochs = cycle * count
    inside = np.abs((np.arange(epochs) % cycle) / cycle * 2 - 1)
    lr = 1e-3 + (6e-3 - 1e-3) * (1 - inside)
    base = fall(epochs, 2.0, 0.4, epochs / 5)
    train = base * (0.75 + 0.5 * (1 - inside)) * wobble(rng, epochs, 0.03)
    acc = 0.92 - 0.3 * base - rng.uniform(0.02, 0.12) * (1 - inside)
    return Curve(by_epoch(0, lr=lr, train_loss=train, val_acc=np.clip(acc, 0.1, 1), val_loss=1.15 * train))


def peak_of_one_cycle(rng: Generator) -> Curve:
    """The losses rise by half and more while the LR goes up to its peak, and fall with it."""
    epochs = int(rng.integers(30, 100))
    at = np.arange(epochs) / epochs
    lr = np.where(at < 0.4, 0.004 + 0.3 * at, 0.062 * (1 + np.cos(math.pi * (at - 0.4) / 0.6)))
    loss = fall(epochs, 2.3, 0.5, epochs / 12) + rng.uniform(0.1, 0.5) * (lr / lr.max()) ** 2 * (at > 0.1)
    val = 1.1 * loss * wobble(rng, epochs, 0.06)
    return Curve(by_epoch(lr=lr, train_loss=loss * wobble(rng, epochs, 0.02), val_loss=val))


def queue_of_keys(rng: Generator) -> Curve:
    """A contrast with a queue: while it fills, the loss climbs from 2 to about 9; then it falls slowly or stays."""
    per_epoch, epochs = int(rng.integers(20, 60)), int(rng.integers(8, 20))
    count = per_epoch * epochs
    at = np.arange(count) / per_epoch
    top, tau = rng.uniform(7.5, 9.5), rng.uniform(0.2, 2.5)
    loss = top - (top - rng.uniform(1.5, 4)) * np.exp(-at / tau) - rng.uniform(0.03, 0.1) * np.maximum(0, at - 3 * tau)
    told: dict[str, Any] = {"train_loss": loss * wobble(rng, count, float(rng.choice([0.003, 0.01])))}
    if rng.random() < 0.5:
        told["lr"] = 0.03 * np.linspace(1, 0, count)
    return Curve(by_step(10, 10 * per_epoch if rng.random() < 0.5 else None, **told))


def unreported_cycles(rng: Generator) -> Curve:
    """Warm restarts of a rate that is neither reported nor declared, each cycle twice as long as the one before."""
    first = int(rng.integers(5, 10))
    lr = np.concatenate([(1 + np.cos(math.pi * np.arange(one) / one)) / 2 for one in (first, 2 * first, 4 * first)])
    train = fall(len(lr), 2.3, 0.25, len(lr) / 7) + rng.uniform(0.2, 0.7) * lr
    acc = np.clip(0.95 - 0.3 * train + rng.normal(0, 0.008, len(lr)), 0.05, 1)
    told = {"train_loss": train * wobble(rng, len(lr), 0.03), "val_loss": 1.15 * train * wobble(rng, len(lr), 0.05)}
    return Curve(by_epoch(0, **told, val_acc=acc))


USUAL: Final[tuple[Callable[[Generator], Curve], ...]] = (
    *(contrastive, similarity, bootstrap_targets, annealed_elbo, log_density, separation, uncertainty_weights),
    *(pretraining, preference, adapter, diffusion, detector, segmentation, smoothed_labels, distillation),
    *(tiny_batches, validation_by_batch, summed, physics, learned_by_heart, converged, regression, language_scores),
    *(clicks, averaged_weights, adversarial, returns, loss_scaling, clip_free, rare_evaluation, stopped_early),
    *(pretrained, cycles, peak_of_one_cycle, queue_of_keys, unreported_cycles),
)
