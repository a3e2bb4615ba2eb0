"""Everything that can go wrong on the way of an alert, at once: `python -m tests.courier.fault --alerts 2000`.

Runs lose their loss over HTTP, receivers answer as they please (drawn by a seed), and the service and the courier
beside it are killed with -9 again and again, each time while messages are on their way. A person beside them sends
again by hand what a receiver refused for good, and switches a channel on again that a 410 switched off (which comes
after the last post: a channel that is off is not told of what happens meanwhile). In the end
every alert whose post was answered must have arrived at every channel, under one id however often. On both databases.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from random import Random
from uuid import UUID

import httpx
import sqlalchemy as sa
from tests.bench.processes import databases
from tests.support.outbox import add_channel, outbound, secrets
from tests.support.ports import free_port
from tests.support.receiver import CLOSE, HANG, Behaviour, Dribble, Hold, Received, Receiver, Reply

from trackside_service.courier import send_test
from trackside_service.storage import channels, delivery_log, migrate
from trackside_service.storage.engine import open_engine, read_transaction, write_transaction
from trackside_service.storage.tables import deliveries as outbox

ROOT = Path(__file__).parents[2]
OK = Reply(204, body=b"")
GONE = Reply(410)
_MOST_GONE = 2  # each takes all that waits on its channel along
_GONE_SHARE = 0.2
_SENDERS = 4
_HANGS_S = 1.0
_ABOUT_ALERTS = outbox.c.event.like("alert.%")  # the other channel hears of one that is switched off as well


class Chaos(Receiver):
    """A receiver that answers as `rng` has it. `arrived` is what it took and said so.

    Once `may_be_gone`, 410 is among its answers.
    """

    def __init__(self, rng: Random) -> None:
        super().__init__()
        self.arrived: list[Received] = []
        self.gone = 0
        self.may_be_gone = False
        self._rng = rng

    def _take(self, received: Received) -> Behaviour:
        with self._changed:
            self.received.append(received)
            behaviour = self._draw()
            if behaviour is OK:
                self.arrived.append(received)
            self._changed.notify_all()
        return behaviour

    def _draw(self) -> Behaviour:
        drawn = self._rng.random()
        if self.may_be_gone and self.gone < _MOST_GONE and drawn > 1 - _GONE_SHARE:
            self.gone += 1
            return GONE
        for share, behaviour in _SHARES:
            drawn -= share
            if drawn < 0:
                return behaviour
        return OK

    def _act(self, handler: BaseHTTPRequestHandler, behaviour: Behaviour) -> None:
        if isinstance(behaviour, Hold):
            self._released.wait(_HANGS_S)
        else:
            super()._act(handler, behaviour)


_SHARES: tuple[tuple[float, Behaviour], ...] = (
    (0.12, Reply(500)),
    (0.04, Reply(429, {"retry-after": "0"})),
    (0.02, Reply(429, {"retry-after": "1"})),
    (0.02, Reply(301, {"location": "/elsewhere"})),
    (0.02, HANG),
    (0.06, CLOSE),
    (0.02, Dribble()),
)


class Processes:
    """The service and a courier beside it, to be killed and started again."""

    def __init__(self, database_url: str) -> None:
        self.port = free_port()
        self.kills: Counter[str] = Counter()
        self._database_url = database_url
        self._running = {kind: self._start(kind) for kind in ("service", "courier")}

    def kill(self, kind: str) -> None:
        """Kill one with -9, and start it again."""
        self._running[kind].kill()
        self._running[kind].wait()
        self.kills[kind] += 1
        self._running[kind] = self._start(kind)

    def stop(self) -> None:
        """Kill all."""
        for process in self._running.values():
            process.kill()
            process.wait()

    def _start(self, kind: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"tests.support.impatient_{kind}", self._database_url, str(self.port)]
        return subprocess.Popen(command, cwd=ROOT)


@dataclass(frozen=True)
class Figures:
    """What became of `alerts`: every list of ids must be empty."""

    alerts: int
    expected: int
    received: int
    arrived: int
    twice: int
    kills: dict[str, int]
    by_hand: int
    switched_off: int
    seconds: float
    lost: list[str]
    renamed: list[str]
    altered: list[str]

    def __str__(self) -> str:
        killed = ", ".join(f"the {kind} {count} times" for kind, count in sorted(self.kills.items()))
        return (
            f"{self.alerts} alerts to 2 channels = {self.expected} messages; {self.received} attempts came in, "
            f"{self.arrived} were taken, {self.twice} of them a second time; killed: {killed}; sent again by hand: "
            f"{self.by_hand}; channels switched off: {self.switched_off}; {self.seconds:.0f} s; lost {len(self.lost)}, "
            f"under another id {len(self.renamed)}, with another body {len(self.altered)}"
        )

    @property
    def good(self) -> bool:
        """Whether nothing was lost and repetitions can be told."""
        return not (self.lost or self.renamed or self.altered)


def run(database_url: str, *, alerts: int, kills: int, seed: int, patience_s: float) -> Figures:
    """Send `alerts` through all of it, on a migrated database. Raises `TimeoutError` where they do not all arrive."""
    began, rng = time.monotonic(), Random(seed)
    engine = open_engine(database_url)
    receiver, processes = Chaos(Random(rng.random())), Processes(database_url)
    done = threading.Event()
    try:
        ids = [add_channel(engine, receiver.url(path))[0] for path in ("/a", "/b")]
        runs = [UUID(int=rng.getrandbits(128), version=4) for _ in range(alerts)]
        with ThreadPoolExecutor(_SENDERS + 1) as pool:
            try:
                posts = [pool.submit(_post, processes.port, runs[each::_SENDERS], done) for each in range(_SENDERS)]
                every = max(1, 2 * alerts // (kills + 1))
                killer = pool.submit(_kill, receiver, processes, Random(rng.random()), kills=kills, every=every)
                for post in posts:
                    post.result(max(0.0, began + patience_s - time.monotonic()))
                receiver.may_be_gone = True
                by_hand = _tend(engine, ids, alerts, began + patience_s)
                killer.result(max(0.0, began + patience_s - time.monotonic()))
            finally:
                done.set()
        return _figures(engine, receiver, runs, kills=processes.kills, by_hand=by_hand, began=began)
    finally:
        done.set()
        processes.stop()
        receiver.stop()
        engine.dispose()


def _post(port: int, runs: list[UUID], done: threading.Event) -> None:
    """Open each run and report a loss of NaN, until that is answered: what is answered must arrive."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        for run_id in runs:
            path = f"/v1/runs/{run_id}"
            dead = {"records": [{"step": 1, "metrics": {"train_loss": "NaN"}}]}
            requests = [("PUT", path, {"project": "vision", "name": "fault"}), ("POST", f"{path}/records", dead)]
            for method, where, body in requests:
                while not done.is_set():
                    with suppress(httpx.TransportError):
                        answer = client.request(method, where, json=body)
                        if answer.status_code < 500:
                            answer.raise_for_status()
                            break
                    done.wait(0.05)


def _kill(receiver: Chaos, processes: Processes, rng: Random, *, kills: int, every: int) -> None:
    """Kill one or the other while messages come in: on average after each `every` of them."""
    for number in range(kills):
        receiver.wait_for_more(rng.randint(1, 2 * every - 1), 5.0)
        receiver.wait_for_more(2 * every, rng.uniform(0.0, 0.05))
        processes.kill(("service", "courier")[number % 2])


def _tend(engine: sa.Engine, ids: list[UUID], alerts: int, deadline: float) -> int:
    """Do what a person would do until all is delivered; return how many deliveries were sent again by hand."""
    by_hand, pause = 0, threading.Event()
    count = sa.select(outbox.c.status, sa.func.count()).where(_ABOUT_ALERTS).group_by(outbox.c.status)
    while True:
        with read_transaction(engine) as connection:
            states = {row[0]: row[1] for row in connection.execute(count)}
            off = [each for each in ids if channels.get(connection, each).disabled_reason is not None]
        if states == {"delivered": len(ids) * alerts}:
            return by_hand
        if time.monotonic() > deadline:
            raise TimeoutError(f"after all that time the deliveries are {states}")
        for channel_id in off:
            send_test(engine, secrets(), outbound(read_s=0.3, total_s=0.6), channel_id)
        if "failed" in states:
            with write_transaction(engine) as connection:
                by_hand += delivery_log.replay(connection, datetime.now(UTC)).replayed
        pause.wait(0.05)


def _figures(
    engine: sa.Engine, receiver: Chaos, runs: list[UUID], *, kills: Counter[str], by_hand: int, began: float
) -> Figures:
    with read_transaction(engine) as connection:
        rows = connection.execute(
            sa.select(outbox.c.delivery_id, outbox.c.run_id, outbox.c.channel_id).where(_ABOUT_ALERTS)
        ).all()
    alerts = [each for each in receiver.received if each.json["type"].startswith("alert.")]
    arrived = Counter(each.id for each in receiver.arrived if each.json["type"].startswith("alert."))
    named, bodies = defaultdict(set), defaultdict(set)
    for each in alerts:
        named[each.path, each.json["data"]["alert"]["id"]].add(each.id)
        bodies[each.id].add(each.body)
    told = Counter(row.run_id for row in rows)
    lost = [str(row.delivery_id) for row in rows if str(row.delivery_id) not in arrived]
    lost += [str(run_id) for run_id in runs if told[run_id] != 2]
    return Figures(
        alerts=len(runs),
        expected=2 * len(runs),
        received=len(alerts),
        arrived=arrived.total(),
        twice=arrived.total() - len(arrived),
        kills=dict(kills),
        by_hand=by_hand,
        switched_off=receiver.gone,
        seconds=time.monotonic() - began,
        lost=lost,
        renamed=[f"{path} {alert}" for (path, alert), ids in named.items() if len(ids) != 1],
        altered=[message for message, several in bodies.items() if len(several) != 1],
    )


def main() -> int:
    """Run it on both databases and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patience", type=float, default=900.0, help="seconds for each database")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    good = True
    with databases() as urls:
        for name, url in urls.items():
            migrate.upgrade(open_engine(url))
            found = run(url, alerts=given.alerts, kills=given.kills, seed=given.seed, patience_s=given.patience)
            print(f"{name}: {found}", flush=True)
            good = good and found.good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
