"""What the installed libraries really print is what `trackside check` reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trackside_service import logfiles
from trackside_service.domain.declarations import parse_records, with_canonical_names
from trackside_service.domain.records import Record

KERAS = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import keras, numpy as np
keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(size=(160, 4)).astype("float32")
y = (x[:, 0] > 0).astype("int64")
model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])
model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(True), metrics=["accuracy"])
stop = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 * 0.5**epoch)
log = keras.callbacks.CSVLogger("log.csv")
history = model.fit(x, y, epochs=3, batch_size=16, validation_split=0.25, verbose={verbose}, callbacks=[stop, log])
open("history.txt", "w").write(repr(history.history))
"""

TRANSFORMERS = """
import torch
from transformers import Trainer, TrainingArguments

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(4, 2)
    def forward(self, x, labels):
        logits = self.line(x)
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

torch.manual_seed(0)
data = [{"x": torch.randn(4), "labels": torch.tensor(index % 2)} for index in range(64)]
arguments = TrainingArguments("out", num_train_epochs=3, per_device_train_batch_size=8, logging_steps=4,
    eval_strategy="epoch", save_strategy="no", report_to=[], learning_rate=0.1, use_cpu=True)
Trainer(Model(), arguments, train_dataset=data, eval_dataset=data).train()
"""


def printed(script: str, folder: Path) -> bytes:
    """What a training prints, on both streams as a shell's `&>` has them."""
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert run.returncode == 0, run.stdout[-2000:]
    return run.stdout


def records_of(raw: bytes) -> list[Record]:
    return [with_canonical_names(one, {}) for one in parse_records(logfiles.read(raw).records)]


@pytest.mark.parametrize("verbose", [1, 2])
def test_keras_prints(verbose: int, tmp_path: Path) -> None:
    raw = printed(KERAS.format(verbose=verbose), tmp_path)
    found = records_of(raw)
    assert [record.epoch for record in found] == [1, 2, 3]
    # An editor, or Python itself, may have made line breaks of the carriage returns.
    assert records_of(raw.replace(b"\r", b"\n")) == found
    exact = records_of((tmp_path / "log.csv").read_bytes())
    history = records_of((tmp_path / "history.txt").read_bytes())
    for shown, one, told in zip(found, exact, history, strict=True):
        assert shown.metrics.keys() == one.metrics.keys() == told.metrics.keys()
        assert shown.metrics.keys() == {"train_acc", "train_loss", "val_acc", "val_loss", "lr"}
        assert dict(shown.metrics) == pytest.approx(dict(one.metrics), abs=6e-5)
        assert dict(told.metrics) == pytest.approx(dict(one.metrics))


def test_transformers_prints(tmp_path: Path) -> None:
    found = records_of(printed(TRANSFORMERS, tmp_path))
    assert sum("train_loss" in record.metrics for record in found) == 6
    assert sum("val_loss" in record.metrics for record in found) == 3
    lrs = [record.metrics["lr"] for record in found if "lr" in record.metrics]
    assert lrs == sorted(lrs, reverse=True)
    assert max(record.epoch or 0 for record in found) == 3


def test_tqdm_prints(capfd: pytest.CaptureFixture[str]) -> None:
    from tqdm import tqdm

    for epoch in (1, 2):
        with tqdm(range(10), desc=f"Epoch {epoch}/2", mininterval=0) as bar:
            for batch in bar:
                bar.set_postfix(loss=2.0 / epoch + 0.01 * (9 - batch), lr=0.1 / epoch)
    found = records_of(capfd.readouterr().err.encode())
    assert [record.epoch for record in found] == [1, 2]
    assert [record.metrics["train_loss"] for record in found] == [2.0, 1.0]
    assert [record.metrics["lr"] for record in found] == [0.1, 0.05]
