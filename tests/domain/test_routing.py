"""What a channel is told of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.outbox import make_alert, make_run

from trackside_service.domain.alerts import AlertChange
from trackside_service.domain.routing import Route

RUN = make_run()  # of vision, tagged nightly
ALERT = make_alert(code="LOSS001", severity="warning")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, True),
        ({"project": "vision"}, True),
        ({"project": "speech"}, False),
        ({"min_severity": "critical"}, False),
        ({"codes": ("LOSS001",)}, True),
        ({"codes": ("GRAD", "LOSS")}, True),
        ({"codes": ("LOSS002", "LR")}, False),
        ({"codes": ("LO",)}, False),
        ({"tags": ("weekly", "nightly")}, True),
        ({"tags": ("weekly",)}, False),
        ({"events": ("resolved",)}, False),
        ({"codes": ("LOSS",), "tags": ("weekly",)}, False),
        ({"codes": ("LR",), "tags": ("nightly",)}, False),
    ],
)
def test_all_that_it_asks_for_has_to_fit(asked: dict[str, Any], told: bool) -> None:
    assert Route(**asked).wants(AlertChange("opened", ALERT), RUN) is told


def test_a_run_without_tags_has_none_of_them() -> None:
    bare = replace(RUN, spec=replace(RUN.spec, tags=()))
    assert not Route(tags=("nightly",)).wants(AlertChange("opened", ALERT), bare)
    assert Route().wants(AlertChange("opened", ALERT), bare)
