"""Discord's messages: their limits, what must not get through, and what its answers mean."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from tests.support.outbox import LOOPBACK, NOW, outbound
from tests.support.receiver import Reply, receiving

from trackside_service.channels import Endpoint, Message, Outcome, Targets, configure
from trackside_service.channels.discord import (
    MAX_DESCRIPTION,
    MAX_FIELDS,
    MAX_FOOTER,
    MAX_NAME,
    MAX_TITLE,
    MAX_TOTAL,
    MAX_VALUE,
    escape,
    render,
    send,
)
from trackside_service.channels.examples import EXAMPLES
from trackside_service.channels.wording import units
from trackside_service.errors import InvalidInputError, TargetRefusedError

TOKEN = "abcdefghijklmnopqrstuvwxyz-0123456789_ABCDEF"
URL = f"https://discord.com/api/webhooks/1234567890/{TOKEN}"


def filled(filling: str) -> Message:
    """Return an opened alert of which every text is `filling`."""
    snapshot = EXAMPLES["opened"].snapshot
    alert = {
        **snapshot["alert"],
        **dict.fromkeys(("title", "detail", "advice", "code", "subject"), filling),
        "evidence": {f"{filling}{number}": filling for number in range(60)},
        "symptoms": [{"title": filling, "code": filling}] * 30,
    }
    run = {"id": filling, "project": filling, "name": filling, "status": "running", "tags": [filling] * 40}
    return replace(EXAMPLES["opened"], snapshot={**snapshot, "alert": alert, "run": run})


@pytest.mark.parametrize("filling", ["x" * 9000, "*" * 9000, "🔥" * 9000, "\\" * 9000, "- [a](b)\n" * 900, ""])
def test_whatever_is_in_it_a_message_keeps_discords_limits(filling: str) -> None:
    [embed] = render(filled(filling))["embeds"]
    fields = embed["fields"]
    assert 0 < units(embed["title"]) <= MAX_TITLE
    assert 0 < units(embed["description"]) <= MAX_DESCRIPTION
    assert len(fields) <= MAX_FIELDS
    assert all(0 < units(field["name"]) <= MAX_NAME and 0 < units(field["value"]) <= MAX_VALUE for field in fields)
    assert units(embed["footer"]["text"]) <= MAX_FOOTER
    told = [embed["title"], embed["description"], embed["footer"]["text"]]
    assert (
        sum(units(text) for text in told + [field[part] for field in fields for part in ("name", "value")]) <= MAX_TOTAL
    )


def bare(text: str) -> str:
    """Return what is not escaped of `text`."""
    return re.sub(r"\\[^0-9A-Za-z\s]", "", text)


def test_markdown_and_mentions_are_only_text() -> None:
    hostile = "@everyone <@123> <#4> [x](https://evil.example) **b** __u__ ~~s~~ ||p|| `c` # h > q \\"
    body = render(filled(hostile))
    assert body["allowed_mentions"] == {"parse": []}
    [embed] = body["embeds"]
    for text in [embed["title"], *(field[part] for field in embed["fields"] for part in ("name", "value"))]:
        assert not set("@<[`*_|#>\\") & set(bare(text).replace("…", "")), text
    assert "evil" in embed["title"]


def test_lines_make_no_lists() -> None:
    assert escape("- a\n  + b\n1e-05 is 3-4", 99) == "\\- a\n  \\+ b\n1e-05 is 3-4"


@pytest.mark.parametrize("limit", range(1, 24))
def test_an_escape_is_never_cut(limit: int) -> None:
    text = escape("a*b*\\c*🔥*", limit)
    assert units(text) <= limit
    assert not bare(text.removesuffix("…")).endswith("\\")


def test_the_plot_ends_where_it_ends() -> None:
    snapshot = EXAMPLES["opened"].snapshot
    plotted = {**snapshot, "lr_plot": {**snapshot["lr_plot"], "unit": "``` @everyone"}}
    description = render(replace(EXAMPLES["opened"], snapshot=plotted))["embeds"][0]["description"]
    assert description.count("```") == 2


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(204, body=b""), Outcome("delivered", 204)),
        (
            Reply(429, {"retry-after": "65"}, b'{"message": "limited", "retry_after": 64.57, "global": false}'),
            Outcome(
                "retry",
                429,
                64.57,
                said='{"message": "limited", "retry_after": 64.57, "global": false}',
                error='the receiver answered 429: {"message": "limited", "retry_after": 64.57, "global": false}',
            ),
        ),
        (
            Reply(429, {"retry-after": "7"}, b"<html>"),
            Outcome("retry", 429, 7.0, said="<html>", error="the receiver answered 429: <html>"),
        ),
        (
            Reply(429, {"retry-after": "7"}, b'{"retry_after": "soon"}'),
            Outcome(
                "retry",
                429,
                7.0,
                said='{"retry_after": "soon"}',
                error='the receiver answered 429: {"retry_after": "soon"}',
            ),
        ),
        (
            Reply(404, body=b'{"message": "Unknown Webhook", "code": 10015}'),
            Outcome(
                "gone",
                404,
                said='{"message": "Unknown Webhook", "code": 10015}',
                error='the receiver answered 404: {"message": "Unknown Webhook", "code": 10015}',
            ),
        ),
        (Reply(404, body=b"[]"), Outcome("failed", 404, said="[]", error="the receiver answered 404: []")),
        (Reply(400, body=b"{}"), Outcome("failed", 400, said="{}", error="the receiver answered 400: {}")),
    ],
)
def test_what_discord_answers(reply: Reply, outcome: Outcome) -> None:
    with receiving() as receiver:
        receiver.behave("/d", reply)
        endpoint = configure("discord", receiver.url("/d"), None, LOOPBACK)
        assert send(EXAMPLES["opened"], endpoint, outbound(), NOW) == outcome
        [received] = receiver.received
        assert received.json == render(EXAMPLES["opened"])
        assert received.headers["content-type"] == "application/json"


def test_the_address_is_the_secret() -> None:
    endpoint = configure("discord", URL, None, Targets())
    assert endpoint == Endpoint(URL, None, "https://discord.com")
    assert TOKEN not in repr(endpoint)
    with pytest.raises(InvalidInputError, match="no secret"):
        configure("discord", URL, "hunter2", Targets())
    with pytest.raises(TargetRefusedError) as refused:
        configure("discord", URL.replace("https", "http"), None, Targets())
    assert TOKEN not in str(refused.value)


def test_an_echo_of_the_address_is_hidden() -> None:
    with receiving() as receiver:
        receiver.behave(f"/{TOKEN}", Reply(400, body=f"no such {TOKEN}".encode()))
        endpoint = configure("discord", receiver.url(f"/{TOKEN}"), None, LOOPBACK)
        assert TOKEN not in json.dumps(_told(send(EXAMPLES["test"], endpoint, outbound(), NOW)))


def _told(outcome: Outcome) -> list[Any]:
    return [outcome.said, outcome.error]
