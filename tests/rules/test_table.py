"""The table of rules and the pages made from it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from trackside_service.errors import RuleNotFoundError
from trackside_service.rules import RULES, page, rule
from trackside_service.rules.pages import document

ROOT = Path(__file__).parents[2]


def test_the_document_is_up_to_date() -> None:
    written = (ROOT / "docs" / "rules.md").read_text()
    assert written == document(), "run: python -m trackside_service.rules.pages > docs/rules.md"


def test_codes_are_of_a_family_and_unique() -> None:
    codes = [one.code for one in RULES]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[A-Z]+\d{3}", code) for code in codes)
    assert codes[0] == "LOSS001"  # what is not finite runs first


@pytest.mark.parametrize("code", [one.code for one in RULES])
def test_a_page_says_all_that_a_user_needs(code: str) -> None:
    text = page(rule(code.lower()))
    for part in (code, "**What.**", "**Why it matters.**", "**Example.**", "**What to try.**", "**Defaults.**"):
        assert part in text
    for field in dataclasses.fields(rule(code).parameters):
        assert f"| `{field.name}` | {field.default} |" in text
        assert f"`{field.name}`" in text.split("| parameter |")[0], "a parameter without its meaning"


def test_an_unknown_code_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RuleNotFoundError, match="LOSS001"):
        rule("LOSS999")


@pytest.mark.parametrize("one", RULES, ids=lambda one: one.code)
def test_parameters_are_frozen_and_have_defaults(one: object) -> None:
    parameters = one.parameters()  # type: ignore[attr-defined]
    assert dataclasses.is_dataclass(parameters)
    assert parameters == one.parameters()  # type: ignore[attr-defined]
    assert type(parameters).__dataclass_params__.frozen  # type: ignore[union-attr]
