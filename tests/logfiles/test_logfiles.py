"""Logs in the forms that training loops write, made here: each row of the same small training, told in many ways."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from trackside_service import logfiles
from trackside_service.domain.declarations import parse_records, with_canonical_names
from trackside_service.errors import InvalidInputError

# epoch, lr, train_loss, val_loss, val_acc in percent
TRAINING = [(1, 0.1, 2.31, 2.29, 11.25), (2, 0.05, 1.87, 1.95, 31.5), (3, 0.025, 1.52, 1.71, 42.75)]


def _lines(pattern: str, heading: str = "") -> str:
    return heading + "".join(pattern.format(*row, acc=row[4] / 100) + "\n" for row in TRAINING)


def _columns(**columns: list[float]) -> str:
    return json.dumps(columns)


EPOCHS, LRS, LOSSES, VAL_LOSSES, ACCURACIES = map(list, zip(*TRAINING, strict=True))
FORMS = {
    "csv of Keras": _lines("{0},{acc},{1},{2},{3}", "epoch,val_accuracy,lr,loss,val_loss\n"),
    "csv with spaces, repeated header": _lines(
        "  {0},   {1},  {2},  {3},  {acc}", "  epoch,  lr,  train/loss,  val/loss,  val_acc\n"
    ).replace("  2,", "  epoch,  lr,  train/loss,  val/loss,  val_acc\n  2,"),
    "csv with semicolons and gaps": _lines("{0};{1};{2};{3};{4};", "epoch;lr;train_loss;val_loss;val_acc;notes\n"),
    "tabs": _lines("{0}\t{1}\t{2}\t{3}\t{4}", "Epoch\tLearning Rate\tTrain Loss\tValid Loss\tValid Acc.\n"),
    "JSON lines, flat": _lines(
        '{{"epoch": {0}, "learning_rate": {1}, "train_loss": {2}, "test_loss": {3}'
        ', "test_acc1": {4}, "n_parameters": 3845}}'
    ),
    "JSON lines of records": _lines(
        '{{"epoch": {0}, "metrics": {{"lr": {1}, "loss": {2}, "val_loss": {3}, "val_acc": {acc}}}}}'
    ),
    "trainer state": json.dumps(
        {
            "best_metric": None,
            "log_history": [
                line
                for epoch, lr, loss, val_loss, acc in TRAINING
                for line in (
                    {"epoch": float(epoch), "learning_rate": lr, "loss": loss, "step": epoch * 500},
                    {"epoch": float(epoch), "eval_loss": val_loss, "eval_accuracy": acc / 100, "step": epoch * 500},
                )
            ]
            + [{"epoch": 3.0, "step": 1500, "total_flos": 1e15, "train_loss": 1.9, "train_runtime": 100.0}],
        }
    ),
    "history": _columns(epoch=EPOCHS, lr=LRS, loss=LOSSES, val_loss=VAL_LOSSES, val_accuracy=ACCURACIES),
    "history inside": json.dumps(
        {"history": {"epoch": EPOCHS, "lr": LRS, "loss": LOSSES, "val_loss": VAL_LOSSES, "val_accuracy": ACCURACIES}}
    ),
    "the report's form": _lines("Epoch [{0}] LR: {1:.6f} Train Loss: {2} Val Loss: {3} val accuracy {4:.2f}%"),
    "commas": _lines("Epoch {0}/3, lr={1}, train_loss={2}, val_loss={3}, val_acc={acc}"),
    "pipes": _lines("| Epoch {0:3d} | LR {1:.2e} | Train Loss 	{2} | Valid Loss {3} | Valid Acc {4} % |"),
    "several lines an epoch": _lines(
        "Epoch: {0}/3\nTime Taken: 140.67s - LR: {1}\nTrain Loss: {2} - Train Speed: 12.5\n"
        "Valid Loss: {3} - Valid Acc: {4}\n" + "-" * 40
    ),
    "metrics by section": _lines(
        "2024-07-30 17:09:1{0},653:INFO: Epoch {0}/3\n"
        "2024-07-30 17:09:4{0},826:INFO: - Train metrics: lr: {1} ; loss: {2}\n"
        "2024-07-30 17:09:5{0},064:INFO: - Eval metrics: accuracy: {acc} ; loss: {3}\n"
        "2024-07-30 17:09:5{0},164:INFO: - Found new best accuracy: 0.99, saving"
    ),
    "dictionaries": _lines(
        "{{'loss': {2}, 'learning_rate': {1}, 'epoch': {0}}}\n"
        "{{'eval_loss': {3}, 'eval_accuracy': {acc}, 'epoch': {0}}}"
    ),
    "stats in a line": _lines(
        'json_stats: {{"epoch": "{0}/3", "lr": {1}, "loss": {2}, "val_loss": {3}, "val_acc": {4}'
        ', "gpu_mem": "17.92G"}}',
        "Namespace(lr=0.5, epochs=3, loss='ce')\n"
        "python train.py --lr 0.7 --train-iters 1000 --loss 3\n"
        "Config: {'lr': 0.9}\n",
    ),
}


def _read(text: str, **settings: Any) -> list[dict[str, Any]]:
    """The records' values under their canonical names, those of a place together."""
    found: dict[Any, dict[str, Any]] = {}
    for record in parse_records(logfiles.read(text.encode(), **settings).records):
        values = with_canonical_names(record, {}).metrics
        found.setdefault(record.epoch, {"epoch": record.epoch}).update(values)
    return list(found.values())


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_training_comes_to_the_same_records(form: str) -> None:
    found = _read(FORMS[form])
    assert [row["epoch"] for row in found] == [1, 2, 3]
    for (_, lr, loss, val_loss, acc), row in zip(TRAINING, found, strict=True):
        assert (row["lr"], row["train_loss"], row["val_loss"]) == (lr, loss, val_loss)
        assert row["val_acc"] in (pytest.approx(acc), pytest.approx(acc / 100))
        assert set(row) == {"epoch", "lr", "train_loss", "val_loss", "val_acc"}


def test_a_csv_that_counts_nothing_has_an_epoch_a_row() -> None:
    found = _read("Learning Rate\tTrain Loss\n0.1\t2.5\n0.1\t2.0\n")
    assert [row["epoch"] for row in found] == [0, 1]


def test_values_that_are_no_numbers_are_left_out_and_nan_is_kept() -> None:
    found = _read("epoch,lr,train_loss,val_loss,note\n0,0.1,nan,,fine\n1,0.1,inf,None,\n")
    assert math.isnan(found[0]["train_loss"])
    assert found[1]["train_loss"] == math.inf
    assert all(set(row) == {"epoch", "lr", "train_loss"} for row in found)
    text = _read("Epoch 0 loss nan val_loss 1.5\nEpoch 1 loss: -inf val_loss: NaN\n")
    assert math.isnan(text[0]["train_loss"])
    assert text[1]["train_loss"] == -math.inf
    assert math.isnan(text[1]["val_loss"])


def test_batches_inside_an_epoch_are_updates_where_the_log_says_of_how_many() -> None:
    text = "".join(
        f"Epoch: [{epoch}][{batch}/40]\tTime 0.1 (0.1)\tLoss {2 - epoch} (2.0)\tlr 0.1\n"
        for epoch in (0, 1)
        for batch in (0, 20)
    )
    log = logfiles.read((text + "Epoch 1 val loss 1.25\n").encode())
    assert [(one["step"], one["epoch"]) for one in log.records] == [(0, 0), (20, 0), (40, 1), (60, 1), (60, 1)]
    assert log.steps_per_epoch == 40
    assert "40 updates" in log.notes[0]
    assert log.records[-1]["metrics"] == {"val_loss": 1.25}


def test_a_loop_that_prints_its_last_batch_as_n_of_n_counts_from_1() -> None:
    text = "".join(f"Epoch [{epoch}/2], Step [{n}/10], Loss: 1.5\n" for epoch in (1, 2) for n in (5, 10))
    assert [one["step"] for one in logfiles.read(text.encode()).records] == [4, 9, 14, 19]


def test_batches_are_counted_as_the_declared_updates() -> None:
    text = "".join(f"Epoch {epoch} Batch {n}/40 loss 1.5\n" for epoch in (0, 1) for n in (0, 20))
    log = logfiles.read(text.encode(), steps_per_epoch=10)
    assert [one["step"] for one in log.records] == [0, 5, 10, 15]
    assert log.steps_per_epoch == 10
    assert log.notes == ()


def test_batches_of_unknown_number_lie_between_epochs_and_their_summary_after_them() -> None:
    text = (
        "Epoch[0] Batch [99]\tloss=1.5\nEpoch[0] Batch [199]\tloss=1.4\n"
        "Epoch[0] val loss=1.3\nEpoch[1] Batch [99] loss=1\n"
    )
    places = [one["epoch"] for one in logfiles.read(text.encode()).records]
    assert places == sorted(places)
    assert 0 < places[0] < places[1] < places[2] < 1 < places[3] < 2


@pytest.mark.parametrize("columns", ["epoch,step,loss", "epoch,batch,loss"])
def test_a_step_that_starts_anew_each_epoch_is_no_count_of_the_run(columns: str) -> None:
    rows = "".join(f"{epoch},{step},1.5\n" for epoch in (0, 1, 2) for step in (0, 50))
    records = logfiles.read(f"{columns}\n{rows}".encode()).records
    assert all("step" not in one for one in records)
    assert [int(one["epoch"]) for one in records] == [0, 0, 1, 1, 2, 2]


def test_a_step_that_goes_on_counts_the_run() -> None:
    records = logfiles.read(b"epoch,step,loss\n0,49,2.5\n0,99,2.4\n1,149,2.0\n").records
    assert [one["step"] for one in records] == [49, 99, 149]


def test_global_step_beside_an_epoch_is_the_runs_and_megatron_reads() -> None:
    paddle = (
        b"[2024/08/08 05:32:50] ppocr INFO: epoch: [1/10], global_step: 4, "
        b"lr: 0.000075, acc: 0.5, loss: 138.8, ips: 11.4\n"
    )
    assert logfiles.read(paddle).records == [
        {
            "metrics": {"lr": 7.5e-05, "acc": 0.5, "loss": 138.8},
            "step": 4,
            "epoch": 1.0,
            "time": "2024-08-08T05:32:50+00:00",
        }
    ]
    megatron = (
        b" iteration       20/    1000 | consumed samples:   80 | elapsed time per iteration (ms): 4209.4 |"
        b" learning rate: 3.750E-05 |"
        b" lm loss: 1.297589E+01 | grad norm: 103.6 | number of skipped iterations:   8 |\n"
    )
    records = parse_records(logfiles.read(megatron).records)
    assert records[0].step == 20
    assert with_canonical_names(records[0], {}).metrics == {"lr": 3.75e-05, "train_loss": 12.97589, "grad_norm": 103.6}


def test_a_percent_sign_tells_the_unit() -> None:
    log = logfiles.read(b"Epoch [2] LR: 0.002000 accuracy 0.00%\n")
    assert log.units == {"accuracy": "percent"}
    assert log.records == [{"metrics": {"lr": 0.002, "accuracy": 0.0}, "epoch": 2.0}]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_mark_at_the_beginning_is_no_part_of_the_first_name(encoding: str) -> None:
    assert len(logfiles.read("epoch,loss\n0,1.5\n1,1.25\n".encode(encoding)).records) == 2


def test_progress_bars_and_colours_are_read_as_the_eye_reads_them() -> None:
    text = "Epoch 1: 50%|##  | loss=9.0\rEpoch 1: 100%|####| loss=1.5\x1b[0m\n"
    assert logfiles.read(text.encode()).records == [{"metrics": {"loss": 1.5}, "epoch": 1.0}]


def test_what_does_not_fit_a_csv_is_counted() -> None:
    log = logfiles.read(b"epoch,loss,lr\n0,1.5,0.1\n<<<<<<< HEAD\n1,1.25,0.1\n=======\n2,1.0,0.1\n")
    assert len(log.records) == 3
    assert log.notes == ("2 lines were left out: without the 3 cells of the header (the first is line 3)",)


def test_rows_before_the_first_place_are_counted() -> None:
    log = logfiles.read(b'{"loss": 3.0}\n{"epoch": 1, "loss": 2.0}\n')
    assert len(log.records) == 1
    assert "1 rows before" in log.notes[0]


def test_the_first_line_may_declare_the_run() -> None:
    log = logfiles.read(b'{"project": "p", "name": "n"}\n{"epoch": 1, "loss": 2.0}\n')
    assert log.run == {"project": "p", "name": "n"}
    assert log.records == [{"metrics": {"loss": 2.0}, "epoch": 1.0}]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "empty"),
        (b" \n\t\n", "empty"),
        (b"nothing of a training\nis told here\n", "Epoch 3 lr"),
        (b"epoch,colour\n1,red\n2,blue\n", "no column holds the numbers of a metric: the header names epoch, colour"),
        (b"epoch,loss\n,1.5\n,1.25\n", "no row says where it lies: the column epoch holds no number"),
        (b'{"epoch": 1}\n{"epoch": 2}\n', "epoch or step"),
        (b'{"epoch": 1, "loss": 1}\n{"epoch"\n{"ep', "line 2"),
        (b"3\n4\n", "Epoch 3 lr"),
    ],
)
def test_a_file_without_a_record_is_refused_with_what_is_wanted(text: bytes, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        logfiles.read(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch,loss\n1\n2\n", "no row has as many cells as the header on line 1, which names 2 columns"),
        ("# made by hand\nepoch,loss\n", "the header on line 2 has no row under it"),
        ("0.1,2.5\n0.1,2.4\n", "line 1 is no header: the first line names the columns"),
        ("\nloss\n2.5\n", "line 2 is no header"),
        ("# nothing\n", "empty but for comments"),
        ('epoch,loss\n1,"2\n', "line 2 is not CSV: unexpected end"),
        ("epoch;loss\n1;zwei\n", "with a point before the decimals"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_what_to_change(text: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        logfiles.read(text.encode(), name="metrics.csv")


@pytest.mark.parametrize("form", logfiles.FORMS)
def test_any_bytes_are_read_or_refused(form: logfiles.Form) -> None:
    for raw in (
        b"\x00\x01\x02",
        b"\xff\xfe",
        b"a,b\n\x00,1\n",
        b"[" * 100_000,
        b'"' * 1000 + b",1\n2",
        b"Epoch 1e999 loss 1",
    ):
        try:
            log = logfiles.read(raw, form)
        except InvalidInputError:
            continue
        parse_records(log.records)
