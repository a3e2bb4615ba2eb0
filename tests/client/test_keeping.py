"""What waits is on disk while the service is away, and what is lost is counted and told."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

import trackside
from tests.client.environment import PATIENCE_S
from tests.client.processes import SMALL_FILES, Process, free_port, spooled_records
from tests.client.receiver import Receiver, Reply, Request, problem
from trackside import _config, _delivery, _inbox, _keeper, _say, _sender
from trackside._journal import Journal
from trackside._records import Logged

# Logs until it is killed, a record each 5 ms; says how far it is.
ENDLESS = """
    import sys, time, trackside
    run = trackside.Run(sys.argv[1], name="n")
    for step in range(100000):
        run.log(step=step, train_loss=1.0)
        print(step)
        time.sleep(0.005)
"""
# Replays what waits, and ends.
NEXT = """
    import sys, time, trackside
    with trackside.Run(sys.argv[1], name="next") as run:
        run.log(step=0, train_loss=1.0)
        time.sleep(float(sys.argv[2]))
"""


def killed(child: subprocess.Popen[str]) -> int:
    """Let the script log for a while, kill it, and return how many records it had logged a second before."""
    assert child.stdout is not None
    times: list[float] = []
    while len(times) < 300 or times[-1] - times[0] < 2.5:
        child.stdout.readline()
        times.append(time.monotonic())
    child.send_signal(signal.SIGKILL)
    ended = time.monotonic()
    child.wait(PATIENCE_S)
    return sum(when < ended - 1.0 for when in times)


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    port = free_port()
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        silent.bind(("127.0.0.1", port))
        silent.listen(64)
        yield port


@pytest.mark.parametrize("away", ["dead", "hanging"])
def test_a_process_that_is_killed_while_the_service_is_away_loses_a_second_at_most(process: Process, away: str) -> None:
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(silent_port()) if away == "hanging" else free_port()
        with process.started(ENDLESS, f"http://127.0.0.1:{port}") as child:
            logged = killed(child)
    back = Receiver(port=port)
    try:
        assert process.python("-m", "trackside", "sync", "--url", back.url).returncode == 0
        (run_id,) = [run_id for run_id, run in back.runs.items() if run["name"] == "n"]
        steps = [record["step"] for record in back.stored(run_id)]
        assert steps == list(range(len(steps)))
        assert len(steps) >= logged > 20
        assert run_id not in back.ends  # the service finds out by the silence
    finally:
        back.stop()
    assert list(process.spool.glob("*")) == []


def test_a_process_that_is_killed_beside_a_service_that_is_up_loses_a_second_at_most(
    process: Process, receiver: Receiver
) -> None:
    with process.started(ENDLESS, receiver.url) as child:
        logged = killed(child)
    (run_id,) = receiver.runs
    # an answer that took long left a copy on the disk
    assert process.python("-m", "trackside", "sync", "--url", receiver.url).returncode == 0
    steps = [record["step"] for record in receiver.stored(run_id)]
    assert steps == list(range(len(steps)))
    assert len(steps) >= logged > 20


def test_what_a_living_process_holds_is_no_other_ones(process: Process, receiver: Receiver) -> None:
    receiver.behave = lambda request: Reply(503) if "old" in str(request.body) else None
    script = """
        import sys, trackside
        run = trackside.Run(sys.argv[1], name="old", params={"old": 1})
        run.log({"old": 1.0}, step=0)
        __import__("time").sleep(600)
    """
    with process.started(script, receiver.url):
        deadline = time.monotonic() + PATIENCE_S
        while not list(process.spool.glob("*.live")) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert process(NEXT, receiver.url, "0.5").returncode == 0
        assert len(list(process.spool.glob("*.live"))) == 1


def test_a_long_copy_that_is_under_way_at_the_end_is_completed_by_it(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Journal._write
    begun = threading.Event()

    def slowly(self: Journal, line: bytes) -> bool:
        begun.set()
        threading.Event().wait(0.012)  # a slow disk: more than two seconds for all, and it goes on
        return write(self, line)

    monkeypatch.setattr(Journal, "_write", slowly)
    monkeypatch.setenv("TRACKSIDE_EXIT_TIMEOUT", "0.3")
    run = trackside.Run(f"http://127.0.0.1:{free_port()}")
    for step in range(19_000):
        run.log(step=step, train_loss=1.0)
    assert begun.wait(PATIENCE_S)
    run.finish()
    (file,) = environment.glob("*.jsonl")
    assert spooled_records(file) == 19_000


@pytest.mark.parametrize("what", ["emptied", "taken"])
@pytest.mark.parametrize("ends", ["finish", "kill"])
def test_a_copy_that_is_gone_is_made_anew(process: Process, what: str, ends: str) -> None:
    """Somebody empties the spool's folder during an outage; another process replays what a suspended one had there."""
    script = """
        import os, pathlib, signal, sys, time, trackside
        spool = pathlib.Path(os.environ["TRACKSIDE_SPOOL_DIR"])
        run = trackside.Run(sys.argv[1], name="n")
        for step in range(10):
            run.log(step=step, train_loss=1.0)
        while not any(path.stat().st_size > 1000 for path in spool.glob("*.live")):
            time.sleep(0.02)
        (live,) = spool.glob("*.live")
        if sys.argv[2] == "taken":
            live.rename(live.with_name("a.jsonl"))
            (spool / "a.jsonl").unlink()
        else:
            for path in spool.iterdir():
                path.unlink()
            spool.rmdir()
        run.log(step=10, train_loss=1.0)
        if sys.argv[3] == "kill":
            while not any(b'"step":10' in path.read_bytes() for path in spool.glob("*.live")):
                time.sleep(0.02)
            os.kill(os.getpid(), signal.SIGKILL)
        run.finish()
    """
    port = free_port()
    process(script, f"http://127.0.0.1:{port}", what, ends)
    back = Receiver(port=port)
    try:
        assert process.python("-m", "trackside", "sync", "--url", back.url).returncode == 0
        (run_id,) = back.runs
        assert [record["step"] for record in back.stored(run_id)] == list(range(11))
    finally:
        back.stop()


def test_records_that_were_sent_and_never_copied_leave_nothing_behind(environment: Path) -> None:
    """A service that answers at once, for months: no copy is begun, and nothing may grow with what was sent."""
    notices = _say.Notices()
    inbox = _inbox.Inbox(1000, notices)
    settings = _config.load("http://127.0.0.1:9", None)
    assert settings is not None
    keeper = _keeper.Keeper(settings, inbox, notices, run_id="a")
    for _ in range(50_000):
        with inbox.lock:
            keeper.settled(1)
    tracemalloc.start()
    try:
        for _ in range(50_000):
            with inbox.lock:
                keeper.settled(1)
        assert tracemalloc.get_traced_memory()[0] < 10_000
    finally:
        tracemalloc.stop()


def test_what_the_sender_takes_over_meanwhile_is_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop may be interrupted in the middle of its count, while the sender takes over all that waits."""
    inbox = _inbox.Inbox(10, _say.Notices())

    class TakenOver:
        def __init__(self) -> None:
            self._inner: queue.SimpleQueue[Logged] = queue.SimpleQueue()
            self.put, self.get_nowait = self._inner.put, self._inner.get_nowait

        def qsize(self) -> int:
            waiting = self._inner.qsize()
            inbox.absorb()
            return waiting

    monkeypatch.setattr(inbox, "_queue", TakenOver())
    logged = [Logged(0.0, step, None, {"train_loss": 1.0}) for step in range(10)]
    for one in logged[:6]:
        inbox._queue.put(one)
    inbox.put(logged[6])
    assert inbox.dropped == 0
    inbox.absorb()
    assert len(inbox.pending) == 7


def log_with_room(run: trackside.Run, step: int, most: int) -> None:
    """Log as soon as at most so many records wait in memory: on a busy machine the sender may be late."""
    assert run._sender is not None
    inbox = run._sender._inbox
    deadline = time.monotonic() + PATIENCE_S
    while inbox.waiting + len(inbox.pending) > most and time.monotonic() < deadline:
        time.sleep(0.001)
    run.log(step=step, train_loss=1.0)


def test_while_the_service_is_away_memory_is_relieved_by_the_disk_and_the_order_kept(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, environment: Path
) -> None:
    monkeypatch.setenv("TRACKSIDE_QUEUE_SIZE", "100")
    monkeypatch.setattr(_delivery, "BASE_DELAY_S", 0.3)
    monkeypatch.setattr(_delivery, "LONGEST_DELAY_S", 0.3)
    monkeypatch.setattr(_sender, "LOOK_S", 0.02)
    receiver.behave = lambda _: Reply(503)
    run = trackside.Run(receiver.url)
    for step in range(1000):
        log_with_room(run, step, 80)
    receiver.behave = None
    receiver.wait_for(lambda: len(receiver.stored(run.id)) == 1000)
    run.log(step=1000, train_loss=1.0)
    run.finish()
    arrived = [r["step"] for request in receiver.requests for r in request.body.get("records", ()) if "step" in r]
    assert run._sender is not None
    assert run._sender.dropped == 0
    assert arrived[-1001:] == list(range(1001))
    assert receiver.duplicates == 0
    assert list(environment.glob("*")) == []


def test_a_file_shows_that_its_process_lives(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, environment: Path
) -> None:
    monkeypatch.setattr(_sender, "LOOK_S", 0.02)
    monkeypatch.setattr(_keeper, "TOUCH_S", 0.0)
    receiver.behave = lambda _: Reply(503)
    run = trackside.Run(receiver.url)
    run.log(step=0, train_loss=1.0)
    receiver.wait_for(lambda: bool(list(environment.glob("*.live"))))
    (file,) = environment.glob("*.live")
    os.utime(file, (0, 0))
    receiver.wait_for(lambda: file.stat().st_mtime > 0)
    run.finish()


def test_what_was_moved_to_disk_waits_there_at_the_end(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, environment: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRACKSIDE_QUEUE_SIZE", "50")
    monkeypatch.setattr(_sender, "LOOK_S", 0.02)
    receiver.behave = lambda _: Reply(503)
    run = trackside.Run(receiver.url)
    for step in range(300):
        log_with_room(run, step, 40)
    run.finish()
    files = sorted(environment.glob("*.jsonl"))
    assert len(files) > 1
    assert sum(map(spooled_records, files)) == 300
    assert "300 records could not be sent in time" in capfd.readouterr().err
    receiver.behave = None
    with trackside.Run(receiver.url):
        receiver.wait_for(lambda: run.id in receiver.ends)
    assert [record["step"] for record in receiver.stored(run.id)] == list(range(300))


def test_what_the_disk_does_not_give_back_is_left_to_another_process(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, environment: Path
) -> None:
    monkeypatch.setenv("TRACKSIDE_QUEUE_SIZE", "20")
    monkeypatch.setattr(_sender, "LOOK_S", 0.02)
    receiver.behave = lambda _: Reply(503)
    run = trackside.Run(receiver.url)
    for step in range(30):
        log_with_room(run, step, 15)
    (first, *_) = sorted(environment.glob("*.live"))
    first.write_bytes(first.read_bytes().replace(b'"POST"', b'"P\0ST"'))
    receiver.behave = None
    run.finish()
    assert receiver.ends[run.id] == {"status": "finished"}
    assert len(receiver.stored(run.id)) < 30
    assert [path.name for path in environment.glob("*")] == [first.with_suffix(".jsonl").name]


def test_a_full_queue_is_told_to_the_service(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKSIDE_QUEUE_SIZE", "100")
    with trackside.Run(receiver.url) as run:
        for step in range(1000):
            run.log(step=step, train_loss=1.0)
    stored = receiver.stored(run.id)
    assert 100 <= len(stored) < 1000
    assert list(receiver.lost.values()) == [1000 - len(stored)]


def test_a_loss_is_told_before_the_end_and_more_of_it_again(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKSIDE_QUEUE_SIZE", "10")
    run = trackside.Run(receiver.url)
    for logged in (1000, 2000):
        for step in range(1000):
            run.log(step=step, train_loss=1.0)
        receiver.wait_for(lambda logged=logged: len(receiver.stored(run.id)) + sum(receiver.lost.values()) == logged)  # type: ignore[misc]
    run.finish()
    assert len(receiver.stored(run.id)) + sum(receiver.lost.values()) == 2000


def test_a_service_that_does_not_ask_for_the_loss_gets_the_rest(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKSIDE_QUEUE_SIZE", "10")
    receiver.behave = lambda request: problem(422) if "lost" in request.body else None
    with trackside.Run(receiver.url) as run:
        for step in range(1000):
            run.log(step=step, train_loss=1.0)
    assert len(receiver.stored(run.id)) >= 10
    assert receiver.ends[run.id] == {"status": "finished"}
    assert sum("lost" in request.body for request in receiver.requests) == 1


def test_a_record_that_is_refused_when_it_is_replayed_counts_as_lost(process: Process) -> None:
    port = free_port()
    script = SMALL_FILES.replace("resource.setrlimit", "sys.setswitchinterval(60)  # ")  # all in one go
    # a full memory beside it: what the process lost itself is in the file, and these come on top
    queue = {"TRACKSIDE_QUEUE_SIZE": "90"}
    runs = [process(script, f"http://127.0.0.1:{port}", "0", **more).stdout.strip() for more in ({}, queue)]
    back = Receiver(port=port)
    back.behave = lambda request: (
        problem(422) if any(record["step"] in (3, 80) for record in request.body.get("records", ())) else None
    )
    try:
        assert process.python("-m", "trackside", "sync", "--url", back.url).returncode == 0
        for run_id, least in zip(runs, (2, 800)):
            (lost,) = [count for (run, _), count in back.lost.items() if run == run_id]
            assert lost >= least
            assert len(back.stored(run_id)) + lost == 1000
            assert back.ends[run_id] == {"status": "finished"}
    finally:
        back.stop()


def test_a_record_that_was_refused_and_is_in_a_file_is_counted_once(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, process: Process
) -> None:
    """Copied while the service was away, refused when it was back, and replayed with the rest of its file."""
    monkeypatch.setattr(_sender, "LOOK_S", 0.02)
    monkeypatch.setattr(_delivery, "BASE_PAUSE_S", 60.0)  # after the refusal it stands still
    monkeypatch.setattr(_delivery, "LONGEST_PAUSE_S", 60.0)
    monkeypatch.setenv("TRACKSIDE_EXIT_TIMEOUT", "0")
    receiver.behave = lambda _: Reply(503)
    run = trackside.Run(receiver.url)
    for step in range(8):
        run.log(step=step, train_loss=1.0)
    receiver.wait_for(lambda: any(spooled_records(file) for file in process.spool.glob("*.live")))

    def refuse(request: Request) -> Reply | None:
        return problem(422) if any(record.get("step") == 0 for record in request.body.get("records", ())) else None

    receiver.behave = refuse
    sender = run._sender
    assert sender is not None
    receiver.wait_for(lambda: sender.lost == 1)
    run.finish()
    assert process.python("-m", "trackside", "sync", "--url", receiver.url).returncode == 0
    assert [record["step"] for record in receiver.stored(run.id)] == list(range(1, 8))
    assert list(receiver.lost.values()) == [1]


def test_a_record_that_the_service_refuses_counts_as_lost(receiver: Receiver) -> None:
    receiver.behave = lambda request: (
        problem(422) if any(record.get("step") == 3 for record in request.body.get("records", ())) else None
    )
    with trackside.Run(receiver.url) as run:
        for step in range(8):
            run.log(step=step, train_loss=1.0)
    assert list(receiver.lost.values()) == [1]
