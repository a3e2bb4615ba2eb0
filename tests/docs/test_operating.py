"""docs/operating.md names every setting, with the default that the code has, and no other."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from trackside_service.backoff import STANDARD_WEBHOOKS
from trackside_service.settings import PREFIX, Settings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operating.md").read_text()


def test_every_setting_is_named_and_no_other() -> None:
    table = set(re.findall(r"`(TRACKSIDE_[A-Z_]+)`", "\n".join(re.findall(r"^\| `TRACKSIDE.*$", PAGE, re.MULTILINE))))
    assert table == {PREFIX + each.name.upper() for each in fields(Settings)}


def test_the_defaults_are_the_code_s() -> None:
    assert f"`{Settings().database_url}`" in PAGE
    assert f"`{Settings().host}`, `{Settings().port}`" in PAGE
    assert f"| {Settings().max_body_bytes} |" in PAGE


def test_the_retry_schedule_is_the_code_s() -> None:
    said = "5 seconds, 5 minutes, 30 minutes, 2, 5, 10, 14, 20 and 24 hours"
    assert said in PAGE
    hours = [60 * 60 * each for each in (2, 5, 10, 14, 20, 24)]
    assert tuple(STANDARD_WEBHOOKS) == (0, 5, 5 * 60, 30 * 60, *hours)
