"""Paddle: `PaddleRun` for a plain loop, `PaddleCallback` for `paddle.Model.fit`; only the latter imports paddle."""

# ruff: noqa: ARG002 - the hooks' arguments are named by paddle

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from trackside import _gradients, _optimizers, _wire
from trackside._optimizers import ReadLr
from trackside.callbacks._loop import FitRun, Loop
from trackside.run import Run

__all__ = ["PaddleCallback", "PaddleRun"]  # noqa: F822 - PaddleCallback is made by __getattr__


class PaddleRun(Run):
    """A `Run` for a plain Paddle loop; takes the same arguments, with `optimizer` required.

    The schedule is read from the scheduler that is the optimizer's learning rate, the LR with `optimizer.get_lr()` when
    `log` is called: call it before `scheduler.step()`. With `grad_norm=True` each record carries the norm of the
    gradients that the last update used, before the optimizer clips them.
    """

    _undo: Callable[[], None] | None = None  # a signal may end the run while it is made
    _optimizer: Any = None  # while training lasts: a run that is kept must not keep a model
    _read_rate: ReadLr | None = None

    def __init__(self, url: str | None = None, *, optimizer: Any, grad_norm: bool = False, **options: Any) -> None:
        options.setdefault("framework", "paddle")
        super().__init__(url, optimizer=optimizer, **options)
        self._norm: Any = None
        if grad_norm and self._sender is not None:
            self._optimizer = optimizer
            self._read_rate, self._read_lr = self._read_lr, self._rate_and_norm
            self._undo = _gradients.before_updates(optimizer, self._measure)

    def _measure(self) -> None:
        self._norm = _gradients.paddle_norm(self._optimizer._parameter_list)

    def _rate_and_norm(self) -> dict[str, Any]:
        found = {} if self._read_rate is None else self._read_rate()
        return found if self._norm is None else {**found, "grad_norm": _wire.freeze(self._norm)}

    def _begin_end(self, status: str, reason: str | None, within_s: float) -> bool:
        """Leave the optimizer as it was, whoever ends the run."""
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()
        self._optimizer = self._read_rate = None
        return super()._begin_end(status, reason, within_s)


class _FitRun(FitRun):
    """A run whose rates are those in use, at batches counted from 0."""

    _reporting: ClassVar[Mapping[str, Any]] = {"when": "in_use", "step_base": 0}


class _Fit(Loop):
    """Reports a `paddle.Model.fit`. Arguments are those of `Run`, `lr_every` and `grad_norm`.

    The optimizer, its scheduler, the epochs, the steps per epoch and the accumulation come from the model and `fit`.
    `scheduler_unit` is "step" here, because `fit` steps the scheduler after every batch on its own; with your own
    `paddle.callbacks.LRScheduler(by_step=False, by_epoch=True)` pass "epoch". The LR is read before a batch, so it is
    the one in use whatever the order of the callbacks; it is reported every `lr_every` batches and at an epoch's last,
    with `grad_norm=True` together with the norm of the gradients that the update used, before the optimizer clips.

    Epochs count from 1, as `fit` prints them, and carry the mean loss over their batches; steps count batches from 0. A
    batch's loss that is not finite is reported at once. With `stop_on="critical"` training stops after the batch
    (`model.stop_training`). `run` is the `Run` while training lasts. An exception that ends the script is reported as
    the run's failure; for one that is caught, write `with PaddleCallback(...) as callback:` around `fit`.
    """

    model: Any
    params: dict[str, Any]
    _framework = "paddle"

    def __init__(self, url: str | None = None, *, lr_every: int = 10, **options: Any) -> None:
        options.setdefault("scheduler_unit", "step")
        super().__init__(url, lr_every=lr_every, **options)

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the run."""
        self._step = self._epoch = 0
        self._undo: Callable[[], None] | None = None
        self._steps: int | None = None
        self._start(self._begin)

    def _begin(self) -> None:
        params = self.params or {}
        steps, epochs = params.get("steps"), params.get("epochs")
        options = dict(self._options)
        if isinstance(steps, int) and steps > 0:
            self._steps = options.setdefault("steps_per_epoch", steps)
        by_step = options["scheduler_unit"] == "step"
        most, ticks = getattr(self.model, "num_iters", None), None
        if isinstance(most, int):  # `fit` ends in the midst of an epoch, and counts the batches of evaluations too
            ticks = most if by_step else epochs
            evaluates = getattr(self.model, "_test_dataloader", None) is not None
            epochs = most // self._steps if self._steps and not (evaluates or most % self._steps) else None
        if isinstance(epochs, int) and epochs > 0:
            options.setdefault("total_epochs", epochs)
        self._optimizer = getattr(self.model, "_optimizer", None)
        # A scheduler that was stepped before is that far into its schedule, and so are this run's counts.
        done = int(getattr(_optimizers.scheduler_within(self._optimizer), "last_epoch", 0) or 0)
        if by_step:
            self._step = done
        else:
            self._epoch, self._step = done, done * (self._steps or 0)
        if ticks is None and isinstance(epochs, int) and "total_epochs" not in self._options:
            ticks = epochs if not by_step else epochs * self._steps if self._steps else None
        if ticks is not None:
            ticks += done
        self._with_params(options, accumulate_grad_batches=getattr(self.model, "_accumulate", None))
        self.run = _FitRun(self._url, ticks=ticks, optimizer=self._optimizer, **options)
        if self._grad_norm and self._optimizer is not None:
            self._undo = _gradients.before_updates(self._optimizer, self._measure)

    def _measure(self) -> None:
        if self.run is None or self.run._ended:  # by another one in its place: its cell was interrupted and run again
            self._leave()
        elif self.run.used:
            norm = _gradients.paddle_norm(self._optimizer._parameter_list)
            if norm is not None:
                self.run.used["grad_norm"] = _wire.freeze(norm)

    def _leave(self) -> None:
        undo, self._undo = getattr(self, "_undo", None), None
        if undo is not None:
            undo()

    def _end(self, status: str = "finished", reason: str | None = None) -> None:
        self._leave()
        super()._end(status, reason)

    def on_epoch_begin(self, epoch: Any = None, logs: Any = None) -> None:
        """Count the epoch."""
        self._epoch += 1
        self._total, self._batches = 0.0, 0

    def on_train_batch_begin(self, step: Any, logs: Any = None) -> None:
        """Read the LR that this batch will use."""
        if self.run is None or self._optimizer is None:
            return
        self.run.used = {}
        last = self._steps is not None and step == self._steps - 1
        if last or step % self._lr_every == 0:
            with contextlib.suppress(Exception):
                self.run.used = {"lr": self._optimizer.get_lr()}

    def on_train_batch_end(self, step: Any, logs: Any = None) -> None:
        """Report the LR, and a loss that is not finite."""
        if self.run is None:
            return
        with contextlib.suppress(Exception):
            loss = _flat(logs or {}).get("loss")
            if loss is not None:
                self._total += loss
                self._batches += 1
            bad = loss if loss is not None and not math.isfinite(loss) else None
            if self.run.used or bad is not None:
                self.run.log(step=self._step, epoch=self._epoch, train_loss=bad)
                self.run.used = {}
            self._step += 1
            if self.run.should_stop:
                self.model.stop_training = True

    def on_epoch_end(self, epoch: Any, logs: Any = None) -> None:
        """Report the epoch's mean loss and its metrics."""
        if self.run is None:
            return
        with contextlib.suppress(Exception):
            found = _named(logs or {}, "train")
            found["train_loss"] = self._total / self._batches if self._batches else None
            self.run.log(found, epoch=self._epoch)

    def on_eval_end(self, logs: Any = None) -> None:
        """Report the evaluation that `fit` makes after an epoch."""
        if self.run is None:
            return
        with contextlib.suppress(Exception):
            self.run.log(_named(logs or {}, "val"), epoch=self._epoch)

    def on_train_end(self, logs: Any = None) -> None:
        """End the run."""
        self._end()


def _flat(logs: Any) -> dict[str, float]:
    """The numbers of fit's logs by name; a list of several (one a loss) under name/0, name/1 ..."""
    found: dict[str, float] = {}
    for name, value in logs.items():
        if name in ("step", "batch_size"):
            continue
        items = list(value) if isinstance(value, (list, tuple)) else [value]
        for index, item in enumerate(items):
            found[name if len(items) == 1 else f"{name}/{index}"] = float(item)
    return found


def _named(logs: Any, phase: str) -> dict[str, Any]:
    """Paddle calls both phases' metrics alike; here they are train_loss, val_acc, and val/name for others."""
    known = {"loss": f"{phase}_loss", "acc": f"{phase}_acc"}
    return {known.get(name, f"{phase}/{name}"): value for name, value in _flat(logs).items()}


def __getattr__(name: str) -> Any:
    if name != "PaddleCallback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from paddle.callbacks import Callback

    made = type("PaddleCallback", (_Fit, Callback), {"__module__": __name__, "__doc__": _Fit.__doc__})
    globals()[name] = made
    return made
