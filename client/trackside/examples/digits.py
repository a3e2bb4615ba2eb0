"""Train a small network on scikit-learn's handwritten digits in a plain loop, reporting to Trackside.

    TRACKSIDE_URL=http://127.0.0.1:8000 python -m trackside.examples.digits --plan repaired

Two plans, after a real report. `incident`: a linear warm-up of one tick over a cosine, stepped once an epoch, so that
the "warm-up" is a jump: the learning rate rises a hundred times between the first epoch and the second. `repaired`: a
step decay that starts where training is stable. The learning rates come from the service's own preview of the declared
schedule. Needs numpy and scikit-learn.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import httpx
import numpy as np
from sklearn.datasets import load_digits

from trackside import Run

PLANS: dict[str, dict[str, Any]] = {
    "incident": {
        "framework": "paddle",
        "class": "LinearWarmup",
        "params": {
            "learning_rate": {"class": "CosineAnnealingDecay", "params": {"learning_rate": 2.0, "T_max": 30}},
            "warmup_steps": 1,
            "start_lr": 0.02,
            "end_lr": 2.0,
        },
        "base_lr": 2.0,
        "unit": "epoch",
    },
    "repaired": {
        "framework": "paddle",
        "class": "StepDecay",
        "params": {"learning_rate": 0.02, "step_size": 10, "gamma": 0.9},
        "base_lr": 0.02,
        "unit": "epoch",
    },
}
CLASSES = 10
HIDDEN = 64
BATCH = 32
MOMENTUM = 0.9


class Network:
    """Two dense layers with a ReLU between, trained by SGD with momentum on the mean cross-entropy."""

    def __init__(self, inputs: int, rng: np.random.Generator) -> None:
        self.weights = [
            rng.normal(0.0, np.sqrt(2.0 / inputs), (inputs, HIDDEN)),
            np.zeros(HIDDEN),
            rng.normal(0.0, np.sqrt(2.0 / HIDDEN), (HIDDEN, CLASSES)),
            np.zeros(CLASSES),
        ]
        self.speeds = [np.zeros_like(weight) for weight in self.weights]

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (hidden activations (n, HIDDEN), log probabilities (n, CLASSES)) of the images `x` (n, inputs)."""
        hidden = np.maximum(x @ self.weights[0] + self.weights[1], 0.0)
        logits = hidden @ self.weights[2] + self.weights[3]
        logits -= logits.max(axis=1, keepdims=True)
        return hidden, logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def step(self, x: np.ndarray, y: np.ndarray, lr: float) -> None:
        """Update the weights once on the batch `x` (n, inputs) with labels `y` (n,)."""
        hidden, log_p = self.forward(x)
        slope = np.exp(log_p)
        slope[np.arange(len(y)), y] -= 1.0
        slope /= len(y)
        back = (slope @ self.weights[2].T) * (hidden > 0)
        gradients = [x.T @ back, back.sum(axis=0), hidden.T @ slope, slope.sum(axis=0)]
        for place, gradient in enumerate(gradients):
            self.speeds[place] = MOMENTUM * self.speeds[place] + gradient
            self.weights[place] -= lr * self.speeds[place]

    def judge(self, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        """Return (mean cross-entropy, accuracy in percent)."""
        log_p = self.forward(x)[1]
        return float(-log_p[np.arange(len(y)), y].mean()), float((log_p.argmax(axis=1) == y).mean() * 100.0)


def learning_rates(url: str, schedule: dict[str, Any], epochs: int, steps_per_epoch: int) -> list[float]:
    """Ask the service which learning rate the declared schedule gives in each epoch."""
    starts = [epoch * steps_per_epoch for epoch in range(epochs)]
    key = os.environ.get("TRACKSIDE_API_KEY")
    answer = httpx.post(
        f"{url.rstrip('/')}/v1/schedules/preview",
        json={"schedule": {**schedule, "steps_per_epoch": steps_per_epoch}, "steps": starts},
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=30.0,
    )
    answer.raise_for_status()
    return [float(lr) for lr in answer.json()["lrs"]]


def main(argv: list[str] | None = None) -> int:
    """Train under one plan; return 0."""
    parser = argparse.ArgumentParser(prog="python -m trackside.examples.digits", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--plan", choices=sorted(PLANS), default="repaired")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--url", default=os.environ.get("TRACKSIDE_URL", "http://127.0.0.1:8000"))
    parser.add_argument("--run-id", default=None)
    args = parser.parse_args(argv)

    images, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(args.seed)
    order = rng.permutation(len(images))
    x, y = images[order] / 16.0, labels[order]
    held_out = len(x) // 5
    train_x, train_y, val_x, val_y = x[held_out:], y[held_out:], x[:held_out], y[:held_out]
    steps_per_epoch = len(train_x) // BATCH
    schedule = PLANS[args.plan]
    lrs = learning_rates(args.url, schedule, args.epochs, steps_per_epoch)
    network = Network(x.shape[1], rng)

    with Run(
        args.url,
        project="demo",
        name=f"digits-{args.plan}",
        run_id=args.run_id,
        schedule=schedule,
        total_epochs=args.epochs,
        steps_per_epoch=steps_per_epoch,
        num_classes=CLASSES,
        params={"batch_size": BATCH, "hidden": HIDDEN, "momentum": MOMENTUM, "seed": args.seed},
    ) as run:
        for epoch in range(1, args.epochs + 1):
            lr = lrs[epoch - 1]
            shuffled = rng.permutation(len(train_x))
            for batch in range(steps_per_epoch):
                chosen = shuffled[batch * BATCH : (batch + 1) * BATCH]
                network.step(train_x[chosen], train_y[chosen], lr)
            train_loss, train_acc = network.judge(train_x, train_y)
            val_loss, val_acc = network.judge(val_x, val_y)
            run.log(epoch=epoch, lr=lr, train_loss=train_loss, train_acc=train_acc, val_loss=val_loss, val_acc=val_acc)
            sys.stdout.write(
                f"epoch {epoch:2d}/{args.epochs}  lr {lr:<9.6g} train loss {train_loss:<9.4g} "
                f"accuracy {train_acc:6.2f} %   val loss {val_loss:<9.4g} accuracy {val_acc:6.2f} %\n"
            )
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
