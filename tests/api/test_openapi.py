"""The OpenAPI document: valid, without leftovers, and true: every example in it is sent to a running service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from uuid import UUID

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest
from tests.api.conftest import LOOPBACK, SECRET_KEY
from tests.api.test_refusals import DOCUMENT, OPERATIONS
from tests.support.problems import assert_problem
from tests.support.receiver import receiving
from tests.support.service import service

from trackside_service.api import examples
from trackside_service.domain import declarations

_TYPES = {"path", "query"}


def of(reference: str) -> dict[str, Any]:
    schema: dict[str, Any] = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]
    return schema


def holds(value: Any, schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(value)


def nodes(value: Any) -> Iterator[Any]:
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


def test_it_is_served_and_is_openapi_3_1(api: httpx.Client) -> None:
    served = api.get("/openapi.json").json()
    assert served == DOCUMENT
    assert served["openapi"].startswith("3.1")
    for schema in served["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    references = {node["$ref"] for node in nodes(served) if isinstance(node, dict) and "$ref" in node}
    for reference in references:
        assert of(reference), reference


def test_no_leftovers_of_the_framework() -> None:
    text = json.dumps(DOCUMENT)
    for leftover in ("HTTPValidationError", "Successful Response", "Validation Error", "FastAPI", "_v1_"):
        assert leftover not in text, leftover
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    described = {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
    for method, path, operation in OPERATIONS:
        assert operation["summary"], path
        assert operation["description"].endswith("."), path
        assert set(operation["tags"]) <= described, path
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (path, parameter["name"])
        for status, answer in operation["responses"].items():
            assert answer["description"], (method, path, status)
            if status[0] == "2" and status != "204":
                for kind in answer["content"].values():
                    assert "example" in kind, (method, path, status)


def test_every_property_is_described() -> None:
    undescribed = [
        f"{name}: {each}"
        for name, schema in DOCUMENT["components"]["schemas"].items()
        for node in nodes(schema)
        if isinstance(node, dict) and isinstance(node.get("properties"), dict)
        for each, inner in node["properties"].items()
        if "const" not in inner and not inner.get("description")
    ]
    assert undescribed == []
    for _, _, operation in OPERATIONS:
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert content["examples"]


def test_the_description_s_lines_are_whole() -> None:
    """A line ends where it is full, or its sentence does: no break in the middle of a sentence."""
    lines = DOCUMENT["info"]["description"].splitlines()
    for line, following in pairwise(lines):
        ends = not following or following.startswith("* ") or line.endswith(".")
        assert ends or len(line) + len(following.split()[0]) >= 110, line


def test_every_example_fits_its_schema() -> None:
    for method, path, operation in OPERATIONS:
        contents = [("request", kind) for kind in operation.get("requestBody", {}).get("content", {}).items()]
        for status, answer in operation["responses"].items():
            contents += [(status, kind) for kind in answer.get("content", {}).items()]
        for where, (media_type, content) in contents:
            if not media_type.endswith("json"):
                continue
            values = [each["value"] for each in content.get("examples", {}).values()]
            values += [content["example"]] if "example" in content else []
            for value in values:
                try:
                    holds(value, content["schema"])
                except jsonschema.ValidationError as error:
                    pytest.fail(f"{method} {path} {where}: {error.json_path}: {error.message}")


def test_every_example_is_accepted_by_the_service(database_url: str) -> None:
    """In an order in which the things that paths name exist; each answer fits the schema of its status."""
    # Nothing is sent by itself, since an example's address is somebody's; the test message goes to our own receiver.
    settings = {"allow_targets": LOOPBACK, "secret_key": SECRET_KEY, "deliver": False}
    with (
        service(database_url, **settings) as url,
        httpx.Client(base_url=url, timeout=30) as api,
        receiving() as receiver,
    ):
        _send_every_example(api, receiver.url("/hook"))
        assert [each.json["type"] for each in receiver.received] == ["channel.test"]


def _send_every_example(api: httpx.Client, hook: str) -> None:
    order = ["PUT", "POST", "GET", "PATCH", "DELETE"]
    ids: dict[str, str] = {"run_id": examples.RUN_ID, "code": "LOSS001", "project": "vision"}
    sent = 0
    for method, path, operation in sorted(
        OPERATIONS,
        key=lambda each: (
            order.index(each[0]),
            "retry" in each[1] or "acknowledge" in each[1],
            each[1].count("{"),
            each[1],
        ),
    ):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        bodies = [each["value"] for each in content.get("examples", {}).values()] or [None]
        for body in bodies:
            if path == "/v1/deliveries/{delivery_id}/retry" and "delivery_id" not in ids:
                page = api.get(f"/v1/channels/{ids['channel_id']}/deliveries").json()
                ids["delivery_id"] = page["items"][0]["id"]
            if "{alert_id}" in path and "alert_id" not in ids:
                ids["alert_id"] = api.get("/v1/alerts").json()["items"][0]["id"]
            if path == "/v1/runs/{run_id}/records" and body is not None and "process" in body:
                api.put(f"/v1/runs/{examples.RUN_ID}", json=examples.RUN_RESUMED).raise_for_status()
            if method == "PATCH" and body == examples.FAILED:
                # A run ends once: the second example is another run's.
                ids["run_id"] = str(UUID(int=7))
                api.put(f"/v1/runs/{ids['run_id']}", json=examples.RUN_SMALL).raise_for_status()
            here = dict(body or {})
            if "channel_id" in here:
                here["channel_id"] = ids["channel_id"]
            if path == "/v1/channels" and here.get("kind") == "webhook":
                here["url"] = hook
            answer = api.request(method, path.format(**ids), json=None if body is None else here)
            said = f"{method} {path}: {answer.status_code} {answer.text[:600]}"
            assert answer.is_success, said
            documented = operation["responses"][str(answer.status_code)]
            media_type = answer.headers.get("content-type", "").partition(";")[0]
            if media_type == "application/json":
                holds(answer.json(), documented["content"][media_type]["schema"])
            elif answer.status_code != 204:
                assert media_type in documented["content"], said
            if path == "/v1/silences" and method == "POST":
                ids["silence_id"] = answer.json()["id"]
            if here.get("url") == hook:
                ids["channel_id"] = answer.json()["id"]
            sent += 1
    assert sent > len(OPERATIONS)


def test_bodies_are_documented_as_they_are_validated(api: httpx.Client) -> None:
    """The bodies of runs and records are validated below the API: the fields there are those of the models here."""
    assert set(of("RunDeclaration")["properties"]) == {*declarations._RUN_FIELDS, "process"}
    assert set(of("RecordBody")["properties"]) == set(declarations._RECORD_FIELDS)
    assert set(of("Expectation")["properties"]) == set(declarations._EXPECTATION_FIELDS)
    path = f"/v1/runs/{examples.RUN_ID}"
    for name in of("RunDeclaration")["properties"]:
        # A value of no field's type: refused where the field is known, with its own pointer.
        body = assert_problem(api.put(path, json={**examples.RUN_SMALL, name: -1.5}), 422, "invalid_input")
        assert [fault["pointer"].split("/")[1] for fault in body["errors"]] == [name], name
        assert "unknown" not in body["errors"][0]["detail"], name
