"""The parts by themselves: values on a device, declarations by hand, the spool between processes."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import trackside
from tests.client.environment import PATIENCE_S
from tests.client.receiver import Receiver, Reply, Request
from trackside import _backlog, _delivery, _exchange, _inbox, _spool, _transport, schedules
from trackside._journal import Journal


class OnAccelerator:
    """A tensor of one number as a device has it: reading it waits, copying it does not."""

    shape = (1,)
    dtype = "float32"
    device = "mps:0"

    def __init__(self, value: float) -> None:
        self.value = value
        self.read_by: list[int] = []

    def detach(self) -> OnAccelerator:
        return self

    def clone(self) -> OnAccelerator:
        copy = OnAccelerator(self.value)
        copy.read_by = self.read_by
        return copy

    def item(self) -> float:
        self.read_by.append(threading.get_ident())
        return self.value


def test_a_value_on_a_device_is_copied_in_the_loop_and_read_by_the_sender(receiver: Receiver) -> None:
    tensor = OnAccelerator(0.5)
    with trackside.Run(receiver.url) as run:
        run.log(step=0, train_loss=tensor)
        tensor.value = 99.0
    assert receiver.stored(run.id)[0]["metrics"] == {"train_loss": 0.5}
    assert tensor.read_by
    assert threading.get_ident() not in tensor.read_by


class Distributed(OnAccelerator):
    """Like a DTensor, whose own number is this process's part."""

    def full_tensor(self) -> OnAccelerator:
        return OnAccelerator(2.0)


def test_a_distributed_tensor_is_refused_and_not_read_in_part(
    receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    part = Distributed(1.0)
    with trackside.Run(receiver.url) as run:
        run.log(step=0, train_loss=part, val_loss=part.full_tensor())
    assert receiver.stored(run.id)[0]["metrics"] == {"val_loss": 2.0}
    assert part.read_by == []
    assert "'train_loss' is not reported: a distributed tensor; pass value.full_tensor()" in capfd.readouterr().err


def test_a_device_that_hangs_costs_its_own_values_only(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, environment: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRACKSIDE_EXIT_TIMEOUT", "2")
    hangs = threading.Event()

    class Hanging(OnAccelerator):
        def clone(self) -> OnAccelerator:
            return self

        def item(self) -> float:
            hangs.wait(PATIENCE_S)
            return 1.0

    run = trackside.Run(receiver.url)
    for step in range(10):
        run.log(step=step, train_loss=Hanging(1.0) if step in (3, 4) else 1.0, val_loss=float(step))
    before = time.monotonic()
    run.finish()
    assert time.monotonic() - before < PATIENCE_S / 3
    hangs.set()
    (file,) = environment.glob("*.jsonl")
    found = [record for line in file.read_text().splitlines()[2:3] for record in json.loads(line)["body"]["records"]]
    stored = receiver.stored(run.id)
    assert [record["metrics"]["val_loss"] for record in [*stored, *found]] == [float(step) for step in range(10)]
    assert [r["step"] for r in [*stored, *found] if "train_loss" not in r["metrics"]] == [3, 4]
    assert "2 records held values on a device" in capfd.readouterr().err
    assert run._sender is not None
    assert run._sender.lost == 0  # values are, and no record is


def test_at_the_end_values_are_read_off_the_device_although_the_service_hangs(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, environment: Path
) -> None:
    monkeypatch.setenv("TRACKSIDE_EXIT_TIMEOUT", "2")
    receiver.behave = lambda _: Reply(fault="hang")
    run = trackside.Run(receiver.url)
    receiver.wait_for(lambda: bool(receiver.requests))
    for step in range(10):
        run.log(step=step, train_loss=OnAccelerator(step))
    run.finish()
    (file,) = environment.glob("*.jsonl")
    records = json.loads(file.read_text().splitlines()[2])["body"]["records"]
    assert [record["metrics"]["train_loss"] for record in records] == list(range(10))


def test_what_waits_is_bounded_by_values_too(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_inbox, "MAX_VALUES", 1000)
    monkeypatch.setattr(_exchange, "BATCH_VALUES", 100)
    gate = threading.Event()

    def behave(request: Request) -> None:
        gate.wait(PATIENCE_S)

    receiver.behave = behave
    run = trackside.Run(receiver.url)
    receiver.wait_for(lambda: True)
    for step in range(100):
        run.log({f"m{number}": 1.0 for number in range(30)}, step=step)
    gate.set()
    run.finish()
    assert run._sender is not None
    assert len(receiver.stored(run.id)) == 33
    assert run._sender.dropped == 67
    posts = [request.body["records"] for request in receiver.requests if request.method == "POST"]
    assert max(sum(len(record["metrics"]) for record in records) for records in posts) <= 100
    assert "67 records were dropped" in capfd.readouterr().err


def test_room_comes_back_when_records_were_sent(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_inbox, "MAX_VALUES", 100)
    run = trackside.Run(receiver.url)
    for round_ in range(5):
        for step in range(10):
            run.log({f"m{number}": 1.0 for number in range(10)}, step=10 * round_ + step)
        receiver.wait_for(lambda wanted=10 * round_ + 10: len(receiver.stored(run.id)) == wanted)  # type: ignore[misc]
        assert run._sender is not None
        while run._sender._inbox.pending:  # the answer is still on its way
            pass
    run.finish()
    assert run._sender is not None
    assert run._sender.dropped == 0


def test_a_declaration_by_hand() -> None:
    found = schedules.declare(
        "paddle",
        "LinearWarmup",
        unit="epoch",
        base_lr=0.002,
        reporting={"when": "in_use"},
        learning_rate={"class": "CosineAnnealingDecay", "params": {"learning_rate": 0.002, "T_max": 30}},
        warmup_steps=1,
    )
    assert found == {
        "framework": "paddle",
        "class": "LinearWarmup",
        "params": {
            "learning_rate": {"class": "CosineAnnealingDecay", "params": {"learning_rate": 0.002, "T_max": 30}},
            "warmup_steps": 1,
        },
        "base_lr": 0.002,
        "unit": "epoch",
        "reporting": {"when": "in_use"},
    }
    assert schedules.declare("torch", "StepLR", unit="step", base_lr=[1, 2], steps_per_epoch=3, step_size=1) == {
        "framework": "torch",
        "class": "StepLR",
        "params": {"step_size": 1},
        "base_lr": [1.0, 2.0],
        "unit": "step",
        "steps_per_epoch": 3,
    }
    assert schedules.table([0.1, 0.2], unit="step") == {"kind": "table", "values": [0.1, 0.2], "unit": "step"}
    assert schedules.constant(3) == {"kind": "constant", "lr": 3.0}


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: schedules.declare("jax", "StepLR", unit="step"), "framework must be one of"),
        (lambda: schedules.declare("torch", "", unit="step"), "class must be given"),
        (lambda: schedules.declare("torch", "StepLR", unit="batch"), "what one scheduler.step"),
        (lambda: schedules.declare("torch", "StepLR", unit="step", steps_per_epoch=0), "steps_per_epoch"),
        (lambda: schedules.declare("torch", "StepLR", unit="step", base_lr=float("nan")), "finite"),
        (lambda: schedules.table([], unit="step"), "1 to 100000"),
        (lambda: schedules.read(object(), unit="step"), "no scheduler"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(call: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()


def test_a_long_table_travels_whole(receiver: Receiver) -> None:
    values = [0.1 / (1 + tick) for tick in range(5000)]
    with trackside.Run(receiver.url, schedule=schedules.table(values, unit="step")) as run:
        pass
    assert receiver.runs[run.id]["schedule"]["values"] == values


RUN = "6f1f39d0-7c43-4e0e-9b1c-0f6f0d1f7a11"
PATH = f"/v1/runs/{RUN}"
REQUEST = _spool.Request("PUT", PATH, {"project": "p"})


def spool(folder: Path, *requests: _spool.Request, url: str = "http://a", run_id: str = RUN) -> Path:
    opening, *rest = requests or [REQUEST]
    journal = Journal(folder, url=url, run_id=run_id, limit_mb=1, opening=opening)
    journal.append(rest)
    journal.hand_on()
    return _spool.to_waiting(journal.path)


def test_only_one_process_takes_a_waiting_file(tmp_path: Path) -> None:
    path = spool(tmp_path)
    assert _spool.claim(path, url="http://b") is None
    first = _spool.claim(path, url="http://a")
    assert first is not None
    assert list(first.requests()) == [REQUEST]
    assert _spool.claim(path, url="http://a") is None
    _spool.release(first)
    assert _spool.waiting(tmp_path) == [path]
    again = _spool.claim(path, url="http://a")
    assert again is not None
    _spool.done(again)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_had_taken_comes_back(tmp_path: Path) -> None:
    path = spool(tmp_path)
    taken = _spool.claim(path, url="http://a")
    assert taken is not None
    draft = tmp_path / "half-written.tmp"
    draft.write_text("{")
    assert _spool.waiting(tmp_path) == []
    for left in (taken.path, draft):
        os.utime(left, (0, 0))
    assert _spool.waiting(tmp_path) == [path]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 99}', '{"version": 2, "url": "http://a"}', "[" * 100_000], ids=range(6)
)
def test_a_file_that_cannot_be_read_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "0.jsonl"
    path.write_text(content)
    assert _spool.claim(path, url="http://a") is None
    assert path.read_text() == content


def test_the_spool_is_read_one_request_at_a_time(tmp_path: Path) -> None:
    requests = [_spool.Request("POST", PATH + "/records", {"records": [{"step": n}]}) for n in range(3)]
    taken = _spool.claim(spool(tmp_path, *requests), url="http://a")
    assert taken is not None
    lines = taken.path.read_text().splitlines()
    taken.path.write_text("\n".join([*lines[:3], "not yet looked at", ""]))
    found = taken.requests()
    assert [next(found), next(found)] == requests[:2]
    with pytest.raises(_spool.SpoolError):
        next(found)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "@evil.example/"),
        ("PUT", "/v1/channels"),
        ("POST", f"{PATH}/../../channels"),
        ("POST", f"/v1/runs/../channels/{RUN}"),
        ("DELETE", PATH),
        ("GET", PATH),
        ("PUT", 5),
        ("POST", f"{PATH}/records"),  # without a list of records
    ],
)
def test_nothing_but_our_own_kinds_of_request_is_sent_from_the_spool(
    receiver: Receiver, environment: Path, method: str, path: Any
) -> None:
    planted = spool(environment, _spool.Request(method, path, {"records": 1}), url=receiver.url)
    good = spool(environment, _spool.Request("PUT", PATH, {"project": "p"}), url=receiver.url)
    with trackside.Run(receiver.url):
        receiver.wait_for(lambda: any(request.path == PATH for request in receiver.requests))
    assert planted.exists()
    assert not good.exists()
    assert {request.path.split("/")[2] for request in receiver.requests} == {"runs"}
    assert {request.method for request in receiver.requests} == {"PUT", "PATCH"}


def test_a_file_of_another_user_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = spool(tmp_path)
    monkeypatch.setattr(os, "getuid", lambda: path.stat().st_uid + 1)
    assert _spool.claim(path, url="http://a") is None
    assert path.exists()


def test_one_file_at_a_time_is_claimed(receiver: Receiver, environment: Path) -> None:
    for number in range(3):
        spool(environment, _spool.Request("PUT", PATH, {"n": number}), url=receiver.url)
    seen = []

    def behave(request: Request) -> None:
        if "n" in request.body:
            seen.append((request.body["n"], len(list(environment.glob("*.claimed")))))

    receiver.behave = behave
    with trackside.Run(receiver.url):
        receiver.wait_for(lambda: not list(environment.glob("*")))
    assert seen == [(0, 1), (1, 1), (2, 1)]


def test_a_file_that_the_service_does_not_take_blocks_none_behind_it(
    receiver: Receiver, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = spool(environment, _spool.Request("PUT", PATH, {"bad": 1}), url=receiver.url)
    good = spool(environment, _spool.Request("PUT", PATH, {"good": 1}), url=receiver.url)
    receiver.behave = lambda request: Reply(500) if "bad" in request.body else None
    with trackside.Run(receiver.url) as run:
        receiver.wait_for(lambda: any("good" in request.body for request in receiver.requests))
        run.log(step=0, train_loss=1.0)
    assert bad.exists()
    assert not good.exists()
    assert sum("bad" in request.body for request in receiver.requests) == _backlog.FILE_TRIES
    assert len(receiver.stored(run.id)) == 1
    assert receiver.ends[run.id] == {"status": "finished"}


def test_an_earlier_life_that_the_service_does_not_take_keeps_the_next_no_longer_than_a_few_tries(
    receiver: Receiver, environment: Path
) -> None:
    bad = spool(environment, _spool.Request("PUT", PATH, {"bad": 1}), url=receiver.url)
    receiver.behave = lambda request: Reply(500) if "bad" in request.body else None
    run = trackside.Run(receiver.url, run_id=RUN)
    run.log(step=0, train_loss=1.0)
    receiver.wait_for(lambda: len(receiver.stored(run.id)) == 1)
    run.finish()
    assert bad.exists()
    assert receiver.ends[run.id] == {"status": "finished"}


def test_files_are_replayed_oldest_first(tmp_path: Path) -> None:
    written = [spool(tmp_path, _spool.Request("PUT", PATH, {"n": n})) for n in range(3)]
    assert _spool.waiting(tmp_path) == written
    assert [json.loads(path.read_text().splitlines()[1])["body"]["n"] for path in written] == [0, 1, 2]


@pytest.mark.parametrize(
    "when", ["Wed, 21 Oct 2015 99999999999999999999:28:00 GMT", "Wed, 21 Oct 2015 07:28:00 +99999999999999999999", "x"]
)
def test_a_retry_after_of_nonsense_is_none(when: str) -> None:
    assert _transport._retry_after(when) is None


def test_what_follows_from_an_inherited_alert_is_new() -> None:
    symptom = {"id": "2", "severity": "critical", "state": "open", "event": "opened"}
    cause = {"id": "1", "severity": "critical", "state": "open", "event": "changed", "symptoms": []}
    alerts = _delivery.CriticalAlerts()
    assert not alerts.opened("PUT", {"alerts": [cause]}, resumed=True)
    known = {**symptom, "event": None}
    assert not alerts.opened("POST", {"alerts": [{**cause, "symptoms": [known]}]}, resumed=True)
    assert not alerts.opened("POST", {"alerts": [{**cause, "state": "acknowledged"}]}, resumed=True)
    assert not alerts.opened("POST", {"alerts": [cause, "nonsense"]}, resumed=True)
    assert alerts.opened("POST", {"alerts": [{**cause, "symptoms": [known, symptom]}]}, resumed=True)
