"""Every route is walked with every kind of refusal: one shape, a stable code, and nothing of what was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
import sqlalchemy as sa
from tests.support.problems import assert_problem
from tests.support.service import running, service

from trackside_service.api.app import create_app
from trackside_service.cli.assemble import open_context
from trackside_service.settings import Settings
from trackside_service.writer import Writer

KEY = "a-key-of-the-tests-1"
SENTINEL = "sentinel-5f2c"
JSON = {"Content-Type": "application/json"}
UNREACHABLE = "postgresql://nobody@127.0.0.1:1/nothing"
PLACES = {"code": "NONE999"}


def _document() -> dict[str, Any]:
    context = open_context(Settings(database_url=UNREACHABLE))
    return create_app(context).openapi()


DOCUMENT = _document()
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
WITH_BODY = [each for each in OPERATIONS if "requestBody" in each[2]]
IDS = [f"{method} {path}" for method, path, _ in OPERATIONS]
IDS_WITH_BODY = [f"{method} {path}" for method, path, _ in WITH_BODY]


def fill(path: str, value: object = None) -> str:
    """Return the path with something in the place of its parameters: ids that nothing has, unless given."""
    while "{" in path:
        name = path[path.index("{") + 1 : path.index("}")]
        path = path.replace("{" + name + "}", str(value or PLACES.get(name, uuid4())))
    return path


def is_open(operation: dict[str, Any]) -> bool:
    return operation.get("security") == []


@pytest.fixture(scope="module")
def keyless(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Any) -> Iterator[httpx.Client]:
    path = tmp_path_factory.mktemp("keyless") / "trackside.db"
    path.write_bytes(sqlite_template.read_bytes())
    with service(f"sqlite:///{path}", max_body_bytes=4096) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Any) -> Iterator[httpx.Client]:
    path = tmp_path_factory.mktemp("keyed") / "trackside.db"
    path.write_bytes(sqlite_template.read_bytes())
    with service(f"sqlite:///{path}", admin_key=KEY) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def without_database() -> Iterator[httpx.Client]:
    with service(UNREACHABLE) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)
def test_no_key(keyed: httpx.Client, method: str, path: str, operation: dict[str, Any]) -> None:
    answer = keyed.request(method, fill(path))
    if is_open(operation):
        assert answer.status_code == 200
        return
    assert_problem(answer, 401, "not_authenticated")
    assert "Basic" in answer.headers["www-authenticate"]
    assert_problem(
        keyed.request(method, fill(path), headers={"Authorization": f"Bearer {SENTINEL}"}), 401, "not_authenticated"
    )


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)
def test_another_host_without_a_key(keyless: httpx.Client, method: str, path: str, operation: dict[str, Any]) -> None:
    answer = keyless.request(method, fill(path), headers={"Host": "rebound.example"})
    if is_open(operation):
        assert answer.status_code == 200
    else:
        assert_problem(answer, 421, "wrong_host")


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)
def test_a_method_that_is_not_offered(keyless: httpx.Client, method: str, path: str, operation: dict[str, Any]) -> None:
    answer = keyless.request("TRACE", fill(path))
    assert_problem(answer, 405, "method_not_allowed")
    assert method in answer.headers["allow"]


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)
def test_bad_parameters(keyless: httpx.Client, method: str, path: str, operation: dict[str, Any]) -> None:
    names = {each["name"]: each["in"] for each in operation.get("parameters", [])}
    if any(place == "path" for place in names.values()) and not {"code", "project"} & set(names):
        body = assert_problem(keyless.request(method, fill(path, SENTINEL)), 422, "invalid_input")
        assert {fault["in"] for fault in body["errors"]} == {"path"}
        assert SENTINEL not in json.dumps(body)
    for name in ("limit", "cursor", "status", "sort", "points", "fail_on", "health", "severity", "state"):
        if names.get(name) == "query":
            answer = keyless.request(method, fill(path), params={name: SENTINEL + "!"})
            body = assert_problem(answer, 422, "invalid_input")
            assert [fault["in"] for fault in body["errors"]] == ["query"]
            assert body["errors"][0]["pointer"].startswith(f"/{name}")
            assert SENTINEL not in json.dumps(body)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)
def test_parameters_that_are_not_known_or_given_twice(
    keyless: httpx.Client, method: str, path: str, operation: dict[str, Any]
) -> None:
    """A guard with a typo in it (`?failon=warning`) must not pass."""
    known = {each["name"]: each for each in operation.get("parameters", []) if each["in"] == "query"}
    misspelt = next(iter(known), "limit")[:-1] + "z"
    answer = keyless.request(method, fill(path), params={misspelt: SENTINEL})
    (fault,) = assert_problem(answer, 422, "invalid_input")["errors"]
    assert (fault["in"], fault["pointer"]) == ("query", f"/{misspelt}")
    assert (next(iter(known)) if known else "takes no parameters") in fault["detail"]
    assert SENTINEL not in answer.text
    for name, parameter in known.items():
        repeats = '"array"' in json.dumps(parameter["schema"])
        value = {"sort": "name", "cursor": "W10", "fail_on": "info"}.get(name, "20")
        answer = keyless.request(method, fill(path), params=[(name, value), (name, value)])
        more_than_once = [fault["pointer"] for fault in answer.json().get("errors", []) if "once" in fault["detail"]]
        assert more_than_once == ([] if repeats else [f"/{name}"]), answer.text


def test_a_body_that_is_a_list_is_told_what_it_goes_into(keyless: httpx.Client) -> None:
    body = assert_problem(keyless.post(f"/v1/runs/{uuid4()}/records", json=[]), 422, "invalid_input")
    assert '{"records": [...]}' in body["errors"][0]["detail"]
    body = assert_problem(keyless.post("/v1/check", json=[{}]), 422, "invalid_input")
    assert '{"run": {...}, "records": [...]}' in body["errors"][0]["detail"]


def test_a_typo_is_answered_with_the_nearest_name(keyless: httpx.Client) -> None:
    answer = keyless.get(f"/v1/runs/{uuid4()}/health", params={"failon": "warning"})
    assert "fail_on" in assert_problem(answer, 422, "invalid_input")["detail"]


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)
def test_every_refusal_is_written_down(method: str, path: str, operation: dict[str, Any]) -> None:
    def codes(status: int) -> set[str]:
        content = operation["responses"].get(str(status), {}).get("content", {})
        return set(content.get("application/problem+json", {}).get("examples", {}))

    assert "invalid_input" in codes(422)
    assert ("cross_origin" in codes(403)) is (method not in ("GET", "HEAD"))
    assert ("body_too_large" in codes(413)) is ("requestBody" in operation)
    assert ("not_authenticated" in codes(401)) is not is_open(operation)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)
def test_a_page_of_another_site(keyless: httpx.Client, method: str, path: str, operation: dict[str, Any]) -> None:
    answer = keyless.request(method, fill(path), headers={"Origin": "https://elsewhere.example"})
    if "403" in operation["responses"]:
        assert_problem(answer, 403, "cross_origin")
    else:
        assert answer.status_code != 403


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)
def test_things_that_do_not_exist(keyless: httpx.Client, method: str, path: str, operation: dict[str, Any]) -> None:
    if "404" not in operation["responses"]:
        return
    documented = operation["responses"]["404"]["content"]["application/problem+json"]["examples"]
    (code,) = documented
    body: dict[str, Any] = {"status": "finished"} if method == "PATCH" else {"records": []}
    body = {} if path.endswith(("/acknowledge", "/rotate", "/channels/{channel_id}")) else body
    body = {"channel_id": str(uuid4())} if path == "/v1/replays" else body
    answer = keyless.request(method, fill(path), json=body if "requestBody" in operation else None)
    assert_problem(answer, 404, code)


@pytest.mark.parametrize(("method", "path", "operation"), WITH_BODY, ids=IDS_WITH_BODY)
def test_bodies(keyless: httpx.Client, method: str, path: str, operation: dict[str, Any]) -> None:
    def send(content: Any, **headers: str) -> httpx.Response:
        return keyless.request(method, fill(path), content=content, headers={**JSON, **headers})

    for text in ("", "{", "nothing", f'{{"{SENTINEL}": }}', "[" * 500, '{"a": "\\ud800"}', "\xff"):
        body = assert_problem(send(text.encode("latin-1")), 400, "malformed_json")
        assert SENTINEL not in json.dumps(body)
    for text in ("[]", "null", "3", '"text"', "[NaN]"):
        body = assert_problem(send(text), 422, "invalid_input")
        assert body["errors"], "a refused body points at its faults"
    # The framework's own handler dies on this one: it repeats the body.
    body = assert_problem(send(f'{{"{SENTINEL}x": NaN, "nothing": [Infinity, "{SENTINEL}y"]}}'), 422, "invalid_input")
    assert f"{SENTINEL}y" not in json.dumps(body)
    assert_problem(send("{}", **{"Content-Type": "text/plain"}), 415, "unsupported_media_type")
    for coding in ("br", "deflate", "gzip, gzip", "zstd"):
        answer = send("{}", **{"Content-Encoding": coding})
        assert_problem(answer, 415, "unsupported_encoding")
        assert answer.headers["accept-encoding"] == "gzip, identity"
    assert_problem(send(b" " * 5000), 413, "body_too_large")
    assert_problem(send(b" " * 100 for _ in range(50)), 413, "body_too_large")
    assert_problem(send("{}", Origin="https://elsewhere.example"), 403, "cross_origin")


@pytest.mark.parametrize(("method", "path", "operation"), WITH_BODY, ids=IDS_WITH_BODY)
def test_an_unknown_field_is_refused_with_the_nearest_name(
    keyless: httpx.Client, method: str, path: str, operation: dict[str, Any]
) -> None:
    name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    known = next(iter(DOCUMENT["components"]["schemas"][name]["properties"]))
    body = assert_problem(keyless.request(method, fill(path), json={known + "x": SENTINEL}), 422, "invalid_input")
    (fault,) = [fault for fault in body["errors"] if fault["pointer"] == f"/{known}x"]
    assert known in fault["detail"]
    assert SENTINEL not in json.dumps(body)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)
def test_the_database_is_away(
    without_database: httpx.Client, method: str, path: str, operation: dict[str, Any]
) -> None:
    example: Any = None
    if "requestBody" in operation:
        example = next(iter(operation["requestBody"]["content"]["application/json"]["examples"].values()))["value"]
        if path == "/v1/channels":
            example = {**example, "secret": None}
    answer = without_database.request(method, fill(path), json=example)
    if "503" not in operation["responses"]:
        assert answer.status_code in (200, 404), answer.text
    elif path == "/v1/channels" and method == "POST":
        # Nothing can encrypt the address on Postgres without a key; that is said before the database is asked.
        assert answer.status_code in (409, 503), answer.text
    else:
        body = assert_problem(answer, 503, "storage_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert "127.0.0.1" not in body["detail"], "the driver's words are for the log"


def test_an_unknown_path(keyless: httpx.Client) -> None:
    for path in ("/", "/v1", "/v2/runs", "/v1/runs/", "/docs", "/redoc", f"/{SENTINEL}"):
        body = assert_problem(keyless.get(path), 404, "not_found")
        assert SENTINEL not in json.dumps(body)


def test_what_nobody_foresaw(tmp_path: Any, sqlite_template: Any, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "trackside.db"
    path.write_bytes(sqlite_template.read_bytes())

    def broken_clock() -> datetime:
        raise RuntimeError(SENTINEL)

    context = replace(open_context(Settings(database_url=f"sqlite:///{path}")), now=broken_clock)
    with running(context) as url:
        answer = httpx.put(f"{url}/v1/runs/{uuid4()}", json={"project": "p", "name": "n"}, timeout=30)
    body = assert_problem(answer, 500, "internal_error")
    assert SENTINEL not in json.dumps(body)
    (line,) = [record for record in caplog.records if record.exc_info and SENTINEL in str(record.exc_info[1])]
    assert line.__dict__["fields"]["instance"] == body["instance"]


def test_the_log_names_the_instance_when_the_database_is_away(
    without_database: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    body = assert_problem(without_database.get("/v1/runs"), 503, "storage_unavailable")
    instances = [record.__dict__["fields"]["instance"] for record in caplog.records if record.message == "database"]
    assert instances == [body["instance"]]


def test_too_much_at_once(tmp_path: Any, sqlite_template: Any) -> None:
    path = tmp_path / "trackside.db"
    path.write_bytes(sqlite_template.read_bytes())
    context = open_context(Settings(database_url=f"sqlite:///{path}"))
    writer = Writer(context.engine, queue_limit=1)
    begun, hold = threading.Event(), threading.Event()
    with running(replace(context, writer=writer)) as url:
        run_id = uuid4()

        def slow(_: sa.Connection) -> bool:
            begun.set()
            return hold.wait(30)

        first = writer.submit(slow, run_id)
        assert begun.wait(30)
        second = writer.submit(lambda _: None, run_id)
        answer = httpx.put(f"{url}/v1/runs/{run_id}", json={"project": "p", "name": "n"}, timeout=30)
        hold.set()
        first.result(30)
        second.result(30)
    assert_problem(answer, 503, "busy")
    assert int(answer.headers["retry-after"]) >= 1
