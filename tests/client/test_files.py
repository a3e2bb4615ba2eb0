"""The files that wait, and the requests as they are written."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

import trackside
from tests.client.processes import spooled_records
from tests.client.receiver import Receiver, Reply, Request, problem
from trackside import _marks, _sender, _spool, _transport
from trackside._journal import Journal

RUN = "6f1f39d0-7c43-4e0e-9b1c-0f6f0d1f7a11"
PATH = f"/v1/runs/{RUN}"
OPENING = _spool.Request("PUT", PATH, {"project": "p", "name": "n", "process": {"id": RUN}})


def journal(folder: Path, limit_mb: float = 1.0) -> Journal:
    return Journal(folder, url="http://a", run_id=RUN, limit_mb=limit_mb, opening=OPENING)


def post(count: int) -> _spool.Request:
    return _spool.Request("POST", PATH + "/records", {"process": RUN, "records": [{"step": n} for n in range(count)]})


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    begun = journal(tmp_path)
    assert begun.append([post(3), post(4)]) == 7
    begun.hand_on()
    (path,) = _spool.waiting(tmp_path)
    path.write_bytes(path.read_bytes()[:-5])
    taken = _spool.claim(path, url="http://a")
    assert taken is not None
    assert [request.records for request in taken.requests()] == [0, 3]


def test_the_end_takes_the_place_of_the_latest_records(tmp_path: Path) -> None:
    begun = journal(tmp_path, limit_mb=0.002)
    held = begun.append(post(10) for _ in range(100))
    assert 10 < held < 1000
    seen = []

    def last(given_up: int) -> list[_spool.Request]:
        seen.append(given_up)
        return [post(25)]

    assert begun.conclude(last) == seen[-1] == held - begun.records > 0
    begun.hand_on()
    (path,) = tmp_path.glob("*.jsonl")
    assert path.stat().st_size <= 2000
    assert spooled_records(path) == held - seen[-1] + 25


def test_a_file_is_its_writers_until_it_is_handed_on_or_gone(tmp_path: Path) -> None:
    begun = journal(tmp_path)
    assert _spool.waiting(tmp_path) == []
    os.close(os.dup(begun._descriptor))  # as a child that ends
    assert _spool.waiting(tmp_path) == []
    os.close(begun._descriptor)  # as the writer that is killed
    assert [path.suffix for path in _spool.waiting(tmp_path)] == [".jsonl"]


def test_a_file_whose_lock_a_stray_child_holds_is_taken_when_nobody_touched_it_for_long(tmp_path: Path) -> None:
    begun = journal(tmp_path)
    os.utime(begun.path, (0, 0))
    assert len(_spool.waiting(tmp_path)) == 1


@pytest.mark.parametrize(
    ("body", "known"),
    [
        ({"project": "a/b - ü", "name": "n-%2D?"}, True),
        ({"project": "p", "name": "ü" * 200}, True),  # cut
        ({"project": "ü" * 100, "name": "n"}, False),  # no room for it
    ],
)
def test_a_mark_says_all_in_its_name(tmp_path: Path, body: dict[str, Any], known: bool) -> None:
    body = {**body, "process": {"id": RUN}}
    assert _marks.leave(tmp_path, url="http://a", run_id=RUN, body=body, lost=7) is known
    if not known:
        return
    (path,) = _spool.waiting(tmp_path)
    assert _spool.claim(path, url="http://b") is None
    taken = _spool.claim(path, url="http://a")
    assert taken is not None
    opening, told = taken.requests()
    assert opening.body["project"] == body["project"]
    assert body["name"].startswith(opening.body["name"])
    assert told.body == {"process": RUN, "records": [], "lost": 7}
    _spool.release(taken)
    assert _spool.waiting(tmp_path) == [path]


def test_a_folder_keeps_the_latest_marks_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_marks, "MOST", 3)
    body = {**OPENING.body, "name": "n"}
    for lost in range(1, 6):
        assert _marks.leave(tmp_path, url="http://a", run_id=RUN, body=body, lost=lost)
    found = [_marks.parse(path.name) for path in sorted(tmp_path.iterdir())]
    assert [mark.lost for mark in found if mark is not None] == [3, 4, 5]


def test_a_folder_of_somebody_else_among_the_temporary_files_is_not_used(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    _marks.shelter().parent.mkdir()
    _marks.shelter().symlink_to(elsewhere)
    assert not _marks.leave(blocked / "x", url="http://a", run_id=RUN, body=OPENING.body, lost=7)
    assert list(elsewhere.iterdir()) == []


# -- compression -------------------------------------------------------------------------------------------------------


def test_a_folder_of_many_files_is_not_looked_through_for_every_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Path] = []

    def size(folder: Path) -> int:
        looks.append(folder)
        return 0

    monkeypatch.setattr(_spool, "size", size)
    monkeypatch.setattr(time, "monotonic", lambda: 7.0)
    begun = journal(tmp_path)
    assert begun.append([post(1)] * 200) == 200
    assert len(looks) == 1
    begun.discard()


def log_many(url: str, monkeypatch: pytest.MonkeyPatch) -> trackside.Run:
    monkeypatch.setattr(_sender, "GATHER_S", 0.5)
    run = trackside.Run(url)
    run.log(step=0, train_loss=0.0)
    for step in range(1, 400):
        run.log(step=step, train_loss=float(step))
    run.finish()
    return run


def test_a_large_batch_is_compressed(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    run = log_many(receiver.url, monkeypatch)
    packed = [request for request in receiver.requests if request.headers.get("Content-Encoding") == "gzip"]
    assert packed
    for request in packed:
        size = len(json.dumps(request.body, separators=(",", ":")))
        assert size >= _transport.COMPRESS_BYTES
        assert int(request.headers["Content-Length"]) < size / 5
    assert [record["step"] for record in receiver.stored(run.id)] == list(range(400))
    assert all(request.method == "POST" for request in packed)


@pytest.mark.parametrize("status", [400, 415])
def test_where_compression_is_not_understood_it_is_left(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    def behave(request: Request) -> Reply | None:
        return problem(status) if request.headers.get("Content-Encoding") else None

    receiver.behave = behave
    run = log_many(receiver.url, monkeypatch)
    assert [record["step"] for record in receiver.stored(run.id)] == list(range(400))
    assert sum("Content-Encoding" in request.headers for request in receiver.requests) == 1


@pytest.mark.parametrize("body", [{"records": [{"a": 1}, {"b": "ü"}]}, {"process": "p", "records": []}, {"a": [1.5]}])
def test_what_is_written_record_by_record_is_the_same_json(body: dict[str, Any]) -> None:
    assert json.loads(_transport._encoded(body)) == body
