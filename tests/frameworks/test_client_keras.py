"""The client beside real training with Keras, on its torch backend."""

# ruff: noqa: ARG002 - the hooks' arguments are named by Keras

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.client.receiver import Receiver
from tests.frameworks.real_keras import keras
from tests.frameworks.watching import critical, judged, newest, only_run, rates
from trackside.callbacks.keras import KerasCallback
from trackside_service.schedules import preview

# what keras itself warns of where it reads a variable of torch
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
decays = keras.optimizers.schedules
BATCHES = 6


class Used(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes the rate of every batch on its own. One that may do what it likes, for all that the client knows."""

    def __init__(self) -> None:
        super().__init__()
        self.lrs: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.lrs.append(float(self.model.optimizer.learning_rate))


class UsedByKeras(keras.callbacks.History):  # type: ignore[misc]
    """The same under a name of Keras' own."""

    lrs: list[float]
    on_train_batch_begin = Used.on_train_batch_begin

    def __init__(self) -> None:
        super().__init__()
        self.lrs = []


UsedByKeras.__module__ = "keras.src.callbacks.history"


def fit(*callbacks: Any, lr: Any = 0.1, epochs: int = 3, optimizer: Any = None, **options: Any) -> Any:
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(8 * BATCHES, 8)).astype("float32")
    y = (x[:, 0] > 0).astype("int64")
    model = keras.Sequential([keras.layers.Dense(16, activation="relu"), keras.layers.Dense(2)])
    model.compile(
        optimizer=optimizer or keras.optimizers.SGD(lr, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(k=1, name="top1")],
    )
    settings = {"batch_size": 8, "shuffle": False, "verbose": 0, "validation_data": (x, y), **options}
    model.fit(x, y, epochs=epochs, callbacks=list(callbacks), **settings)
    return model


SCHEDULES = {
    "cosine": lambda: decays.CosineDecay(0.01, 12, warmup_target=0.1, warmup_steps=4),
    "restarts": lambda: decays.CosineDecayRestarts(0.1, 5, alpha=0.1),
    "exponential": lambda: decays.ExponentialDecay(0.1, 6, 0.5, staircase=True),
    "piecewise": lambda: decays.PiecewiseConstantDecay([5, 11], [0.1, 0.05, 0.01]),
    "polynomial": lambda: decays.PolynomialDecay(0.1, 15, end_learning_rate=0.001, power=2.0),
    "inverse": lambda: decays.InverseTimeDecay(0.1, 4, 0.5),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_by_its_own_arguments(receiver: Receiver, name: str) -> None:
    used = Used()
    fit(KerasCallback(receiver.url, lr_every=1), used, lr=SCHEDULES[name]())
    run_id, body = only_run(receiver)
    schedule = body["schedule"]
    assert (schedule["framework"], schedule["class"]) == ("keras", type(SCHEDULES[name]()).__name__)
    assert (schedule["unit"], schedule["steps_per_epoch"]) == ("step", BATCHES)
    assert used.lrs == pytest.approx(preview(schedule, steps=range(18), total=None, metric=None)[0], rel=1e-6)
    assert rates(receiver, run_id) == dict(enumerate(used.lrs))


def test_a_training_is_reported_as_fit_makes_it(receiver: Receiver) -> None:
    callback = KerasCallback(receiver.url, project="digits", lr_every=4)
    assert isinstance(callback, keras.callbacks.Callback)
    fit(callback)
    run_id, body = only_run(receiver)
    assert (body["project"], body["framework"]) == ("digits", "keras")
    assert (body["total_epochs"], body["steps_per_epoch"]) == (3, BATCHES)
    assert body["params"] == {"gradient_accumulation_steps": 1}
    assert (body["optimizer"]["class"], body["optimizer"]["params"]["momentum"]) == ("SGD", 0.9)
    assert body["schedule"] == {"kind": "constant", "lr": pytest.approx(0.1)}
    records = receiver.stored(run_id)
    found = [(r["step"], r["epoch"]) for r in records if "lr" in r["metrics"]]
    assert found == [(0, 1), (4, 1), (5, 1), (8, 2), (11, 2), (12, 3), (16, 3), (17, 3)]
    summaries = [r for r in records if "step" not in r]
    assert [r["epoch"] for r in summaries] == [1, 2, 3]
    assert set(summaries[0]["metrics"]) == {"train_loss", "train_acc", "top1", "val_loss", "val_acc", "val_top1"}
    assert receiver.ends[run_id] == {"status": "finished"}


def test_with_a_callback_of_ones_own_a_constant_is_not_taken_for_granted(receiver: Receiver) -> None:
    fit(KerasCallback(receiver.url), Used())
    fit(KerasCallback(receiver.url), keras.callbacks.LambdaCallback())
    assert all("schedule" not in body for body in receiver.runs.values())


@pytest.mark.parametrize("schedule", [lambda epoch: 0.1 / (1 + epoch), lambda epoch, lr: lr * 0.5 if epoch else lr])
@pytest.mark.parametrize("before", [True, False])
def test_a_learning_rate_scheduler_is_a_table(receiver: Receiver, schedule: Any, before: bool) -> None:
    used = Used()
    callbacks = [KerasCallback(receiver.url, lr_every=1), keras.callbacks.LearningRateScheduler(schedule)]
    fit(*(callbacks if before else reversed(callbacks)), used)
    run_id, body = only_run(receiver)
    assert (body["schedule"]["kind"], body["schedule"]["unit"]) == ("table", "epoch")
    assert used.lrs == pytest.approx(preview(body["schedule"], steps=range(18), total=None, metric=None)[0])
    assert list(rates(receiver, run_id).values()) == used.lrs


@pytest.mark.parametrize(("recursive", "readable"), [(False, True), (True, False)])
def test_a_scheduler_under_way_is_read_where_it_looks_at_the_epoch_only(
    receiver: Receiver, capfd: pytest.CaptureFixture[str], recursive: bool, readable: bool
) -> None:
    schedule = (lambda epoch, lr: lr * (0.5 if epoch else 1.0)) if recursive else (lambda epoch: 0.1 / (1 + epoch))
    fit(KerasCallback(receiver.url), keras.callbacks.LearningRateScheduler(schedule), initial_epoch=1)
    _, body = only_run(receiver)
    assert ("schedule" in body) is readable
    assert ("is not known any more" in capfd.readouterr().err) is not readable


@pytest.mark.parametrize(("recursive", "readable"), [(False, True), (True, False)])
@pytest.mark.parametrize("other", ["a plateau", "another scheduler"])
def test_of_several_callbacks_that_set_the_rate_the_one_that_has_the_last_word_is_declared(
    receiver: Receiver, capfd: pytest.CaptureFixture[str], other: str, recursive: bool, readable: bool
) -> None:
    """One that goes on from the rate before it, which another one changes, cannot be known beforehand."""
    made = keras.callbacks
    halved = (lambda epoch, lr: lr * (0.5 if epoch else 1.0)) if recursive else (lambda epoch: 0.1 / (1 + epoch))
    change = (
        made.ReduceLROnPlateau(factor=0.5, patience=1, min_delta=1.0)
        if other == "a plateau"
        else made.LearningRateScheduler(lambda epoch: 0.2 + epoch)
    )
    used = Used()
    fit(KerasCallback(receiver.url, lr_every=1), change, made.LearningRateScheduler(halved), used, epochs=6)
    run_id, body = only_run(receiver)
    assert list(rates(receiver, run_id).values()) == used.lrs
    assert ("schedule" in body) is readable
    assert ("another callback changes that" in capfd.readouterr().err) is not readable
    if readable:
        assert used.lrs == pytest.approx(preview(body["schedule"], steps=range(36), total=None, metric=None)[0])


class Counting:
    """A schedule that goes on from one call to the next."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, epoch: int) -> float:
        self.asked += 1
        return 0.1 / self.asked


def listed() -> Any:
    rates = iter([0.1, 0.05, 0.02])
    return lambda epoch: next(rates) * 0.5**epoch


@pytest.mark.parametrize(("make", "readable"), [(Counting, True), (listed, False)])
def test_a_schedule_that_counts_its_calls_goes_on_as_it_would_without(
    receiver: Receiver, capfd: pytest.CaptureFixture[str], make: Any, readable: bool
) -> None:
    alone, used = Used(), Used()
    fit(keras.callbacks.LearningRateScheduler(make()), alone)
    fit(KerasCallback(receiver.url), keras.callbacks.LearningRateScheduler(make()), used)
    assert used.lrs == alone.lrs
    _, body = only_run(receiver)
    assert ("schedule" in body) is readable
    assert ("would notice that it is asked beforehand" in capfd.readouterr().err) is not readable
    if readable:
        assert used.lrs == pytest.approx(preview(body["schedule"], steps=range(18), total=None, metric=None)[0])


class Noam(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    def __call__(self, step: Any) -> Any:
        step = keras.ops.cast(step, "float32") + 1
        return 0.1 * keras.ops.minimum(keras.ops.rsqrt(step), step * 0.2)

    def get_config(self) -> dict[str, Any]:
        return {}


def test_a_schedule_of_ones_own_is_a_table(receiver: Receiver) -> None:
    used = Used()
    fit(KerasCallback(receiver.url, lr_every=1), used, lr=Noam())
    _, body = only_run(receiver)
    assert (body["schedule"]["kind"], body["schedule"]["unit"]) == ("table", "step")
    assert body["schedule"]["values"] == pytest.approx(used.lrs)


PLATEAUS = [(0, 0), (1, 1), (1, 3), (3, 0), (3, 2)]


@pytest.mark.parametrize(("patience", "cooldown"), PLATEAUS)
def test_a_plateau_gives_the_rates_of_keras(receiver: Receiver, patience: int, cooldown: int) -> None:
    """By the real callback, on a metric that falls, stands still and gets better once more."""
    noise = np.random.default_rng(patience * 10 + cooldown)
    values = [float(1 + math.exp(-t / 6) - 0.4 * (t > 25) + noise.normal(0, 0.02)) for t in range(40)]
    plateau = keras.callbacks.ReduceLROnPlateau(
        factor=0.5, patience=patience, cooldown=cooldown, min_delta=0.01, min_lr=1e-4
    )
    found = []

    class Fed(keras.callbacks.History):  # type: ignore[misc]
        """Puts the value into the logs of the epoch's end before the plateau sees them."""

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            found.append(float(self.model.optimizer.learning_rate))

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["val_loss"] = values[epoch]

    Fed.__module__ = "keras.src.callbacks.history"
    fit(KerasCallback(receiver.url), Fed(), plateau, epochs=40, batch_size=48, validation_data=None)
    _, body = only_run(receiver)
    assert body["schedule"]["metric"] == "val_loss"
    assert min(found) < 0.1
    assert found == pytest.approx(preview(body["schedule"], steps=None, total=40, metric=values)[0], rel=1e-6)


def test_a_training_that_goes_on_counts_on(receiver: Receiver) -> None:
    run_id = "5b1f4b8e-0000-4000-8000-000000000001"
    model = fit(KerasCallback(receiver.url, run_id=run_id, lr_every=1), lr=SCHEDULES["cosine"](), epochs=2)
    x = np.zeros((8 * BATCHES, 8), "float32")
    callback = KerasCallback(receiver.url, run_id=run_id, lr_every=1)
    model.fit(x, np.zeros(8 * BATCHES), batch_size=8, initial_epoch=2, epochs=3, verbose=0, callbacks=[callback])
    second = [request.body for request in receiver.requests if request.method == "PUT"][-1]
    assert second["process"]["resumed_from_step"] == 12
    assert sorted(rates(receiver, run_id)) == list(range(18))


@pytest.mark.parametrize(("initial", "compiled"), [(0, False), (2, True), (2, False)])
def test_a_second_fit_by_epochs_is_placed_by_its_own_epochs(url: str, initial: int, compiled: bool) -> None:
    """Fine-tuning: what was frozen is set free, and the model compiled anew for the epochs that are left."""
    callbacks = [KerasCallback(url, lr_every=1), keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 * 0.5**epoch)]
    model = fit(*callbacks, epochs=2)
    if compiled:
        model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = np.random.default_rng(0).normal(size=(8 * BATCHES, 8)).astype("float32")
    options = {"batch_size": 8, "verbose": 0, "callbacks": callbacks}
    model.fit(x, (x[:, 0] > 0).astype("int64"), initial_epoch=initial, epochs=initial + 3, **options)
    second = newest(url)
    assert second["processes"][0].get("resumed_from_step") == (6 * initial or None)
    assert judged(url, second["id"]) == ("on_schedule", [], [])


def test_batches_that_are_named_in_leaps_do_not_shift_the_updates(receiver: Receiver) -> None:
    """As with `steps_per_execution`, which the torch backend has not: of 10 batches in fours, 8 to 11 are the last."""
    callback = KerasCallback(receiver.url, lr_every=2)
    model = fit(epochs=0)
    model.optimizer.learning_rate = 0.1
    callback.set_model(model)
    callback.set_params({"epochs": 2, "steps": 10})
    callback.on_train_begin()
    for epoch in range(2):
        callback.on_epoch_begin(epoch)
        for first in (0, 4, 8):
            callback.on_train_batch_begin(first)
            model.optimizer._iterations.assign(min(10 * epoch + first + 4, 10 * epoch + 10))
            callback.on_train_batch_end(first + 3)
        callback.on_epoch_end(epoch, {"loss": 1.0})
    callback.on_train_end()
    run_id, _ = only_run(receiver)
    assert sorted(rates(receiver, run_id)) == [0, 4, 8, 10, 14, 18]


class Caller:
    """One that calls the callback by hand, and has a property that raises."""

    @property
    def callbacks(self) -> Any:
        raise RuntimeError("not yet")

    def begin(self, callback: Any) -> None:
        callback.on_train_begin()
        callback.on_epoch_begin(0)


def test_what_raises_around_the_callback_stays_there(receiver: Receiver) -> None:
    callback = KerasCallback(receiver.url)
    callback.set_model(fit(epochs=0))
    Caller().begin(callback)
    callback.on_train_end()
    run_id, body = only_run(receiver)
    assert "schedule" not in body
    assert receiver.ends[run_id] == {"status": "finished"}


class Break(keras.callbacks.Callback):  # type: ignore[misc]
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        raise RuntimeError("no space left")


def test_an_exception_is_a_failure(receiver: Receiver) -> None:
    with pytest.raises(RuntimeError, match="no space left"), KerasCallback(receiver.url) as callback:
        fit(callback, Break())
    run_id, _ = only_run(receiver)
    assert receiver.ends[run_id] == {"status": "failed", "reason": "RuntimeError: no space left"}


def test_a_loss_that_is_not_finite_is_reported_at_once(receiver: Receiver) -> None:
    fit(KerasCallback(receiver.url, lr_every=100), lr=1e38, epochs=1)
    run_id, _ = only_run(receiver)
    bad = [r["step"] for r in receiver.stored(run_id) if "step" in r and "train_loss" in r["metrics"]]
    assert bad[0] < 5


class Wait(keras.callbacks.Callback):  # type: ignore[misc]
    """Lets the answer to the first batch arrive, as a longer one would."""

    def __init__(self, receiver: Receiver, callback: Any) -> None:
        super().__init__()
        self.receiver, self.callback = receiver, callback

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        run = self.callback.run
        self.receiver.wait_for(lambda: run.should_stop or run.health == "critical")


@pytest.mark.parametrize(("stop_on", "steps"), [("critical", 2), (None, 18)])
def test_training_stops_where_asked(receiver: Receiver, stop_on: str | None, steps: int) -> None:
    receiver.behave = critical
    callback = KerasCallback(receiver.url, stop_on=stop_on)
    model = fit(callback, Wait(receiver, callback))
    assert int(model.optimizer.iterations) == steps


def test_training_is_the_same_with_and_without_the_client(receiver: Receiver) -> None:
    bare, watched = (fit(each, lr=SCHEDULES["cosine"]()) for each in (KerasCallback(), KerasCallback(receiver.url)))
    for one, other in zip(bare.get_weights(), watched.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_the_right_training_is_silent_and_the_misused_schedule_named(url: str) -> None:
    """With gradient accumulation Keras asks a schedule that was built for updates at every batch."""
    found = []
    for accumulation in (None, 3):
        optimizer = keras.optimizers.SGD(
            decays.CosineDecay(0.1, 36 // (accumulation or 1)), gradient_accumulation_steps=accumulation
        )
        fit(KerasCallback(url, lr_every=1), epochs=6, optimizer=optimizer)
        found.append(judged(url, newest(url)["id"]))
    assert found[0] == ("on_schedule", [], [])
    verdict, alerts, causes = found[1]
    assert (verdict, alerts) == ("off_schedule", ["LR001"])
    assert "grad_accum_micro_step" in causes


def test_a_plateau_follows_what_it_monitors(url: str) -> None:
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="val_accuracy", factor=0.5, patience=1, min_delta=0.2)
    used = Used()
    fit(KerasCallback(url, lr_every=1), plateau, used, epochs=6)
    assert min(used.lrs) < max(used.lrs)
    run = newest(url)
    assert (run["declaration"]["schedule"]["mode"], run["declaration"]["schedule"]["metric"]) == ("max", "val_acc")
    assert judged(url, run["id"])[:2] == ("on_schedule", [])
