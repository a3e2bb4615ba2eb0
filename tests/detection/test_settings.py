"""Settings of the rules: what would turn a rule off without a word, or contradicts itself, is refused."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from tests.rules.support import spec_of
from trackside_service import detection
from trackside_service.domain.runs import RuleSetting
from trackside_service.errors import InvalidInputError
from trackside_service.rules import RULES

PARAMETERS = [(rule.code, one.name) for rule in RULES for one in fields(rule.parameters)]


def refused(code: str, **params: Any) -> tuple[str, str]:
    """The one fault of these parameters: its pointer and its words."""
    with pytest.raises(InvalidInputError) as caught:
        detection.check_settings({code: RuleSetting(params=params)})
    (fault,) = caught.value.faults
    return fault.pointer, fault.message


@pytest.mark.parametrize(("code", "name"), PARAMETERS)
@pytest.mark.parametrize("value", [10**12, 10**400, -(10**400)])
def test_no_parameter_goes_beyond_what_a_run_can_reach(code: str, name: str, value: int) -> None:
    pointer, words = refused(code, **{name: value})
    assert pointer in (f"/rules/{code}/params/{name}", f"/rules/{code}/params")
    if value > 0:
        assert "at most" in words
        assert "set enabled to false" in words


@pytest.mark.parametrize(("code", "name"), PARAMETERS)
def test_every_default_may_be_said(code: str, name: str) -> None:
    (rule,) = [one for one in RULES if one.code == code]
    params = {name: getattr(rule.parameters(), name)}
    assert detection.check_settings({code: RuleSetting(params=params)})[code].parameters == rule.parameters()


@pytest.mark.parametrize(
    ("code", "params", "words"),
    [
        ("LR002", {"factor": 5.0}, "back_within is at most factor"),
        ("LR003", {"back_within": 1000.0}, "back_within is at most factor"),
        ("GRAD002", {"floor": 0, "share": 0}, "one is above 0"),
        ("ACC001", {"least_best": 1}, "least_best lies between"),
        ("ACC002", {"points": 100}, "points below 100"),
        ("FIT001", {"gap": 100, "wide_gap": 100}, "gap and wide_gap lie between"),
        ("RUN004", {"window": 1000}, "window is a count of 3 to 200"),
        ("RUN006", {"intervals": 50}, "no smaller than intervals"),
    ],
)
def test_what_could_never_speak_is_refused(code: str, params: dict[str, Any], words: str) -> None:
    assert words in refused(code, **params)[1]


def test_a_run_with_a_heartbeat_cannot_set_what_it_replaces() -> None:
    params = {"factor": 5, "floor_s": 60, "start_s": 600}
    spec = spec_of(heartbeat_s=30, rules={"RUN001": {"params": params}})
    with pytest.raises(InvalidInputError, match="give one of the two") as caught:
        detection.configure(spec)
    assert [fault.pointer for fault in caught.value.faults] == [
        "/rules/RUN001/params/factor",
        "/rules/RUN001/params/floor_s",
    ]
    usable = spec_of(heartbeat_s=30, rules={"RUN001": {"params": {"start_s": 600}}})
    project = {"RUN001": RuleSetting(params={"factor": 5.0})}
    assert detection.configure(usable, project).rules["RUN001"].parameters.start_s == 600
