"""Several real services on one database, and clients that say everything more than once: each alert opens once, and is
told once.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.support.command import Running, running
from tests.support.receiver import Receiver, receiving

RUNS = 4
# Of each post the loss, twice over: it turns to NaN, recovers for three records, turns to NaN again, recovers.
LOSSES: list[list[float | str]] = [
    [2.0, 1.9],
    [1.8, "NaN"],
    ["NaN", 1.8],
    [1.8, 1.8],
    [1.7, "NaN"],
    ["NaN", "NaN"],
    [1.7, 1.7],
    [1.7, 1.6],
]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def services(database_url: str, tmp_path: Path) -> Iterator[list[Running]]:
    """Three services on Postgres; on SQLite, where a second is refused, one. The last of three, which will be killed,
    sends nothing: what it had in hand would wait for its lease to end.
    """
    count = 1 if database_url.startswith("sqlite") else 3
    environ = {"TRACKSIDE_ALLOW_TARGETS": "127.0.0.0/8", "TRACKSIDE_SECRET_KEY": "A" * 43 + "="}
    with ExitStack() as stack:
        started = []
        for number in range(count):
            arguments = ["--port", "0", "--database-url", database_url, *(["--no-deliver"] if number == 2 else [])]
            one = stack.enter_context(running("serve", *arguments, folder=tmp_path, environ=environ))
            one.wait_for("listening")
            started.append(one)
        yield started


@pytest.mark.parametrize("process", ["job", None])
def test_what_everybody_says_at_once_and_again_is_told_once(
    services: list[Running], receiver: Receiver, process: str | None
) -> None:
    urls = [one.url for one in services]
    body = {"kind": "webhook", "name": "w", "url": receiver.url("/hook")}
    httpx.post(f"{urls[0]}/v1/channels", json=body, timeout=30).raise_for_status()
    runs = [str(uuid4()) for _ in range(RUNS)]
    alive = list(urls)
    with ThreadPoolExecutor(16) as pool:

        def everywhere(method: str, path: str, message: dict[str, Any]) -> None:
            """The same request at every service at once, two times at each; a service that is gone is left out."""
            sent = [pool.submit(httpx.request, method, url + path, json=message, timeout=60) for url in 2 * alive]
            assert all(one.result().is_success for one in sent)

        for run in runs:
            declared = {"project": "p", "name": run, **({"process": {"id": process}} if process else {})}
            everywhere("PUT", f"/v1/runs/{run}", declared)
        for number, losses in enumerate(LOSSES):
            if number == len(LOSSES) // 2 and len(services) > 1:
                services[-1].stop(signal.SIGKILL)
                alive.pop()
            for run in runs:
                records: list[dict[str, Any]] = [
                    {"step": 2 * number + place, "metrics": {"train_loss": loss, "lr": 0.1}}
                    for place, loss in enumerate(losses)
                ]
                if process is not None:
                    records = [{**record, "seq": record["step"]} for record in records]
                message = {"records": records, **({"process": process} if process else {})}
                everywhere("POST", f"/v1/runs/{run}/records", message)
    for run in runs:
        items = httpx.get(f"{urls[0]}/v1/alerts", params={"run_id": run}, timeout=30).json()["items"]
        assert sorted((one["code"], one["episode"], one["state"]) for one in items) == [
            ("LOSS001", 1, "resolved"),
            ("LOSS001", 2, "resolved"),
        ]
        stored = httpx.get(
            f"{urls[0]}/v1/runs/{run}/records", headers={"Accept": "application/x-ndjson"}, timeout=30
        ).text
        assert len(stored.splitlines()) == 2 * len(LOSSES)
    # Delivery is at least once: a repetition, after a service died, is under its own id.
    wanted = RUNS * 2 * 2
    messages = {one.id: one.json for one in receiver.wait(wanted, "/hook")}
    told = Counter((one["data"]["alert"]["id"], one["type"]) for one in messages.values())
    assert set(told.values()) == {1}
    assert Counter(kind for _, kind in told) == {"alert.opened": RUNS * 2, "alert.resolved": RUNS * 2}
