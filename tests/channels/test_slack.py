"""Slack's messages: their limits, and what must not get through. How they look is pinned in `snapshots`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from tests.support.outbox import LOOPBACK, NOW, make_alert, make_run, outbound
from tests.support.receiver import Reply, receiving

from trackside_service.channels import Endpoint, Message, Targets, configure
from trackside_service.channels.examples import EXAMPLES
from trackside_service.channels.slack import (
    MAX_BLOCKS,
    MAX_FIELD,
    MAX_FIELDS,
    MAX_HEADER,
    MAX_SECTION,
    escape,
    render,
    send,
)
from trackside_service.domain.wire import alert_to_wire
from trackside_service.errors import InvalidInputError, TargetRefusedError

RUN = {"id": str(make_run().id), "project": "vision", "name": "resnet-7", "status": "running", "tags": ["nightly"]}
PLOT = {
    "at": [0, 1, 2, 3, 4],
    "unit": "epoch",
    "expected": [0.1, 0.09, 0.08, 0.07, 0.06],
    "observed": [0.1, 0.09, 0.08, 0.08, "NaN"],
}
EVIDENCE = {
    "lr_expected": 0.07,
    "lr_observed": "NaN",
    "ratio": None,
    "steps_off": 12,
    "final": True,
    "causes": [{"cause": "shift"}],
    "first_off": {"index": 3},
}


def message(event: str, *, run: dict[str, Any] | None = None, **changes: Any) -> Message:
    alert = make_alert(**{"id": UUID(int=1), "evidence": EVIDENCE, **changes})
    snapshot: dict[str, Any] = {"alert": alert_to_wire(alert), "run": run or RUN}
    if event == "opened":
        snapshot["lr_plot"] = PLOT
    return Message(UUID(int=3), f"alert.{event}", NOW, snapshot)


def texts(value: Any) -> list[str]:
    """Return every text in a message."""
    if isinstance(value, dict):
        return [
            text
            for key, item in value.items()
            for text in ([item] if key == "text" and isinstance(item, str) else texts(item))
        ]
    return [text for item in value for text in texts(item)] if isinstance(value, list) else []


def units(text: str) -> int:
    """Count as JavaScript does, in which a character beyond the basic plane counts twice."""
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize("filling", ["<&>" * 3000, "x" * 9000, "&" * 9000, "🔥" * 9000, "`*_~" * 3000])
def test_whatever_is_in_it_a_message_keeps_slacks_limits(filling: str) -> None:
    endless = message(
        "opened",
        title=filling,
        detail=filling,
        advice=filling,
        code=filling,
        subject=filling,
        evidence={f"{filling}{number}": filling for number in range(60)},
        run={"id": filling, "project": filling, "name": filling, "status": "running", "tags": [filling] * 40},
    )
    body = render(endless)
    assert len(body["blocks"]) <= MAX_BLOCKS
    assert 0 < units(body["text"]) <= MAX_SECTION
    for block in body["blocks"]:
        if block["type"] == "header":
            assert 0 < units(block["text"]["text"]) <= MAX_HEADER
        elif "fields" in block:
            assert 0 < len(block["fields"]) <= MAX_FIELDS
            assert all(0 < units(field["text"]) <= MAX_FIELD for field in block["fields"])
        elif block["type"] == "context":
            assert units(block["elements"][0]["text"]) <= MAX_FIELD
        else:
            assert 0 < units(block["text"]["text"]) <= MAX_SECTION
    assert sum(units(text) for text in texts(body["blocks"])) < 13_000
    for text in texts(body):
        bare = text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
        assert not set("<>&") & set(bare)


def test_what_is_empty_is_never_sent_empty() -> None:
    empty = message("opened", title="", detail="", advice="", evidence={"": ""}, run={**RUN, "name": "", "project": ""})
    assert all(text.strip() for text in texts(render(empty)))


def test_nobody_is_called_by_a_name_in_a_message() -> None:
    shouting = message("opened", title="<!channel> wake up", run={**RUN, "name": "<@U123>"})
    assert "<!" not in json.dumps(render(shouting))
    assert "<@" not in json.dumps(render(shouting))


@pytest.mark.parametrize("limit", range(1, 30))
def test_an_escape_is_never_cut(limit: int) -> None:
    text = escape("a<b>&c & d", limit)
    assert len(text) <= limit
    assert text == "a&lt;b&gt;&amp;c &amp; d" if limit >= 24 else text.endswith("…")
    assert "&" not in text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")


def test_the_address_is_the_secret() -> None:
    url = "https://hooks.slack.com/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx"
    endpoint = configure("slack", url, None, Targets())
    assert endpoint == Endpoint(url, None, "https://hooks.slack.com")
    assert "T00000000" not in repr(endpoint)
    with pytest.raises(InvalidInputError, match="no secret"):
        configure("slack", url, "whsec_x", Targets())
    with pytest.raises(TargetRefusedError) as caught:
        configure("slack", url.replace("https", "http"), None, Targets())
    assert "T00000000" not in str(caught.value)


def test_a_message_arrives() -> None:
    with receiving() as receiver:
        receiver.behave("/s", Reply(), Reply(400, body=b"invalid_blocks"))
        endpoint = configure("slack", receiver.url("/s"), None, LOOPBACK)
        assert send(EXAMPLES["opened"], endpoint, outbound(), NOW).status == "delivered"
        refused = send(EXAMPLES["opened"], endpoint, outbound(), NOW)
        assert (refused.status, refused.error) == ("failed", "the receiver answered 400: invalid_blocks")
        assert receiver.received[0].json == render(EXAMPLES["opened"])
        assert receiver.received[0].headers["content-type"] == "application/json"


def test_the_run_is_linked_where_the_service_knows_its_address() -> None:
    linked = json.dumps(render(EXAMPLES["opened"]))
    assert f"<https://trackside.example.org/v1/runs/{RUN['id']}/health|Open the run>" in linked
    assert "Open the run" not in json.dumps(render(message("opened")))
    odd = replace(EXAMPLES["opened"], link="https://trackside.example.org/a|b>c<d&e")
    assert "<https://trackside.example.org/a%7Cb&gt;c&lt;d&amp;e|Open the run>" in json.dumps(render(odd))


def test_the_numbers_are_the_single_values_of_the_evidence() -> None:
    fields = [field["text"] for block in render(message("opened"))["blocks"] for field in block.get("fields", ())]
    assert "*LR expected*\n0.07" in fields
    assert "*LR observed*\nNaN" in fields
    assert "*Final*\nyes" in fields
    assert not any("cause" in field for field in fields)
