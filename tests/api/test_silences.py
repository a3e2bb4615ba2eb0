"""Silences: made, listed, ended; and what they keep back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.api.test_records import posted
from tests.api.test_runs import opened
from tests.support.problems import assert_problem

UNTIL = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


def silenced(api: httpx.Client, matchers: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = api.post("/v1/silences", json={"matchers": matchers, "until": UNTIL, **body})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_silence_is_made_listed_and_ended(api: httpx.Client) -> None:
    first = silenced(api, {"code": "loss001", "tag": ["a", "b"]}, by="ada", note="known")
    assert first["matchers"] == {"project": [], "run": [], "tag": ["a", "b"], "code": ["LOSS001"], "severity": []}
    assert (first["active"], first["by"], first["note"]) == (True, "ada", "known")
    assert datetime.fromisoformat(first["until"]) == datetime.fromisoformat(UNTIL)
    others = [silenced(api, {"severity": ["info", "warning"]})["id"] for _ in range(2)]
    path = f"/v1/silences/{first['id']}"
    assert api.get(path).json() == first
    assert api.delete(path).status_code == 204
    over = api.get(path).json()
    assert (over["active"], over["until"] < first["until"]) == (False, True)
    assert api.delete(path).status_code == 204
    assert api.get(path).json() == over

    def listed(**params: Any) -> list[str]:
        found: list[str] = []
        while True:
            page = api.get("/v1/silences", params={"limit": 1, **params}).raise_for_status().json()
            found += [each["id"] for each in page["items"]]
            if page["next_cursor"] is None:
                return found
            params["cursor"] = page["next_cursor"]

    assert listed() == [*reversed(others), first["id"]]
    assert listed(active=True) == [*reversed(others)]
    assert listed(active=False) == [first["id"]]
    assert_problem(api.get(f"/v1/silences/{uuid4()}"), 404, "silence_not_found")
    assert_problem(api.delete(f"/v1/silences/{uuid4()}"), 404, "silence_not_found")


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ({"until": UNTIL}, "/matchers", "is needed"),
        ({"matchers": {}, "until": UNTIL}, "/matchers", "at least one is needed: project, run, tag, code, severity"),
        ({"matchers": {"code": []}, "until": UNTIL}, "/matchers/code", "at least 1 items are wanted"),
        ({"matchers": {"code": "LOSS01"}, "until": UNTIL}, "/matchers/code/0", "did you mean 'LOSS001'?"),
        ({"matchers": {"code": ["LOSS", 3]}, "until": UNTIL}, "/matchers/code/1", "text is wanted"),
        ({"matchers": {"severity": "bad"}, "until": UNTIL}, "/matchers/severity/0", "must be one of"),
        ({"matchers": {"tags": "x"}, "until": UNTIL}, "/matchers/tags", "is not a known field"),
        ({"matchers": {"project": "x"}}, "/until", "is needed"),
        ({"matchers": {"project": "x"}, "until": "2020-01-01T00:00:00Z"}, "/until", "a time ahead is wanted"),
        ({"matchers": {"project": "x"}, "until": "2999-01-01T00:00:00Z"}, "/until", "a hundred years"),
        ({"matchers": {"project": "x"}, "until": "9999-12-31T23:59:59-23:59"}, "/until", "a hundred years"),
        ({"matchers": {"project": "x"}, "until": "2099-01-01T00:00:00"}, "/until", "must carry its zone"),
        ({"matchers": {"project": "x"}, "until": "tomorrow"}, "/until", "RFC 3339"),
        ({"matchers": {"project": "x"}, "until": 5}, "/until", "RFC 3339"),
        ({"matchers": {"project": "x"}, "until": UNTIL, "duration": 3}, "/duration", "is not a known field"),
    ],
)
def test_silences_that_are_refused(api: httpx.Client, body: dict[str, Any], pointer: str, words: str) -> None:
    problem = assert_problem(api.post("/v1/silences", json=body), 422, "invalid_input")
    (fault,) = problem["errors"]
    assert fault["pointer"] == pointer
    assert words in fault["detail"]
    sentence = fault["detail"] if fault["detail"].endswith("?") else f"{fault['detail']}."
    assert problem["detail"] == f"{pointer}: {sentence}"


def test_a_silenced_alert_is_shown_and_counts_and_is_not_sent(api: httpx.Client) -> None:
    channel = api.post("/v1/channels", json={"kind": "webhook", "name": "c", "url": "http://127.0.0.1:9/hook"}).json()
    silence = silenced(api, {"run": "known", "code": "LOSS"})
    for name in ("known", "other"):
        path = opened(api, {"project": "p", "name": name})
        answer = posted(api, path, [{"step": 1, "metrics": {"loss": "NaN"}}])
        assert [alert["event"] for alert in answer["alerts"]] == ["opened"]
        assert answer["health"] == "critical"
        assert [alert["code"] for alert in api.get(f"{path}/health").json()["alerts"]] == ["LOSS001"]
    assert len(api.get("/v1/alerts").json()["items"]) == 2
    sent = api.get(f"/v1/channels/{channel['id']}/deliveries").json()["items"]
    assert len(sent) == 1
    assert api.get(f"/v1/alerts/{sent[0]['alert_id']}").json()["run_id"] in path
    assert api.delete(f"/v1/silences/{silence['id']}").status_code == 204


def test_an_alert_says_until_when_it_is_silenced(api: httpx.Client) -> None:
    silences = [silenced(api, {"run": "known", "code": "LOSS"}), silenced(api, {"tag": "none"})]
    path = opened(api, {"project": "p", "name": "known"})
    posted(api, path, [{"step": 1, "metrics": {"lr": "NaN", "loss": "NaN"}}])
    until = {"LOSS001": silences[0]["until"], "LR004": None}
    alerts = api.get("/v1/alerts").json()["items"]
    assert {each["code"]: each["silenced_until"] for each in alerts} == until
    health = api.get(f"{path}/health").json()["alerts"]
    assert {each["code"]: each["silenced_until"] for each in health} == until
    text = api.get(f"{path}/health", headers={"Accept": "text/plain"}).text
    shown = f"{datetime.fromisoformat(until['LOSS001']):%Y-%m-%d %H:%M:%S}"
    assert [line for line in text.splitlines() if "silenced" in line] == [
        f"CRITICAL LOSS001 train_loss is NaN   since step 1   silenced until {shown}"
    ]
    alert = f"/v1/alerts/{next(each['id'] for each in alerts if each['code'] == 'LOSS001')}"
    assert api.post(f"{alert}/acknowledge").json()["silenced_until"] == until["LOSS001"]
    assert api.delete(f"{alert}/acknowledge").json()["silenced_until"] == until["LOSS001"]
    assert api.get(alert).json()["silenced_until"] == until["LOSS001"]
    api.delete(f"/v1/silences/{silences[0]['id']}").raise_for_status()
    assert api.get(alert).json()["silenced_until"] is None


def test_a_silence_says_what_it_matches_and_which_of_its_values_are_of_no_run(api: httpx.Client) -> None:
    for name, tags in (("resnet-a", ["sweep-7"]), ("resnet-b", ["sweep-7", "night"]), ("bert", [])):
        path = opened(api, {"project": "vision" if tags else "text", "name": name, "tags": tags})
        posted(api, path, [{"step": 1, "metrics": {"loss": "NaN"}}])
    run_id = path.rsplit("/", 1)[1]

    def matching(**matchers: Any) -> tuple[int, int, list[tuple[str, str]]]:
        made = silenced(api, matchers)
        assert api.get(f"/v1/silences/{made['id']}").json() == made
        found = made["matching"]
        return found["runs"], found["alerts"], [(one["pointer"], one["detail"]) for one in found["unmatched"]]

    assert matching(project="vision") == (2, 2, [])
    assert matching(project=["vision", "text"], code="LOSS") == (3, 3, [])
    assert matching(project="vision", code=["LR", "ACC001"]) == (2, 0, [])
    assert matching(severity="warning") == (3, 0, [])
    assert matching(tag=["sweep-7", "none"], run="resnet-b") == (
        1,
        1,
        [("/matchers/tag/1", "no run has this tag so far")],
    )
    assert matching(tag="night") == (1, 1, [])
    assert matching(run=run_id) == (1, 1, [])
    assert matching(run=run_id.upper()) == (1, 1, []), "an id is an id however it is written"
    mistyped = run_id[:-1] + ("0" if run_id[-1] != "0" else "1")
    assert matching(run=["bert", mistyped]) == (1, 1, [("/matchers/run/1", "no run has this id or name so far")])
    assert matching(project="visoin") == (
        0,
        0,
        [("/matchers/project/0", "no run has this project so far; did you mean 'vision'?")],
    )
    assert matching(project="vision", run="resnet-c", tag="sweep7") == (
        0,
        0,
        [
            ("/matchers/run/0", "no run has this id or name so far; did you mean 'resnet-b'?"),
            ("/matchers/tag/0", "no run has this tag so far; did you mean 'sweep-7'?"),
        ],
    )
