"""A small network on scikit-learn's digits, trained by the real torch, with a fault where one is planned."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import torch
from sklearn.datasets import load_digits
from torch import nn

BATCH: Final = 64
EPOCHS: Final = 30
HELD_OUT: Final = 400
TRAINED_ON: Final = 1344  # whole batches: 21 updates an epoch
STEPS: Final = TRAINED_ON // BATCH
CLASSES: Final = 10

Log = list[dict[str, Any]]
Fault = Literal[
    "labels_shuffled",
    "labels_random",
    "loss_scaled",
    "sorted_data",
    "nan_inputs",
    "frozen_weights",
    "scheduler_per_epoch",
    "resumed_without_state",
    "validation_inverted",
    "few_noisy_examples",
    "saturated_sigmoids",
]


@dataclass(frozen=True, slots=True)
class Schedule:
    """One of torch's schedulers with the parameters that a script gives it. A None among them is the plan's LR."""

    name: str
    class_name: str
    params: Mapping[str, Any]
    unit: Literal["step", "epoch"]

    def at(self, lr: float) -> dict[str, Any]:
        """The parameters for a plan of this LR."""
        return {name: lr if value is None else value for name, value in self.params.items()}

    def build(self, optimizer: torch.optim.Optimizer, lr: float) -> Any:
        """The scheduler."""
        return getattr(torch.optim.lr_scheduler, self.class_name)(optimizer, **self.at(lr))


TOTAL: Final = EPOCHS * STEPS
SCHEDULES: Final = (
    Schedule("constant", "ConstantLR", {"factor": 1.0, "total_iters": 0}, "epoch"),
    Schedule("cosine", "CosineAnnealingLR", {"T_max": TOTAL}, "step"),
    Schedule("one cycle", "OneCycleLR", {"max_lr": None, "total_steps": TOTAL}, "step"),
    Schedule("steps", "StepLR", {"step_size": 10, "gamma": 0.1}, "epoch"),
    Schedule("warm restarts", "CosineAnnealingWarmRestarts", {"T_0": 10}, "epoch"),
    Schedule("linear", "LinearLR", {"start_factor": 1.0, "end_factor": 0.01, "total_iters": TOTAL}, "step"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """One training: what is trained how, and what goes wrong from the epoch `since` on."""

    schedule: Schedule
    optimizer: Literal["SGD", "AdamW"] = "SGD"
    lr: float = 0.1
    fault: Fault | None = None
    since: int = 0

    def declaration(self) -> dict[str, Any]:
        """What the script would declare: the body of PUT."""
        return {
            "project": "study",
            "name": f"{self.schedule.name} {self.optimizer} {self.fault or 'healthy'}",
            "total_epochs": EPOCHS,
            "steps_per_epoch": STEPS,
            "num_classes": CLASSES,
            "optimizer": {"class": self.optimizer, "params": {}},
            "schedule": {
                "framework": "torch",
                "class": self.schedule.class_name,
                "params": self.schedule.at(self.lr),
                "base_lr": self.lr,
                "unit": self.schedule.unit,
            },
        }


def train(plan: Plan, seed: int) -> Log:
    """Train, and return the log: a record of every update, and one of every epoch's evaluation after its updates."""
    torch.manual_seed(seed)
    shuffled = torch.Generator().manual_seed(seed)
    (inputs, labels), (held_inputs, held_labels) = _data(shuffled)
    if plan.fault == "few_noisy_examples":
        inputs, labels = inputs[:BATCH], labels[:BATCH].clone()
        wrong = torch.randperm(BATCH, generator=shuffled)[: BATCH // 4]
        labels[wrong] = torch.randint(CLASSES, (len(wrong),), generator=shuffled)
        inputs, labels = inputs.repeat(STEPS, 1), labels.repeat(STEPS)
    if plan.fault == "labels_random":
        labels = torch.randint(CLASSES, labels.shape, generator=shuffled)
    network = _network(plan.fault)
    optimizer, scheduler = _optimizer(plan, network)
    log: Log = []
    for epoch in range(EPOCHS):
        broken = plan.fault is not None and epoch >= plan.since
        if broken and epoch == plan.since:
            if plan.fault == "labels_shuffled":
                labels = labels[torch.randperm(len(labels), generator=shuffled)]
            if plan.fault == "resumed_without_state":
                optimizer, scheduler = _optimizer(plan, network)
        right = 0
        for index, batch in enumerate(_batches(labels, shuffled, in_order=broken and plan.fault == "sorted_data")):
            x, y = inputs[batch], labels[batch]
            if broken and plan.fault == "nan_inputs" and index == 3:
                x = x.clone()
                x[0, 0] = math.nan
            step = epoch * STEPS + index
            output = network(x)
            loss = nn.functional.cross_entropy(output, y)
            if broken and plan.fault == "loss_scaled":
                loss = loss * 4096  # the scale of mixed precision that nobody takes back
            optimizer.zero_grad()
            loss.backward()
            norm = float(nn.utils.get_total_norm([p.grad for p in network.parameters() if p.grad is not None]))
            lr = optimizer.param_groups[0]["lr"]
            optimizer.step()
            if plan.schedule.unit == "step" and plan.fault != "scheduler_per_epoch":
                scheduler.step()
            right += int((output.argmax(1) == y).sum())
            values = {"lr": lr, "train_loss": float(loss.detach()), "grad_norm": norm}
            log.append({"step": step, "epoch": epoch, "metrics": values})
        if plan.schedule.unit == "epoch" or plan.fault == "scheduler_per_epoch":
            scheduler.step()
        inverted = broken and plan.fault == "validation_inverted"
        with torch.no_grad():
            output = network(1 - held_inputs if inverted else held_inputs)
            log.append(
                {
                    "step": epoch * STEPS + STEPS - 1,
                    "epoch": epoch,
                    "metrics": {
                        "train_acc": 100 * right / TRAINED_ON,
                        "val_loss": float(nn.functional.cross_entropy(output, held_labels)),
                        "val_acc": 100 * float((output.argmax(1) == held_labels).float().mean()),
                    },
                }
            )
    return log


def by_epoch(log: Log) -> Log:
    """Return the same training as a loop that prints once an epoch reports it: mean losses, the epoch's first LR."""
    found: Log = []
    losses: list[float] = []
    lr = None
    for record in log:
        metrics = record["metrics"]
        if "train_loss" in metrics:
            losses.append(metrics["train_loss"])
            lr = metrics["lr"] if lr is None else lr
        else:
            own = {"lr": lr, "train_loss": sum(losses) / len(losses), **metrics}
            found.append({"epoch": record["epoch"], "metrics": own})
            losses, lr = [], None
    return found


def on_wire(log: Log) -> Log:
    """Return the log as JSON carries it: what is not finite is a word."""
    return [{**record, "metrics": {name: _word(value) for name, value in record["metrics"].items()}} for record in log]


def _word(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def _data(generator: torch.Generator) -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    images, digits = load_digits(return_X_y=True)
    order = torch.randperm(len(digits), generator=generator)
    inputs = torch.tensor(images, dtype=torch.float32)[order] / 16
    labels = torch.tensor(digits, dtype=torch.int64)[order]
    return (inputs[:TRAINED_ON], labels[:TRAINED_ON]), (inputs[-HELD_OUT:], labels[-HELD_OUT:])


def _network(fault: Fault | None) -> nn.Module:
    if fault == "saturated_sigmoids":
        layers: list[nn.Module] = [nn.Linear(64, 32)]
        for _ in range(8):
            layers += [nn.Sigmoid(), nn.Linear(32, 32)]
        return nn.Sequential(*layers, nn.Sigmoid(), nn.Linear(32, CLASSES))
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, CLASSES))


def _optimizer(plan: Plan, network: nn.Module) -> tuple[torch.optim.Optimizer, Any]:
    parameters = list(network.parameters())
    if plan.fault == "frozen_weights":  # built from a copy that the loop does not train
        parameters = [parameter.detach().clone().requires_grad_() for parameter in parameters]
    optimizer: torch.optim.Optimizer
    if plan.optimizer == "SGD":
        optimizer = torch.optim.SGD(parameters, lr=plan.lr, momentum=0.9)
    else:
        optimizer = torch.optim.AdamW(parameters, lr=plan.lr)
    return optimizer, plan.schedule.build(optimizer, plan.lr)


def _batches(labels: torch.Tensor, generator: torch.Generator, *, in_order: bool) -> Iterator[torch.Tensor]:
    order = torch.argsort(labels) if in_order else torch.randperm(len(labels), generator=generator)
    yield from order.split(BATCH)
