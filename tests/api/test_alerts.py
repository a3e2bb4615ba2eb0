"""Alerts over all runs: filtered, paged, and one by one."""

from __future__ import annotations

from typing import Any

import httpx
from tests.api.test_records import posted
from tests.api.test_runs import STEEP, opened
from tests.support.problems import assert_problem


def test_alerts_are_filtered_and_paged(api: httpx.Client) -> None:
    sick = [opened(api, {"project": "p", "name": f"n{number}"}) for number in range(3)]
    for path in sick:
        posted(api, path, [{"step": 1, "metrics": {"loss": "NaN"}}])
    opened(api, STEEP)
    api.patch(sick[0], json={"status": "finished"}).raise_for_status()

    def codes(**params: Any) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        params = {"limit": 2, **params}
        while True:
            page = api.get("/v1/alerts", params=params).raise_for_status().json()
            found += [(alert["code"], alert["state"]) for alert in page["items"]]
            if page["next_cursor"] is None:
                return found
            params["cursor"] = page["next_cursor"]

    assert codes() == [("PLAN001", "open"), ("LOSS001", "open"), ("LOSS001", "open"), ("LOSS001", "ended")]
    assert codes(project="vision") == [("PLAN001", "open")]
    assert codes(state="ended") == [("LOSS001", "ended")]
    assert codes(severity="warning") == [("PLAN001", "open")]
    assert len(codes(severity=["warning", "critical"], state=["open", "ended"])) == 4
    (alert,) = api.get("/v1/alerts", params={"state": "ended"}).json()["items"]
    assert api.get(f"/v1/alerts/{alert['id']}").json() == alert
    assert_problem(api.get("/v1/alerts", params={"cursor": "WzEsMl0"}), 422, "invalid_input")
