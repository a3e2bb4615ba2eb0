"""Real training with the real frameworks, through the real client, to the real service: the right loop is silent, the
misused scheduler is named.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import torch

import trackside
from tests.frameworks.real_paddle import paddle
from tests.frameworks.test_client_torch import CONSTRUCTORS, TABLES, optimizer_of
from trackside.callbacks.torch import TorchCallback

EPOCHS = 6
BATCHES = 5


def read(url: str, run: trackside.Run, what: str) -> Any:
    return httpx.get(f"{url}/v1/runs/{run.id}/{what}", timeout=30).raise_for_status().json()


def train_torch(url: str, *, step_each: str) -> trackside.Run:
    """Train a small layer for `EPOCHS` epochs; the scheduler is built for epochs and stepped each `step_each`."""
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS)
    with trackside.Run(
        url,
        project="contract",
        name=f"torch-{step_each}",
        optimizer=optimizer,
        scheduler=scheduler,
        scheduler_unit="epoch",
        total_epochs=EPOCHS,
        steps_per_epoch=BATCHES,
    ) as run:
        for epoch in range(EPOCHS):
            for batch in range(BATCHES):
                x, y = torch.randn(16, 8), torch.randint(0, 3, (16,))
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(model(x), y)
                loss.backward()
                run.log(step=epoch * BATCHES + batch, train_loss=loss)
                optimizer.step()
                if step_each == "batch":
                    scheduler.step()
            if step_each == "epoch":
                scheduler.step()
    return run


def test_torch_stepped_as_built_is_silent(url: str) -> None:
    run = train_torch(url, step_each="epoch")
    assert read(url, run, "lr")["verdict"] == "on_schedule"
    assert read(url, run, "health")["alerts"] == []


def test_torch_stepped_per_batch_is_told(url: str) -> None:
    run = train_torch(url, step_each="batch")
    assert read(url, run, "lr")["verdict"] == "off_schedule"
    assert "stepped_per_batch" in [cause["cause"] for cause in read(url, run, "lr")["causes"]]
    assert [alert["code"] for alert in read(url, run, "health")["alerts"]] == ["LR001"]


@pytest.mark.parametrize("unit", ["epoch", "step"])
def test_a_scheduler_that_is_never_stepped_is_told_within_its_first_ticks(url: str, unit: str) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=0.001)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100)
    options = {"optimizer": optimizer, "scheduler": scheduler, "scheduler_unit": unit, "total_epochs": 100}
    with trackside.Run(url, project="contract", name="never", steps_per_epoch=1, **options) as run:
        for tick in range(5):
            run.log(train_loss=1.0, **{unit: tick})
    (alert,) = read(url, run, "health")["alerts"]
    assert alert["code"] == "LR001"
    assert alert["opened"][unit] == 1
    assert alert["detected"][unit] <= 2
    assert "never_stepped" in [cause["cause"] for cause in read(url, run, "lr")["causes"]]


@pytest.mark.parametrize("kind", [trackside.Run, TorchCallback])
def test_no_torch_scheduler_that_runs_as_declared_is_off_though_its_rates_are_exact(url: str, kind: Any) -> None:
    for name, make in CONSTRUCTORS + TABLES:
        for base in (0.1, 0.001, 3e-4):
            optimizer = optimizer_of(base, momentum=0.9)
            scheduler = make(optimizer)
            with kind(
                url,
                project="contract",
                name=name,
                optimizer=optimizer,
                scheduler=scheduler,
                scheduler_unit="step",
                total_epochs=4,
                steps_per_epoch=10,
            ) as run:
                for update in range(40):
                    optimizer.step()
                    run.log(step=update, train_loss=1.0, lr=round(optimizer.param_groups[0]["lr"], 4))
                    scheduler.step()
            codes = {alert["code"] for alert in read(url, run, "health")["alerts"]}
            assert not codes & {"LR001", "LR004"}, (name, base)
            assert read(url, run, "lr")["verdict"] == "on_schedule", (name, base)


def train_groups(url: str, *, frozen: bool) -> trackside.Run:
    """Train two param groups under one StepLR; with `frozen`, the second one's LR is set back before each step."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.Linear(4, 3))
    groups = [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[1].parameters(), "lr": 0.02}]
    optimizer = torch.optim.SGD(groups, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    with trackside.Run(
        url,
        project="contract",
        name="torch-groups",
        optimizer=optimizer,
        scheduler=scheduler,
        scheduler_unit="epoch",
        total_epochs=EPOCHS,
        steps_per_epoch=BATCHES,
    ) as run:
        for epoch in range(EPOCHS):
            for batch in range(BATCHES):
                x, y = torch.randn(16, 8), torch.randint(0, 3, (16,))
                if frozen:
                    optimizer.param_groups[1]["lr"] = 0.02
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(model(x), y)
                loss.backward()
                run.log(step=epoch * BATCHES + batch, train_loss=loss)
                optimizer.step()
            scheduler.step()
    return run


def test_torch_groups_each_on_its_curve_are_silent(url: str) -> None:
    run = train_groups(url, frozen=False)
    assert [group["verdict"] for group in read(url, run, "lr")["groups"]] == ["on_schedule", "on_schedule"]
    assert read(url, run, "health")["alerts"] == []


def test_a_torch_group_frozen_by_hand_is_told(url: str) -> None:
    run = train_groups(url, frozen=True)
    lr = read(url, run, "lr")
    assert lr["verdict"] == "on_schedule"
    assert [group["verdict"] for group in lr["groups"]] == ["on_schedule", "off_schedule"]
    (alert,) = read(url, run, "health")["alerts"]
    assert (alert["code"], alert["subject"]) == ("LR001", "lr/1")
    assert alert["opened"]["step"] == 2 * BATCHES


def train_paddle(url: str, *, step_each: str) -> trackside.Run:
    """Like `train_torch`, under Paddle's warm-up over a cosine."""
    paddle.seed(0)
    model = paddle.nn.Linear(8, 3)
    cosine = paddle.optimizer.lr.CosineAnnealingDecay(learning_rate=0.1, T_max=EPOCHS - 3)
    scheduler = paddle.optimizer.lr.LinearWarmup(cosine, warmup_steps=3, start_lr=0.02, end_lr=0.1)
    optimizer = paddle.optimizer.Momentum(learning_rate=scheduler, parameters=model.parameters())
    with trackside.Run(
        url,
        project="contract",
        name=f"paddle-{step_each}",
        optimizer=optimizer,
        scheduler_unit="epoch",
        total_epochs=EPOCHS,
        steps_per_epoch=BATCHES,
    ) as run:
        for epoch in range(EPOCHS):
            for batch in range(BATCHES):
                x, y = paddle.randn([16, 8]), paddle.randint(0, 3, [16])
                loss = paddle.nn.functional.cross_entropy(model(x), y)
                loss.backward()
                run.log(step=epoch * BATCHES + batch, train_loss=loss)
                optimizer.step()
                optimizer.clear_grad()
                if step_each == "batch":
                    scheduler.step()
            if step_each == "epoch":
                scheduler.step()
    return run


def test_paddle_stepped_as_built_is_silent(url: str) -> None:
    run = train_paddle(url, step_each="epoch")
    assert read(url, run, "lr")["verdict"] == "on_schedule"
    assert read(url, run, "health")["alerts"] == []


def test_paddle_stepped_per_batch_is_told(url: str) -> None:
    run = train_paddle(url, step_each="batch")
    assert read(url, run, "lr")["verdict"] == "off_schedule"
    assert "stepped_per_batch" in [cause["cause"] for cause in read(url, run, "lr")["causes"]]
    assert [alert["code"] for alert in read(url, run, "health")["alerts"]] == ["LR001"]
