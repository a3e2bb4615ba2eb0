"""The client beside real training with transformers' Trainer."""

# ruff: noqa: ARG002 - the hooks' arguments are named by transformers

from __future__ import annotations

import gc
import pickle
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from tests.client.receiver import Receiver
from tests.frameworks.trainers import Used, own_optimizers, trainer_of
from tests.frameworks.watching import critical, judged, newest, only_run, rates
from trackside.callbacks.transformers import TransformersCallback
from trackside_service.schedules import preview


def test_a_training_is_reported_as_the_trainer_makes_it(receiver: Receiver, tmp_path: Path) -> None:
    used = Used()
    callback = TransformersCallback(receiver.url, project="digits", lr_every=1)
    assert isinstance(callback, transformers.TrainerCallback)
    trainer_of(
        tmp_path,
        callback,
        used,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr": 0.001},
        warmup_steps=2,
        gradient_accumulation_steps=3,
        eval_strategy="epoch",
        weight_decay=0.1,
    ).train()
    run_id, body = only_run(receiver)
    assert (body["project"], body["framework"]) == ("digits", "transformers")
    assert (body["total_epochs"], body["steps_per_epoch"]) == (3, 3)
    assert (body["params"]["gradient_accumulation_steps"], body["params"]["world_size"]) == (3, 1)
    assert (body["optimizer"]["class"], body["optimizer"]["params"]["lr"]) == ("AdamW", 0.01)
    assert body["schedule"] == {
        "framework": "transformers",
        "class": "get_scheduler",
        "params": {
            "name": "cosine_with_min_lr",
            "num_warmup_steps": 2,
            "num_training_steps": 9,
            "scheduler_specific_kwargs": {"min_lr": 0.001},
        },
        "base_lr": [0.01, 0.01],
        "unit": "step",
        "steps_per_epoch": 3,
        "reporting": {"when": "in_use", "step_base": 1, "exact": True},
    }
    found = rates(receiver, run_id)
    assert sorted(found) == list(range(1, 10))
    assert [found[step] for step in sorted(found)] == used.lrs
    assert used.lrs == pytest.approx(preview(body["schedule"], steps=range(9), total=None, metric=None)[0], rel=1e-12)
    records = receiver.stored(run_id)
    assert all("lr/1" in r["metrics"] for r in records if "lr" in r["metrics"])
    losses = [(r["step"], r["epoch"]) for r in records if "train_loss" in r["metrics"]]
    assert losses == [(4, pytest.approx(1.375)), (8, pytest.approx(2.75))]
    assert all(r["metrics"]["grad_norm"] > 0 for r in records if "train_loss" in r["metrics"])
    evaluated = [r for r in records if "val_loss" in r["metrics"]]
    assert [(r["step"], r["epoch"]) for r in evaluated] == [(3, 1), (6, 2), (9, 3)]
    assert set(evaluated[0]["metrics"]) == {"val_loss", "val_acc", "eval_f1"}
    assert receiver.ends[run_id] == {"status": "finished"}


def test_rates_are_reported_now_and_then_and_at_the_last_update(receiver: Receiver, tmp_path: Path) -> None:
    trainer_of(tmp_path, TransformersCallback(receiver.url), logging_steps=500).train()
    run_id, _ = only_run(receiver)
    assert sorted(rates(receiver, run_id)) == [1, 11, 21, 24]


def test_steps_that_make_no_whole_epochs(receiver: Receiver, tmp_path: Path) -> None:
    trainer_of(tmp_path, TransformersCallback(receiver.url), max_steps=11).train()
    _, body = only_run(receiver)
    assert body["steps_per_epoch"] == 8
    assert "total_epochs" not in body
    assert body["schedule"]["params"]["num_training_steps"] == 11


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=11), {"class": "CosineAnnealingLR"}),
        (lambda o: torch.optim.lr_scheduler.ExponentialLR(o, gamma=0.9), {"kind": "table"}),
        (lambda o: transformers.get_linear_schedule_with_warmup(o, 5, 11), {"kind": "table"}),
        (lambda o: transformers.get_linear_schedule_with_warmup(o, 0, 11), {"class": "get_scheduler"}),
    ],
    ids=["torch", "table", "not as the arguments say", "as the arguments say"],
)
def test_a_scheduler_of_ones_own_goes_before_the_arguments(
    receiver: Receiver, tmp_path: Path, make: Any, expected: dict[str, Any]
) -> None:
    used = Used()
    callback = TransformersCallback(receiver.url, lr_every=1)
    trainer_of(tmp_path, callback, used, optimizers=own_optimizers(make), max_steps=11).train()
    run_id, body = only_run(receiver)
    assert expected.items() <= body["schedule"].items()
    wanted = preview(body["schedule"], steps=range(11), total=None, metric=None)[0]
    assert used.lrs == pytest.approx(wanted, rel=1e-12)
    assert list(rates(receiver, run_id).values()) == used.lrs


def test_a_resume_goes_on_with_the_run(receiver: Receiver, tmp_path: Path) -> None:
    settings = {"save_strategy": "steps", "save_steps": 10, "max_steps": 24}
    trainer_of(tmp_path, TransformersCallback(receiver.url, lr_every=1), **settings).train()
    run_id, _ = only_run(receiver)
    trainer_of(tmp_path, TransformersCallback(receiver.url, lr_every=1), **settings).train(
        resume_from_checkpoint=str(tmp_path / "checkpoint-10")
    )
    assert set(receiver.runs) == {run_id}
    first, second = [request.body for request in receiver.requests if request.method == "PUT"]
    assert "resumed_from_step" not in first["process"]
    assert second["process"]["resumed_from_step"] == 10
    assert second["process"]["id"] != first["process"]["id"]
    assert second["schedule"] == first["schedule"]
    lives = [[r["step"] for r in life.values() if "lr" in r["metrics"]] for life in receiver.records.values()]
    assert lives == [list(range(1, 25)), list(range(11, 25))]


class Overflow(transformers.TrainerCallback):  # type: ignore[misc]
    """Has gradients that are not finite under a real gradient scaler, at some backward passes."""

    def __init__(self, trainer: Any, *at: int) -> None:
        trainer.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        self.at, self.passes = at, 0
        next(trainer.model.parameters()).register_hook(self.spoil)

    def spoil(self, gradient: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        return gradient * float("inf") if self.passes in self.at else gradient


def test_an_update_that_the_scaler_skips_is_none(receiver: Receiver, tmp_path: Path) -> None:
    """The trainer counts it and steps no scheduler: by its own count every rate after it would be off."""
    settings = {"save_strategy": "steps", "save_steps": 10, "optim": "adamw_torch", "max_grad_norm": 0.0}
    trainer = trainer_of(tmp_path, TransformersCallback(receiver.url, lr_every=1), **settings)
    Overflow(trainer, 1, 2, 9)
    trainer.train()
    run_id, body = only_run(receiver)
    assert trainer.lr_scheduler.last_epoch == 21
    wanted = preview(body["schedule"], steps=range(21), total=None, metric=None)[0]
    assert rates(receiver, run_id) == pytest.approx(dict(zip(range(1, 22), wanted, strict=True)), rel=1e-12)

    resumed = trainer_of(tmp_path, TransformersCallback(receiver.url, lr_every=1), **settings)
    Overflow(resumed, 3)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-10"))
    second = [request.body for request in receiver.requests if request.method == "PUT"][-1]
    assert second["process"]["resumed_from_step"] == 7
    lives = [
        {r["step"]: r["metrics"]["lr"] for r in life.values() if "lr" in r["metrics"]}
        for life in receiver.records.values()
    ]
    assert lives[1] == pytest.approx(dict(zip(range(8, 21), wanted[7:], strict=False)), rel=1e-12)


def test_a_callback_that_is_kept_keeps_no_model(receiver: Receiver, tmp_path: Path) -> None:
    callback = TransformersCallback(receiver.url)
    trainer = trainer_of(tmp_path, callback, max_steps=2)
    trainer.train()
    model = weakref.ref(trainer.model)
    del trainer
    gc.collect()
    assert model() is None


def test_the_callback_goes_through_pickle_whenever(receiver: Receiver, tmp_path: Path) -> None:
    class Pickles(transformers.TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            copied.append(pickle.loads(pickle.dumps(callback)))

    copied: list[Any] = []
    callback = TransformersCallback(receiver.url)
    trainer_of(tmp_path, callback, Pickles(), max_steps=2).train()
    copied.append(pickle.loads(pickle.dumps(callback)))
    run_id, _ = only_run(receiver)
    assert [None if each.run is None else each.run.id for each in copied] == [run_id, run_id, None]
    copied[0].run.log(step=0, train_loss=1.0)  # and does nothing there
    assert copied[0].run.should_stop is False


def test_a_resume_under_another_id_is_another_run(receiver: Receiver, tmp_path: Path) -> None:
    settings = {"save_strategy": "steps", "save_steps": 10, "max_steps": 12}
    trainer_of(tmp_path, TransformersCallback(receiver.url), **settings).train()
    own = "5b1f4b8e-0000-4000-8000-000000000001"
    trainer_of(tmp_path, TransformersCallback(receiver.url, run_id=own), **settings).train(
        resume_from_checkpoint=str(tmp_path / "checkpoint-10")
    )
    assert list(receiver.runs)[1] == own


class Break(transformers.TrainerCallback):  # type: ignore[misc]
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 5:
            raise RuntimeError("CUDA out of memory")


def test_an_exception_is_a_failure(receiver: Receiver, tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="out of memory"),
        TransformersCallback(receiver.url) as callback,
    ):
        trainer_of(tmp_path, callback, Break()).train()
    run_id, _ = only_run(receiver)
    assert receiver.ends[run_id] == {"status": "failed", "reason": "RuntimeError: CUDA out of memory"}


def test_a_training_that_was_broken_off_is_no_finished_one(receiver: Receiver, tmp_path: Path) -> None:
    callback = TransformersCallback(receiver.url)
    with pytest.raises(RuntimeError, match="out of memory"):
        trainer_of(tmp_path, callback, Break()).train()
    trainer_of(tmp_path, callback).train()
    assert [end["status"] for end in receiver.ends.values()] == ["failed", "finished"]


class Wait(transformers.TrainerCallback):  # type: ignore[misc]
    """Lets the answer to the first update arrive, as a longer one would."""

    def __init__(self, receiver: Receiver, callback: Any) -> None:
        self.receiver, self.callback = receiver, callback

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        run = self.callback.run
        if state.global_step == 1:
            self.receiver.wait_for(lambda: run.should_stop or run.health == "critical")


@pytest.mark.parametrize(("stop_on", "steps"), [("critical", 2), (None, 24)])
def test_training_stops_where_asked(receiver: Receiver, tmp_path: Path, stop_on: str | None, steps: int) -> None:
    receiver.behave = critical
    callback = TransformersCallback(receiver.url, stop_on=stop_on)
    trainer = trainer_of(tmp_path, callback, Wait(receiver, callback))
    trainer.train()
    assert trainer.state.global_step == steps


def test_training_is_the_same_with_and_without_the_client(receiver: Receiver, tmp_path: Path) -> None:
    trained = []
    for callback in (TransformersCallback(), TransformersCallback(receiver.url, lr_every=1)):
        trainer = trainer_of(tmp_path, callback)
        trainer.train()
        trained.append(trainer.model.state_dict())
    assert all(torch.equal(value, trained[1][name]) for name, value in trained[0].items())


def test_wrong_arguments_raise_when_the_callback_is_made() -> None:
    with pytest.raises(TypeError, match="unexpected argument 'projct'"):
        TransformersCallback(projct="x")
    with pytest.raises(ValueError, match="lr_every"):
        TransformersCallback(lr_every=0)


class Twice(transformers.TrainerCallback):  # type: ignore[misc]
    """Steps the scheduler, which the trainer steps as well."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        kwargs["lr_scheduler"].step()


def test_the_right_training_is_silent_and_the_misused_scheduler_named(url: str, tmp_path: Path) -> None:
    found = {}
    for misuse in ([], [Twice()]):
        callback = TransformersCallback(url, lr_every=1)
        trainer_of(tmp_path, callback, *misuse, warmup_steps=4, gradient_accumulation_steps=2).train()
        found[len(misuse)] = judged(url, newest(url)["id"])
    assert found[0] == ("on_schedule", [], [])
    verdict, alerts, causes = found[1]
    assert (verdict, alerts) == ("off_schedule", ["LR001"])
    assert causes[0] == "double_step"
