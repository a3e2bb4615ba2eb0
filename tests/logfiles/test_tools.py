"""Logs in the very form in which tools print them (the numbers are ours): what is read of each, and what it says of the
place and of the data.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.logfiles.tools import COUNTED, TOOLS, Rows

from trackside_service import logfiles
from trackside_service.domain.declarations import parse_records, with_canonical_names
from trackside_service.errors import InvalidInputError


def read(text: str, **settings: Any) -> tuple[Rows, logfiles.LogFile]:
    """(step, epoch, metrics under canonical names) of each record, and the log."""
    log = logfiles.read(text.encode(), **settings)
    records = [with_canonical_names(record, {}) for record in parse_records(log.records)]
    return [(record.step, record.epoch, dict(record.metrics)) for record in records], log


@pytest.mark.parametrize("tool", TOOLS)
def test_what_a_tool_prints_is_read(tool: str) -> None:
    text, wanted = TOOLS[tool]
    found, _ = read(text)
    assert [(step, epoch) for step, epoch, _ in found] == [(step, epoch) for step, epoch, _ in wanted]
    for (_, _, metrics), (_, _, expected) in zip(found, wanted, strict=True):
        assert metrics == pytest.approx(expected, nan_ok=True)


def test_a_heading_has_no_value_behind_it() -> None:
    assert read("Epoch 3\nEpoch mean training loss: 2.5\n")[0] == [(None, 3, {"train_loss": 2.5})]


def test_bars_without_a_line_break_are_each_read() -> None:
    bar = "\rEpoch 1/1:  {0}%|██  | {1}/4 [00:00<00:00, 9.0it/s, loss={2}]"
    text = "".join(bar.format(25 * batch, batch, 2.0 / batch) for batch in (1, 2, 4))
    assert read(text)[0] == [(0, 1, {"train_loss": 2.0}), (1, 1, {"train_loss": 1.0}), (3, 1, {"train_loss": 0.5})]


def test_a_percent_sign_counts_for_an_evaluation_that_is_told_later() -> None:
    text = "Epoch: 0\n [=>] Loss: 1.3 | Acc: 0.5% 391/391\n [=>] Loss: 1.1 | Acc: 0.6% 100/100\n"
    found, log = read(text)
    assert [metrics for _, _, metrics in found] == [
        {"train_loss": 1.3, "train_acc": 0.5},
        {"val_loss": 1.1, "val_acc": 0.6},
    ]
    assert log.units == {"acc": "percent", "val_acc": "percent"}


@pytest.mark.parametrize(
    ("file", "metric"),
    [
        ("train_loss.csv", "train_loss"),
        ("/logs/run-.-tag-train_loss.csv", "train_loss"),
        ("run-train-tag-epoch_loss.csv", "train_loss"),
        ("run-validation-tag-epoch_loss.csv", "val_loss"),
        ("run-fit-tag-Accuracy_Top.csv", "Accuracy_Top"),
    ],
)
def test_a_table_of_one_scalar_is_named_by_its_file(file: str, metric: str) -> None:
    found, log = read("Wall time,Step,Value\n1700000000.1,0,2.31\n1700000010.2,100,1.87\n", name=file)
    assert found == [(0, None, {metric: 2.31}), (100, None, {metric: 1.87})]
    assert log.records[0]["time"].startswith("2023-11-14T22:13:20")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Wall time,Step,Value\n1700000000.1,0,2.31\n", "name the file after the metric"),
        (
            '"Step","a-1 - loss","b-2 - loss"\n"0","2.3","2.0"\n',
            r"2 runs \(a-1, b-2\): keep the rows or columns of one",
        ),
        ("run_id,key,value,step\na,loss,2.3,0\nb,loss,2.2,0\n", r"2 runs \(a, b\)"),
    ],
)
def test_an_export_that_does_not_say_enough_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        logfiles.read(text.encode(), name="export.csv")


def test_what_was_left_out_is_said() -> None:
    notes = {tool: logfiles.read(text.encode()).notes for tool, (text, _) in TOOLS.items()}
    assert notes["a job that was killed"] == ("line 2 was left out: not JSON",)
    assert notes["timm"][0].startswith(COUNTED.format(390))
    assert logfiles.read(b"loss,lr\n2.5,0.1\n2.4,0.1\n").notes == (
        "no column counts epochs or steps (epoch, step): each row is taken for an epoch, from 0",
    )
    log = logfiles.read(b'{"sys.platform": "linux", "seed": "none"}\n{"mode": "train", "epoch": 1, "loss": 2.5}\n')
    assert log.notes == ("the first line was left out: it is neither a record nor the run's declaration",)


def test_what_was_read_is_said_in_a_sentence() -> None:
    log = logfiles.read(b"epoch,loss,val_acc,lr,a,b,c,d,e,f\n1,2.5,0.1,0.1,1,2,3,4,5,6\n2,2.4,,0.1,1,2,3,4,5,6\n")
    assert logfiles.described(log) == (
        "read 2 records as csv; epoch 1 to 2; loss (as train_loss) 2, lr 2, a 2, b 2, c 2, d 2, e 2, f 2, 1 more"
    )
    assert logfiles.described(logfiles.read(b"step 10 loss 2.5\n")) == (
        "read 1 records as text; step 10 to 10; loss (as train_loss) 1"
    )


def test_a_long_log_is_read_in_time_that_grows_with_it() -> None:
    line = "2024/01/01 12:00:00 - mmengine - INFO - Epoch(train)  [{}][ 50/100]  lr: 1.0e-01  eta: 0:10:00  loss: 2.3\n"

    def seconds(epochs: int) -> float:
        text = "".join(line.format(epoch) for epoch in range(epochs)).encode()
        begun = time.process_time()
        assert len(logfiles.read(text).records) == epochs
        return time.process_time() - begun

    seconds(100)
    assert seconds(8_000) < 16 * max(seconds(1_000), 0.01)


@pytest.mark.parametrize(
    "line", ["epoch" + " " * 5_000 + "x", "loss " + "1" * 10_000 + "x", "  ".join(["prose"] * 3_000)]
)
def test_no_line_takes_long(line: str) -> None:
    begun = time.process_time()
    assert len(logfiles.read(f"epoch 1 loss 2\n{line}\n".encode(), "text").records) == 1
    assert time.process_time() - begun < 2  # the first two took minutes


def test_prose_costs_no_more_than_records() -> None:
    def seconds(line: str) -> float:
        text = ("epoch 1 loss 2\n" + line * 3_000).encode()
        begun = time.process_time()
        logfiles.read(text, "text")
        return time.process_time() - begun

    prose = "epoch 3 loss: 1.2 " + "/srv/runs/checkpoints/model_epoch_best.pth " * 4 + "\n"
    record = "2024-01-01 10:00:00,123 INFO epoch 2 loss: 1.25 acc: 71.2% lr: 0.01 val_loss: 1.5 grad_norm: 2\n"
    seconds(record)
    assert seconds(prose) < 3 * seconds(record)  # it was six times as much
