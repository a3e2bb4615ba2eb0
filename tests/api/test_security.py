"""Who is answered: a key, once one is set; loopback's own names, without one."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.support.problems import assert_problem
from tests.support.service import service

from trackside_service.api.security import is_loopback, presented_key

KEY = "a-key-of-the-tests-1"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[httpx.Client]:
    path = tmp_path_factory.mktemp("keyed") / "trackside.db"
    path.write_bytes(sqlite_template.read_bytes())
    with service(f"sqlite:///{path}", admin_key=KEY) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.mark.parametrize("header", [f"Bearer {KEY}", f"bearer  {KEY}", basic("anybody", KEY), basic("", KEY)])
def test_the_key_opens(keyed: httpx.Client, header: str) -> None:
    for host in ("trackside.example", "127.0.0.1"):
        answer = keyed.get("/v1/runs", headers={"Authorization": header, "Host": host})
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        KEY,
        f"Token {KEY}",
        basic(KEY, ""),
        basic(KEY, "x"),
        "Basic !!!",
        "Basic " + base64.b64encode(KEY.encode()).decode(),
        "Bearer \xff\xfe",
    ],
)
def test_anything_else_does_not(keyed: httpx.Client, header: str) -> None:
    problem = assert_problem(
        keyed.get("/v1/runs", headers=[(b"Authorization", header.encode("latin-1"))]), 401, "not_authenticated"
    )
    assert KEY not in str(problem)


def test_what_needs_no_key(keyed: httpx.Client) -> None:
    assert keyed.get("/healthz").json()["status"] == "ok"
    assert keyed.get("/readyz").json() == {"status": "ready"}
    for path in ("/metrics", "/openapi.json", "/nothing", "/healthz/", "//healthz"):
        assert_problem(keyed.get(path), 401, "not_authenticated")


def test_a_page_of_another_site_cannot_use_a_browser_that_knows_the_key(keyed: httpx.Client) -> None:
    path = "/v1/channels/00000000-0000-0000-0000-000000000001/test"
    foreign = {"Origin": "https://elsewhere.example"}
    own = {"Origin": str(keyed.base_url).rstrip("/")}
    by_browser, by_script = {"Authorization": basic("me", KEY)}, {"Authorization": f"Bearer {KEY}"}
    assert_problem(keyed.post(path, headers={**by_browser, **foreign}), 403, "cross_origin")
    assert_problem(keyed.post(path, headers={**by_browser, "Origin": "null"}), 403, "cross_origin")
    assert_problem(keyed.post(path, headers={**by_browser, **own}), 404, "channel_not_found")
    assert_problem(keyed.post(path, headers={**by_script, **foreign}), 404, "channel_not_found")
    assert keyed.get("/v1/runs", headers={**by_browser, **foreign}).status_code == 200


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("localhost", True),
        ("localhost:8000", True),
        ("LOCALHOST:1", True),
        ("a.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9:80", True),
        ("[::1]:8000", True),
        ("::1", False),
        ("", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
        ("127.0.0.1@elsewhere.example", False),
        ("elsewhere.example:127", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("[::1", False),
    ],
)
def test_which_hosts_are_loopback(host: str, is_own: bool) -> None:
    assert is_loopback(host) is is_own


def test_which_key_a_header_presents() -> None:
    assert presented_key("Bearer abc") == b"abc"
    assert presented_key(basic("u", "p:q")) == b"p:q"
    assert presented_key("Basic ") is None
