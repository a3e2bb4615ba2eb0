"""Alerts over all runs: filtered, paged, and one by one."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

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
    assert codes(code="PLAN") == codes(code=["plan001", "ACC"]) == [("PLAN001", "open")]
    problem = assert_problem(api.get("/v1/alerts", params={"code": ["LOSS", "PLAN01"]}), 422, "invalid_input")
    (fault,) = problem["errors"]
    assert (fault["in"], fault["pointer"]) == ("query", "/code/1")
    assert "did you mean 'PLAN001'?" in fault["detail"]
    problem = assert_problem(api.get("/v1/alerts", params={"state": "silenced"}), 422, "invalid_input")
    assert problem["detail"] == "/state/0: must be one of 'open', 'acknowledged', 'resolved' or 'ended'."
    (alert,) = api.get("/v1/alerts", params={"state": "ended"}).json()["items"]
    assert api.get(f"/v1/alerts/{alert['id']}").json() == alert
    assert_problem(api.get("/v1/alerts", params={"cursor": "WzEsMl0"}), 422, "invalid_input")


def test_an_alert_is_taken_in_hand_and_given_back(api: httpx.Client) -> None:
    path = opened(api, {"project": "p", "name": "n"})
    (alert,) = posted(api, path, [{"step": 1, "metrics": {"loss": "NaN"}}])["alerts"]
    own = f"/v1/alerts/{alert['id']}"
    held = api.post(f"{own}/acknowledge", json={"by": "ada", "note": "looking"}).raise_for_status().json()
    assert (held["state"], held["acknowledged"]["by"], held["acknowledged"]["note"]) == (
        "acknowledged",
        "ada",
        "looking",
    )
    assert api.get(own).json() == held
    # Again, without a body: nothing changes.
    assert api.post(f"{own}/acknowledge").raise_for_status().json() == held
    assert api.post(f"{own}/acknowledge", json={}).raise_for_status().json() == held
    again = api.post(f"{own}/acknowledge", json={"by": "bob"}).json()["acknowledged"]
    assert again == {"at": held["acknowledged"]["at"], "by": "bob", "note": "looking"}
    assert [each["id"] for each in api.get("/v1/alerts", params={"state": "acknowledged"}).json()["items"]] == [
        alert["id"]
    ]
    assert api.get("/v1/alerts", params={"state": "open"}).json()["items"] == []
    health = api.get(f"{path}/health").json()
    assert (health["health"], health["alerts"][0]["state"]) == ("critical", "acknowledged")
    assert "acknowledged by bob" in api.get(f"{path}/health", headers={"Accept": "text/plain"}).text
    # It goes on to be in hand when the run ends.
    free = api.delete(f"{own}/acknowledge").raise_for_status().json()
    assert (free["state"], free["acknowledged"]) == ("open", None)
    assert api.delete(f"{own}/acknowledge").raise_for_status().json() == free
    api.post(f"{own}/acknowledge").raise_for_status()
    api.patch(path, json={"status": "finished"}).raise_for_status()
    ended = api.get(own).json()
    assert (ended["state"], ended["acknowledged"]["by"]) == ("ended", None)


def test_what_cannot_be_taken_in_hand(api: httpx.Client) -> None:
    unknown = f"/v1/alerts/{uuid4()}/acknowledge"
    assert_problem(api.post(unknown), 404, "alert_not_found")
    assert_problem(api.delete(unknown), 404, "alert_not_found")
    path = opened(api, {"project": "p", "name": "n"})
    (alert,) = posted(api, path, [{"step": 1, "metrics": {"loss": "NaN"}}])["alerts"]
    own = f"/v1/alerts/{alert['id']}/acknowledge"
    fault = assert_problem(api.post(own, json={"who": "ada"}), 422, "invalid_input")["errors"][0]
    assert fault["pointer"] == "/who"
    assert_problem(api.post(own, content=b"x"), 415, "unsupported_media_type")
    assert_problem(api.post(own, content=b"", headers={"content-type": "application/json"}), 400, "malformed_json")
    posted(api, path, [{"step": step, "metrics": {"loss": 1.0}} for step in (2, 3, 4)])
    assert_problem(api.post(own), 409, "alert_resolved")
    assert_problem(api.delete(own), 409, "alert_resolved")


def test_what_follows_is_shown_under_its_cause(api: httpx.Client) -> None:
    path = opened(api, {"project": "p", "name": "n"})
    posted(api, path, [{"step": 1, "metrics": {"loss": 1.0, "val_acc": 60.0}}])
    (nan,) = posted(api, path, [{"step": 2, "metrics": {"loss": "NaN"}}])["alerts"]
    (news,) = posted(api, path, [{"step": 3, "metrics": {"val_acc": 0.0}}])["alerts"]
    (symptom,) = news["symptoms"]
    assert (news["id"], news["event"], symptom["event"], symptom["code"]) == (nan["id"], "changed", "opened", "ACC001")
    for items in (api.get("/v1/alerts").json()["items"], api.get(f"{path}/health").json()["alerts"]):
        (shown,) = items
        assert shown["id"] == nan["id"]
        assert [each["id"] for each in shown["symptoms"]] == [symptom["id"]]
    alone = api.get(f"/v1/alerts/{symptom['id']}").json()
    assert (alone["cause_id"], alone["symptoms"]) == (nan["id"], [])
    assert "with it: critical ACC001" in api.get(f"{path}/health", headers={"Accept": "text/plain"}).text
    (held,) = api.post(f"/v1/alerts/{nan['id']}/acknowledge").json()["symptoms"]
    assert held["id"] == symptom["id"]
