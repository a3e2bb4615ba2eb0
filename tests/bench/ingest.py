"""Posts a second, beside a route that stores nothing: one record and a hundred a post, one, four and sixteen clients.

The service does all of its work: the points are stored, the LR is compared, the rules run, and the answer waits for
the commit.
"""

from __future__ import annotations

import json
import statistics
import uuid

from tests.bench.load import Load, run
from tests.bench.processes import databases, service, trivial

REPEATS = 3
CELLS = ((1, 1, 300), (1, 4, 150), (1, 16, 60), (100, 1, 40), (100, 4, 15), (100, 16, 6))
SCHEDULE = {"framework": "torch", "class": "StepLR", "params": {"step_size": 1000000}, "base_lr": 0.1, "unit": "epoch"}


def _load(url: str, batch: int, clients: int, requests: int) -> Load:
    ids = [str(uuid.uuid4()) for _ in range(clients)]
    declared = json.dumps({"project": "bench", "name": "bench", "schedule": SCHEDULE}).encode()
    opened = [_put(url, run_id, declared) for run_id in ids]
    assert all(status < 300 or status in (404, 405) for status in opened), opened  # the yardstick has no such route

    def body_of(client: int, number: int) -> tuple[str, bytes]:
        first = number * batch
        metrics = {"lr": 0.1, "train_loss": 1.5, "val_loss": 1.6, "train_acc": 50.5, "val_acc": 49.5}
        records = [{"epoch": first + each, "metrics": metrics} for each in range(batch)]
        return f"/v1/runs/{ids[client]}/records", json.dumps({"records": records}).encode()

    load = run(url, body_of, clients=clients, requests=requests)
    assert not load.refused, load.refused[:5]
    return load


def _put(url: str, run_id: str, body: bytes) -> int:
    import urllib.error
    import urllib.request

    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/runs/{run_id}", data=body, headers=headers, method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def main() -> None:
    """Print a row a cell: requests a second, their ratio to the yardstick's in the same repeat, p50 and p99 in ms."""
    with (
        databases() as urls,
        trivial() as yardstick,
        service(urls["sqlite"]) as sqlite,
        service(urls["postgres"]) as postgres,
    ):
        targets = {"sqlite": sqlite, "postgres": postgres}
        print(
            f"{'records x clients':>18} {'trivial/s':>10}"
            + "".join(f" {name + '/s':>11} {'ratio':>6} {'p50':>6} {'p99':>6}" for name in targets)
        )
        for batch, clients, requests in CELLS:
            base: list[Load] = []
            rows: dict[str, list[Load]] = {name: [] for name in targets}
            for _ in range(REPEATS):
                base.append(_load(yardstick, batch, clients, requests))
                for name, url in targets.items():
                    rows[name].append(_load(url, batch, clients, requests))
            line = f"{f'{batch} x {clients}':>18} {statistics.median(load.rate for load in base):>10.0f}"
            for name in targets:
                ratio = statistics.median(
                    mine.rate / theirs.rate for mine, theirs in zip(rows[name], base, strict=True)
                )
                p50, p99 = (
                    statistics.median(load.quantile(share) for load in rows[name]) * 1000 for share in (0.5, 0.99)
                )
                rate = statistics.median(load.rate for load in rows[name])
                line += f" {rate:>11.0f} {ratio:>6.2f} {p50:>6.1f} {p99:>6.1f}"
            print(line)
