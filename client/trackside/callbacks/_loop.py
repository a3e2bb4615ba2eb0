"""What the adapters of frameworks that own the training loop share: their arguments, the run, and its end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from trackside import _arguments, _exit, _say, _wire
from trackside.run import Run

_ACCURACIES = ("acc", "accuracy", "sparse_categorical_accuracy", "categorical_accuracy", "binary_accuracy")


class FitRun(Run):
    """The run of a framework's own loop: the interpreter's end is no good end before the framework told of one.

    `used` holds the rates that the next record carries, by name: those that the update used.
    """

    _told = False

    def __init__(self, url: str | None = None, *, ticks: int | None = None, **options: Any) -> None:
        self._ticks = ticks
        super().__init__(url, **options)
        self.used: dict[str, Any] = {}
        self._read_lr = self._of_update

    def _of_update(self) -> dict[str, Any]:
        return dict(self.used)

    def finish(self, status: str = "finished", reason: str | None = None) -> None:
        """End the run as `Run.finish` does."""
        self._told = True
        super().finish(status, reason)

    def _begin_end(self, status: str, reason: str | None, within_s: float) -> bool:
        if status == "finished" and not self._told:
            status, reason = "failed", "training did not come to its end"
        return super()._begin_end(status, reason, within_s)


class Loop:
    """Arguments are those of `Run` without `optimizer` and `scheduler`, `lr_every`, and `grad_norm`: whether the norm
    of the gradients is reported with the rates.

    In a `with`, an exception that leaves the block ends the run as failed with its type and last line.
    """

    _framework = ""
    _optimizer: Any = None  # while training lasts: a callback that is kept must not keep a model
    _read: Any = None

    def __init__(self, url: str | None = None, *, lr_every: int = 10, grad_norm: bool = False, **options: Any) -> None:
        super().__init__()
        if type(lr_every) is not int or lr_every < 1:
            raise ValueError("lr_every must be a whole number of at least 1")
        options.setdefault("framework", self._framework)
        _arguments.check_options(url, options)
        self._url = url
        self._options = options
        self._lr_every = lr_every
        self._grad_norm = grad_norm
        self.run: FitRun | None = None

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._interrupted()
        else:
            self._end(*_exit.outcome(error))

    def _start(self, begin: Callable[..., None], *arguments: Any) -> None:
        """Begin a run; what prevents it is told, and training goes on."""
        self._interrupted()
        try:
            begin(*arguments)
        except Exception as error:
            _say.line(f"this training is not reported: {type(error).__name__}: {error}")

    def _end(self, status: str = "finished", reason: str | None = None) -> None:
        run, self.run = self.run, None
        self._optimizer = self._read = None
        if run is not None:
            run.finish(status, reason)

    def _interrupted(self) -> None:
        """End the run of a training that an exception broke off and nobody told of."""
        self._end("failed", "training did not come to its end")

    def _with_params(self, options: dict[str, Any], **found: Any) -> None:
        """Add to the run's `params` what the framework knows and the script did not say."""
        known = {name: value for name, value in found.items() if value is not None}
        options["params"] = {**known, **(options.get("params") or {})}

    def _named(self, metrics: Mapping[str, Any], prefix: str, phase: str) -> dict[str, Any]:
        """Losses and accuracies under their canonical names ("train_loss", "val_acc"), the others as they are.

        `prefix` is the framework's own for the phase ("eval_"); a name in the run's `metric_names` stays as it is.
        """
        own = self._options.get("metric_names") or {}
        return {own_or_canonical(name, prefix, phase, own): value for name, value in metrics.items()}


def own_or_canonical(name: str, prefix: str, phase: str, own: Mapping[str, str]) -> str:
    """Return "val_loss" for "eval_loss" and so on; a name that is not known, or that the run maps itself, as it is."""
    bare = name[len(prefix) :] if name.startswith(prefix) else None
    if bare is None or name in own:
        return name
    if bare == "loss":
        return f"{phase}_loss"
    return f"{phase}_acc" if bare in _ACCURACIES else name


def broken(loss: Any) -> bool:
    """Tell whether a loss in the processor's memory is not finite; one on a device is not waited for."""
    value = None if loss is None else _wire.freeze(loss)
    return isinstance(value, float) and not math.isfinite(value)
