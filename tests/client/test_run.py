"""What a script's run sends, in which order, and that nothing comes back to the script."""

from __future__ import annotations

import copy
import math
import pickle
import sys
import threading
import uuid
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import trackside
from tests.client.receiver import Receiver, Reply, Request


def test_records_arrive_in_order_with_their_seq(receiver: Receiver) -> None:
    with trackside.Run(receiver.url, project="digits", name="first") as run:
        for step in range(1234):
            run.log(step=step, epoch=step / 100, train_loss=1 / (step + 1))
    records = receiver.stored(run.id)
    assert [record["step"] for record in records] == list(range(1234))
    assert [record["seq"] for record in records] == list(range(1234))
    assert records[250]["epoch"] == 2.5
    assert records[10]["metrics"] == {"train_loss": 1 / 11}
    assert receiver.requests[0].method == "PUT"
    assert receiver.requests[-1].method == "PATCH"
    assert receiver.ends[run.id] == {"status": "finished"}


def test_the_declaration_carries_what_was_given(receiver: Receiver) -> None:
    run_id = uuid.uuid4()
    run = trackside.Run(
        receiver.url + "/",
        project="digits",
        name="first",
        run_id=run_id,
        schedule=trackside.schedules.constant(0.1),
        total_epochs=20,
        steps_per_epoch=np.int64(391),  # type: ignore[arg-type]
        expectations=[{"metric": "val_acc", "epoch": 1, "min": 85.0}],
        params={"batch": 64, "layers": (64, 10), "limit": math.inf, "model": object()},
        tags=["baseline"],
        framework="torch",
        num_classes=10,
        metric_names={"top1": "val_acc"},
        metric_units={"val_acc": "percent"},
        rules={"LOSS001": {"enabled": False}},
        heartbeat_s=30,
        resumed_from_step=700,
        api_key="k-123",
    )
    run.finish()
    assert run.id == str(run_id)
    body = receiver.runs[run.id]
    process = body.pop("process")
    assert str(uuid.UUID(process["id"])) == process["id"]
    assert process["resumed_from_step"] == 700
    assert body == {
        "project": "digits",
        "name": "first",
        "schedule": {"kind": "constant", "lr": 0.1},
        "total_epochs": 20,
        "steps_per_epoch": 391,
        "expectations": [{"metric": "val_acc", "epoch": 1, "min": 85.0}],
        "params": {"batch": 64, "layers": [64, 10], "limit": "Infinity", "model": "<object>"},
        "tags": ["baseline"],
        "framework": "torch",
        "num_classes": 10,
        "metric_names": {"top1": "val_acc"},
        "metric_units": {"val_acc": "percent"},
        "rules": {"LOSS001": {"enabled": False}},
        "heartbeat_s": 30.0,
    }
    assert receiver.requests[0].headers["Authorization"] == "Bearer k-123"


def test_numbers_that_json_has_not_travel_as_text(receiver: Receiver) -> None:
    with trackside.Run(receiver.url) as run:
        run.log(step=0, a=math.nan, b=math.inf, c=-math.inf, d=np.float32("nan"), e=10**400)
    assert receiver.stored(run.id)[0]["metrics"] == {
        "a": "NaN",
        "b": "Infinity",
        "c": "-Infinity",
        "d": "NaN",
        "e": "Infinity",
    }


def test_values_of_every_kind(receiver: Receiver, capfd: pytest.CaptureFixture[str]) -> None:
    array = np.array([0.5])
    with trackside.Run(receiver.url) as run:
        run.log(
            step=np.int64(3),
            epoch=np.float32(1),
            integer=7,
            scalar=np.float64(0.25),
            half=np.float16(0.5),
            array=array,
            fraction=Fraction(1, 4),
            absent=None,
            text="0.5",
            flag=True,
            numpy_flag=np.bool_(True),
            several=np.zeros(3),
            other=object(),
            imaginary=1j,
        )
        array[0] = 99.0  # what was logged is what the array held then
    record = receiver.stored(run.id)[0]
    assert record["step"] == 3
    assert record["epoch"] == 1
    assert record["metrics"] == {"integer": 7.0, "scalar": 0.25, "half": 0.5, "array": 0.5, "fraction": 0.25}
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("trackside: 'text' is not reported: text is no number")


def test_a_whole_number_that_nobody_can_write_costs_nothing_else(receiver: Receiver) -> None:
    with trackside.Run(receiver.url, params={"seed": 2**128, "huge": 10**5000}) as run:
        run.log(step=0, train_loss=1.0)
    assert receiver.runs[run.id]["params"] == {"seed": 2**128, "huge": "<int of 16610 bits>"}
    assert len(receiver.stored(run.id)) == 1


def test_a_meter_is_read_when_it_is_logged(receiver: Receiver) -> None:
    class Meter:
        total = 0.5

        def __float__(self) -> float:
            assert threading.current_thread() is threading.main_thread()
            return self.total

    meter = Meter()
    with trackside.Run(receiver.url) as run:
        run.log({"loss": meter}, step=0, epoch=meter)
        meter.total = 99.0
    (record,) = receiver.stored(run.id)
    assert (record["metrics"], record["epoch"]) == ({"loss": 0.5}, 0.5)


def test_a_place_that_the_service_does_not_take_costs_no_value(
    receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    with trackside.Run(receiver.url) as run:
        run.log(step=2**62, epoch=10**9, train_loss=0.0)
        run.log(step=2**62 + 1, train_loss=1.0)
        run.log(step=10**300, epoch=1.7e12, train_loss=2.0)  # a time in milliseconds
    found = [(r.get("step"), r.get("epoch"), r["metrics"]["train_loss"]) for r in receiver.stored(run.id)]
    assert found == [(2**62, 10**9, 0.0), (None, None, 1.0), (None, None, 2.0)]
    assert len(capfd.readouterr().err.splitlines()) == 2


def test_names_that_are_no_identifiers_and_places_by_position(receiver: Receiver) -> None:
    with trackside.Run(receiver.url) as run:
        run.log({"lr/1": 0.5}, step=1)
        run.log(2, 1, train_loss=0.5)
        run.log(metrics={"val/acc": 0.5}, epoch=2)
        run.log(metrics=3.0, step=4)
    found = [(r.get("step"), r.get("epoch"), r["metrics"]) for r in receiver.stored(run.id)]
    assert found == [
        (1, None, {"lr/1": 0.5}),
        (2, 1, {"train_loss": 0.5}),
        (None, 2, {"val/acc": 0.5}),
        (4, None, {"metrics": 3.0}),
    ]


def test_nothing_wrong_in_a_call_of_log_raises(receiver: Receiver, capfd: pytest.CaptureFixture[str]) -> None:
    class Evil:
        def __float__(self) -> float:
            raise RuntimeError("evil")

    with trackside.Run(receiver.url) as run:
        run.log(step="three", train_loss=1.0)
        run.log(step=-1, train_loss=2.0)
        run.log(step=1.5, epoch=math.nan, train_loss=3.0)
        run.log({"": 1.0, "bad\nname": 1.0, "x" * 201: 1.0, 5: 1.0, "evil": Evil()}, step=9)
        run.log(1, 2, 3, 4, train_loss=4.0)
        run.log({f"m{i}": float(i) for i in range(1500)}, step=10)
        run.log()
    records = receiver.stored(run.id)
    assert [r["metrics"].get("train_loss") for r in records] == [1.0, 2.0, 3.0, 4.0, None]
    assert ["step" in r for r in records] == [False, False, False, True, True]
    assert len(records[-1]["metrics"]) == 1000
    errors = capfd.readouterr().err
    assert all(line.startswith("trackside: ") for line in errors.splitlines())
    assert len(errors.splitlines()) == 4  # step, epoch, value, positional: once each


def test_an_exception_marks_the_run_failed_and_goes_on_up(receiver: Receiver) -> None:
    run = trackside.Run(receiver.url)

    def train() -> None:
        with run:
            run.log(step=0, train_loss=1.0)
            raise ValueError("first line\n  the last line  \n")

    with pytest.raises(ValueError, match="first"):
        train()
    assert receiver.ends[run.id] == {"status": "failed", "reason": "ValueError: the last line"}
    assert len(receiver.stored(run.id)) == 1


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (KeyboardInterrupt(), {"status": "killed", "reason": "KeyboardInterrupt"}),
        (SystemExit(0), {"status": "finished"}),
        (SystemExit(3), {"status": "failed", "reason": "SystemExit: 3"}),
        (AssertionError(), {"status": "failed", "reason": "AssertionError"}),
    ],
)
def test_other_ways_out(receiver: Receiver, error: BaseException, end: dict[str, str]) -> None:
    with pytest.raises(type(error)), trackside.Run(receiver.url) as run:
        raise error
    assert receiver.ends[run.id] == end


def test_finish_says_how_and_a_second_one_does_nothing(receiver: Receiver, capfd: pytest.CaptureFixture[str]) -> None:
    run = trackside.Run(receiver.url)
    run.finish("killed", reason="preempted")
    run.finish("finished")
    run.log(step=0, train_loss=1.0)
    run.log(step=1, train_loss=1.0)
    assert receiver.ends[run.id] == {"status": "killed", "reason": "preempted"}
    assert receiver.stored(run.id) == []
    assert capfd.readouterr().err.count("\n") == 1


def test_should_stop_only_where_asked(receiver: Receiver) -> None:
    alert = {"code": "LOSS001", "severity": "critical", "state": "open", "event": "opened"}

    def behave(request: Request) -> Reply | None:
        if request.method != "POST":
            return None
        return Reply(200, {"accepted": 1, "duplicates": 0, "health": "critical", "alerts": [alert]})

    receiver.behave = behave
    asked = trackside.Run(receiver.url, stop_on="critical")
    other = trackside.Run(receiver.url)
    assert [asked.should_stop, other.should_stop] == [False, False]
    for run in (asked, other):
        run.log(step=0, train_loss=math.nan)
    receiver.wait_for(lambda: sum(request.method == "POST" for request in receiver.requests) == 2)
    for run in (asked, other):
        run.finish()
    assert [asked.should_stop, other.should_stop] == [True, False]
    assert asked.health == "critical"


@pytest.mark.parametrize("symptoms", [5, True, "no", {"a": 1}, [None]])
def test_an_alert_of_nonsense_stops_nothing(receiver: Receiver, symptoms: Any) -> None:
    alert = {"id": [], "severity": "critical", "state": [], "event": {}, "symptoms": symptoms}
    told: list[Request] = []

    def behave(request: Request) -> Reply | None:
        if request.method != "POST" or told:
            return None
        told.append(request)
        receiver.serve(request)
        return Reply(200, {"accepted": 1, "duplicates": 0, "alerts": [alert]})

    receiver.behave = behave
    run = trackside.Run(receiver.url, stop_on="critical")
    run.log(step=0, train_loss=1.0)
    receiver.wait_for(lambda: bool(told))
    run.log(step=1, train_loss=1.0)
    run.finish()
    assert [record["step"] for record in receiver.stored(run.id)] == [0, 1]
    assert receiver.ends[run.id] == {"status": "finished"}
    assert not run.should_stop


def test_a_key_may_end_in_a_line_break(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKSIDE_API_KEY", "from-a-file\n")
    for key in (None, "from-code\n"):
        with trackside.Run(receiver.url, api_key=key):
            pass
    assert {r.headers["Authorization"] for r in receiver.requests} == {"Bearer from-a-file", "Bearer from-code"}


def test_text_that_utf_8_has_not_costs_nothing_else(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file's name that is no UTF-8 comes with lone surrogates (PEP 383); a NUL no database takes."""
    odd = "data/\udcff.csv"
    monkeypatch.setenv("TRACKSIDE_PROJECT", odd)
    run = trackside.Run(
        receiver.url,
        name=odd,
        tags=[odd],
        params={odd: [odd, "a\0b"]},
        schedule={"kind": "constant", "lr": 0.1, odd: odd},
    )
    run.log({odd: 1.0}, step=0)
    run.finish("failed", reason=f"FileNotFoundError: {odd}")
    body = receiver.runs[run.id]
    assert (body["project"], body["name"], body["tags"]) == ("data/?.csv", "data/?.csv", ["data/?.csv"])
    assert body["params"] == {"data/?.csv": ["data/?.csv", "a?b"]}
    assert body["schedule"] == {"kind": "constant", "lr": 0.1, "data/?.csv": "data/?.csv"}
    assert receiver.stored(run.id)[0]["metrics"] == {"data/?.csv": 1.0}
    assert receiver.ends[run.id] == {"status": "failed", "reason": "FileNotFoundError: data/?.csv"}


@pytest.mark.parametrize("rank", [0, 1])
def test_torch_may_know_the_rank_where_no_variable_does(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    known = {"is_available": lambda: True, "is_initialized": lambda: True, "get_rank": lambda: rank}
    monkeypatch.setitem(sys.modules, "torch.distributed", SimpleNamespace(**known))
    with trackside.Run(receiver.url):
        pass
    assert len(receiver.runs) == int(rank == 0)
    with trackside.Run(receiver.url, all_ranks=True):
        pass
    assert len(receiver.runs) == int(rank == 0) + 1


@pytest.mark.parametrize(
    "alert",
    [
        {"code": "LR001", "severity": "warning", "state": "open", "event": "opened"},
        {"code": "LOSS001", "severity": "critical", "state": "resolved", "event": "resolved"},
        {"code": "LOSS001", "severity": "critical", "state": "resolved", "event": "opened"},
    ],
)
def test_no_stop_for_a_warning_or_what_is_over(receiver: Receiver, alert: dict[str, Any]) -> None:
    answer = {"accepted": 1, "duplicates": 0, "health": "warning", "alerts": [alert]}
    receiver.behave = lambda request: Reply(200, answer) if request.method == "POST" else None
    with trackside.Run(receiver.url, stop_on="critical") as run:
        run.log(step=0, train_loss=1.0)
    assert not run.should_stop


def test_what_an_earlier_life_left_open_stops_nobody(receiver: Receiver) -> None:
    """The answers of the service to a run that was resumed with its alert open, and a post that was repeated."""
    old = {"id": "a", "code": "LOSS001", "severity": "critical", "state": "open", "event": "changed"}
    answers: dict[str, dict[str, Any]] = {
        "PUT": {"processes": [{}, {}], "health": "critical", "alerts": [old]},
        "POST": {"accepted": 0, "duplicates": 1, "health": "critical", "alerts": [old]},
        "PATCH": {"health": "critical", "alerts": [{**old, "state": "ended"}]},
    }
    receiver.behave = lambda request: Reply(200, answers[request.method])
    with trackside.Run(receiver.url, stop_on="critical") as resumed:
        resumed.log(step=0, train_loss=1.0)
    assert (resumed.should_stop, resumed.health) == (False, "critical")
    answers["POST"]["alerts"] = [{**old, "id": "b"}]  # a warning of this life that became critical
    with trackside.Run(receiver.url, stop_on="critical") as worse:
        worse.log(step=0, train_loss=1.0)
    assert worse.should_stop
    answers["PUT"] = {"processes": [{}], "health": "ok", "alerts": []}
    answers["POST"]["alerts"] = []  # a first life's own post, whose answer was lost
    with trackside.Run(receiver.url, stop_on="critical") as repeated:
        repeated.log(step=0, train_loss=1.0)
    assert repeated.should_stop


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"url": 5}, TypeError, "url must be text"),
        ({"url": "localhost:8000"}, ValueError, "http or https"),
        ({"url": "ftp://host"}, ValueError, "http or https"),
        ({"url": "http://host:99999"}, ValueError, "http or https"),
        ({"url": "http://me:secret@host"}, ValueError, "api_key"),
        ({"project": 5}, TypeError, "project must be text"),
        ({"name": "a\nb"}, ValueError, "printable"),
        ({"name": "x" * 201}, ValueError, "200"),
        ({"run_id": "seven"}, ValueError, "UUID"),
        ({"run_id": 7}, TypeError, "UUID"),
        ({"total_epochs": 0}, ValueError, "at least 1"),
        ({"total_epochs": 2.5}, TypeError, "whole number"),
        ({"steps_per_epoch": True}, TypeError, "whole number"),
        ({"resumed_from_step": -1}, ValueError, "at least 0"),
        ({"resumed_from_step": 2**62 + 1}, ValueError, "at most 4,611,686,018,427,387,904"),
        ({"total_epochs": 10**9 + 1}, ValueError, "at most 1,000,000,000"),
        ({"heartbeat_s": 0}, ValueError, "more than 0"),
        ({"heartbeat_s": "30"}, TypeError, "seconds"),
        ({"params": [1]}, TypeError, "mapping"),
        ({"params": {1: 2}}, TypeError, "keys"),
        ({"tags": "one"}, TypeError, "list"),
        ({"expectations": {"metric": "val_acc"}}, TypeError, "list"),
        ({"expectations": ["val_acc"]}, TypeError, "mapping"),
        ({"schedule": {"T_max": 5}}, ValueError, "framework"),
        ({"metric_units": {"val_acc": 1}}, TypeError, "text"),
        ({"scheduler_unit": "batch"}, ValueError, "scheduler_unit"),
        ({"stop_on": "warning"}, ValueError, "critical"),
        ({"optimizer": object()}, TypeError, "torch or Paddle"),
        ({"api_key": "a\nb"}, ValueError, "api_key"),
        ({"api_key": 5}, TypeError, "api_key"),
    ],
)
def test_wrong_arguments_raise_when_the_run_is_made(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        trackside.Run(**options)


def test_the_environment_says_where_and_as_whom(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = str(uuid.uuid4())
    monkeypatch.setenv("TRACKSIDE_URL", receiver.url)
    monkeypatch.setenv("TRACKSIDE_API_KEY", "k-9")
    monkeypatch.setenv("TRACKSIDE_PROJECT", "from-env")
    monkeypatch.setenv("TRACKSIDE_RUN_ID", run_id)
    with trackside.Run() as run:
        run.log(step=0, train_loss=1.0)
    assert run.id == run_id
    assert receiver.runs[run_id]["project"] == "from-env"
    assert receiver.runs[run_id]["name"].endswith(run_id[:8])
    assert {request.headers["Authorization"] for request in receiver.requests} == {"Bearer k-9"}


@pytest.mark.parametrize(
    ("ranks", "reports"),
    [
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "8", "LOCAL_RANK": "0"}, False),
        ({"RANK": "0", "SLURM_PROCID": "5"}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"PADDLE_TRAINER_ID": "1"}, False),
        ({"SLURM_PROCID": "1"}, False),
        ({"RANK": "none"}, True),
        ({"RANK": "3", "TRACKSIDE_ALL_RANKS": "1"}, True),
    ],
)
def test_only_rank_0_reports(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, ranks: dict[str, str], reports: bool
) -> None:
    for name, value in ranks.items():
        monkeypatch.setenv(name, value)
    with trackside.Run(receiver.url) as run:
        run.log(step=0, train_loss=1.0)
    assert bool(receiver.requests) == reports
    assert len(receiver.stored(run.id)) == int(reports)


def test_threads_log_together(receiver: Receiver) -> None:
    run = trackside.Run(receiver.url)

    def work(worker: int) -> None:
        for step in range(300):
            run.log(step=step, **{f"worker{worker}": step})

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.finish()
    records = receiver.stored(run.id)
    assert [record["seq"] for record in records] == list(range(1200))
    for worker in range(4):
        steps = [r["metrics"][f"worker{worker}"] for r in records if f"worker{worker}" in r["metrics"]]
        assert steps == list(range(300))


class TorchLike:
    """An optimizer with groups, as torch has them."""

    def __init__(self, *lrs: float) -> None:
        self.param_groups = [{"params": [], "lr": lr} for lr in lrs]
        self.defaults = {"lr": lrs[0], "betas": (0.9, 0.999), "foreach": None}


def test_the_lr_is_read_at_the_moment_of_the_call(receiver: Receiver) -> None:
    optimizer = TorchLike(0.1, 0.01)
    with trackside.Run(receiver.url, optimizer=optimizer, metric_names={"rate": "lr"}) as run:
        run.log(epoch=0, train_loss=1.0)
        optimizer.param_groups[0]["lr"] = 0.05
        run.log(epoch=1, train_loss=1.0)
        run.log(epoch=2, lr=7.0)
        run.log({"lr/0": 8.0}, epoch=3)
        run.log(epoch=4, rate=9.0)
    assert [record["metrics"] for record in receiver.stored(run.id)] == [
        {"train_loss": 1.0, "lr": 0.1, "lr/1": 0.01},
        {"train_loss": 1.0, "lr": 0.05, "lr/1": 0.01},
        {"lr": 7.0},
        {"lr/0": 8.0},
        {"rate": 9.0},
    ]
    assert receiver.runs[run.id]["optimizer"] == {
        "class": "TorchLike",
        "params": {"lr": 0.1, "betas": [0.9, 0.999], "foreach": None},
    }


def test_the_rate_is_no_value_too_many(receiver: Receiver) -> None:
    """A norm for every layer: what is more than a record may hold is left out, and the rate is not what is."""
    with trackside.Run(receiver.url, optimizer=TorchLike(0.1)) as run:
        run.log({f"norm/{index}": 1.0 for index in range(1500)}, step=0)
    (record,) = receiver.stored(run.id)
    assert len(record["metrics"]) == 1000
    assert record["metrics"]["lr"] == 0.1


def test_an_optimizer_that_breaks_costs_only_the_lr(receiver: Receiver, capfd: pytest.CaptureFixture[str]) -> None:
    optimizer = TorchLike(0.1)
    with trackside.Run(receiver.url, optimizer=optimizer) as run:
        optimizer.param_groups = None  # type: ignore[assignment]
        run.log(epoch=0, train_loss=1.0)
        run.log(epoch=1, train_loss=2.0)
    assert [record["metrics"] for record in receiver.stored(run.id)] == [{"train_loss": 1.0}, {"train_loss": 2.0}]
    assert capfd.readouterr().err.count("\n") == 1


def test_a_scheduler_that_cannot_be_read_is_told_and_the_run_goes_on(
    receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    with trackside.Run(receiver.url, scheduler=object()) as run:
        run.log(epoch=0, train_loss=1.0)
    assert "schedule" not in receiver.runs[run.id]
    assert len(receiver.stored(run.id)) == 1
    assert "the schedule is not reported" in capfd.readouterr().err


def test_a_run_inside_what_is_copied_or_pickled(receiver: Receiver) -> None:
    with trackside.Run(receiver.url) as run:
        trainer = {"run": run, "epoch": 3}
        assert copy.deepcopy(trainer)["run"] is run
        elsewhere = pickle.loads(pickle.dumps(trainer))["run"]
        with elsewhere:
            elsewhere.log(step=0, train_loss=1.0)
        assert (elsewhere.id, elsewhere.should_stop, elsewhere.health) == (run.id, False, None)
        run.log(step=1, train_loss=1.0)
    assert [record["step"] for record in receiver.stored(run.id)] == [1]


def test_the_spool_stays_empty_when_all_went_well(receiver: Receiver, environment: Path) -> None:
    with trackside.Run(receiver.url) as run:
        run.log(step=0, train_loss=1.0)
    assert list(environment.glob("*")) == []
