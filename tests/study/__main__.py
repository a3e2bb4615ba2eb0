"""Train everything, judge it, and print docs/detection.md."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import torch

from tests.study.faults import FAULTS, HEALTHY, Planted
from tests.study.judging import SERIOUS, Judged, judged
from tests.study.trainings import EPOCHS, STEPS

T = TypeVar("T")
_HEAD: Final = """\
# How well the rules see

This page is written by `make study`: real trainings by torch on scikit-learn's handwritten digits, some with a fault
planted, some healthy, and their logs through the engine that watches live runs. What it cannot show is whether the
rules keep quiet on other people's runs; each rule's page in [rules.md](rules.md) says what was measured on public logs.

A small network is trained for {epochs} epochs of {steps} updates, each plan with {seeds} seeds. Each log is told in two
ways: every update with an evaluation each epoch, and one line an epoch. The healthy ones are told once more without
their declared schedule.

"""


def main() -> None:
    """Print the page; say on stderr how far it is."""
    parser = argparse.ArgumentParser(prog="python -m tests.study", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    seeds = range(parser.parse_args().seeds)
    torch.set_num_threads(1)
    healthy = [
        one for plan in _told(HEALTHY, "healthy") for seed in seeds for one in judged(plan, seed, undeclared=True)
    ]
    faulty = {
        planted.title: [one for plan in planted.plans for seed in seeds for one in judged(plan, seed, undeclared=False)]
        for planted in _told(FAULTS, "faults")
    }
    sys.stdout.write(_HEAD.format(epochs=EPOCHS, steps=STEPS, seeds=len(seeds)))
    sys.stdout.write("\n".join([*_faults(faulty), "", *_rules(healthy, faulty)]) + "\n")


def _told(things: Sequence[T], what: str) -> Iterator[T]:
    for number, thing in enumerate(things, start=1):
        sys.stderr.write(f"{what}: {number} of {len(things)}\n")
        yield thing


def _faults(faulty: dict[str, list[Judged]]) -> list[str]:
    lines = [
        "## Planted faults",
        "",
        "*Seen*: logs with a serious alert of a rule that fits the fault. *Delay*: epochs from the fault's beginning",
        "to that alert, the median and the longest. *Alerts*: serious ones a log, on the average.",
        "",
        "| fault | seen | delay | alerts | rules that spoke |",
        "|---|---|---|---|---|",
    ]
    by_title = {planted.title: planted for planted in FAULTS}
    return lines + [_fault(by_title[title], logs) for title, logs in faulty.items()]


def _fault(planted: Planted, logs: list[Judged]) -> str:
    delays = [delay for log in logs if (delay := log.first(planted.fitting)) is not None]
    codes = Counter(code for log in logs for code in sorted({alert.code for alert in log.serious}))
    spoke = ", ".join(f"{code} ({count})" for code, count in codes.most_common())
    waited = f"{statistics.median(delays):g}, {max(delays):g}" if delays else "-"
    alerts = statistics.mean(len(log.serious) for log in logs)
    return f"| {planted.title} | {len(delays)} of {len(logs)} | {waited} | {alerts:.1f} | {spoke} |"


def _rules(healthy: list[Judged], faulty: dict[str, list[Judged]]) -> list[str]:
    loud = [log for log in healthy if log.serious]
    lines = [
        "## Healthy trainings",
        "",
        f"{len(loud)} of {len(healthy)} logs raise a serious alert. Among the faults that a rule sees are those of",
        "which it tells under another alert, as a symptom.",
        "",
        "| rule | serious on healthy logs | information on healthy logs | faults that it sees |",
        "|---|---|---|---|",
    ]
    everything = [log for logs in (healthy, *faulty.values()) for log in logs]
    for code in sorted({alert.code for log in everything for alert in (*log.alerts, *log.symptoms)}):
        serious = sum(any(alert.code == code for alert in log.serious) for log in healthy)
        told = sum(any(alert.code == code and alert.severity not in SERIOUS for alert in log.alerts) for log in healthy)
        seen = [
            title
            for title, logs in faulty.items()
            if any(alert.code == code for log in logs for alert in (*log.serious, *log.symptoms))
        ]
        lines.append(f"| {code} | {serious} of {len(healthy)} | {told} | {'; '.join(seen) or 'none'} |")
    return lines


if __name__ == "__main__":
    main()
