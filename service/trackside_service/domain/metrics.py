"""Metric names: the canonical ones, the aliases that usual trainers print, direction and kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# What the usual trainers print for what we call otherwise. Not here on purpose: `top1` (some print it as an error),
# `eval_accuracy_5`-like top-5 figures, and anything whose direction is not certain.
ALIASES: Final[Mapping[str, str]] = {
    "learning_rate": "lr",
    "train_lr": "lr",
    "train/lr": "lr",
    "train/learning_rate": "lr",
    "loss": "train_loss",
    "training_loss": "train_loss",
    "train/loss": "train_loss",
    "train_loss_epoch": "train_loss",
    "train_loss_step": "train_loss",
    "val/loss": "val_loss",
    "valid_loss": "val_loss",
    "validation_loss": "val_loss",
    "eval_loss": "val_loss",
    "eval/loss": "val_loss",
    "test_loss": "val_loss",
    "acc": "train_acc",
    "accuracy": "train_acc",
    "train_accuracy": "train_acc",
    "training_accuracy": "train_acc",
    "train/acc": "train_acc",
    "train/accuracy": "train_acc",
    "train_acc1": "train_acc",
    "val_accuracy": "val_acc",
    "valid_acc": "val_acc",
    "valid_accuracy": "val_acc",
    "validation_accuracy": "val_acc",
    "val/acc": "val_acc",
    "val/accuracy": "val_acc",
    "val_acc1": "val_acc",
    "eval_acc": "val_acc",
    "eval_accuracy": "val_acc",
    "eval/accuracy": "val_acc",
    "test_acc": "val_acc",
    "test_accuracy": "val_acc",
    "test_acc1": "val_acc",
    "gradient_norm": "grad_norm",
    "train/grad_norm": "grad_norm",
    "total_norm": "grad_norm",
}

LR: Final = "lr"
TRAIN_LOSS: Final = "train_loss"
VAL_LOSS: Final = "val_loss"
TRAIN_ACC: Final = "train_acc"
VAL_ACC: Final = "val_acc"
GRAD_NORM: Final = "grad_norm"
LOSSES: Final = (TRAIN_LOSS, VAL_LOSS)
ACCURACIES: Final = (VAL_ACC, TRAIN_ACC)
LRS: Final = (LR, *(f"lr/{group}" for group in range(1, 16)))
"""The LRs that are compared, by parameter group: further groups' are stored, and no more."""


def canonical(name: str, own: Mapping[str, str]) -> str:
    """Return the canonical name of a reported metric: the run's own mapping first, then the usual aliases, else itself.

    `lr/0` is the first group's rate and so `lr`.
    """
    known = own.get(name) or ALIASES.get(name, name)
    return LR if known == "lr/0" else known
