"""From the POST of the record that opens an alert to its receipt by a webhook on loopback."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
import uuid
from contextlib import ExitStack
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.bench.processes import databases, deliverer, service

ALERTS = 100


def _call(method: str, url: str, body: object) -> None:
    request = urllib.request.Request(
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}, method=method
    )
    urllib.request.urlopen(request, timeout=30).close()


def _latencies(url: str) -> list[float]:
    arrived: dict[str, float] = {}
    there = threading.Condition()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with there:
                arrived.setdefault(body["data"]["run"]["id"], time.perf_counter())
                there.notify_all()
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        _call(
            "POST",
            f"{url}/v1/channels",
            {"kind": "webhook", "name": "bench", "url": f"http://127.0.0.1:{receiver.server_address[1]}/"},
        )
        seen = []
        for _ in range(ALERTS):
            run_id = str(uuid.uuid4())
            _call("PUT", f"{url}/v1/runs/{run_id}", {"project": "bench", "name": "bench"})
            started = time.perf_counter()
            _call(
                "POST", f"{url}/v1/runs/{run_id}/records", {"records": [{"step": 0, "metrics": {"train_loss": "NaN"}}]}
            )
            with there:
                if not there.wait_for(partial(arrived.__contains__, run_id), timeout=30):
                    raise RuntimeError("an alert did not arrive within 30 s")
            seen.append(arrived[run_id] - started)
        receiver.shutdown()
    return sorted(seen)


def main() -> None:
    """Print the median and the 99th percentile in milliseconds, on both databases, with the courier inside the service
    and as a process of its own.
    """
    for separate in (False, True):
        with databases() as urls:
            for name, database in urls.items():
                with ExitStack() as stack:
                    url = stack.enter_context(service(database, *(["--no-deliver"] if separate else [])))
                    if separate:
                        stack.enter_context(deliverer(database))
                    seen = _latencies(url)
                print(
                    f"{name:>9}, {'trackside deliver' if separate else 'inside serve'}: POST to receipt,"
                    f" median {seen[len(seen) // 2] * 1000:.1f} ms, p99 {seen[int(0.99 * len(seen))] * 1000:.1f} ms"
                )
