"""A finished log comes to the same alerts through /v1/check as through any series of posts, whoever takes them."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from trackside_service import monitor, replay
from trackside_service.domain.alerts import Alert
from trackside_service.domain.declarations import ProcessSpec
from trackside_service.domain.records import Record
from trackside_service.domain.runs import Expectation, MaxAbove, RunSpec
from trackside_service.monitor.memory import LOOKED, MEMORY
from trackside_service.storage import alerts, detectors, runs
from trackside_service.storage.engine import read_transaction, write_transaction

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LOGS = 6  # of each kind, on each database


@pytest.fixture(autouse=True)
def memory(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.ERROR)  # each rebuilt state says so
    MEMORY.clear()
    LOOKED.clear()
    yield
    MEMORY.clear()
    LOOKED.clear()


def _spec(rng: Random, length: int) -> RunSpec:
    cosine = {"T_max": 60}
    unit = rng.choice(["epoch", "step"])
    schedule = rng.choice(
        [
            None,
            {"kind": "constant", "lr": 0.1},
            {"framework": "torch", "class": "CosineAnnealingLR", "params": cosine, "base_lr": 0.1, "unit": unit},
        ]
    )
    return RunSpec(
        "p",
        "n",
        total_epochs=length // 5,
        steps_per_epoch=5,
        schedule=schedule,
        expectations=(
            Expectation("val_acc", from_epoch=2.0, min=40.0),
            Expectation("val_acc", max_drop=15.0),
            Expectation("val_acc", max_above=MaxAbove("train_acc", 5.0)),
        ),
    )


def _log(rng: Random, length: int, *, numbered: bool) -> list[Record]:
    """A log that jumps, falls back and turns to NaN, in steps, epochs or both."""
    form = rng.choice(["step", "epoch", "both"])
    per_epoch = 1 if form == "epoch" else 5
    accuracy, rate = 50.0, 0.1
    records: list[Record] = []
    for index in range(length):
        rate = rng.choice([0.1, 0.01, 1e-4, 0.2, math.nan]) if rng.random() < 0.05 else rate
        accuracy = min(100.0, max(0.0, accuracy + rng.uniform(-20, 20)))
        metrics: dict[str, float] = {}
        if rng.random() < 0.9:
            metrics["lr"] = rate
        if rng.random() < 0.6:
            metrics["train_loss"] = math.nan if 10 < index < 40 and rng.random() < 0.2 else 1.0
        if rng.random() < 0.5:
            metrics |= {"val_acc": rng.choice([accuracy, accuracy, 0.0]), "train_acc": accuracy}
        place = max(0, index - rng.randint(1, 8)) if rng.random() < 0.08 else index
        step = None if form == "epoch" else place
        epoch = None if form == "step" else float(place // per_epoch + 1)
        if metrics:
            records.append(Record(metrics, step=step, epoch=epoch, seq=len(records) if numbered else None))
    return records


def _live(
    engine: sa.Engine, rng: Random, spec: RunSpec, records: list[Record], process: str | None, *, forgets: bool
) -> list[Alert]:
    """Post the log in pieces of any size, some of them twice, and end the run. `forgets`: the process is now and then
    another one, or one of another version."""
    run_id: UUID = uuid4()
    with write_transaction(engine) as connection:
        named = None if process is None else (process, None)
        monitor.open_run(connection, run_id, spec, process=named, now=NOW)
    start = 0
    while start < len(records):
        piece = records[start : start + rng.choice([1, 1, 2, 5, 20])]
        start += len(piece)
        for _ in range(rng.choice([1, 1, 1, 2])):
            with write_transaction(engine) as connection:
                monitor.record(connection, run_id, process, piece, now=NOW)
        if forgets and rng.random() < 0.3:
            MEMORY.clear()
        if forgets and rng.random() < 0.05:
            with write_transaction(engine) as connection:
                detectors.save(connection, run_id, b"{}", 0)
                runs.update(connection, run_id, {})
    with write_transaction(engine) as connection:
        monitor.finish(connection, run_id, "finished", None, now=NOW)
    with read_transaction(engine) as connection:
        return alerts.of_run(connection, run_id)


def _said(alert: Alert) -> Any:
    state = "open" if alert.state == "ended" else alert.state
    places = [str(alert.opened), str(alert.detected), str(alert.resolved)]
    words = (alert.title, alert.detail, alert.advice, json.dumps(_rounded(alert.evidence), sort_keys=True))
    return (alert.code, alert.subject, alert.episode, alert.severity, state, places, words)


def _rounded(value: Any) -> Any:
    # Sums in another order differ in their last digits.
    if isinstance(value, float):
        return round(value, 9)
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("process", ["job", None])
def test_a_log_comes_to_the_same_alerts_live_and_checked(engine: sa.Engine, process: str | None, forgets: bool) -> None:
    told = 0
    for seed in range(LOGS):
        rng = Random(f"{seed} {process}")
        length = rng.choice([30, 80])
        spec, records = _spec(rng, length), _log(rng, length, numbered=process is not None)
        named = None if process is None else ProcessSpec(process)
        checked = sorted(_said(alert) for alert in replay.check(spec, records, process=named).every)
        live = sorted(_said(alert) for alert in _live(engine, rng, spec, records, process, forgets=forgets))
        assert live == checked, seed
        told += len(checked)
    assert told > 3 * LOGS
