"""The short way to the records' route answers as the ordinary one does, and leaves to it what is unusual."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest
from starlette.routing import Match
from tests.api.test_runs import opened
from tests.support.problems import assert_problem

from trackside_service.api.app import create_app
from trackside_service.api.routers.records import DIRECT
from trackside_service.cli.assemble import open_context
from trackside_service.settings import Settings

RUN = UUID("0b0c7a1e-52c5-4d3c-9a61-0d8f6b1c2d3e")
USUAL = {"type": "http", "method": "POST", "query_string": b"", "path": f"/v1/runs/{RUN}/records", "root_path": ""}


def test_it_takes_the_usual_form_with_the_id() -> None:
    match, found = DIRECT.matches(USUAL)
    assert match is Match.FULL
    assert found["path_params"] == {"run_id": RUN}


@pytest.mark.parametrize(
    "other",
    [
        {"method": "GET"},
        {"method": "DELETE"},
        {"query_string": b"limit=3"},
        {"path": f"/v1/runs/{RUN.hex}/records"},
        {"path": "/v1/runs/0b0c7a1e52c5-4d3c-9a61-0d8f6b1c2d3e/records"},
        {"path": f"/v1/runs/{RUN}/records/"},
        {"path": f"/v1/runs/{RUN}"},
        {"path": "/v1/runs/a-b-c-d-e/records"},
    ],
)
def test_it_leaves_the_rest(other: dict[str, Any]) -> None:
    assert DIRECT.matches({**USUAL, **other})[0] is Match.NONE


def test_the_service_asks_it_first_and_keeps_the_ordinary_one_behind_it() -> None:
    app = create_app(open_context(Settings(database_url="postgresql://nobody@127.0.0.1:1/nothing")))
    found = [route for route in app.router.routes if route.matches({**USUAL, "app": app})[0] is Match.FULL]
    assert found[0] is DIRECT
    assert len(found) == 2


def test_both_ways_store_and_refuse_alike(api: httpx.Client) -> None:
    path = opened(api)
    whole = UUID(path.rsplit("/", 1)[1])
    ways = [f"/v1/runs/{whole}/records", f"/v1/runs/{whole.hex}/records"]
    taken = [api.post(way, json={"records": [{"step": 1, "metrics": {"lr": 0.1}}]}).json() for way in ways]
    assert [(each["accepted"], each["duplicates"]) for each in taken] == [(1, 0), (0, 1)]
    for way in ways:
        assert_problem(api.post(way, content=b"{", headers={"Content-Type": "application/json"}), 400, "malformed_json")
        assert_problem(api.post(way, content=b"{}"), 415, "unsupported_media_type")
        assert_problem(api.post(way, json={"records": 3}), 422, "invalid_input")
        assert_problem(api.post(f"{way}?limit=3", json={"records": []}), 422, "invalid_input")
    for unknown in (str(RUN), RUN.hex):
        answer = api.post(f"/v1/runs/{unknown}/records", json={"records": []})
        assert_problem(answer, 404, "run_not_found")
