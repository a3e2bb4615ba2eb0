"""What each kind sends is pinned in `snapshots`, and documented by the same messages.

A snapshot that changes is a change for whoever reads these messages: where they would have to change with it, the
kind's version rises.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trackside_service.channels import CHANNELS, Channel
from trackside_service.channels.examples import DIGEST_EXAMPLE, EXAMPLES
from trackside_service.channels.pages import document

SNAPSHOTS = Path(__file__).parent / "snapshots"
DAILY = [channel for channel in CHANNELS if channel.takes_digest]
KINDS = pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.kind)


def snapshot(channel: Channel, name: str) -> Path:
    return SNAPSHOTS / f"{channel.kind}.v{channel.version}.{name}.json"


@KINDS
@pytest.mark.parametrize("name", EXAMPLES)
def test_messages_are_as_pinned(channel: Channel, name: str) -> None:
    pinned = json.loads(snapshot(channel, name).read_text(encoding="utf-8"))
    assert channel.payload(EXAMPLES[name]) == pinned


@pytest.mark.parametrize("channel", DAILY, ids=lambda channel: channel.kind)
def test_digests_are_as_pinned(channel: Channel) -> None:
    pinned = json.loads(snapshot(channel, "digest").read_text(encoding="utf-8"))
    assert channel.payload(DIGEST_EXAMPLE) == pinned
    said = json.dumps(pinned, ensure_ascii=False)
    assert "off schedule" in said
    assert "resnet" in said


def test_nothing_is_pinned_that_is_not_sent() -> None:
    wanted = {snapshot(channel, name) for channel in CHANNELS for name in EXAMPLES}
    wanted |= {snapshot(channel, "digest") for channel in DAILY}
    assert set(SNAPSHOTS.iterdir()) == wanted


@KINDS
def test_every_message_tells_what_it_is_about(channel: Channel) -> None:
    for name in ("opened", "changed", "reminder", "resolved"):
        said = json.dumps(channel.payload(EXAMPLES[name]), ensure_ascii=False)
        assert "LR001" in said
        assert EXAMPLES[name].snapshot["run"]["id"] in said
        assert "off schedule" in said
        assert "Call scheduler.step()" in said.replace("\\\\", "") or name == "resolved"
    assert "of" in json.dumps(channel.payload(EXAMPLES["test"]))


def test_the_page_is_written_from_the_channels() -> None:
    written = (Path(__file__).resolve().parents[2] / "docs" / "channels.md").read_text(encoding="utf-8")
    assert written == document(), "run: python -m trackside_service.channels.pages > docs/channels.md"
