"""Bodies become declarations and records, or every fault is named with its place."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from trackside_service.domain.declarations import (
    ProcessSpec,
    parse_process,
    parse_record,
    parse_records,
    parse_run,
    with_canonical_names,
)
from trackside_service.domain.records import Record
from trackside_service.domain.runs import Expectation, MaxAbove, OptimizerSpec, RuleSetting
from trackside_service.errors import InvalidInputError

RUN: dict[str, Any] = {"project": "digits", "name": "first"}


def faults_of(body: object) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as caught:
        parse_run(body)
    return {fault.pointer: fault.message for fault in caught.value.faults}


def record_faults(body: object) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as caught:
        parse_record(body)
    return {fault.pointer: fault.message for fault in caught.value.faults}


def test_a_full_declaration() -> None:
    spec = parse_run(
        {
            **RUN,
            "framework": "torch",
            "total_epochs": 12,
            "steps_per_epoch": 40,
            "num_classes": 10,
            "optimizer": {"class": "SGD", "params": {"momentum": 0.9}},
            "schedule": {"kind": "constant", "lr": 0.1},
            "expectations": [
                {"metric": "accuracy", "epoch": 1, "min": 20},
                {"metric": "quality", "max_above": {"metric": "eval_loss", "by": 0.5}},
            ],
            "rules": {"LOSS001": {"enabled": False}, "ACC001": {"severity": "warning", "params": {"patience": 4}}},
            "metric_names": {"quality": "val_acc"},
            "metric_units": {"accuracy": "percent"},
            "params": {"batch": 32, "weird": math.nan},
            "tags": ["a", "b"],
            "heartbeat_s": 30,
        }
    )
    assert spec.optimizer == OptimizerSpec("SGD", {"momentum": 0.9})
    assert spec.expectations == (
        Expectation("train_acc", epoch=1, min=20),
        Expectation("val_acc", max_above=MaxAbove("val_loss", 0.5)),
    )
    assert spec.rules["LOSS001"] == RuleSetting(enabled=False)
    assert spec.rules["ACC001"] == RuleSetting(severity="warning", params={"patience": 4})
    assert spec.metric_units == {"train_acc": "percent"}
    assert spec.params == {"batch": 32, "weird": "NaN"}
    assert spec.tags == ("a", "b")


def test_every_fault_is_named_at_once_and_no_value_is_repeated() -> None:
    faults = faults_of(
        {
            "project": "secret\nvalue",
            "total_epochs": True,
            "steps_per_epoch": 0,
            "schedul": {},
            "optimizer": {"params": {}},
            "tags": ["ok", 3],
            "metric_units": {"val_acc": "percents"},
            "heartbeat_s": math.inf,
        }
    )
    assert set(faults) == {
        "/project",
        "/name",
        "/total_epochs",
        "/steps_per_epoch",
        "/schedul",
        "/optimizer/class",
        "/tags/1",
        "/metric_units/val_acc",
        "/heartbeat_s",
    }
    assert "'schedule'" in faults["/schedul"]
    assert not any("secret" in message or "percents" in message for message in faults.values())


@pytest.mark.parametrize(
    ("expectation", "pointer"),
    [
        ({"metric": "val_acc"}, "/expectations/0"),
        ({"min": 1}, "/expectations/0/metric"),
        ({"metric": "val_acc", "min": 1, "epoch": 1, "until_epoch": 2}, "/expectations/0"),
        ({"metric": "val_acc", "min": 1, "from_epoch": 3, "until_epoch": 2}, "/expectations/0"),
        ({"metric": "val_acc", "min": 1, "epoch": -1}, "/expectations/0"),
        ({"metric": "val_acc", "minimum": 1}, "/expectations/0/minimum"),
        ({"metric": "val_acc", "max_above": {"metric": "x"}}, "/expectations/0/max_above/by"),
        ({"metric": "val_acc", "min": True}, "/expectations/0/min"),
        ([], "/expectations/0"),
    ],
)
def test_an_expectation_that_says_nothing_or_too_much_is_refused(expectation: object, pointer: str) -> None:
    assert pointer in faults_of({**RUN, "expectations": [expectation]})


@pytest.mark.parametrize("place", [{"epoch": 31}, {"from_epoch": 31}])
def test_an_expectation_of_an_epoch_that_the_run_does_not_have_is_refused(place: dict[str, int]) -> None:
    expectation = {"metric": "val_acc", "min": 1, **place}
    run = {**RUN, "total_epochs": 30, "expectations": [{**expectation, **dict.fromkeys(place, 30)}, expectation]}
    assert list(faults_of(run)) == [f"/expectations/1/{next(iter(place))}"]
    assert parse_run({**run, "total_epochs": None}).expectations
    assert parse_run({**run, "total_epochs": 31}).expectations


def test_an_expectation_given_twice_is_refused_where_it_comes_again() -> None:
    one, other = {"metric": "val_acc", "min": 90}, {"metric": "val_acc", "min": 90.5}
    assert len(parse_run({**RUN, "expectations": [one, other]}).expectations) == 2
    again = {"metric": "val_accuracy", "min": 90.0}  # another name and another way to write it
    faults = faults_of({**RUN, "expectations": [one, other, again]})
    assert faults == {"/expectations/2": "the same as /expectations/0; each is given once"}


def test_pointers_are_escaped() -> None:
    assert "/metric_units/a~1b~0c" in faults_of({**RUN, "metric_units": {"a/b~c": 1}})


@pytest.mark.parametrize("body", [None, [], "run", 3])
def test_a_body_that_is_no_object_is_refused(body: object) -> None:
    assert faults_of(body)[""] == "an object is wanted"


def test_deep_parameters_are_refused() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = {"a": deep}
    assert "/params" in faults_of({**RUN, "params": deep})


def test_a_record_with_all_its_parts() -> None:
    record = parse_record(
        {
            "seq": 3,
            "step": 40,
            "epoch": 1.5,
            "time": "2026-03-04T05:06:07+01:00",
            "metrics": {"lr": 1, "loss": "NaN", "up": "Infinity", "down": -math.inf},
        }
    )
    assert (record.seq, record.step, record.epoch) == (3, 40, 1.5)
    assert record.time == datetime(2026, 3, 4, 4, 6, 7, tzinfo=UTC)
    assert math.isnan(record.metrics["loss"])
    assert (record.metrics["up"], record.metrics["down"]) == (math.inf, -math.inf)
    assert isinstance(record.metrics["lr"], float)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"step": 1.0}, "/step"),
        ({"step": -1}, "/step"),
        ({"step": True}, "/step"),
        ({"step": 2**80}, "/step"),
        ({"epoch": "1"}, "/epoch"),
        ({"epoch": math.nan}, "/epoch"),
        ({"time": "2026-03-04T05:06:07"}, "/time"),
        ({"time": 5}, "/time"),
        ({"metrics": {"a": True}}, "/metrics/a"),
        ({"metrics": {"a": None}}, "/metrics/a"),
        ({"metrics": {"a": "nan"}}, "/metrics/a"),
        ({"metrics": {"a": 10**400}}, "/metrics/a"),
        ({"metrics": {"a\n": 1}}, "/metrics/a\n"),
        ({"metrics": {"": 1}}, "/metrics/"),
        ({"metrics": {"x" * 201: 1}}, "/metrics/" + "x" * 100 + "..."),
        ({"metrics": {str(n): n for n in range(1001)}}, "/metrics"),
        ({"metrics": []}, "/metrics"),
        ({"metrics": None}, "/metrics"),
        ({"step": None}, ""),
        ({"steps": 4}, "/steps"),
    ],
)
def test_a_record_is_read_strictly(change: dict[str, Any], pointer: str) -> None:
    assert pointer in record_faults({"step": 1, "metrics": {"loss": 1.0}, **change})


def test_the_faults_of_many_records_come_together_and_are_bounded() -> None:
    bodies: list[Any] = [{"step": -1, "metrics": {"lr": 0.1}} for _ in range(500)]
    with pytest.raises(InvalidInputError) as caught:
        parse_records(bodies)
    assert caught.value.faults[1].pointer == "/records/1/step"
    assert len(caught.value.faults) == 50
    with pytest.raises(InvalidInputError, match="at most 100"):
        parse_records(bodies, limit=100)


def test_names_become_canonical_and_no_value_is_lost() -> None:
    record = Record({"loss": 1.0, "train_loss": 2.0, "my_acc": 3.0, "lr/0": 0.1, "odd": 5.0}, step=1)
    renamed = with_canonical_names(record, {"my_acc": "val_acc"})
    assert renamed.metrics == {"loss": 1.0, "train_loss": 2.0, "val_acc": 3.0, "lr": 0.1, "odd": 5.0}
    assert with_canonical_names(Record({"loss": 1.0}, step=1), {"loss": "loss"}).metrics == {"loss": 1.0}


def test_a_process() -> None:
    assert parse_process({"id": "p", "resumed_from_step": 7}) == ProcessSpec("p", 7)
    with pytest.raises(InvalidInputError) as caught:
        parse_process({"resumed_from_step": -7})
    assert {fault.pointer for fault in caught.value.faults} == {"/process/id", "/process/resumed_from_step"}
