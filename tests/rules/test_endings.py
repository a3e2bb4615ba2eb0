"""RUN002 and RUN003: what the end of a run gives rise to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.support import spec_of
from trackside_service import detection
from trackside_service.domain.findings import Finding
from trackside_service.domain.records import Position
from trackside_service.rules import Ending

OOM = """Traceback (most recent call last):
  File "train.py", line 80, in <module>
torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB
"""


def _found(ending: Ending, **declared: Any) -> list[Finding]:
    faults: list[detection.RuleFault] = []
    found = detection.end(detection.configure(spec_of(**declared)), ending, faults)
    assert not faults
    return list(found)


def test_a_finished_run_gives_rise_to_nothing() -> None:
    assert _found(Ending("finished", "early stopping", Position(1200, 3))) == []


def test_a_failure_tells_the_exception_its_last_line_and_the_place() -> None:
    (finding,) = _found(Ending("failed", OOM, Position(1200, 3)))
    assert (finding.code, finding.subject, finding.severity) == ("RUN002", "run", "critical")
    assert finding.title == "Failed: torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
    assert "epoch 3, step 1200" in finding.detail
    assert finding.opened == Position(1200, 3)
    assert finding.evidence["exception"] == "OutOfMemoryError"
    assert "batch size" in finding.advice


@pytest.mark.parametrize("reason", [None, "", " \n "])
def test_a_failure_without_a_word_or_a_record_is_told_all_the_same(reason: str | None) -> None:
    (finding,) = _found(Ending("failed", reason))
    assert finding.title == "Failed"
    assert "before its first record" in finding.detail
    assert "no reason was given" in finding.detail
    assert finding.evidence == {"exception": None, "last_line": None}


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("RuntimeError: DataLoader worker (pid 7) is killed by signal", "data loader"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("torch.distributed.DistBackendError: NCCL error", "another rank"),
        ("FileNotFoundError: data/train.csv", "paths"),
        ("KeyError: 'lr'", "traceback"),
    ],
)
def test_the_advice_knows_the_usual_exceptions(reason: str, words: str) -> None:
    (finding,) = _found(Ending("failed", reason))
    assert words in finding.advice


def test_a_long_last_line_is_cut() -> None:
    (finding,) = _found(Ending("failed", "ValueError: " + "x" * 2000))
    assert len(finding.title) < 200
    assert finding.title.endswith("...")


@pytest.mark.parametrize(
    ("reason", "severity"),
    [("SIGTERM", "warning"), ("preempted", "warning"), (None, "warning"), ("KeyboardInterrupt", "info")],
)
def test_a_kill_is_a_warning_unless_it_was_done_by_hand(reason: str | None, severity: str) -> None:
    (finding,) = _found(Ending("killed", reason, Position(epoch=2)))
    assert (finding.code, finding.severity) == ("RUN003", severity)
    assert finding.title == (f"Killed: {reason}" if reason else "Killed")


def test_they_are_switched_off_and_set_like_any_rule() -> None:
    assert _found(Ending("failed"), rules={"RUN002": {"enabled": False}}) == []
    (finding,) = _found(Ending("killed", "SIGTERM"), rules={"RUN003": {"severity": "info"}})
    assert finding.severity == "info"
