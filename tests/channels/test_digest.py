"""What a group of events tells, and that every channel that people read has room for it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from trackside_service.channels import CHANNELS, Channel, Message
from trackside_service.channels.digest import GROUP, MOST_LINES, Summary, summary, together
from trackside_service.channels.examples import EXAMPLES
from trackside_service.channels.wording import news

FOR_PEOPLE = pytest.mark.parametrize("channel", [c for c in CHANNELS if c.for_people], ids=lambda channel: channel.kind)
OPENED = EXAMPLES["opened"]


def message(event: str = "opened", *, run: str = "run-1", alert: str | None = None, **changes: Any) -> Message:
    """Return an event of an alert (its own unless named) of a run."""
    told = {**OPENED.snapshot["alert"], "id": alert or str(uuid4()), **changes}
    about = {**OPENED.snapshot["run"], "id": f"id of {run}", "name": run, "project": "vision"}
    return replace(
        OPENED, id=uuid4(), type=f"alert.{event}", snapshot={"alert": told, "run": about}, link=f"/{run[:9]}"
    )


def told(*messages: Message) -> Summary:
    grouped = together(messages, None)
    assert grouped.type == GROUP
    return summary(grouped.snapshot)


def test_one_message_alone_is_itself() -> None:
    assert together([OPENED], None) is OPENED


def test_one_alert_is_told_by_its_last_event() -> None:
    opened, worse = message(alert="a"), message("changed", alert="a", severity="critical")
    assert together([opened, worse], None) is worse


def test_the_worst_come_first_and_are_counted() -> None:
    found = told(
        message("resolved", run="run-9", alert="r"),
        message(code="FIT001", title="Gap"),
        message(run="run-2", code="LOSS001", title="Loss not finite", severity="critical"),
        message("reminder", run="run-2", code="LOSS002", title="Diverging", severity="critical"),
    )
    assert found.tone == "critical"
    assert found.headline == "2 critical, 1 warning and 1 resolved in 3 runs of vision"
    assert found.lines == (
        "🔴 run-2: Loss not finite (LOSS001), epoch 3, step 1210",
        "🔴 run-2: Diverging (LOSS002), epoch 3, step 1210, still critical",
        "🟠 run-1: Gap (FIT001), epoch 3, step 1210",
        "🟢 run-9: Learning rate off schedule (LR001), resolved",
    )
    assert (found.runs, found.events, found.advice) == (3, 4, "")


def test_an_alert_that_came_and_went_is_one_line() -> None:
    over = message("resolved", alert="a", resolved={"step": 9, "epoch": None})
    found = told(message(alert="a"), message(alert="b", run="run-2"), over)
    assert found.headline == "1 warning and 1 resolved in 2 runs of vision"
    assert found.lines[1] == "🟢 run-1: Learning rate off schedule (LR001), step 9, opened and resolved"
    assert len(found.lines) == 2
    assert found.events == 3


def test_many_are_counted_over_their_runs() -> None:
    many = [message(run=f"run-{n}", code=c, title=t) for n in range(20) for c, t in (("A1", "One"), ("B1", "Two"))]
    found = told(*many, message(run="run-3", code="C1", title="Three", severity="critical"))
    assert found.headline == "1 critical and 40 warnings in 20 runs of vision"
    assert found.lines == (
        "🔴 Three (C1): run-3",
        "🟠 20 × One (A1): run-0, run-1, run-2 and 17 more",
        "🟠 20 × Two (B1): run-0, run-1, run-2 and 17 more",
    )


def test_what_has_no_line_is_counted() -> None:
    found = told(*(message(code=f"X{n:03}", title=f"T{n}") for n in range(MOST_LINES + 12)))
    assert len(found.lines) == MOST_LINES + 1
    assert found.lines[-1] == "and 12 more"


def test_one_defect_keeps_its_advice() -> None:
    assert told(message(), message(run="run-2")).advice == OPENED.snapshot["alert"]["advice"]


def test_the_link_leads_to_the_run_or_to_the_alerts_of_all() -> None:
    of_one = together([message(), message()], "https://t.example.org")
    assert (of_one.link, news(of_one).opens) == ("/run-1", "Open the run")
    of_two = together([message(), message(run="run-2")], "https://t.example.org")
    assert of_two.link == "https://t.example.org/v1/alerts?state=open&project=vision"
    assert news(of_two).opens == "Open the alerts"


def test_the_id_is_that_of_the_group() -> None:
    messages = [message(), message(run="run-2")]
    assert together(messages, None).id == together(messages, None).id != together([*messages, message()], None).id


@FOR_PEOPLE
def test_every_channel_tells_all_lines(channel: Channel) -> None:
    events = [message(run=f"run-{n}", code=f"X{n:03}", title=f"Title {n}") for n in range(MOST_LINES)]
    said = json.dumps(channel.payload(together(events, "https://t.example.org")), ensure_ascii=False)
    assert f"{MOST_LINES} warnings in {MOST_LINES} runs of vision" in said
    for n in range(MOST_LINES):
        assert f"Title {n}" in said
    assert "/v1/alerts?state=open" in said


@FOR_PEOPLE
def test_the_longest_names_fit(channel: Channel) -> None:
    names = ["<&*_🔴" * 400 + str(n) for n in range(30)]
    grouped = together([message(run=name, title=name, code=f"X{n:03}") for n, name in enumerate(names)], None)
    said = json.dumps(channel.payload(grouped), ensure_ascii=False)
    assert len(said.encode()) < 28_000
    assert "and 20 more" in said
