"""The parts by themselves: values on a device, declarations by hand, the spool between processes."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

import trackside
from tests.client.receiver import Receiver
from trackside import _spool, schedules


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


REQUEST = _spool.Request("PUT", "/v1/runs/a", {"project": "p"})


def test_only_one_process_takes_a_waiting_file(tmp_path: Path) -> None:
    path = _spool.write(tmp_path, url="http://a", run_id="r", requests=[REQUEST], limit_mb=1)
    assert _spool.claim(path, url="http://b") is None
    first = _spool.claim(path, url="http://a")
    assert first is not None
    assert first.requests == (REQUEST,)
    assert _spool.claim(path, url="http://a") is None
    _spool.release(first)
    assert _spool.waiting(tmp_path) == [path]
    again = _spool.claim(path, url="http://a")
    assert again is not None
    _spool.done(again)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_had_taken_comes_back(tmp_path: Path) -> None:
    path = _spool.write(tmp_path, url="http://a", run_id="r", requests=[REQUEST], limit_mb=1)
    taken = _spool.claim(path, url="http://a")
    assert taken is not None
    draft = tmp_path / "half-written.tmp"
    draft.write_text("{")
    assert _spool.waiting(tmp_path) == []
    for left in (taken.path, draft):
        os.utime(left, (0, 0))
    assert _spool.waiting(tmp_path) == [path]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 99}', '{"version": 1, "url": "http://a"}'])
def test_a_file_that_cannot_be_read_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "0.json"
    path.write_text(content)
    assert _spool.claim(path, url="http://a") is None
    assert path.read_text() == content


def test_files_are_replayed_oldest_first(tmp_path: Path) -> None:
    written = [
        _spool.write(tmp_path, url="http://a", run_id="r", requests=[_spool.Request("PUT", f"/{n}", {})], limit_mb=1)
        for n in range(3)
    ]
    assert _spool.waiting(tmp_path) == written
    assert [json.loads(path.read_text())["requests"][0]["path"] for path in written] == ["/0", "/1", "/2"]
