"""The client beside real training with Lightning's Trainer."""

# ruff: noqa: ARG002 - the hooks' arguments are named by Lightning

from __future__ import annotations

import importlib
import logging
import math
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from tests.client.receiver import Receiver
from tests.frameworks.watching import critical, judged, newest, only_run, rates
from trackside.callbacks.lightning import LightningCallback
from trackside_service.schedules import preview

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
lr_scheduler = torch.optim.lr_scheduler
BATCHES = 8
# what Lightning itself warns of: few workers, a folder with files, a swapped scheduler, and what it asks of torch
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*exists and is not empty"),
    pytest.mark.filterwarnings("ignore:SWA is currently only supported every epoch"),
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*is deprecated"),
]


def loader(**options: Any) -> Any:
    x = torch.randn(8 * BATCHES, 8, generator=torch.Generator().manual_seed(0))
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, (x[:, 0] > 0).long()), batch_size=8, **options)


def module_of(package: Any, make: Any = None, *, lr: float = 0.1, broken_at: int | None = None, **config: Any) -> Any:
    """A module of either package whose scheduler `make` builds over its optimizer."""

    class Digits(package.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
            self.used: list[float] = []

        def training_step(self, batch: Any, index: int) -> Any:
            loss = torch.nn.functional.cross_entropy(self.layers(batch[0]), batch[1])
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            self.log("train_f1", 0.5)
            self.log("train_acc", 0.75, on_step=False, on_epoch=True)
            if index == broken_at:
                raise RuntimeError("no space left")
            return loss

        def validation_step(self, batch: Any, index: int) -> None:
            self.log("val/loss", torch.nn.functional.cross_entropy(self.layers(batch[0]), batch[1]))

        def on_before_optimizer_step(self, optimizer: Any) -> None:
            self.used.append(optimizer.param_groups[0]["lr"])

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=lr, momentum=0.9)
            if make is None:
                return optimizer
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": make(optimizer), **config}}

    torch.manual_seed(0)
    return Digits()


def trainer_of(folder: Path, *callbacks: Any, package: Any = pl, **settings: Any) -> Any:
    options = {
        "max_epochs": 3,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "accelerator": "cpu",
        "log_every_n_steps": 1,
        **settings,
    }
    return package.Trainer(default_root_dir=str(folder), callbacks=list(callbacks), **options)


@pytest.mark.parametrize("name", ["lightning.pytorch", "pytorch_lightning"])
def test_a_training_is_reported_as_the_trainer_makes_it(receiver: Receiver, tmp_path: Path, name: str) -> None:
    package = importlib.import_module(name)
    callback = LightningCallback(receiver.url, project="digits", lr_every=1)
    assert isinstance(callback, pl.Callback)
    module = module_of(package, lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=12), interval="step")
    trainer = trainer_of(tmp_path, callback, package=package, accumulate_grad_batches=3)
    trainer.fit(module, loader(), loader())
    run_id, body = only_run(receiver)
    assert (body["project"], body["framework"]) == ("digits", "lightning")
    assert (body["total_epochs"], body["steps_per_epoch"]) == (3, 3)
    assert body["params"] == {"accumulate_grad_batches": 3, "world_size": 1}
    assert (body["optimizer"]["class"], body["optimizer"]["params"]["momentum"]) == ("SGD", 0.9)
    schedule = body["schedule"]
    assert (schedule["class"], schedule["unit"], schedule["steps_per_epoch"]) == ("CosineAnnealingLR", "step", 3)
    assert schedule["reporting"] == {"when": "in_use", "step_base": 0, "epoch_base": 0, "exact": True}
    found = rates(receiver, run_id)
    assert sorted(found) == list(range(9))
    assert list(found.values()) == module.used
    assert module.used == pytest.approx(preview(schedule, steps=range(9), total=None, metric=None)[0])
    records = receiver.stored(run_id)
    steps = [r for r in records if "step" in r]
    assert [r["epoch"] for r in steps] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert 0.5 < steps[0]["metrics"]["train_loss"] < 1.0  # a whole batch's, not a third
    assert [(r["epoch"], set(r["metrics"])) for r in records if "step" not in r] == [
        (epoch, names) for epoch in range(3) for names in ({"val/loss"}, {"train_f1", "train_acc"})
    ]
    assert receiver.ends[run_id] == {"status": "finished"}


def test_the_interval_is_the_unit(receiver: Receiver, tmp_path: Path) -> None:
    module = module_of(pl, lambda o: lr_scheduler.StepLR(o, step_size=1, gamma=0.5))
    trainer_of(tmp_path, LightningCallback(receiver.url, lr_every=3)).fit(module, loader(), loader())
    run_id, body = only_run(receiver)
    assert (body["schedule"]["unit"], body["schedule"]["steps_per_epoch"]) == ("epoch", 8)
    assert rates(receiver, run_id) == {
        0: 0.1, 3: 0.1, 6: 0.1, 7: 0.1, 9: 0.05, 12: 0.05, 15: 0.05, 18: 0.025, 21: 0.025, 23: 0.025,
    }  # fmt: skip


@pytest.mark.parametrize(("interval", "every"), [("epoch", 2), ("step", 4)])
def test_a_frequency_makes_a_table(receiver: Receiver, tmp_path: Path, interval: str, every: int) -> None:
    make = lambda o: lr_scheduler.ExponentialLR(o, gamma=0.5)  # noqa: E731
    module = module_of(pl, make, interval=interval, frequency=every)
    trainer_of(tmp_path, LightningCallback(receiver.url, lr_every=1), max_epochs=5).fit(module, loader(), loader())
    run_id, body = only_run(receiver)
    schedule = body["schedule"]
    assert (schedule["kind"], schedule["unit"]) == ("table", interval)
    assert module.used == pytest.approx(preview(schedule, steps=range(40), total=None, metric=None)[0])
    assert list(rates(receiver, run_id).values()) == module.used


def test_a_frequency_that_no_table_holds_is_told(
    receiver: Receiver, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    module = module_of(pl, lambda o: lr_scheduler.StepLR(o, 2), interval="step", frequency=3)
    trainer_of(tmp_path, LightningCallback(receiver.url)).fit(module, loader(), loader())
    _, body = only_run(receiver)
    assert "schedule" not in body
    assert "stepped every 3 steps only" in capfd.readouterr().err


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("course", [("epoch", 6, 3), ("step", 6, 0.5), ("step", 3, 9)])
def test_where_weights_are_averaged_the_schedule_is_that_of_both_schedulers(
    url: str, tmp_path: Path, course: tuple[str, int, Any], strategy: Any
) -> None:
    """`StochasticWeightAveraging` puts a scheduler of its own in the place of the module's."""
    interval, epochs, start = course
    averaging = pl.callbacks.StochasticWeightAveraging(
        swa_lrs=0.03, swa_epoch_start=start, annealing_epochs=2, annealing_strategy=strategy
    )
    module = module_of(pl, lambda o: lr_scheduler.ExponentialLR(o, gamma=0.97), interval=interval)
    callback = LightningCallback(url, lr_every=1)
    trainer_of(tmp_path, averaging, callback, max_epochs=epochs).fit(module, loader(), loader())
    run = newest(url)
    wanted = preview(run["declaration"]["schedule"], steps=range(8 * epochs), total=None, metric=None)[0]
    assert module.used == pytest.approx(wanted, rel=1e-9)
    assert judged(url, run["id"]) == ("on_schedule", [], [])


def test_a_scheduler_that_cannot_be_followed_to_the_averaging_is_told(
    receiver: Receiver, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    averaging = pl.callbacks.StochasticWeightAveraging(swa_lrs=0.03, swa_epoch_start=2)
    module = module_of(pl, lambda o: lr_scheduler.StepLR(o, 2), frequency=2)
    trainer_of(tmp_path, averaging, LightningCallback(receiver.url)).fit(module, loader(), loader())
    _, body = only_run(receiver)
    assert "schedule" not in body
    assert "StochasticWeightAveraging takes the scheduler's place" in capfd.readouterr().err


def test_a_resume_goes_on_with_the_run(receiver: Receiver, tmp_path: Path) -> None:
    def fit(**options: Any) -> None:
        saved = pl.callbacks.ModelCheckpoint(dirpath=tmp_path, every_n_epochs=1, save_top_k=-1, filename="{epoch}")
        module = module_of(pl, lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=24), interval="step")
        callbacks = (LightningCallback(receiver.url, lr_every=1, **options.pop("own", {})), saved)
        trainer_of(tmp_path, *callbacks, enable_checkpointing=True).fit(module, loader(), loader(), **options)

    fit()
    run_id, _ = only_run(receiver)
    fit(ckpt_path=str(tmp_path / "epoch=1.ckpt"))
    assert set(receiver.runs) == {run_id}
    first, second = [request.body for request in receiver.requests if request.method == "PUT"]
    assert "resumed_from_step" not in first["process"]
    assert second["process"]["resumed_from_step"] == 16
    assert second["schedule"] == first["schedule"]
    lives = [[r["step"] for r in life.values() if "step" in r] for life in receiver.records.values()]
    assert lives == [list(range(24)), list(range(16, 24))]
    own = "5b1f4b8e-0000-4000-8000-000000000001"
    fit(ckpt_path=str(tmp_path / "epoch=1.ckpt"), own={"run_id": own})
    assert list(receiver.runs) == [run_id, own]


@pytest.mark.parametrize("interval", ["step", "epoch"])
@pytest.mark.parametrize("own", [{}, {"run_id": "5b1f4b8e-0000-4000-8000-000000000001"}], ids=["two runs", "one run"])
def test_a_second_fit_without_a_checkpoint_begins_its_schedule_anew(
    url: str, tmp_path: Path, interval: str, own: dict[str, str]
) -> None:
    """A second stage: Lightning makes the optimizer and the scheduler anew, and counts its own updates on."""
    make = lambda o: lr_scheduler.StepLR(o, step_size=8 if interval == "step" else 1)  # noqa: E731
    module = module_of(pl, make, interval=interval)
    callback = LightningCallback(url, lr_every=1, **own)
    trainer = trainer_of(tmp_path, callback)
    trainer.fit(module, loader(), loader())
    first = newest(url)["id"]
    trainer.fit_loop.max_epochs = 6
    trainer.fit(module, loader(), loader())
    second = newest(url)
    assert (second["id"] == first) is bool(own)
    assert second["declaration"]["total_epochs"] == 3
    assert [each.get("resumed_from_step") for each in second["processes"]] == [None] * len(second["processes"])
    assert judged(url, second["id"]) == ("on_schedule", [], [])


def test_a_checkpoint_of_a_second_stage_counts_as_the_stage_does(receiver: Receiver, tmp_path: Path) -> None:
    def trainer(epochs: int) -> Any:
        return trainer_of(tmp_path, LightningCallback(receiver.url, lr_every=1), max_epochs=epochs)

    def module() -> Any:
        return module_of(pl, lambda o: lr_scheduler.StepLR(o, step_size=1, gamma=0.5))

    one = trainer(1)
    one.fit(module(), loader(), loader())
    one.fit_loop.max_epochs = 3
    one.fit(module(), loader(), loader())
    one.save_checkpoint(tmp_path / "stage.ckpt")
    _, stage = list(receiver.runs)
    trainer(4).fit(module(), loader(), loader(), ckpt_path=tmp_path / "stage.ckpt")
    assert list(receiver.runs)[-1] == stage
    last = [request.body for request in receiver.requests if request.method == "PUT"][-1]
    assert (last["process"]["resumed_from_step"], last["total_epochs"]) == (2 * BATCHES, 3)
    assert rates(receiver, stage) == {step: 0.1 * 0.5 ** (step // BATCHES) for step in range(3 * BATCHES)}
    epochs = {r["step"]: r["epoch"] for r in receiver.stored(stage) if "step" in r}
    assert epochs == {step: step // BATCHES for step in range(3 * BATCHES)}


def test_a_fit_again_after_one_that_broke_off_is_no_new_stage(receiver: Receiver, tmp_path: Path) -> None:
    """The schedule was meant for the whole training: that it begins anew has to be named."""
    module = module_of(pl, lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=24), interval="step")
    broken = module_of(pl, lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=24), interval="step", broken_at=5)
    trainer = trainer_of(tmp_path, LightningCallback(receiver.url, lr_every=1))
    with pytest.raises(RuntimeError):
        trainer.fit(broken, loader(), loader())
    trainer.fit(module, loader(), loader())
    last = [request.body for request in receiver.requests if request.method == "PUT"][-1]
    assert last["process"]["resumed_from_step"] == 5


def test_an_exception_is_a_failure(receiver: Receiver, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no space left"):
        trainer_of(tmp_path, LightningCallback(receiver.url)).fit(module_of(pl, broken_at=3), loader(), loader())
    run_id, _ = only_run(receiver)
    assert receiver.ends[run_id] == {"status": "failed", "reason": "RuntimeError: no space left"}


@pytest.mark.parametrize("asked", [("1", None, 1), ("", None, 0), ("1", False, 0), ("", True, 1)])
def test_another_rank_reports_where_all_are_asked_for(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, bool | None, int]
) -> None:
    variable, option, runs = asked

    class Other(pl.strategies.SingleDeviceStrategy):  # type: ignore[misc]
        @property
        def is_global_zero(self) -> bool:
            return False

    monkeypatch.setenv("TRACKSIDE_ALL_RANKS", variable)
    callback = LightningCallback(receiver.url, all_ranks=option)
    trainer_of(tmp_path, callback, strategy=Other("cpu"), max_epochs=1).fit(module_of(pl), loader(), loader())
    assert len(receiver.runs) == runs


def test_what_raises_in_the_framework_stays_there(receiver: Receiver, tmp_path: Path) -> None:
    """A metric that cannot be computed, say: the trainer asks for it where it needs it, and not because of us."""

    class Trainer(pl.Trainer):  # type: ignore[misc]
        @property
        def callback_metrics(self) -> Any:
            raise RuntimeError("no samples")

    made = Trainer(
        default_root_dir=str(tmp_path),
        callbacks=[LightningCallback(receiver.url, lr_every=1)],
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    made.fit(module_of(pl), loader(), loader())
    run_id, _ = only_run(receiver)
    assert receiver.ends[run_id] == {"status": "finished"}
    assert sorted(rates(receiver, run_id)) == list(range(BATCHES))


def test_a_loss_that_is_not_finite_is_reported_at_once(receiver: Receiver, tmp_path: Path) -> None:
    trainer_of(tmp_path, LightningCallback(receiver.url, lr_every=100)).fit(module_of(pl, lr=1e38), loader(), loader())
    run_id, _ = only_run(receiver)
    bad = [r["step"] for r in receiver.stored(run_id) if not math.isfinite(float(r["metrics"].get("train_loss", 0)))]
    assert bad[0] < 7


class Wait(pl.Callback):  # type: ignore[misc]
    """Lets the answer to the first batch arrive, as a longer one would."""

    def __init__(self, receiver: Receiver, callback: Any) -> None:
        self.receiver, self.callback = receiver, callback

    def on_train_batch_end(self, *arguments: Any) -> None:
        run = self.callback.run
        self.receiver.wait_for(lambda: run.should_stop or run.health == "critical")


@pytest.mark.parametrize(("stop_on", "steps"), [("critical", 2), (None, 24)])
def test_training_stops_where_asked(receiver: Receiver, tmp_path: Path, stop_on: str | None, steps: int) -> None:
    receiver.behave = critical
    callback = LightningCallback(receiver.url, stop_on=stop_on)
    trainer = trainer_of(tmp_path, callback, Wait(receiver, callback))
    trainer.fit(module_of(pl), loader(), loader())
    assert trainer.global_step == steps


def test_in_manual_optimization_the_unit_has_to_be_said(receiver: Receiver, tmp_path: Path) -> None:
    class Manual(type(module_of(pl))):  # type: ignore[misc]
        automatic_optimization = False

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            return [optimizer], [lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)]

        def training_step(self, batch: Any, index: int) -> Any:
            loss = torch.nn.functional.cross_entropy(self.layers(batch[0]), batch[1])
            self.optimizers().zero_grad()
            self.manual_backward(loss)
            self.optimizers().step()
            self.lr_schedulers().step()
            return loss

    for options in ({}, {"scheduler_unit": "step"}):
        module = Manual()
        trainer_of(tmp_path, LightningCallback(receiver.url, lr_every=1, **options), max_epochs=1).fit(
            module, loader(), loader()
        )
    silent, told = receiver.runs.values()
    assert "schedule" not in silent
    assert told["schedule"]["unit"] == "step"
    assert list(rates(receiver, list(receiver.runs)[1]).values()) == [0.1 * 0.5**step for step in range(8)]


@pytest.mark.parametrize(("every", "times"), [(1, 1), (2, 1), (1, 3)], ids=["each batch", "every other", "thrice"])
def test_of_several_optimizers_the_firsts_own_updates_count(
    receiver: Receiver, tmp_path: Path, every: int, times: int
) -> None:
    """Networks that train against each other: one is stepped more often than the other."""

    class Rivals(pl.LightningModule):  # type: ignore[misc]
        automatic_optimization = False

        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = torch.nn.Linear(8, 1), torch.nn.Linear(8, 1)
            self.used: list[float] = []

        def configure_optimizers(self) -> Any:
            pair = [torch.optim.SGD(each.parameters(), lr=0.1) for each in (self.one, self.other)]
            return pair, [lr_scheduler.CosineAnnealingLR(each, T_max=60) for each in pair]

        def training_step(self, batch: Any, index: int) -> None:
            (one, other), (first, second) = self.optimizers(), self.lr_schedulers()
            for _ in range(times if index % every == 0 else 0):
                self.used.append(one.param_groups[0]["lr"])
                self.update(one, first, self.one(batch[0]))
            self.update(other, second, self.other(batch[0]))

        def update(self, optimizer: Any, scheduler: Any, found: torch.Tensor) -> None:
            optimizer.zero_grad()
            self.manual_backward(found.square().mean())
            optimizer.step()
            scheduler.step()

    module = Rivals()
    callback = LightningCallback(receiver.url, lr_every=1, scheduler_unit="step")
    trainer = trainer_of(tmp_path, callback, max_epochs=1)
    trainer.fit(module, loader())
    trainer.save_checkpoint(tmp_path / "after.ckpt")  # the run has ended by then, and is remembered all the same
    run_id, body = only_run(receiver)
    assert "steps_per_epoch" not in body
    assert [module.used[step] for step in rates(receiver, run_id)] == list(rates(receiver, run_id).values())
    updates = len(module.used)
    assert max(rates(receiver, run_id)) == updates - 1

    resumed = LightningCallback(receiver.url, lr_every=1, scheduler_unit="step")
    trainer_of(tmp_path, resumed, max_epochs=2).fit(Rivals(), loader(), ckpt_path=tmp_path / "after.ckpt")
    assert set(receiver.runs) == {run_id}
    second = [request.body for request in receiver.requests if request.method == "PUT"][-1]
    assert second["process"]["resumed_from_step"] == updates
    found = rates(receiver, run_id)
    assert max(found) == 2 * updates - 1
    wanted = preview(body["schedule"], steps=list(found), total=None, metric=None)[0]
    assert list(found.values()) == pytest.approx(wanted, rel=1e-9)


def test_the_right_training_is_silent_and_the_misused_scheduler_named(url: str, tmp_path: Path) -> None:
    """A cosine built for updates, under Lightning's default interval, which is the epoch."""
    found = []
    for interval in ("step", "epoch"):
        make = lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=48)  # noqa: E731
        module = module_of(pl, make, interval=interval)
        callback = LightningCallback(url, lr_every=1, scheduler_unit="step")
        trainer_of(tmp_path, callback, max_epochs=6).fit(module, loader(), loader())
        found.append(judged(url, newest(url)["id"]))
    assert found[0] == ("on_schedule", [], [])
    verdict, alerts, causes = found[1]
    assert (verdict, alerts) == ("off_schedule", ["LR001"])
    assert causes[0] == "stepped_per_epoch"


def test_a_plateau_follows_what_it_monitors(url: str, tmp_path: Path) -> None:
    make = lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0, factor=0.5, threshold=0.6)  # noqa: E731
    module = module_of(pl, make, monitor="val/loss")
    trainer_of(tmp_path, LightningCallback(url, lr_every=1), max_epochs=6).fit(module, loader(), loader())
    assert min(module.used) < max(module.used)
    run = newest(url)
    assert (run["declaration"]["schedule"]["class"], run["declaration"]["schedule"]["unit"]) == (
        "ReduceLROnPlateau",
        "epoch",
    )
    assert judged(url, run["id"])[:2] == ("on_schedule", [])
