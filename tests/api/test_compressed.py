"""Bodies that are compressed: what gzip says is read, and no more of it than a body may have."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from tests.api.test_runs import opened
from tests.support.problems import assert_problem
from tests.support.service import service

LIMIT = 100_000
HEADERS = {"Content-Type": "application/json", "Content-Encoding": "gzip"}


@pytest.fixture
def api(database_url: str) -> Iterator[httpx.Client]:
    with service(database_url, max_body_bytes=LIMIT) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def records(count: int) -> bytes:
    return json.dumps({"records": [{"step": step, "metrics": {"train_loss": 1.0}} for step in range(count)]}).encode()


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip", "identity, gzip"])
def test_a_compressed_post_is_stored_like_any_other(api: httpx.Client, coding: str) -> None:
    path = opened(api)
    headers = {**HEADERS, "Content-Encoding": coding}
    answer = api.post(f"{path}/records", content=gzip.compress(records(1000)), headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] == 1000
    answer = api.post(f"{path}/records", content=gzip.compress(records(1000)), headers=headers)
    assert answer.json()["duplicates"] == 1000


def test_it_may_come_in_pieces(api: httpx.Client) -> None:
    path = opened(api)
    packed = gzip.compress(records(100))
    pieces = (packed[place : place + 7] for place in range(0, len(packed), 7))
    assert api.post(f"{path}/records", content=pieces, headers=HEADERS).json()["accepted"] == 100


def test_every_body_may_be_compressed(api: httpx.Client) -> None:
    path = opened(api)
    body = gzip.compress(b'{"status": "finished"}')
    assert api.patch(path, content=body, headers=HEADERS).json()["status"] == "finished"
    body = gzip.compress(b'{"schedule": {"kind": "constant", "lr": 0.1}, "total": 3}')
    assert api.post("/v1/schedules/preview", content=body, headers=HEADERS).json()["lrs"] == [0.1] * 3


def empty_blocks() -> bytes:
    """A gzip stream that is twice as long as a body may be and says nothing."""
    stream = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    return b"".join(stream.flush(zlib.Z_FULL_FLUSH) for _ in range(2 * LIMIT // 5)) + b"\0" * LIMIT


@pytest.mark.parametrize(
    "make",
    [
        lambda: gzip.compress(b" " * (LIMIT + 1)),
        lambda: gzip.compress(b'{"records": [' + b" " * 200_000_000 + b"]}", 1),
        lambda: gzip.compress(gzip.compress(b" " * 50_000_000)) + b"\0" * LIMIT,
        empty_blocks,
    ],
    ids=["one byte more", "a bomb", "a tail", "nothing, at length"],
)
def test_the_limit_is_on_what_a_body_unpacks_to(api: httpx.Client, make: Callable[[], bytes]) -> None:
    path, content = opened(api), make()
    answer = api.post(f"{path}/records", content=content, headers=HEADERS)
    detail = assert_problem(answer, 413, "body_too_large")["detail"]
    assert str(LIMIT) in detail
    pieces: Any = (content[place : place + 1000] for place in range(0, len(content), 1000))
    assert api.post(f"{path}/records", content=pieces, headers=HEADERS).status_code in (400, 413)
    assert api.get(f"{path}/records").json()["items"] == []


def test_a_body_of_just_the_limit_is_read(api: httpx.Client) -> None:
    path = opened(api)
    content = gzip.compress(records(10).ljust(LIMIT))
    assert api.post(f"{path}/records", content=content, headers=HEADERS).json()["accepted"] == 10


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{}", "not gzip"),
        (zlib.compress(b"{}"), "not gzip"),
        (gzip.compress(records(50))[:-9], "cut off"),
        (gzip.compress(b"{}")[:5], "cut off"),
        (gzip.compress(b"{}") + b"more", "follows the end"),
        (gzip.compress(b"{}") + gzip.compress(b"{}"), "follows the end"),
        (gzip.compress(b"{}")[:-8] + b"\0" * 8, "not gzip"),  # another sum than that of what was unpacked
        (gzip.compress(b""), "empty"),
        (b"", "empty"),
        (gzip.compress(b'{"sentinel'), "not JSON"),
    ],
    ids=["json", "zlib", "cut", "cut early", "a tail", "two streams", "a wrong sum", "of nothing", "nothing", "half"],
)
def test_what_is_no_gzip_is_told(api: httpx.Client, content: bytes, says: str) -> None:
    answer = api.post(f"{opened(api)}/records", content=content, headers=HEADERS)
    detail = assert_problem(answer, 400, "malformed_json")["detail"]
    assert says in detail
    assert "sentinel" not in answer.text
