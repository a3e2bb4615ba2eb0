"""Teams' cards: their limits, that texts are only text, and a workflow's answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.channels.test_discord import filled
from tests.support.outbox import LOOPBACK, NOW, outbound
from tests.support.receiver import Reply, receiving

from trackside_service.channels import Endpoint, Targets, configure
from trackside_service.channels.examples import EXAMPLES
from trackside_service.channels.teams import MAX_BYTES, encode, render, send
from trackside_service.errors import InvalidInputError

URL = (
    "https://prod-1.westus.logic.azure.com/workflows/0a1b2c3d4e5f/triggers/manual/paths/invoke?sv=1.0&sig=q1w2e3r4t5y6"
)


def card(body: dict[str, Any]) -> dict[str, Any]:
    [attachment] = body["attachments"]
    content: dict[str, Any] = attachment["content"]
    return content


def elements(value: Any) -> Iterator[dict[str, Any]]:
    """Return every object in a card that has a type."""
    if isinstance(value, dict):
        if "type" in value:
            yield value
        for each in value.values():
            yield from elements(each)
    elif isinstance(value, list):
        for each in value:
            yield from elements(each)


@pytest.mark.parametrize("filling", ["x" * 9000, "🔥" * 9000, '"' * 9000, "", "\ud800" * 9000])
def test_whatever_is_in_it_a_message_keeps_the_limit(filling: str) -> None:
    body = render(filled(filling))
    assert 0 < len(encode(body)) <= MAX_BYTES
    assert json.loads(encode(body))["type"] == "message"
    head = card(body)["body"][0]
    assert head["style"] == "warning"
    assert all(each["text"] for each in elements(card(body)) if each["type"] == "TextRun")


def test_texts_are_runs_of_plain_text() -> None:
    """Of Adaptive Cards' texts, only a TextRun reads no markdown."""
    body = render(filled("**b** [x](https://evil.example) <at>all</at>"))
    content = card(body)
    found = list(elements(content["body"]))
    assert {each["type"] for each in found} == {"Container", "RichTextBlock", "TextRun"}
    assert not any("text" in each for each in found if each["type"] != "TextRun")
    assert "entities" not in content["msteams"], "without entities nobody is mentioned"


def test_the_head_has_the_severitys_colour_and_the_button_opens_the_run() -> None:
    styles = {name: card(render(message))["body"][0]["style"] for name, message in EXAMPLES.items()}
    assert styles == {
        "opened": "warning",
        "changed": "attention",
        "reminder": "attention",
        "acknowledged": "emphasis",
        "resolved": "good",
        "disabled": "attention",
        "test": "emphasis",
    }
    [button] = card(render(EXAMPLES["opened"]))["actions"]
    assert (button["type"], button["url"]) == ("Action.OpenUrl", EXAMPLES["opened"].link)
    assert "actions" not in card(render(EXAMPLES["test"]))


def test_the_plot_keeps_its_columns() -> None:
    lines = [each["text"] for each in elements(card(render(EXAMPLES["opened"]))) if each.get("fontType") == "Monospace"]
    assert len(lines) > 5
    assert not any(" " in line or "\n" in line for line in lines)


def test_a_message_arrives() -> None:
    with receiving() as receiver:
        receiver.behave("/t?sig=q1w2e3r4", Reply(202, body=b""), Reply(400, body=b"sig q1w2e3r4 is bad"), Reply(429))
        endpoint = configure("teams", receiver.url("/t?sig=q1w2e3r4"), None, LOOPBACK)
        assert send(EXAMPLES["opened"], endpoint, outbound(), NOW).status == "delivered"
        refused = send(EXAMPLES["opened"], endpoint, outbound(), NOW)
        assert (refused.status, refused.said) == ("failed", "sig [hidden] is bad")
        assert send(EXAMPLES["opened"], endpoint, outbound(), NOW).status == "retry"
        assert receiver.received[0].json == render(EXAMPLES["opened"])


def test_the_address_is_the_secret() -> None:
    endpoint = configure("teams", URL, None, Targets())
    assert endpoint == Endpoint(URL, None, "https://prod-1.westus.logic.azure.com")
    assert "q1w2e3r4t5y6" not in repr(endpoint)
    with pytest.raises(InvalidInputError, match="no secret"):
        configure("teams", URL, "hunter2", Targets())
