"""The generated page: up to date, and whole."""

from __future__ import annotations

from pathlib import Path

from trackside_service.schedules import FRAMEWORKS, KINDS
from trackside_service.schedules.pages import document

ROOT = Path(__file__).parents[2]


def test_the_document_is_up_to_date() -> None:
    written = (ROOT / "docs" / "schedules.md").read_text()
    assert written == document(), "run: python -m trackside_service.schedules.pages > docs/schedules.md"


def test_the_document_says_what_people_get_wrong() -> None:
    text = document()
    for words in ("initial LR / final_div_factor", "start at the maximum", "A warm-up of one tick is a jump"):
        assert words in text
    for framework in FRAMEWORKS:
        assert all(f"### {framework.framework}: " in text and spec.name in text for spec in framework.classes)


def test_the_tables_document_every_parameter() -> None:
    classes = [spec for framework in FRAMEWORKS for spec in framework.classes]
    assert len({kind.kind for kind in KINDS}) == len(KINDS)
    for spec in (*KINDS, *classes):
        assert spec.description
        assert spec.formula
        assert all(param.doc for param in spec.params)
        assert len({param.name for param in spec.params}) == len(spec.params)
    assert all(spec.past_the_end for spec in classes)
