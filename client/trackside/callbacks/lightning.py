"""Lightning: `LightningCallback` for `Trainer.fit`, of the package `lightning` or `pytorch_lightning`."""

# ruff: noqa: ARG002 - the hooks' arguments are named by Lightning

from __future__ import annotations

import contextlib
import importlib
import math
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

from trackside import _config, _exit, _gradients, _optimizers, _say, _wire, schedules
from trackside.callbacks import _lightning_schedules
from trackside.callbacks._loop import FitRun, Loop, broken

__all__ = ["LightningCallback"]  # noqa: F822 - made by __getattr__

_PACKAGES = ("lightning.pytorch", "pytorch_lightning")
_LOSSES = frozenset(
    f"{name}{suffix}"
    for name in ("loss", "train_loss", "train/loss", "training_loss")
    for suffix in ("", "_step", "_epoch")
)


class _FitRun(FitRun):
    """A run whose rates are those in use, at updates and epochs counted from 0."""

    _reporting: ClassVar[Mapping[str, Any]] = {"when": "in_use", "step_base": 0, "epoch_base": 0}


class _Fit(Loop):
    """Reports a Lightning `Trainer.fit`. Arguments are those of `Run`, `lr_every` and `grad_norm`.

    Optimizer, scheduler, epochs, steps per epoch, accumulation and world size come from the trainer. What one tick of
    the scheduler is comes from its `interval`; pass `scheduler_unit` where it is built for another one, and in manual
    optimization, where Lightning does not step it (and `steps_per_epoch`, which it does not know there). Of several
    optimizers the first and its scheduler are reported, and steps are its own.

    The LR of every param group is read before the optimizer's step and reported, with the batch's loss as train_loss,
    every `lr_every` updates and at an epoch's last; with `grad_norm=True` also the norm of the gradients, before the
    Trainer clips them. What the module logs comes at the end of the validation and of the
    epoch, under its own names. Steps count updates and epochs from 0, as Lightning prints them.

    A checkpoint remembers the run: `fit(ckpt_path=...)` goes on with it, unless `run_id` or TRACKSIDE_RUN_ID says
    otherwise. Another `fit` of the same trainer without a checkpoint makes the optimizer and its scheduler anew: after
    one that came to its end that is a run of its own, whose updates and epochs count from 0. An exception is reported
    as the run's failure. With `stop_on="critical"` training stops after the batch
    (`trainer.should_stop`).
    """

    _framework = "lightning"
    _remembered: Mapping[str, Any] | None = None  # of a checkpoint
    _run_id: str | None = None  # of the latest run
    _stepped = 0  # how often the optimizer was, in this batch
    _updates = 0  # before it
    _broke_off = False  # the latest training
    _done = 0, 0  # epochs and updates of the trainer's that came before the run

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Start the run."""
        self._lrs: dict[str, Any] = {}
        self._stepped = self._updates = 0
        self._several = False
        self._before: dict[str, Any] = {}
        self._validated: set[str] = set()
        self._losses = False
        all_ranks = self._options.get("all_ranks")
        if trainer.is_global_zero or (_config.all_ranks_from_environment() if all_ranks is None else all_ranks):
            self._start(self._begin, trainer)

    def _begin(self, trainer: Any) -> None:
        options = dict(self._options)
        self._optimizer = next(iter(trainer.optimizers), None)
        self._with_params(
            options, accumulate_grad_batches=trainer.accumulate_grad_batches, world_size=trainer.world_size
        )
        # A loop of one's own steps an optimizer as often as it likes; LBFGS asks for its loss several times a step.
        self._several = _manual(trainer) and not isinstance(self._optimizer, sys.modules["torch"].optim.LBFGS)
        remembered, self._remembered = self._remembered or {}, None
        config = self._config(trainer)
        self._updates = int(trainer.global_step) // max(1, len(trainer.optimizers))
        broke_off, self._broke_off = self._broke_off, True  # until the trainer tells of the end
        self._done = int(remembered.get("epochs_before", 0)), int(remembered.get("updates_before", 0))
        if self._updates and not broke_off and trainer.ckpt_path is None and _is_new(config):
            self._done = int(trainer.current_epoch), self._updates
            self._updates = 0
        elif self._updates:
            self._updates = int(remembered.get("updates", self._updates))
            options.setdefault("resumed_from_step", self._updates)
            if remembered.get("run_id") is not None and _config.run_id_from_environment() is None:
                options.setdefault("run_id", remembered["run_id"])
        _place(trainer, options, *self._done)
        given = options.get("schedule") is not None or ("scheduler_unit" not in options and _manual(trainer))
        scheduler = None if config is None or given else config.scheduler
        if scheduler is not None:
            options.setdefault("scheduler_unit", config.interval)
            if config.reduce_on_plateau and config.monitor is not None:
                options.setdefault("scheduler_metric", config.monitor)
            found, scheduler = _changed(trainer, config, scheduler, options, self._done)
            if found is not None:
                options["schedule"] = found
        ticks = _ticks(trainer, options.get("scheduler_unit", "epoch"), *self._done)
        self.run = _FitRun(self._url, ticks=ticks, optimizer=self._optimizer, scheduler=scheduler, **options)
        self._run_id = self.run.id

    def _config(self, trainer: Any) -> Any:
        """Lightning's word on the scheduler of the first optimizer."""
        for config in trainer.lr_scheduler_configs:
            if getattr(config.scheduler, "optimizer", self._optimizer) is self._optimizer:
                return config
        return None

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Read the LR that this update uses."""
        if self.run is None or self._optimizer not in (optimizer, getattr(optimizer, "optimizer", None)):
            return
        self._stepped = self._stepped + 1 if self._several else 1
        with contextlib.suppress(Exception):
            self._lrs = _optimizers.from_groups(self._optimizer)
            if self._grad_norm and self._is_due(trainer):
                norm = _gradients.of_groups(self._optimizer)
                if norm is not None:
                    self._lrs["grad_norm"] = _wire.freeze(norm)

    def _is_due(self, trainer: Any) -> bool:
        last = self._updates + self._stepped - 1
        return last // self._lr_every > (self._updates - 1) // self._lr_every or bool(trainer.is_last_batch)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Report the LR that the update used and the loss, and stop where that was asked for."""
        if self.run is None:
            return
        with contextlib.suppress(Exception):
            loss = _loss(outputs, trainer)
            self._losses = self._losses or loss is not None
            due = self._stepped and self._is_due(trainer)
            if due or broken(loss):
                self.run.used = self._lrs if self._stepped else {}
                self.run.log(
                    step=self._updates + max(0, self._stepped - 1), epoch=self._epoch(trainer), train_loss=loss
                )
            if self.run.should_stop:
                trainer.should_stop = True
        self._updates += self._stepped
        self._stepped = 0

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Note what is logged already: Lightning keeps it beside what the validation logs."""
        self._before = _logged(trainer)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Report what the validation logged."""
        if not trainer.sanity_checking and self.run is not None:
            logged = _logged(trainer)
            found = {name: value for name, value in logged.items() if self._before.get(name) is not value}
            self._validated.update(found)
            self._report(trainer, found)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Report what the epoch logged."""
        if self.run is not None:
            logged = _logged(trainer)
            self._report(trainer, {name: value for name, value in logged.items() if name not in self._validated})

    def _report(self, trainer: Any, found: Mapping[str, Any]) -> None:
        """Report metrics, without a second train_loss and a metric's second name."""
        if self.run is None:
            return
        with contextlib.suppress(Exception):
            kept = {
                name: value
                for name, value in found.items()
                if not (self._losses and name in _LOSSES) and _bare(name) not in found
            }
            self.run.used = {}
            step = None if trainer.is_last_batch else max(0, self._updates - 1)  # inside an epoch
            self.run.log(kept, step=step, epoch=self._epoch(trainer))

    def _epoch(self, trainer: Any) -> int:
        return int(trainer.current_epoch) - self._done[0]

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """End the run."""
        self._broke_off = False
        self._end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """End the run as failed, or as killed by Ctrl-C or SIGTERM."""
        if type(exception).__name__ == "SIGTERMException":
            self._end("killed", "SIGTERM")
        else:
            self._end(*_exit.outcome(exception))

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint remembers."""
        if self._run_id is None:
            return {}
        epochs, updates = self._done
        own = {"run_id": self._run_id, "updates": self._updates + self._stepped}
        return {**own, "epochs_before": epochs, "updates_before": updates} if updates else own

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take the run of a checkpoint."""
        self._remembered = dict(state_dict)


def _logged(trainer: Any) -> dict[str, Any]:
    """What the module logged; its metrics are computed for that, and may raise."""
    with contextlib.suppress(Exception):
        return dict(trainer.callback_metrics)
    return {}


def _manual(trainer: Any) -> bool:
    return not trainer.lightning_module.automatic_optimization


def _whole(value: Any) -> int | None:
    """A count, or None for what Lightning has no end of: None, -1, infinity."""
    return int(value) if value is not None and 0 < value < math.inf else None


def _is_new(config: Any) -> bool:
    """Whether there is a scheduler, and it was never stepped."""
    return config is not None and getattr(config.scheduler, "last_epoch", None) == 0


def _left(value: Any, done: int) -> int | None:
    """What is left of a count that includes what came before the run."""
    count = _whole(value)
    return None if count is None else _whole(count - done)


def _ticks(trainer: Any, unit: str, epochs_before: int, updates_before: int) -> int | None:
    if unit == "epoch":
        return _left(trainer.max_epochs, epochs_before)
    return _left(trainer.estimated_stepping_batches, updates_before)


def _place(trainer: Any, options: dict[str, Any], epochs_before: int, updates_before: int) -> None:
    """Epochs and updates an epoch, as far as they are known and whole."""
    batches, epochs = _whole(trainer.num_training_batches), _left(trainer.max_epochs, epochs_before)
    if batches is not None and not _manual(trainer):  # which steps when it likes
        options.setdefault("steps_per_epoch", -(-batches // max(1, int(trainer.accumulate_grad_batches))))
    most, steps = _left(trainer.max_steps, updates_before), options.get("steps_per_epoch")
    if epochs is not None and (most is None or (steps is not None and most >= epochs * steps)):
        options.setdefault("total_epochs", epochs)


def _changed(
    trainer: Any, config: Any, scheduler: Any, options: Mapping[str, Any], done: tuple[int, int]
) -> tuple[dict[str, Any] | None, Any]:
    """What the trainer makes of a scheduler, and the scheduler where it is left to itself; neither where that is told
    to be no schedule that could be known.
    """
    unit = options["scheduler_unit"]
    length = _ticks(trainer, unit, *done)
    place = {"steps_per_epoch": options.get("steps_per_epoch"), "reporting": _FitRun._reporting}
    swa = _lightning_schedules.averaging(trainer)
    try:
        if swa is not None:
            found = _lightning_schedules.averaged(
                swa,
                config,
                unit=unit,
                length=length,
                epochs_before=done[0],
                most_epochs=int(trainer.max_epochs),
                place=place,
            )
        elif config.frequency != 1:
            # Lightning counts the batches of each epoch anew.
            even = trainer.accumulate_grad_batches == 1 and options.get("steps_per_epoch", 1) % config.frequency == 0
            found = _lightning_schedules.stretched(config, unit=unit, length=length, even=even, place=place)
        else:
            found = None
    except schedules.UnreadableScheduleError as error:
        _say.line(f"the schedule is not reported, and so the LR not compared with it: {error}.")
        return None, None
    return found, scheduler if found is None else None


def _loss(outputs: Any, trainer: Any) -> Any:
    """The batch's loss. Lightning divides it by the batches of an update."""
    loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
    return None if loss is None else loss * trainer.accumulate_grad_batches if not _manual(trainer) else loss


def _bare(name: str) -> str | None:
    """The name under which Lightning repeats a metric that is logged for steps and epochs."""
    for suffix in ("_step", "_epoch"):
        if name.endswith(suffix):
            return name[: -len(suffix)]
    return None


def __getattr__(name: str) -> Any:
    if name != "LightningCallback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    package = next((each for each in _PACKAGES if each in sys.modules), None)
    if package is None:
        try:
            package = importlib.import_module(_PACKAGES[0]).__name__
        except ImportError:
            package = importlib.import_module(_PACKAGES[1]).__name__
    base = sys.modules[package].Callback
    made = type(name, (_Fit, base), {"__module__": __name__, "__doc__": _Fit.__doc__})
    globals()[name] = made
    return made
