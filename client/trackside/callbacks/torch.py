"""PyTorch, plain loop: a run that knows the LR which the last update really used.

`Run(optimizer=...)` reads the LR when `log` is called, so `log` has to come before `scheduler.step()`. `TorchCallback`
reads it at every `optimizer.step()` instead, over torch's own hook, so the order does not matter and an update that a
gradient scaler skips is not counted as one.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from trackside import _gradients, _optimizers, _wire, _wrappers
from trackside.run import Run

__all__ = ["TorchCallback"]


class TorchCallback(Run):
    """A `Run` for a plain PyTorch loop; takes the same arguments, with `optimizer` required.

    ::

        with TorchCallback(url, project="digits", optimizer=optimizer, scheduler=scheduler,
                           scheduler_unit="step", total_epochs=20, steps_per_epoch=len(loader)) as run:
            for epoch in range(20):
                for batch in loader:
                    ...
                    optimizer.step()
                    scheduler.step()
                run.log(epoch=epoch, step=updates, train_loss=loss)

    The LR reported is the one in use at the last update. Before the first it is the current one. With `grad_norm=True`
    each record carries the norm of the gradients that the last update used (`grad_norm`: after clipping, where the loop
    clips, and without the factor of a gradient scaler).
    """

    _reporting: ClassVar[Mapping[str, Any]] = {"when": "in_use"}
    _hook: Any = None  # a signal may end the run while it is made
    _norm_hook: Any = None
    _optimizer: Any = None  # while training lasts: a run that is kept must not keep a model

    def __init__(self, url: str | None = None, *, optimizer: Any, grad_norm: bool = False, **options: Any) -> None:
        super().__init__(url, optimizer=optimizer, **options)
        self._used: dict[str, Any] | None = None
        self._norm: Any = None
        if self._sender is None:
            return
        self._optimizer = optimizer = _wrappers.own_optimizer(optimizer)
        if grad_norm:
            try:
                self._norm_hook = optimizer.register_step_pre_hook(_uncompiled(self._measure))
            except Exception:
                self._notices.tell("grad_norm", "this optimizer has no hook before its step; no grad_norm is reported.")
        try:
            self._hook = optimizer.register_step_post_hook(_uncompiled(self._note))  # torch 2.0 and later
            self._read_lr = self._last_used
        except Exception:
            self._notices.tell("hook", "this optimizer has no hook after its step: call log before scheduler.step().")

    def _note(self, optimizer: Any, *_: Any) -> None:
        with contextlib.suppress(Exception):
            self._used = _optimizers.from_groups(optimizer)

    def _measure(self, optimizer: Any, *_: Any) -> None:
        with contextlib.suppress(Exception):
            self._norm = _gradients.of_groups(optimizer)

    def _last_used(self) -> dict[str, Any]:
        used = self._used
        found = _optimizers.from_groups(self._optimizer) if used is None else used
        return found if self._norm is None else {**found, "grad_norm": _wire.freeze(self._norm)}

    def _begin_end(self, status: str, reason: str | None, within_s: float) -> bool:
        """Take the hooks off the optimizer, whoever ends the run: a cell that is run again may keep the optimizer."""
        hooks, self._hook, self._norm_hook = (self._hook, self._norm_hook), None, None
        for hook in hooks:
            if hook is not None:
                with contextlib.suppress(Exception):
                    hook.remove()
        self._optimizer = None
        return super()._begin_end(status, reason, within_s)


def _uncompiled(hook: Callable[..., None]) -> Callable[..., None]:
    """Return a hook that `torch.compile` does not trace where a step is compiled: reading a rate would cut its graph.

    Making an optimizer imports dynamo, so where it is not there nothing is compiled.
    """
    disable = getattr(sys.modules.get("torch._dynamo"), "disable", None)
    return hook if disable is None else disable(hook)
