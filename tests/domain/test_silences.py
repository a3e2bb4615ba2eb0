"""What a silence matches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.support.outbox import NOW, make_alert, make_run

from trackside_service.domain.silences import Matchers, Silence, silenced_until

ALERT = make_alert()  # LR001, critical
RUN = make_run()  # resnet-7 of vision, with the tag "nightly"


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        ({"project": ("vision",)}, True),
        ({"project": ("visio",)}, False),
        ({"run": ("resnet-7",)}, True),
        ({"run": (str(RUN.id),)}, True),
        ({"run": ("resnet",)}, False),
        ({"tag": ("other", "nightly")}, True),
        ({"tag": ("other",)}, False),
        ({"code": ("LR001",)}, True),
        ({"code": ("LR",)}, True),
        ({"code": ("L",)}, False),
        ({"severity": ("critical",)}, True),
        ({"severity": ("info", "warning")}, False),
        ({"project": ("vision",), "code": ("LR",), "severity": ("critical",)}, True),
        ({"project": ("vision",), "code": ("LOSS",)}, False),
    ],
)
def test_every_matcher_that_is_given_has_to_fit(matchers: dict[str, Any], expected: bool) -> None:
    assert Matchers(**matchers).match(ALERT, RUN.spec) is expected


def test_a_silence_of_everything_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one matcher"):
        Matchers()
    with pytest.raises(ValueError, match="zone"):
        Silence(UUID(int=1), Matchers(code=("LR",)), datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC))  # noqa: DTZ001


def test_the_last_of_several_counts() -> None:
    def silence(hours: int, code: str = "LR") -> Silence:
        return Silence(UUID(int=hours), Matchers(code=(code,)), NOW + timedelta(hours=hours), NOW)

    silences = [silence(2), silence(5), silence(3), silence(9, "LOSS")]
    assert silenced_until(silences, ALERT, RUN.spec, NOW) == NOW + timedelta(hours=5)
    assert silenced_until(silences, ALERT, RUN.spec, NOW + timedelta(hours=5)) is None
