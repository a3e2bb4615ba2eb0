"""The subcommands that need no service: check, rule, keys, and what all share."""

from __future__ import annotations

import base64
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from tests.support.command import trackside

from trackside_service import cli, settings
from trackside_service.channels.secrets import open_secrets
from trackside_service.rules import RULES

RUN: dict[str, Any] = {"project": "p", "name": "n", "schedule": {"kind": "constant", "lr": 0.1}}
RECORDS: list[dict[str, Any]] = [
    {"epoch": 0, "metrics": {"lr": 0.1, "loss": 2.0}},
    {"epoch": 1, "metrics": {"lr": 0.1, "loss": float("nan")}},
]


@pytest.fixture(params=["body", "lines", "lines with run"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A finished log in each form that `check` takes; NaN as `json.dumps` writes it."""
    path = tmp_path / "log.json"
    if request.param == "body":
        path.write_text(json.dumps({"run": RUN, "records": RECORDS}, indent=2))
    else:
        first = RUN if request.param == "lines" else {"run": RUN}
        path.write_text("\n".join(map(json.dumps, [first, *RECORDS])) + "\n\n")
    return path


def test_check_says_what_a_log_comes_to(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", str(log)]) == 0
    printed = capsys.readouterr().out
    assert "CRITICAL LOSS001" in printed
    assert "epoch 1" in printed
    assert printed.endswith("1 alert; learning rate: on_schedule\n")


def test_check_in_json_is_what_the_service_answers(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--json", str(log)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [alert["code"] for alert in report["alerts"]] == ["LOSS001"]
    assert report["alerts"][0]["opened"] == {"step": None, "epoch": 1.0}
    assert report["lr"]["verdict"] == "on_schedule"


@pytest.mark.parametrize(("fail_on", "status"), [("info", 1), ("critical", 1)])
def test_check_fails_on_demand(log: Path, fail_on: str, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--fail-on", fail_on, str(log)]) == status
    assert "LOSS001" in capsys.readouterr().out


def test_check_passes_a_log_that_is_less_bad(tmp_path: Path) -> None:
    lines = "\n".join(map(json.dumps, [RUN, RECORDS[0]]))
    assert trackside("check", "--fail-on", "info", "-", folder=tmp_path, text=lines).returncode == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("{", "line 1"),
        ('{"project": "p", "name": "n"}\n{"step": }', "line 2"),
        ('{"projct": "p", "name": "n"}', "/projct"),
        ('{"project": "p", "name": "n"}\n{"step": 1, "metrics": {"a": false}}', "/records/0/metrics/a"),
        ('{"project": "p", "name": "n", "schedule": {"kind": "x"}}', "/schedule/kind"),
    ],
)
def test_check_refuses_what_it_cannot_read(
    tmp_path: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    assert cli.main(["check", str(path)]) == 2
    assert words in capsys.readouterr().err


def test_check_of_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "/nothing/here"]) == 2
    assert "cannot read" in capsys.readouterr().err


TEXT = "".join(f"Epoch [{epoch}] LR: {lr:.6f} accuracy 90.00%\n" for epoch, lr in enumerate((0.1, 0.1, 0.01, 0.01)))


def test_check_reads_a_plain_log_and_compares_it_with_a_declaration_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train.log").write_text(TEXT)
    schedule = {"framework": "torch", "class": "StepLR", "params": {"step_size": 6}, "base_lr": 0.1, "unit": "epoch"}
    (tmp_path / "run.json").write_text(json.dumps({"project": "p", "name": "n", "schedule": schedule}))
    status = cli.main(["check", str(tmp_path / "train.log"), "--run", str(tmp_path / "run.json"), "--json"])
    assert status == 0
    report = json.loads(capsys.readouterr().out)
    assert report["lr"]["verdict"] == "off_schedule"
    assert report["lr"]["first_off"]["epoch"] == 2
    assert "LR001" in {alert["code"] for alert in report["alerts"]}


def test_check_of_a_plain_log_alone_says_that_no_lr_was_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train.log").write_text("epoch,loss\n0,1.5\n1,nan\n2,nan\n")
    assert cli.main(["check", "--fail-on", "critical", str(tmp_path / "train.log")]) == 1
    printed = capsys.readouterr().out
    assert "LOSS001" in printed
    assert "learning rate: not compared" in printed


def test_check_takes_the_length_of_an_epoch_from_the_log_unless_it_is_declared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cosine over 20 updates, printed by batches: as the log counts, and with two batches an update."""
    lrs = [0.05 * (1 + math.cos(math.pi * update / 20)) for update in range(20)]
    schedule = {
        "framework": "torch",
        "class": "CosineAnnealingLR",
        "params": {"T_max": 20},
        "base_lr": 0.1,
        "unit": "step",
    }
    declared = {"project": "p", "name": "n", "schedule": schedule}
    (tmp_path / "run.json").write_text(json.dumps(declared))
    (tmp_path / "accumulated.json").write_text(json.dumps({**declared, "steps_per_epoch": 10}))
    for batches, file in ((1, "run.json"), (2, "accumulated.json")):
        text = "".join(
            f"Epoch {update // 10} Batch {update % 10 * batches}/{10 * batches} lr {lrs[update]:.6f}\n"
            for update in range(20)
        )
        (tmp_path / "train.log").write_text(text)
        assert cli.main(["check", str(tmp_path / "train.log"), "--run", str(tmp_path / file)]) == 0
        printed = capsys.readouterr()
        assert printed.out.endswith("0 alerts; learning rate: on_schedule\n")
        assert ("10 updates" in printed.err) == (batches == 1)


@pytest.mark.parametrize(
    ("declared", "words"), [("{", "--run: the declaration is not JSON"), ("3", "no JSON object"), ('{"a": 1}', "/a")]
)
def test_check_refuses_a_declaration_that_it_cannot_read(
    tmp_path: Path, declared: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train.log").write_text(TEXT)
    (tmp_path / "run.json").write_text(declared)
    assert cli.main(["check", str(tmp_path / "train.log"), "--run", str(tmp_path / "run.json")]) == 2
    assert words in capsys.readouterr().err


def test_check_refuses_two_declarations(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    assert cli.main(["check", str(log), "--run", str(tmp_path / "run.json")]) == 2
    assert "leave out --run" in capsys.readouterr().err


def test_rule_prints_the_page_that_the_service_shows(capsys: pytest.CaptureFixture[str]) -> None:
    for each in RULES:
        assert cli.main(["rule", each.code.lower()]) == 0
        assert capsys.readouterr().out.strip() == each.page.strip()
    assert cli.main(["rule"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [each.code for each in RULES]
    assert cli.main(["rule", "LOS001"]) == 2
    assert "did you mean 'LOSS001'?" in capsys.readouterr().err
    assert cli.main(["rule", "zzz"]) == 2
    assert "known are LOSS001, LR004" in capsys.readouterr().err


def test_keys_are_fresh_and_fit(capsys: pytest.CaptureFixture[str]) -> None:
    seen = set()
    for _ in range(2):
        assert cli.main(["keys"]) == 0
        keys = dict(re.findall(r"^export (TRACKSIDE_\w+)=(\S+)$", capsys.readouterr().out, re.MULTILINE))
        assert set(keys) == {"TRACKSIDE_ADMIN_KEY", "TRACKSIDE_SECRET_KEY"}
        assert settings.read(keys).admin_key == keys["TRACKSIDE_ADMIN_KEY"]
        assert len(base64.urlsafe_b64decode(keys["TRACKSIDE_SECRET_KEY"])) == 32
        assert "with a key" in repr(open_secrets(keys["TRACKSIDE_SECRET_KEY"], "postgresql://h/db"))
        seen |= set(keys.values())
    assert len(seen) == 4


def test_the_command_explains_itself(tmp_path: Path) -> None:
    done = trackside("--help", folder=tmp_path)
    assert done.returncode == 0
    for command in ("serve", "migrate", "deliver", "check", "rule", "demo", "keys"):
        assert command in done.stdout
        assert trackside(command, "--help", folder=tmp_path).returncode == 0
    assert trackside(folder=tmp_path).returncode == 2
    assert "TRACKSIDE_DATABASE_URL" in trackside("serve", "--help", folder=tmp_path).stdout
