"""`trackside check --plan`: a declaration judged before any training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.command import trackside

from trackside_service import cli

COSINE: dict[str, Any] = {
    "framework": "torch",
    "class": "CosineAnnealingLR",
    "params": {"T_max": 50},
    "base_lr": 0.1,
    "unit": "epoch",
}


def plan_file(folder: Path, **declared: Any) -> str:
    path = folder / "plan.json"
    path.write_text(json.dumps({"project": "p", "name": "n", **declared}, indent=2))
    return str(path)


def test_it_says_what_is_wrong_with_a_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--plan", plan_file(tmp_path, schedule=COSINE, total_epochs=90)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("INFO     PLAN005 The cosine rebounds")
    assert printed[1].strip().startswith("before training: ")
    assert "T_max from 50 to 90" in printed[2]
    assert printed[3] == (
        "LR at the start 0.1, at its peak 0.1 (epoch 0), at the end 0.0885257 (epoch 89); the run takes 90 epochs, "
        "counted from 0"
    )
    assert printed[4:] == ["1 findings"]


def test_a_plan_that_fits_has_no_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schedule = {
        "framework": "torch",
        "class": "OneCycleLR",
        "params": {"max_lr": 0.1, "total_steps": 100},
        "unit": "step",
    }
    file = plan_file(tmp_path, schedule={**schedule, "base_lr": [0.1, 0.1]}, total_epochs=10, steps_per_epoch=10)
    assert cli.main(["check", "--plan", "--fail-on", "info", file]) == 0
    assert capsys.readouterr().out == (
        "LR at the start 0.004, at its peak 0.1 (step 29), at the end 4e-07 (step 99); of group 0; the run takes 100 "
        "steps, counted from 0\n0 findings\n"
    )


@pytest.mark.parametrize(("fail_on", "status"), [(None, 0), ("info", 1), ("warning", 0), ("critical", 0)])
def test_it_fails_on_demand(tmp_path: Path, fail_on: str | None, status: int) -> None:
    words = [] if fail_on is None else ["--fail-on", fail_on]
    file = plan_file(tmp_path, schedule=COSINE, total_epochs=90)
    assert cli.main(["check", "--plan", *words, file]) == status


def test_it_fails_on_a_jump(tmp_path: Path) -> None:
    params = {"learning_rate": 0.002, "warmup_steps": 1, "start_lr": 2e-05, "end_lr": 0.002}
    schedule = {"framework": "paddle", "class": "LinearWarmup", "params": params, "base_lr": 0.002, "unit": "epoch"}
    assert cli.main(["check", "--plan", "--fail-on", "warning", plan_file(tmp_path, schedule=schedule)]) == 1


def test_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--plan", "--json", plan_file(tmp_path, schedule=COSINE, total_epochs=90)]) == 0
    report = json.loads(capsys.readouterr().out)
    (found,) = report["findings"]
    assert (found["code"], found["severity"]) == ("PLAN005", "info")
    assert found["opened"] == {"step": None, "epoch": None}
    assert found["evidence"]["turns_at_tick"] == 50
    assert report["lr"]["run_ticks"] == 90
    assert report["lr"]["start"] == report["lr"]["peak"] == {"tick": 0, "lr": 0.1}
    assert report["lr"]["end"] == {"tick": 89, "lr": pytest.approx(0.08852566)}


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({}, "no schedule is declared"),
        ({"schedule": COSINE}, "at the end 0 (epoch 50); the run's length is not known: declare total_epochs"),
        (
            {"schedule": {**COSINE, "unit": "step"}, "total_epochs": 3},
            "the run's length is not known: declare steps_per_epoch",
        ),
        ({"schedule": {**COSINE, "class": "ReduceLROnPlateau", "params": {}}}, "the rest depends on the metric"),
        (
            {"schedule": {**COSINE, "class": "ExponentialLR", "params": {"gamma": 0.9}}},
            "LR at the start 0.1; the run's",
        ),
        (
            {"schedule": {"kind": "table", "values": [0.1, 0.2], "unit": "epoch"}, "total_epochs": 9},
            "at the end not known (epoch 8)",
        ),
    ],
)
def test_what_cannot_be_known_is_said(
    tmp_path: Path, declared: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", "--plan", plan_file(tmp_path, **declared)]) == 0
    printed = capsys.readouterr().out
    assert words in printed
    assert printed.endswith("0 findings\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"project": "p", "name": "n", "schedule": {"kind": "x"}}', "/schedule/kind"),
        ('{"run": {"project": "p", "name": "n"}, "records": [{"step": 1, "metrics": {}}]}', "without records"),
        ('{"project": "p"', "line 1"),
    ],
)
def test_it_refuses_what_it_cannot_read(
    tmp_path: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    assert cli.main(["check", "--plan", str(path)]) == 2
    assert words in capsys.readouterr().err


def test_from_standard_input(tmp_path: Path) -> None:
    text = json.dumps({"project": "p", "name": "n", "schedule": COSINE, "total_epochs": 90})
    done = trackside("check", "--plan", "--fail-on", "info", "-", folder=tmp_path, text=text)
    assert done.returncode == 1
    assert "PLAN005" in done.stdout
