"""The samples of docs/client.md, run as they are written against a real receiver."""

from __future__ import annotations

import math
import re
import signal
from pathlib import Path

import pytest

from tests.client.receiver import Receiver
from tests.frameworks.real_keras import keras
from tests.frameworks.real_paddle import paddle

PAGE = Path(__file__).parents[2] / "docs" / "client.md"
SAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
EXPECTED = {  # by the run's name: records, those with a rate, and the schedule's class
    "torch": (10, 10, "CosineAnnealingLR"),
    "torch-adapter": (12, 12, "OneCycleLR"),
    "paddle": (30, 30, "LinearWarmup"),
    "paddle-fit": (9, 6, "StepDecay"),
    "transformers": (6, 5, "get_scheduler"),
    "lightning": (8, 5, "OneCycleLR"),
    "keras": (8, 5, "CosineDecay"),
    "resume": (10, 10, "CosineAnnealingLR"),
    "preempted": (100, 0, None),
    "": (1, 1, "OneCycleLR"),
}
pytestmark = [  # what the frameworks themselves warn of
    pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*is deprecated"),
]


def test_the_frameworks_are_there() -> None:
    assert paddle.__version__
    assert keras.backend.backend() == "torch"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.split("\n", 1)[0])
def test_a_sample_does_what_the_page_says(
    sample: str,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKSIDE_URL", receiver.url)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        exec(compile(sample, str(PAGE), "exec"), {})
    finally:
        signal.signal(signal.SIGTERM, handler)
    ((run_id, body),) = receiver.runs.items()
    name = body["name"] if body["name"] in EXPECTED else ""
    records = receiver.stored(run_id)
    found = (len(records), sum("lr" in record["metrics"] for record in records), body.get("schedule", {}).get("class"))
    assert found == EXPECTED[name]
    assert receiver.ends[run_id] == {"status": "finished"}
    assert "trackside:" not in capfd.readouterr().err


def test_the_sample_of_a_resume_goes_on_where_it_was(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKSIDE_URL", receiver.url)
    (sample,) = [each for each in SAMPLES if 'name="resume"' in each]
    for last in ("5", "10"):
        exec(compile(sample.replace("range(begin, 10)", f"range(begin, {last})"), str(PAGE), "exec"), {})
    ((run_id, _),) = receiver.runs.items()
    lives = [request.body["process"] for request in receiver.requests if request.method == "PUT"]
    assert [life.get("resumed_from_step") for life in lives] == [None, 20]
    records = receiver.stored(run_id)
    assert [record["epoch"] for record in records] == list(range(10))
    assert [record["metrics"]["lr"] for record in records] == pytest.approx(
        [0.05 * (1 + math.cos(math.pi * epoch / 10)) for epoch in range(10)]
    )


def test_every_sample_is_expected() -> None:
    assert len(SAMPLES) == len(EXPECTED)
