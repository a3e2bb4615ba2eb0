"""Schedulers of transformers' Trainer that follow the evaluations: ReduceLROnPlateau and GreedyLR."""

# ruff: noqa: ARG002 - the hooks' arguments are named by transformers

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from tests.frameworks.trainers import Used, own_optimizers, trainer_of
from tests.frameworks.watching import judged, newest
from trackside.callbacks.transformers import TransformersCallback


@pytest.mark.parametrize("every", [8, 5])
@pytest.mark.parametrize("own", [False, True])
def test_a_plateau_follows_the_evaluations(url: str, tmp_path: Path, every: int, own: bool) -> None:
    used = Used()
    settings: dict[str, Any] = {"patience": 0, "factor": 0.5, "threshold": 0.2, "mode": "min"}
    optimizers: Any = (None, None)
    if own:
        optimizers = own_optimizers(lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(o, **settings))
    trainer_of(
        tmp_path,
        TransformersCallback(url, lr_every=1),
        used,
        optimizers=optimizers,
        num_train_epochs=5,
        lr_scheduler_type="linear" if own else "reduce_lr_on_plateau",
        lr_scheduler_kwargs=None if own else settings,
        metric_for_best_model="loss",
        eval_strategy="steps",
        eval_steps=every,
    ).train()
    assert min(used.lrs) < max(used.lrs)
    run = newest(url)
    schedule = run["declaration"]["schedule"]
    assert (schedule["params"]["name"], schedule["metric"]) == ("reduce_lr_on_plateau", "val_loss")
    assert settings.items() <= schedule["params"]["scheduler_specific_kwargs"].items()
    assert judged(url, run["id"])[:2] == ("on_schedule", [])


GREEDY = {
    "patience": 0,
    "factor": 0.8,
    "threshold": 0.02,
    "min_lr": 0.005,
    "max_lr": 0.016,
    "mode": "min",
    "reset_start": 2,
}


class Otherwise(transformers.TrainerCallback):  # type: ignore[misc]
    """Does something to the optimizer or the scheduler before each epoch's evaluation."""

    def __init__(self, do: Any) -> None:
        self.do = do

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.do(kwargs["lr_scheduler"], kwargs["optimizer"])


def greedily(folder: Path, *callbacks: Any, own: bool = False, **settings: Any) -> Any:
    optimizers: Any = (None, None)
    if own:
        optimizers = own_optimizers(lambda o: transformers.GreedyLR(o, **GREEDY))
    return trainer_of(
        folder,
        *callbacks,
        optimizers=optimizers,
        **{
            "num_train_epochs": 14,
            "lr_scheduler_type": "linear" if own else "greedy",
            "lr_scheduler_kwargs": None if own else GREEDY,
            "metric_for_best_model": "loss",
            "eval_strategy": "epoch",
            "weight_decay": 0.01,
            **settings,
        },
    )


@pytest.mark.parametrize("own", [False, True])
def test_greedy_follows_the_evaluations(url: str, tmp_path: Path, own: bool) -> None:
    used = Used()
    trainer = greedily(tmp_path, TransformersCallback(url, lr_every=1), used, own=own)
    trainer.train()
    assert type(trainer.lr_scheduler) is transformers.GreedyLR
    assert min(used.lrs) < used.lrs[0]
    assert own or used.lrs[0] < max(used.lrs)
    run = newest(url)
    schedule = run["declaration"]["schedule"]
    assert (schedule["params"]["name"], schedule["metric"]) == ("greedy", "val_loss")
    assert GREEDY.items() <= schedule["params"]["scheduler_specific_kwargs"].items()
    assert judged(url, run["id"]) == ("on_schedule", [], [])


def stepped_again(scheduler: Any, optimizer: Any) -> None:
    scheduler.step(0.0)


def scaled(scheduler: Any, optimizer: Any) -> None:
    for group in optimizer.param_groups:
        group["lr"] *= 0.5


def test_greedy_that_is_misused_is_named(url: str, tmp_path: Path) -> None:
    found = {}
    misuses: dict[str, Any] = {
        "frozen": (Otherwise(lambda scheduler, _: setattr(scheduler, "step", lambda *_: None)), {}),
        "patience": (Otherwise(lambda scheduler, _: setattr(scheduler, "patience", 2)), {}),
        "metric": (Otherwise(lambda *_: None), {"metric_for_best_model": "accuracy"}),
        "hand": (Otherwise(scaled), {}),
    }
    for name, (misuse, settings) in misuses.items():
        callback = TransformersCallback(url, lr_every=1, scheduler_metric="val_loss")
        greedily(tmp_path, callback, misuse, **settings).train()
        found[name] = judged(url, newest(url)["id"])
    assert {verdict for verdict, _, _ in found.values()} == {"off_schedule"}
    assert {tuple(alerts) for _, alerts, _ in found.values()} == {("LR001",)}
    causes = {name: causes[0] for name, (_, _, causes) in found.items()}
    assert causes == {
        "frozen": "never_stepped",
        "patience": "param_mismatch",
        "metric": "param_mismatch",
        "hand": "manual_override",
    }


@pytest.mark.parametrize(
    ("saved", "lost", "expected"),
    [(48, False, "on_schedule"), (48, True, "off_schedule"), (24, False, "undetermined")],
    ids=["with its state", "without it", "from before the last evaluations"],
)
def test_greedy_goes_on_from_a_checkpoint(url: str, tmp_path: Path, saved: int, lost: bool, expected: str) -> None:
    settings: dict[str, Any] = {"save_strategy": "epoch", "num_train_epochs": 6}
    greedily(tmp_path, TransformersCallback(url, lr_every=1), **settings).train()
    checkpoint = tmp_path / f"checkpoint-{saved}"
    if lost:
        (checkpoint / "scheduler.pt").unlink()
    again = {**settings, "num_train_epochs": 12}
    greedily(tmp_path, TransformersCallback(url, lr_every=1), **again).train(resume_from_checkpoint=str(checkpoint))
    verdict, alerts, causes = judged(url, newest(url)["id"])
    assert verdict == expected
    assert ("LR001" in alerts) == lost
    assert causes[:1] == (["resume_no_state"] if lost else [])
