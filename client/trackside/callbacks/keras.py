"""Keras 3: `KerasCallback` for `Model.fit`, on any backend; keras is imported when the class is first asked for."""

# ruff: noqa: ARG002 - the hooks' arguments are named by Keras

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, ClassVar

from trackside import _gradients, _say, _wire
from trackside.callbacks import _keras_schedules
from trackside.callbacks._loop import FitRun, Loop, broken

__all__ = ["KerasCallback"]  # noqa: F822 - made by __getattr__


class _ModelRun(FitRun):
    """A run whose rates are those in use, at updates counted from 0 and epochs from 1."""

    _reporting: ClassVar[Mapping[str, Any]] = {"when": "in_use", "step_base": 0, "epoch_base": 1}

    def __init__(self, url: str | None = None, *, described: Mapping[str, Any], **options: Any) -> None:
        self._described = dict(described)
        super().__init__(url, **options)

    def _describe(self, body: dict[str, Any], *arguments: Any) -> None:
        body["optimizer"] = self._described


class _Fit(Loop):
    """Reports a `keras.Model.fit`. Arguments are those of `Run` without the scheduler's, `lr_every` and `grad_norm`.

    The schedule comes from the optimizer: a `LearningRateSchedule`, or the number that it was given with what the
    `LearningRateScheduler` or `ReduceLROnPlateau` among fit's callbacks makes of it. With a callback of your own there,
    which may set the rate, a constant is not taken for granted: pass `schedule=`. Epochs, steps per epoch and gradient
    accumulation come from the model and from `fit`.

    The LR is read before a batch (with accumulation before an update's first), and reported every `lr_every` updates
    and at an epoch's last. Epochs count from 1, as `fit` prints them, and carry its logs (train_loss, val_loss,
    train_acc, val_acc, other metrics by their own names); steps count optimizer updates from 0. A running loss that is
    not finite is reported at once. With `grad_norm=True` the norm of the gradients comes with the LR, before the
    optimizer clips them, on the torch backend without accumulation (elsewhere Keras does not show them).

    With `stop_on="critical"` training stops after the batch (`model.stop_training`). Keras tells its callbacks of no
    exception: one that ends the script is reported, for one that is caught write `with KerasCallback(...) as callback:`
    around `model.fit`.
    """

    model: Any
    params: Any
    _framework = "keras"

    def on_train_begin(self, logs: Any = None) -> None:
        """Note the rate before any callback changes it."""
        self._interrupted()
        self._begun = False
        self._first: float | None = None
        with contextlib.suppress(Exception):
            self._first = _keras_schedules.number(_single(self.model.optimizer).learning_rate)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the run, at the first epoch: what restores a training has done so by now."""
        self._epoch = epoch + 1
        if not self._begun:
            self._begun = True
            found = None
            with contextlib.suppress(Exception):  # whatever calls may have properties that raise
                found = _keras_schedules.companions(self)
            self._start(self._begin, epoch, found)
        elif self.run is not None:
            with contextlib.suppress(Exception):
                self._batch = self._done()

    def _begin(self, epoch: int, found: list[Any] | None) -> None:
        options = dict(self._options)
        optimizer = _single(self.model.optimizer)
        self._every = int(getattr(optimizer, "gradient_accumulation_steps", None) or 1)
        self._ahead = 0
        params = self.params or {}
        steps, epochs = params.get("steps"), params.get("epochs")
        self._steps = steps if isinstance(steps, int) and steps > 0 else None
        if self._steps is not None and self._steps % self._every == 0:
            options.setdefault("steps_per_epoch", self._steps // self._every)
        if isinstance(epochs, int) and epochs > 0:
            options.setdefault("total_epochs", epochs)
        self._with_params(options, gradient_accumulation_steps=self._every)
        if options.get("schedule") is None:
            try:
                options["schedule"] = self._schedule(optimizer, found, epoch, options)
            except Exception as error:
                _say.line(f"the schedule is not reported, and so the LR not compared with it: {error}.")
        if self._steps is not None and (options.get("schedule") or {}).get("unit") == "epoch":
            # fit's epochs say where such a schedule is: an optimizer may be new at a later one, or old at the first
            self._ahead = epoch * self._steps - self._done()
        self._batch = self._done()  # before the epoch
        if self._batch:
            options.setdefault("resumed_from_step", self._batch // self._every)
        described: dict[str, Any] = {"class": type(optimizer).__name__, "params": {}}
        with contextlib.suppress(Exception):
            described["params"] = _wire.jsonable(optimizer.get_config())
        self.run = _ModelRun(self._url, described=described, **options)

    def _done(self) -> int:
        """Batches of all epochs so far. With `steps_per_execution`, those that Keras names do not add up to it."""
        own = _keras_schedules.number(getattr(_single(self.model.optimizer), "_iterations", 0))
        return int(own) + self._ahead

    def _schedule(
        self, optimizer: Any, found: list[Any] | None, epoch: int, options: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        place: dict[str, Any] = {"reporting": dict(_ModelRun._reporting)}
        steps, epochs = options.get("steps_per_epoch"), options.get("total_epochs")
        if steps is not None:
            place["steps_per_epoch"] = steps
        own = optimizer._learning_rate
        if hasattr(own, "get_config") and callable(own):
            return _keras_schedules.of_schedule(own, place, steps and epochs and steps * epochs)
        if callable(own) or found is None or self._first is None:
            return None
        return _keras_schedules.of_callbacks(
            found, self, self._first, place, epochs=epochs, begun=epoch, names=options.get("metric_names")
        )

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Read the LR that this batch will use, where it is to be reported."""
        if self.run is None:
            return
        self.run.used = {}
        update, rest = divmod(self._batch + batch, self._every)
        last = self._steps is not None and batch >= self._steps - self._every
        # Of an accumulated update the first batch's: a schedule that is asked at every batch shows how fast it runs.
        due = rest == 0 and (update % self._lr_every == 0 or last)
        self._at = update
        if due:
            with contextlib.suppress(Exception):
                self.run.used = {"lr": _keras_schedules.still(_single(self.model.optimizer).learning_rate)}

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Report the LR, and a loss that is not finite."""
        if self.run is None:
            return
        with contextlib.suppress(Exception):
            loss = (logs or {}).get("loss")
            bad = loss if broken(loss) else None
            if self.run.used and self._grad_norm:
                norm = self._norm()
                if norm is not None:
                    self.run.used["grad_norm"] = _wire.freeze(norm)
            if self.run.used or bad is not None:
                self.run.log(step=self._at, epoch=self._epoch, train_loss=bad)
                self.run.used = {}
            if self.run.should_stop:
                self.model.stop_training = True

    def _norm(self) -> Any | None:
        """The norm of the gradients that the update used, where Keras leaves them to be seen."""
        import keras

        if (
            keras.backend.backend() == "torch"
            and self._every == 1
            and _single(self.model.optimizer) is self.model.optimizer
        ):
            return _gradients.torch_norm(each.value for each in self.model.trainable_weights)
        self._grad_norm = False
        _say.line(
            "no grad_norm is reported: Keras shows its gradients on the torch backend only, and there neither with "
            "accumulation nor with loss scaling."
        )
        return None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Report the epoch's logs."""
        if self.run is None:
            return
        with contextlib.suppress(Exception):
            own = self._options.get("metric_names") or {}
            found = {
                _keras_schedules.canonical(name, own): value
                for name, value in (logs or {}).items()
                if name != "lr" and not name.startswith("learning_rate")
            }
            self.run.used = {}
            self.run.log(found, epoch=self._epoch)

    def on_train_end(self, logs: Any = None) -> None:
        """End the run."""
        self._end()


def _single(optimizer: Any) -> Any:
    """The optimizer within one that scales losses; the first of several."""
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    several = getattr(optimizer, "optimizers", None)
    return several[0] if several else optimizer


def __getattr__(name: str) -> Any:
    if name != "KerasCallback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from keras.callbacks import Callback

    made = type(name, (_Fit, Callback), {"__module__": __name__, "__doc__": _Fit.__doc__})
    globals()[name] = made
    return made
