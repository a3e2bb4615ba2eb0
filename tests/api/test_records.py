"""Records over HTTP: what goes in comes out, once, as pages, as a stream, or thinned."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import httpx
from tests.api.test_runs import opened
from tests.support.problems import assert_problem

JSON = {"Content-Type": "application/json"}


def posted(api: httpx.Client, path: str, records: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    answer = api.post(f"{path}/records", json={"records": records, **more})
    assert answer.status_code == 200, answer.text
    taken: dict[str, Any] = answer.json()
    return taken


def test_what_goes_in_comes_out(api: httpx.Client) -> None:
    path = opened(api)
    body = (
        '{"records": [{"step": 1, "epoch": 0.5, "time": "2026-01-31T13:00:00+01:00", '
        '"metrics": {"train_loss": NaN, "x/y": Infinity, "z": -Infinity, "lr": 0.1}}, '
        '{"step": 2, "metrics": {"train_loss": "NaN", "x/y": "Infinity", "z": "-Infinity", "lr": 1e-300}}]}'
    )
    assert api.post(f"{path}/records", content=body, headers=JSON).json()["accepted"] == 2
    first, second = api.get(f"{path}/records").json()["items"]
    odd = {"train_loss": "NaN", "x/y": "Infinity", "z": "-Infinity"}
    assert first == {
        "ordinal": 0,
        "life": 0,
        "step": 1,
        "epoch": 0.5,
        "time": "2026-01-31T12:00:00Z",
        "metrics": {**odd, "lr": 0.1},
    }
    assert second["metrics"] == {**odd, "lr": 1e-300}
    series = api.get(f"{path}/history", params={"metric": ["loss", "z"]}).json()["metrics"]
    assert series["train_loss"]["value"] == ["NaN", "NaN"]
    assert series["z"]["value"] == ["-Infinity", "-Infinity"]


def test_a_record_without_metrics_is_refused(api: httpx.Client) -> None:
    """It holds nothing to store: counted as accepted it would be lost, and as a duplicate it would be a lie."""
    path = opened(api)
    posted(api, path, [{"step": 1, "metrics": {"lr": 0.1}}])
    answer = api.post(f"{path}/records", json={"records": [{"step": 1, "metrics": {}}]})
    (fault,) = assert_problem(answer, 422, "invalid_input")["errors"]
    assert fault["pointer"] == "/records/0/metrics"
    assert "at least one metric" in fault["detail"]


def test_posting_twice_changes_nothing(api: httpx.Client) -> None:
    path = opened(api, {"project": "p", "name": "n", "process": {"id": "one"}})
    by_number = [{"seq": number, "step": number, "metrics": {"lr": 0.1}} for number in range(3)]
    by_place = [{"epoch": number, "metrics": {"val_acc": 50.0 + number}} for number in range(3)]
    for more, records in (({"process": "one"}, by_number), ({}, by_place)):
        assert posted(api, path, records, **more)["accepted"] == 3
        before = api.get(f"{path}/records").json()
        again = posted(api, path, records, **more)
        assert (again["accepted"], again["duplicates"]) == (0, 3)
        assert api.get(f"{path}/records").json() == before
    assert posted(api, path, [])["accepted"] == 0


def test_what_a_job_lost_is_shown(api: httpx.Client) -> None:
    path = opened(api, {"project": "p", "name": "n", "process": {"id": "one"}})
    text = {"Accept": "text/plain"}
    assert api.get(f"{path}/health").json()["last"]["lost"] == 0
    assert "missing" not in api.get(f"{path}/health", headers=text).text
    posted(api, path, [], process="one", lost=120)
    posted(api, path, [{"seq": 0, "step": 1, "metrics": {"lr": 0.1}}], process="one", lost=150)
    posted(api, path, [], process="one", lost=120)  # an older post, repeated
    posted(api, path, [], process="one")
    posted(api, path, [{"seq": 0, "step": 2, "metrics": {"lr": 0.1}}], process="two", lost=7)  # known from now on
    assert [(each["process"], each["lost"]) for each in api.get(path).json()["processes"]] == [("one", 150), ("two", 7)]
    assert api.get(f"{path}/health").json()["last"]["lost"] == 157
    assert "157 records are missing" in api.get(f"{path}/health", headers=text).text
    api.patch(path, json={"status": "finished"}).raise_for_status()
    posted(api, path, [], process="one", lost=151)  # out of a spool, after the end
    assert api.get(f"{path}/health").json()["last"]["lost"] == 158


def test_a_loss_that_cannot_be_is_refused(api: httpx.Client) -> None:
    path = opened(api, {"project": "p", "name": "n", "process": {"id": "one"}})
    record = {"seq": 0, "step": 1, "metrics": {"lr": 0.1}}
    for body, pointer in (
        ({"lost": 5}, "/process"),
        ({"lost": 5, "process": "two"}, "/process"),
        ({"lost": -1, "process": "one"}, "/lost"),
        ({"lost": 1.5, "process": "one"}, "/lost"),
        ({"lost": 10**30, "process": "one"}, "/lost"),
        ({"lost": True, "process": "one"}, "/lost"),
    ):
        records = [] if body.get("process") == "two" else [record]
        answer = api.post(f"{path}/records", json={"records": records, **body})
        (fault,) = assert_problem(answer, 422, "invalid_input")["errors"]
        assert fault["pointer"] == pointer
    assert api.get(f"{path}/records").json()["items"] == []
    assert api.get(f"{path}/health").json()["last"]["lost"] == 0


def test_an_answer_says_what_the_rules_made_of_it(api: httpx.Client) -> None:
    path = opened(api)
    assert posted(api, path, [{"step": 1, "metrics": {"loss": 2.0}}]) == {
        "accepted": 1,
        "duplicates": 0,
        "health": "ok",
        "alerts": [],
    }
    taken = posted(api, path, [{"step": 2, "metrics": {"loss": "NaN"}}])
    (alert,) = taken["alerts"]
    assert (taken["health"], alert["code"], alert["event"]) == ("critical", "LOSS001", "opened")
    assert alert["opened"] == {"step": 2, "epoch": None}
    assert posted(api, path, [{"step": 3, "metrics": {"loss": "NaN"}}])["alerts"] == []


def test_values_that_are_no_numbers_are_refused_with_their_place(api: httpx.Client) -> None:
    path = opened(api)
    wrongs: list[Any] = [False, None, "0.1", "nan", [], {}]
    for wrong in wrongs:
        body = {"records": [{"step": 1, "metrics": {"a/b": 1.0}}, {"step": 2, "metrics": {"a/b": wrong}}]}
        problem = assert_problem(api.post(f"{path}/records", json=body), 422, "invalid_input")
        assert [fault["pointer"] for fault in problem["errors"]] == ["/records/1/metrics/a~1b"]
    for record in ({"step": True}, {"step": 1.5}, {"step": 2**70}, {"epoch": "NaN"}, {"time": "yesterday"}, {"stp": 1}):
        body = {"records": [{"metrics": {"a": 1}, "step": 1, **record}]}
        problem = assert_problem(api.post(f"{path}/records", json=body), 422, "invalid_input")
        assert problem["errors"][0]["pointer"] == f"/records/0/{next(iter(record))}"
    assert api.get(f"{path}/records").json()["items"] == []


def test_more_records_than_a_post_may_have_are_refused(api: httpx.Client) -> None:
    path = opened(api)
    record = {"step": 1, "metrics": {"a": 1}}
    problem = assert_problem(api.post(f"{path}/records", json={"records": [record] * 20_001}), 422, "invalid_input")
    assert "20000" in problem["errors"][0]["detail"]


def test_pages_and_streams_show_the_same(api: httpx.Client) -> None:
    path = opened(api)
    records = [
        {"step": step, "metrics": {"a": step / 7, **({'b,"c': "NaN"} if step % 3 == 0 else {})}} for step in range(1203)
    ]
    posted(api, path, records)
    pages: list[Any] = []
    cursor: dict[str, Any] = {}
    while True:
        page = api.get(f"{path}/records", params={"limit": 500, **cursor}).json()
        pages += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert [each["step"] for each in pages] == list(range(1203))
    with api.stream("GET", f"{path}/records", headers={"Accept": "application/x-ndjson"}) as stream:
        assert stream.headers["content-type"].startswith("application/x-ndjson")
        assert [json.loads(line) for line in stream.iter_lines()] == pages
    answer = api.get(f"{path}/records", headers={"Accept": "text/csv"})
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["ordinal", "life", "step", "epoch", "time", "a", 'b,"c']
    assert rows[1] == ["0", "0", "0", "", "", "0.0", "NaN"]
    assert rows[2][5:] == [str(1 / 7), ""]
    assert len(rows) == 1204
    assert api.get(f"{path}/records", headers={"Accept": "*/*"}).headers["content-type"] == "application/json"


def test_a_stream_of_an_unknown_run_is_a_problem(api: httpx.Client) -> None:
    path = "/v1/runs/00000000-0000-0000-0000-0000000000aa/records"
    for kind in ("application/x-ndjson", "text/csv"):
        assert_problem(api.get(path, headers={"Accept": kind}), 404, "run_not_found")


def test_history_is_thinned_and_keeps_every_extreme(api: httpx.Client) -> None:
    path = opened(api)
    values = [1.0] * 5000
    values[1234], values[4321] = 9.0, -9.0
    posted(api, path, [{"step": step, "metrics": {"a": value, "lr": 0.1}} for step, value in enumerate(values)])
    shown = api.get(f"{path}/history", params={"metric": "a", "points": 100}).json()["metrics"]
    assert set(shown) == {"a"}
    series = shown["a"]
    assert series["points"] == 5000
    assert len(series["value"]) <= 100
    at = dict(zip(series["step"], series["value"], strict=True))
    assert (at[1234], at[4321]) == (9.0, -9.0)
    assert {len(series[name]) for name in ("ordinal", "life", "step", "epoch", "value")} == {len(series["value"])}
    everything = api.get(f"{path}/history").json()["metrics"]
    assert set(everything) == {"a", "lr"}
    assert api.get(f"{path}/history", params={"metric": "nothing"}).json() == {"metrics": {}}
