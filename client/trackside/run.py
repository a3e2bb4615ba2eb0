"""`Run`: what a training script holds. It raises on wrong arguments when it is made, and never again."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar

from trackside import _arguments, _config, _exit, _optimizers, _say, _signals, _wire, _wrappers, schedules
from trackside._records import Ending, Logged, refuse
from trackside._sender import Sender

# The names under which the service takes a value for the first group's rate.
_LR_NAMES = frozenset({"lr", "lr/0", "learning_rate", "train_lr", "train/lr", "train/learning_rate"})


class Run:
    """One training run, reported to a Trackside service in the background.

    ::

        with trackside.Run("http://127.0.0.1:8000", project="digits", optimizer=optimizer, scheduler=scheduler,
                           total_epochs=20) as run:
            for epoch in range(20):
                loss = train(...)
                run.log(epoch=epoch, train_loss=loss)
                scheduler.step()

    Without `url` and without TRACKSIDE_URL nothing is reported, which is said once on stderr. In a distributed job only
    rank 0 reports unless `all_ranks` asks for more.

    `optimizer` is a torch or Paddle optimizer: every `log` then carries the LR of each param group at that moment, so
    call `log` before `scheduler.step()`. `scheduler` is the live scheduler, from which the configured schedule is read;
    a Paddle optimizer brings its own. `scheduler_unit` says how the loop steps it: "epoch" (once an epoch, the default)
    or "step" (once an optimizer update); `scheduler_metric` names the reported metric that a ReduceLROnPlateau or
    GreedyLR is stepped with ("val_loss"). Where both are read, the rates are declared exact, and one that is passed to
    `log` gives way to the one read. `schedule` declares it by hand instead (see `trackside.schedules`).

    `stop_on="critical"` lets the service ask for an end: `should_stop` turns True once a critical alert opened.
    `resumed_from_step` is the step of the checkpoint that this process went on from, with the `run_id` of the run.

    Raises `TypeError` or `ValueError` on arguments that cannot be right. After construction nothing raises.
    """

    # What an adapter knows about the moment at which it reads the LR; part of a schedule read off a live scheduler.
    _reporting: ClassVar[Mapping[str, Any] | None] = None
    # How often an adapter's framework steps the scheduler in all, where that is no product of the run's counts.
    _ticks: int | None = None

    def __init__(
        self,
        url: str | None = None,
        *,
        project: str | None = None,
        name: str | None = None,
        run_id: str | uuid.UUID | None = None,
        schedule: Mapping[str, Any] | None = None,
        optimizer: Any | None = None,
        scheduler: Any | None = None,
        scheduler_unit: str = "epoch",
        scheduler_metric: str | None = None,
        total_epochs: int | None = None,
        steps_per_epoch: int | None = None,
        expectations: Sequence[Mapping[str, Any]] | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Sequence[str] | None = None,
        framework: str | None = None,
        num_classes: int | None = None,
        metric_names: Mapping[str, str] | None = None,
        metric_units: Mapping[str, str] | None = None,
        rules: Mapping[str, Any] | None = None,
        heartbeat_s: float | None = None,
        resumed_from_step: int | None = None,
        stop_on: str | None = None,
        all_ranks: bool | None = None,
        api_key: str | None = None,
    ) -> None:
        body = _arguments.declaration(
            project=project,
            name=name,
            schedule=schedule,
            total_epochs=total_epochs,
            steps_per_epoch=steps_per_epoch,
            expectations=expectations,
            params=params,
            tags=tags,
            framework=framework,
            num_classes=num_classes,
            metric_names=metric_names,
            metric_units=metric_units,
            rules=rules,
            heartbeat_s=heartbeat_s,
        )
        given = _arguments.identity(run_id)
        _arguments.check_rest(scheduler_unit, scheduler_metric, stop_on, api_key, resumed_from_step)
        optimizer = _wrappers.own_optimizer(optimizer)
        read_lr = None if optimizer is None else _optimizers.lr_reader(optimizer)
        settings = _config.load(url, api_key)
        self.id: str = str(given or _config.run_id_from_environment() or uuid.uuid4())
        self._pid = os.getpid()
        self._notices = _say.Notices()
        self._sender: Sender | None = None
        self._stop_on = stop_on
        self._ended = False
        self._read_lr: _optimizers.ReadLr | None = None
        self._exact = False
        self._lr_names = _LR_NAMES | {own for own, known in (metric_names or {}).items() if known in _LR_NAMES}
        if settings is None or not _reports(all_ranks):
            return
        self._label = (body["project"], body.get("name"))
        body.setdefault("name", f"{_arguments.script_name()}-{self.id[:8]}")
        self._describe(body, optimizer, scheduler, scheduler_unit, scheduler_metric)
        world_size = _config.world_size()
        if world_size is not None:
            body["params"] = {"world_size": world_size, **body.get("params", {})}
        process: dict[str, Any] = {"id": str(uuid.uuid4())}
        if resumed_from_step is not None:
            process["resumed_from_step"] = int(resumed_from_step)
        body["process"] = process
        try:
            # Here and not in the thread: a fork in the middle of another thread's import can deadlock the child.
            from trackside._transport import Transport

            transport = Transport(settings.url, settings.api_key)
        except Exception as error:
            _say.line(f"httpx cannot be used ({type(error).__name__}), so this run is not reported.")
            return
        self._read_lr = read_lr
        self._sender = Sender(settings, transport, run_id=self.id, body=body, notices=self._notices)
        self._exit_timeout_s = settings.exit_timeout_s
        _exit.register(self)
        self._sender.start()

    def log(
        self,
        *positional: Any,
        step: Any = None,
        epoch: Any = None,
        metrics: Any = None,
        **values: Any,
    ) -> None:
        """Report values at a place of the run: `run.log(step=300, epoch=3, train_loss=0.4, val_acc=91.2)`.

        `step` counts optimizer updates, `epoch` may be fractional; either may be left out. Names that are no Python
        identifiers go into a mapping, `run.log({"lr/1": 0.01}, step=300)`, also as `metrics=`; positional numbers are
        step and epoch. Values are numbers, numpy scalars, or one-element arrays and tensors of torch or Paddle, NaN and
        infinities included; None is skipped. Returns at once and never raises.
        """
        sender = self._sender
        if sender is None:
            return
        try:
            if self._pid != os.getpid():
                return
            if self._ended:
                self._notices.tell("ended", "log was called after the run's end; those values are not reported.")
                return
            if positional or metrics is not None:
                step, epoch, values = self._gather(positional, step, epoch, metrics, values)
            for value in values.values():
                kind = type(value)
                if kind is not float and kind is not int:
                    values = self._frozen(values)
                    break
            if step is not None and type(step) is not int:
                step = _still(step)
            if epoch is not None and type(epoch) is not int:
                epoch = _still(epoch)
            read_lr = self._read_lr
            if read_lr is not None and (self._lr_names.isdisjoint(values) or self._yields(values)):
                try:
                    read = read_lr()
                    values = {**read, **values, **read}  # first: what is too much in one call is cut off at its end
                except Exception as error:
                    refuse("lr", error, self._notices)
            sender.put(Logged(time.time(), step, epoch, values))
        except Exception as error:
            self._notices.tell("log", f"a call of log failed with {type(error).__name__}; its values are not reported.")

    def finish(self, status: str = "finished", reason: str | None = None) -> None:
        """End the run as "finished", "failed" or "killed", send what is left, and return after 3 s at the latest.

        The time is TRACKSIDE_EXIT_TIMEOUT. What could not be sent by then waits on disk for the next run. Never raises;
        a second call does nothing.
        """
        if self._begin_end(status or "failed", reason, self._timeout()):
            self._wait_end()

    @property
    def should_stop(self) -> bool:
        """True once the service told of a critical alert, if `stop_on="critical"` asked for that; else False."""
        return self._stop_on is not None and self._sender is not None and self._sender.critical

    @property
    def health(self) -> str | None:
        """The run's health as the service last told it ("ok", "info", "warning", "critical"), or None so far."""
        return None if self._sender is None else self._sender.health

    def __deepcopy__(self, memo: dict[int, Any]) -> Run:
        """A copied trainer reports to the same run."""
        return self

    def __reduce__(self) -> tuple[Callable[[str], Run], tuple[str]]:
        """A run that went through pickle, to a worker or a checkpoint, does nothing there."""
        return _inert, (self.id,)

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        status, reason = _exit.outcome(error)
        self.finish(status, reason)

    def _describe(self, body: dict[str, Any], optimizer: Any, scheduler: Any, unit: str, metric: str | None) -> None:
        """Add what the optimizer and the live scheduler tell. What cannot be read is told and left out."""
        if optimizer is not None:
            try:
                body["optimizer"] = _optimizers.describe(optimizer)
            except Exception as error:
                self._notices.tell("optimizer", f"the optimizer's settings cannot be read ({type(error).__name__}).")
            framework = _optimizers.framework_of(optimizer)
            if framework is not None:
                body.setdefault("framework", framework)
        if "schedule" in body:
            return
        try:
            scheduler = _optimizers.scheduler_within(optimizer) if scheduler is None else scheduler
            if scheduler is None:
                return
            scheduler = _wrappers.own_scheduler(scheduler)
            exact = optimizer is not None and _optimizers.keeps_floats(optimizer)
            body["schedule"] = self._read_schedule(scheduler, unit, metric, body, exact=exact)
            self._exact = exact
        except Exception as error:
            why = str(error) if isinstance(error, schedules.UnreadableScheduleError) else type(error).__name__
            self._notices.tell("schedule", f"the schedule is not reported, and so the LR not compared with it: {why}.")

    def _read_schedule(
        self, scheduler: Any, unit: str, metric: str | None, body: Mapping[str, Any], *, exact: bool
    ) -> dict[str, Any]:
        epochs, steps = body.get("total_epochs"), body.get("steps_per_epoch")
        length: int | None = self._ticks or epochs
        if unit == "step" and self._ticks is None:
            length = epochs * steps if epochs is not None and steps is not None else None
        built_for = schedules.ticks_built_for(scheduler)
        if unit == "epoch" and epochs is not None and built_for is not None and built_for > epochs:
            self._notices.tell(
                "unit",
                f"the scheduler is built for {built_for} ticks and the run has {epochs} epochs: if scheduler.step() is "
                'called every update, pass scheduler_unit="step"',
            )
        reporting = self._reporting
        if exact:
            reporting = {**(reporting or {}), "exact": True}
        return schedules.read(
            scheduler, unit=unit, steps_per_epoch=steps, length=length, reporting=reporting, metric=metric
        )

    def _yields(self, values: dict[str, Any]) -> bool:
        """Take a rate out of `values` that the one read goes before, since the schedule says that rates are exact.

        What was passed may be rounded. A None is left where it is: it says that this record is to carry no rate.
        """
        given = self._lr_names.intersection(values)
        if not self._exact or all(values[name] is None for name in given):
            return False
        for name in given:
            del values[name]
        return True

    def _frozen(self, values: dict[str, Any]) -> dict[str, Any]:
        frozen: dict[str, Any] = {}
        for name, value in values.items():
            self._freeze_into(frozen, name, value)
        return frozen

    def _freeze_into(self, frozen: dict[str, Any], name: str, value: Any) -> None:
        try:
            frozen[name] = _wire.freeze(value)
        except Exception as error:
            refuse(name, error, self._notices)

    def _gather(
        self, positional: tuple[Any, ...], step: Any, epoch: Any, metrics: Any, values: dict[str, Any]
    ) -> tuple[Any, Any, dict[str, Any]]:
        """Sort what came by position: mappings are metrics, then step, then epoch."""
        gathered: dict[str, Any] = {}
        places = []
        for item in positional:
            if isinstance(item, Mapping):
                gathered.update(item)
            else:
                places.append(item)
        if isinstance(metrics, Mapping):
            gathered.update(metrics)
        elif metrics is not None:
            gathered["metrics"] = metrics
        gathered.update(values)
        if places and step is None:
            step = places.pop(0)
        if places and epoch is None:
            epoch = places.pop(0)
        if places:
            self._notices.tell(
                "positional", "log takes a mapping, a step and an epoch by position; what else is given is left out."
            )
        return step, epoch, gathered

    def _timeout(self) -> float:
        return self._exit_timeout_s if self._sender is not None else 0.0

    @property
    def _is_handing_over(self) -> bool:
        return self._sender is not None and self._sender.handing_over

    def _begin_end(self, status: str, reason: str | None, within_s: float) -> bool:
        """Ask the sender to end; without a status the run goes on, in another process life. Returns False when there is
        nothing to wait for.

        Where Ctrl-C interrupted an earlier end, the interpreter's exit calls again and what is missing is made up for.
        """
        sender = self._sender
        if sender is None or sender.handed_over or self._pid != os.getpid():
            return False
        self._ended = True
        self._read_lr = None  # who keeps the run does not keep the model with it
        try:
            if status not in ("finished", "failed", "killed", ""):
                self._notices.tell(
                    "status", f"a run ends as finished, failed or killed, not {status!r}; taken as failed."
                )
                status = "failed"
            text = None if reason is None else _wire.text(str(reason))[: _wire.MAX_TEXT]
            sender.end(Ending(status, text), within_s=within_s)
        except Exception as error:
            self._notices.tell("finish", f"finish failed with {type(error).__name__}.")
            return False
        return True

    def _wait_end(self, *, patient: bool = True) -> None:
        """Wait for the end and hand over what is left. Only an interruption comes through."""
        try:
            if self._sender is not None:
                self._sender.wait(patient=patient)
                if self._sender.handed_over:
                    _exit.forget(self)
                    _signals.settle()
        except Exception as error:
            self._notices.tell("finish", f"finish failed with {type(error).__name__}.")


def _inert(run_id: str) -> Run:
    """Return a run that reports nothing."""
    run = Run.__new__(Run)
    run.id = run_id
    run._pid = -1
    run._notices = _say.Notices()
    run._sender = None
    run._stop_on = None
    run._ended = True
    return run


def _still(place: Any) -> Any:
    """Return a step or an epoch that later changes cannot alter; one that is no number is refused later."""
    try:
        return _wire.freeze(place)
    except _wire.RefusedError:
        return str(type(place).__name__)


def _reports(all_ranks: bool | None) -> bool:
    """Tell whether this process is the one of its job that reports."""
    if all_ranks or (all_ranks is None and _config.all_ranks_from_environment()):
        return True
    other = _config.other_rank(os.environ)
    if other is None:
        return _config.other_torch_rank() is None
    variable, rank = other
    if variable == "SLURM_PROCID":  # srun also starts tasks that have nothing to do with each other
        _say.once(
            "rank",
            f"SLURM_PROCID is {rank} and only rank 0 reports; for runs of their own, pass all_ranks=True or set "
            "TRACKSIDE_ALL_RANKS=1.",
        )
    return False
