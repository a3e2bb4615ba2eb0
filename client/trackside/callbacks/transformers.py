"""transformers: `TransformersCallback` for `Trainer`, which imports transformers when it is first asked for."""

# ruff: noqa: ARG002 - the hooks' arguments are named by transformers

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, ClassVar

from trackside import _config, _optimizers, _wrappers, schedules
from trackside.callbacks._loop import FitRun, Loop, own_or_canonical

__all__ = ["TransformersCallback"]  # noqa: F822 - made by __getattr__

_STATE = "trackside"  # the key in the trainer's state, and so in its checkpoints
_SPEEDS = ("_runtime", "_samples_per_second", "_steps_per_second", "_model_preparation_time", "_jit_compilation_time")


class _TrainerRun(FitRun):
    """A run whose rates are those in use, at updates counted from 1, as `global_step` does."""

    _reporting: ClassVar[Mapping[str, Any]] = {"when": "in_use", "step_base": 1}


class _Train(Loop):
    """Reports a `transformers.Trainer`'s training. Arguments are those of `Run`, and `lr_every`.

    The schedule comes from the `TrainingArguments` where the live scheduler is the one that they make, else from that
    scheduler; optimizer, epochs, steps per epoch, gradient accumulation and world size come from the trainer. The LR of
    every param group is read before each optimizer step and reported every `lr_every` updates and with each log. Steps
    are `global_step` without updates that a gradient scaler skipped (the trainer steps no scheduler then), epochs
    fractional, as the trainer prints them. Losses and accuracies are reported as train_loss,
    val_loss and val_acc, other metrics by their own names (the gradients' norm among them, which the trainer logs by
    itself); the summary after the last update is left out.

    A checkpoint remembers the run: `resume_from_checkpoint` goes on with it, unless `run_id` or TRACKSIDE_RUN_ID says
    otherwise. With `stop_on="critical"` training stops after the update (`control.should_training_stop`). The trainer
    tells its callbacks of no exception: one that ends the script is reported, for one that is caught write
    `with TransformersCallback(...) as callback:` around `trainer.train()`.
    """

    _framework = "transformers"

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the run."""
        self._lrs: dict[str, Any] = {}
        self._reported = -1
        self._skipped = 0  # updates that were none: a scaler of gradients found them not finite
        self._start(self._begin, args, state, kwargs)

    def _begin(self, args: Any, state: Any, kwargs: Mapping[str, Any]) -> None:
        options = dict(self._options)
        optimizer = _wrappers.own_optimizer(kwargs.get("optimizer"))
        scheduler = kwargs.get("lr_scheduler")
        self._place(args, state, kwargs.get("train_dataloader"), options)
        self._with_params(
            options,
            gradient_accumulation_steps=args.gradient_accumulation_steps,
            world_size=args.world_size,
            per_device_train_batch_size=args.per_device_train_batch_size,
        )
        unit = options.setdefault("scheduler_unit", "step")
        remembered = state.stateful_callbacks.get(_STATE)
        if state.global_step:
            if isinstance(remembered, Mapping):
                self._skipped = int(remembered.get("skipped", 0))
                if _config.run_id_from_environment() is None:
                    options.setdefault("run_id", remembered.get("run_id"))
            options.setdefault("resumed_from_step", state.global_step - self._skipped)
        if options.get("schedule") is None and unit == "step":
            with contextlib.suppress(Exception):
                options["schedule"] = (
                    self._plateau(args, scheduler, options)
                    if _follows_metric(scheduler)
                    else _from_arguments(args, state, scheduler, options)
                )
        try:
            self._read = _optimizers.lr_reader(optimizer)
        except TypeError:  # none, or one of a framework between, without groups
            optimizer = None
        ticks = state.max_steps if options["scheduler_unit"] == "step" else None
        self.run = _TrainerRun(self._url, ticks=ticks, optimizer=optimizer, scheduler=scheduler, **options)
        state.stateful_callbacks[_STATE] = {"run_id": self.run.id, "skipped": self._skipped}

    def _place(self, args: Any, state: Any, loader: Any, options: dict[str, Any]) -> None:
        """Epochs and updates an epoch, where they are whole numbers that make up the training."""
        accumulation = args.gradient_accumulation_steps
        steps = None
        with contextlib.suppress(TypeError):  # a loader without a length
            steps = max(1, -(-len(loader) // accumulation))
        whole = args.max_steps <= 0 and state.num_train_epochs == args.num_train_epochs
        if whole and state.max_steps % state.num_train_epochs == 0:
            steps = state.max_steps // state.num_train_epochs  # whatever rounding this version has
        if steps is not None and options.setdefault("steps_per_epoch", steps) == steps:
            epochs, rest = divmod(state.max_steps, steps)
            if epochs and not rest:
                options.setdefault("total_epochs", epochs)

    def _plateau(self, args: Any, scheduler: Any, options: Mapping[str, Any]) -> dict[str, Any]:
        """What follows a metric, from the arguments or of one's own: the trainer steps it at each evaluation."""
        name = args.metric_for_best_model or "loss"
        name = name if name.startswith("eval_") else f"eval_{name}"
        followed = own_or_canonical(name, "eval_", "val", options.get("metric_names") or {})
        found = schedules.torch(scheduler, unit="step")
        own = found["params"]
        if found["framework"] == "torch":
            own = {"name": "reduce_lr_on_plateau", "scheduler_specific_kwargs": own}
        return _declared(scheduler, options, own, metric=options.get("scheduler_metric", followed))

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Read the LR that the update will use, for versions that do not tell of the moment before it."""
        self._note()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Read the LR that the update will use."""
        self._note()

    def _note(self) -> None:
        if self._read is not None:
            with contextlib.suppress(Exception):
                self._lrs = self._read()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Report the LR that the update used, and stop where that was asked for."""
        if self.run is None:
            return
        with contextlib.suppress(Exception):
            if getattr(kwargs.get("optimizer"), "step_was_skipped", False):  # then no step of the scheduler was made
                self._skipped += 1
                state.stateful_callbacks[_STATE]["skipped"] = self._skipped
            elif (self._updates(state) - 1) % self._lr_every == 0 or state.global_step >= state.max_steps:
                self._report(state, {})
            if self.run.should_stop:
                control.should_training_stop = True

    def _report(self, state: Any, values: dict[str, Any]) -> None:
        if self.run is None:
            return
        step = self._updates(state)
        self.run.used = self._lrs if step and step != self._reported else {}
        self._reported = step
        self.run.log(values, step=step, epoch=state.epoch)

    def _updates(self, state: Any) -> int:
        return int(state.global_step) - self._skipped

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Report what the trainer logs: the loss since the last log, the gradient's norm, an evaluation."""
        if self.run is None or not logs or "train_runtime" in logs:
            return
        with contextlib.suppress(Exception):
            kept = {
                name: value
                for name, value in logs.items()
                if name not in ("epoch", "learning_rate", "step", "total_flos") and not name.endswith(_SPEEDS)
            }
            kept = self._named(kept, "eval_", "val")
            if "loss" in kept and "loss" not in (self._options.get("metric_names") or {}):
                kept["train_loss"] = kept.pop("loss")
            self._report(state, kept)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End the run."""
        self._end()


def _follows_metric(scheduler: Any) -> bool:
    """Tell those that the trainer steps with a metric."""
    return any(base.__name__ in ("ReduceLROnPlateau", "GreedyLR") for base in type(scheduler).__mro__)


def _from_arguments(args: Any, state: Any, scheduler: Any, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schedule that the arguments name, if the live scheduler computes the same factors; else None."""
    name = str(getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type))
    total = state.max_steps
    warm = args.get_warmup_steps(total)
    own = args.lr_scheduler_kwargs or {}
    params: dict[str, Any] = {"name": name, "num_warmup_steps": warm, "num_training_steps": total}
    if own:
        params["scheduler_specific_kwargs"] = dict(own)
    if not _same(scheduler, _twin(scheduler.optimizer, params), total, warm):
        return None
    return _declared(scheduler, options, params)


def _declared(
    scheduler: Any, options: Mapping[str, Any], params: Mapping[str, Any], metric: str | None = None
) -> dict[str, Any]:
    exact = {"exact": True} if _optimizers.keeps_floats(scheduler.optimizer) else {}
    return schedules.declare(
        "transformers",
        "get_scheduler",
        base_lr=schedules.base_lr(scheduler),
        unit="step",
        steps_per_epoch=options.get("steps_per_epoch"),
        reporting={**_TrainerRun._reporting, **exact},
        metric=metric,
        **params,
    )


def _twin(optimizer: Any, params: Mapping[str, Any]) -> Any:
    """What `get_scheduler` makes of the arguments, over parameters of one element."""
    import torch
    from transformers import get_scheduler

    groups = [
        {"params": [torch.zeros(1)], "lr": float(group.get("initial_lr", group["lr"]))}
        for group in optimizer.param_groups
    ]
    return get_scheduler(optimizer=torch.optim.SGD(groups, lr=float(optimizer.defaults["lr"])), **params)


def _same(scheduler: Any, twin: Any, total: int, warm: int) -> bool:
    """Tell whether two LambdaLR have the same base rates, and the same factors over the training and past it."""
    ticks = {*range(0, total + 1, max(1, total // 200)), warm - 1, warm, warm + 1, total - 1, total, total + 7}
    return (
        list(scheduler.base_lrs) == list(twin.base_lrs)
        and len(scheduler.lr_lambdas) == len(twin.lr_lambdas)
        and all(
            one(tick) == other(tick)
            for one, other in zip(scheduler.lr_lambdas, twin.lr_lambdas)
            for tick in sorted(ticks)
            if tick >= 0
        )
    )


def __getattr__(name: str) -> Any:
    if name != "TransformersCallback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from transformers import TrainerCallback

    made = type(name, (_Train, TrainerCallback), {"__module__": __name__, "__doc__": _Train.__doc__})
    globals()[name] = made
    return made
