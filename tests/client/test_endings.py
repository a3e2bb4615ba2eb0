"""Processes that end: in time, with what they logged on the service or on disk, and replayed later."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.client.environment import PATIENCE_S, clean
from tests.client.processes import CLIENT, Process, free_port, spooled_records
from tests.client.receiver import Receiver, Reply, problem

SCRIPT = """
    import sys, time, trackside
    run = trackside.Run(sys.argv[1], name="n")
    for step in range(100):
        run.log(step=step, train_loss=1.0)
    print(run.id)
"""
TIMED = """
    import atexit, sys, time
    def told():
        print("exit took", time.monotonic() - ended)
    atexit.register(told)   # runs after the client's own, which registers later
    import trackside
    run = trackside.Run(sys.argv[1])
    for step in range(100):
        run.log(step=step, train_loss=1.0)
    ended = time.monotonic()
"""


def exit_time(output: str) -> float:
    return float(output.rsplit("exit took", 1)[1])


def test_a_script_that_just_ends_has_finished(process: Process, receiver: Receiver) -> None:
    done = process(SCRIPT, receiver.url)
    run_id = done.stdout.strip()
    assert (done.returncode, done.stderr) == (0, "")
    assert [record["step"] for record in receiver.stored(run_id)] == list(range(100))
    assert receiver.ends[run_id] == {"status": "finished"}


def test_an_exception_at_the_top_is_a_failure(process: Process, receiver: Receiver) -> None:
    done = process(SCRIPT + "\n    raise RuntimeError('CUDA out of memory')", receiver.url)
    run_id = done.stdout.strip()
    assert done.returncode == 1
    assert "trackside:" not in done.stderr
    assert receiver.ends[run_id] == {"status": "failed", "reason": "RuntimeError: CUDA out of memory"}
    assert len(receiver.stored(run_id)) == 100


def test_with_the_service_down_the_exit_is_quick_and_the_records_are_kept(process: Process) -> None:
    done = process(TIMED, f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 0
    assert exit_time(done.stdout) < PATIENCE_S / 3  # a few tries, and not the whole time
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("trackside: the service cannot be reached")
    assert lines[1].startswith("trackside: 100 records could not be sent in time; they wait on disk")
    (file,) = process.spool.glob("*")
    assert file.stat().st_mode & 0o777 == 0o600
    assert spooled_records(file) == 100


@pytest.mark.parametrize("limit", ["4", ""])
def test_with_the_service_hanging_the_exit_takes_the_limit(process: Process, receiver: Receiver, limit: str) -> None:
    receiver.behave = lambda _: Reply(fault="hang")
    done = process(TIMED, receiver.url, TRACKSIDE_EXIT_TIMEOUT=limit)
    assert done.returncode == 0
    assert 0 <= exit_time(done.stdout) - float(limit or 3) < 5  # an answer is waited for ten seconds
    assert len(list(process.spool.glob("*.jsonl"))) == 1


def test_two_runs_share_the_time_at_exit(process: Process, receiver: Receiver) -> None:
    receiver.behave = lambda _: Reply(fault="hang")
    script = TIMED + "\n    other = trackside.Run(sys.argv[1]); other.log(step=0, train_loss=1.0)"
    done = process(script, receiver.url, TRACKSIDE_EXIT_TIMEOUT="4")
    assert 4 <= exit_time(done.stdout) < 8
    assert len(list(process.spool.glob("*.jsonl"))) == 2


def test_a_key_never_reaches_the_disk(process: Process) -> None:
    process(SCRIPT, f"http://127.0.0.1:{free_port()}", TRACKSIDE_API_KEY="very-secret-key")
    (file,) = process.spool.glob("*.jsonl")
    assert "very-secret-key" not in file.read_text()


def test_what_waited_is_replayed_by_the_next_run(process: Process) -> None:
    port = free_port()
    first = process(SCRIPT, f"http://127.0.0.1:{port}").stdout.strip()
    assert len(list(process.spool.glob("*.jsonl"))) == 1
    back = Receiver(port=port)
    try:
        with process.started(SCRIPT + "\n    sys.stdin.readline()", back.url) as child:
            back.wait_for(lambda: first in back.ends)
            second, errors = child.communicate("\n", timeout=PATIENCE_S)
        assert errors == ""
        for run_id in (first, second.strip()):
            assert [record["seq"] for record in back.stored(run_id)] == list(range(100))
            assert back.ends[run_id] == {"status": "finished"}
    finally:
        back.stop()
    assert list(process.spool.glob("*")) == []


def test_what_waited_is_sent_by_the_command(process: Process) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    runs = [process(SCRIPT, url).stdout.strip() for _ in range(2)]
    down = process.python("-m", "trackside", "sync", "--url", url)
    assert (down.returncode, down.stdout.split(" in ")[0]) == (1, "0 sent, 2 waiting")
    back = Receiver(port=port)
    back.behave = lambda request: (
        problem(422) if any(record["step"] == 42 for record in request.body.get("records", [])) else None
    )
    try:
        done = process.python("-m", "trackside", "sync", TRACKSIDE_URL=url)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.split(" in ")[0] == "2 sent, 0 waiting"
        for run_id in runs:
            assert [r["step"] for r in back.stored(run_id)] == [step for step in range(100) if step != 42]
    finally:
        back.stop()


def test_what_waits_for_a_service_that_is_gone_is_named_and_can_be_removed(
    process: Process, receiver: Receiver
) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    for url in (gone, gone, f"http://127.0.0.1:{free_port()}"):
        process(SCRIPT, url)
    done = process.python("-m", "trackside", "sync", "--url", receiver.url)
    assert (done.returncode, done.stdout.split(" in ")[0]) == (1, "0 sent, 3 waiting")
    assert f"2 of them for {gone} (python -m trackside discard --url {gone} removes them unsent)\n" in done.stdout
    done = process.python("-m", "trackside", "discard", "--url", gone)
    assert (done.returncode, done.stdout.split(" from ")[0]) == (0, "2 removed")
    assert len(list(process.spool.glob("*"))) == 1
    assert process.python("-m", "trackside", "discard").returncode == 2


def test_the_earlier_life_of_a_run_is_replayed_before_its_next_opens(process: Process) -> None:
    port = free_port()
    run_id = "6f1f39d0-7c43-4e0e-9b1c-0f6f0d1f7a11"
    process(SCRIPT, f"http://127.0.0.1:{port}", TRACKSIDE_RUN_ID=run_id)
    back = Receiver(port=port)
    try:
        process(SCRIPT, back.url, TRACKSIDE_RUN_ID=run_id)
        lives = [r.body["process"]["id"] for r in back.requests if r.method == "PUT"]
        assert len(set(lives)) == 2
        posts = [r.body["process"] for r in back.requests if r.method == "POST"]
        assert posts == sorted(posts, key=lives.index)
    finally:
        back.stop()


def test_what_waits_for_another_service_is_left_alone(process: Process, receiver: Receiver) -> None:
    process(SCRIPT, f"http://127.0.0.1:{free_port()}")
    process(SCRIPT + "\n    time.sleep(0.5)", receiver.url)
    assert len(receiver.runs) == 1
    assert len(list(process.spool.glob("*.jsonl"))) == 1


def test_a_folder_that_cannot_be_written_is_told(process: Process, tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    done = process(SCRIPT, f"http://127.0.0.1:{free_port()}", TRACKSIDE_SPOOL_DIR=str(blocker / "spool"))
    assert done.returncode == 0
    assert "100 records could not be sent and are lost" in done.stderr


def test_a_full_spool_is_told(process: Process) -> None:
    done = process(SCRIPT, f"http://127.0.0.1:{free_port()}", TRACKSIDE_SPOOL_MB="0.001")
    assert "100 records could not be sent and are lost: the spool is full" in done.stderr
    (file,) = process.spool.glob("*")
    assert spooled_records(file) == 0
    assert json.loads(file.read_text().splitlines()[2])["body"]["lost"] == 100


def test_with_no_spool_asked_for_nothing_is_left_on_the_disk(process: Process) -> None:
    done = process(SCRIPT, f"http://127.0.0.1:{free_port()}", TRACKSIDE_SPOOL_MB="0")
    assert "100 records could not be sent and are lost: the spool is full" in done.stderr
    assert list(process.spool.glob("*")) == []
    assert not process.shelter.exists()


def test_a_forked_child_reports_nothing_and_ends_at_once(process: Process, receiver: Receiver) -> None:
    script = """
        import os, sys, time, trackside, warnings
        warnings.simplefilter("ignore", DeprecationWarning)   # 3.12 warns of a fork beside threads
        run = trackside.Run(sys.argv[1])
        run.log(step=0, train_loss=1.0)
        time.sleep(0.5)
        child = os.fork()
        for step in range(1, 10):
            run.log(step=step, train_loss=float(child == 0))
        if child == 0:
            started = time.monotonic()
            run.finish("failed")
            sys.exit(0 if time.monotonic() - started < 20 else 9)   # a third of the time at the end
        _, status = os.waitpid(child, 0)
        assert status == 0, status
        run.log(step=10, train_loss=0.0)
        print(run.id)
    """
    done = process(script, receiver.url)
    assert (done.returncode, done.stderr) == (0, "")
    run_id = done.stdout.strip()
    assert [r["step"] for r in receiver.stored(run_id)] == list(range(11))
    assert all(r["metrics"]["train_loss"] == 0.0 for r in receiver.stored(run_id)[1:])
    assert receiver.ends[run_id] == {"status": "finished"}


def test_a_forked_child_may_have_a_run_of_its_own(process: Process, receiver: Receiver) -> None:
    script = """
        import os, sys, trackside, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        with trackside.Run(sys.argv[1], name="parent") as run:
            run.log(step=0, train_loss=1.0)
            child = os.fork()
            if child == 0:
                with trackside.Run(sys.argv[1], name="child") as own:
                    own.log(step=0, train_loss=1.0)
                os._exit(0)
            os.waitpid(child, 0)
    """
    done = process(script, receiver.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(run["name"] for run in receiver.runs.values()) == ["child", "parent"]
    assert len(receiver.ends) == 2


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
@pytest.mark.parametrize(
    ("last", "end"),
    [("pass", {"status": "finished"}), ("raise OSError('no')", {"status": "failed", "reason": "OSError: no"})],
    ids=["returns", "raises"],
)
def test_a_run_that_a_worker_leaves_open_ends_with_it(
    process: Process, receiver: Receiver, method: str, last: str, end: dict[str, str]
) -> None:
    script = f"""
        import multiprocessing, sys, trackside, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        def work(url):
            run = trackside.Run(url, name="worker")
            for step in range(10):
                run.log(step=step, train_loss=1.0)
            {last}
        if __name__ == "__main__":
            parent = trackside.Run(sys.argv[1], name="parent")
            worker = multiprocessing.get_context("{method}").Process(target=work, args=(sys.argv[1],))
            worker.start()
            worker.join(30)
    """
    done = process(script, receiver.url)
    assert done.returncode == 0, done.stderr
    if sys.version_info >= (3, 13) and end["status"] == "failed":  # which forgets what a worker raised
        end = {"status": "failed", "reason": "the worker ended with exit code 1"}
    ends = {run["name"]: receiver.ends.get(run_id) for run_id, run in receiver.runs.items()}
    assert ends == {"parent": {"status": "finished"}, "worker": end}
    assert sorted(len(receiver.stored(run_id)) for run_id in receiver.runs) == [0, 10]


def test_a_log_inside_a_signal_handler(process: Process, receiver: Receiver) -> None:
    script = """
        import signal, sys, trackside
        run = trackside.Run(sys.argv[1])
        def handler(number, frame):
            run.log(step=handler.step, from_handler=1.0)
            handler.step += 1
        handler.step = 0
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        for step in range(20000):
            run.log(step=step, train_loss=1.0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(run.id, handler.step)
    """
    done = process(script, receiver.url, TRACKSIDE_QUEUE_SIZE="100000", TRACKSIDE_EXIT_TIMEOUT="30")
    assert (done.returncode, done.stderr) == (0, "")
    run_id, handled = done.stdout.split()
    assert int(handled) > 0
    assert len(receiver.stored(run_id)) == 20000 + int(handled)


def test_ctrl_c_ends_the_run_as_killed(process: Process, receiver: Receiver, tmp_path: Path) -> None:
    script = tmp_path / "loop.py"
    script.write_text(
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it\n"
        "import sys, time, trackside\n"
        "with trackside.Run(sys.argv[1]) as run:\n"
        "    run.log(step=0, train_loss=1.0)\n"
        "    time.sleep(600)\n"
    )
    environment = {**clean(process.spool), "PYTHONPATH": str(CLIENT)}
    child = subprocess.Popen([sys.executable, str(script), receiver.url], env=environment, stderr=subprocess.DEVNULL)
    try:
        receiver.wait_for(lambda: any(r.method == "POST" for r in receiver.requests))
        os.kill(child.pid, signal.SIGINT)
        child.wait(PATIENCE_S)
    finally:
        child.kill()
        child.wait()
    assert list(receiver.ends.values()) == [{"status": "killed", "reason": "KeyboardInterrupt"}]


def test_the_handler_of_the_page_ends_the_run_at_sigterm(process: Process, receiver: Receiver, tmp_path: Path) -> None:
    page = (CLIENT.parent / "docs" / "client.md").read_text()
    (sample,) = re.findall(r"^```python\n(import signal\n.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    script = tmp_path / "preempted.py"
    script.write_text(sample.replace("        if asked:", "        __import__('time').sleep(0.5)\n        if asked:"))
    environment = {**clean(process.spool), "PYTHONPATH": str(CLIENT), "TRACKSIDE_URL": receiver.url}
    child = subprocess.Popen([sys.executable, str(script)], env=environment)
    try:
        receiver.wait_for(lambda: any(r.method == "POST" for r in receiver.requests))
        child.terminate()
        assert child.wait(PATIENCE_S) == 0
    finally:
        child.kill()
        child.wait()
    assert list(receiver.ends.values()) == [{"status": "killed", "reason": "SIGTERM"}]


def test_a_second_ctrl_c_ends_the_wait_and_keeps_the_records(
    process: Process, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.behave = lambda _: Reply(fault="hang")
    script = tmp_path / "loop.py"
    script.write_text(
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it\n"
        "import sys, time, trackside\n"
        "other = trackside.Run(sys.argv[1], name='other')\n"
        "other.log(step=0, train_loss=1.0)\n"
        "with trackside.Run(sys.argv[1], name='one') as run:\n"
        "    run.log(step=0, train_loss=1.0)\n"
        "    try:\n"
        "        print('training', flush=True)\n"
        "        time.sleep(600)\n"
        "    finally:\n"
        "        print('ending', flush=True)\n"
    )
    environment = {**clean(process.spool), "PYTHONPATH": str(CLIENT), "TRACKSIDE_EXIT_TIMEOUT": "600"}
    child = subprocess.Popen(
        [sys.executable, str(script), receiver.url],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "training\n"
        receiver.wait_for(lambda: len(receiver.requests) == 2)
        os.kill(child.pid, signal.SIGINT)
        assert child.stdout.readline() == "ending\n"
        # one is needed for each run that waits: `one` at the end of `with`, `other` at the interpreter's end
        started = time.monotonic()
        while child.poll() is None and time.monotonic() - started < PATIENCE_S:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(1.5)
            child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=PATIENCE_S)
    finally:
        child.kill()
        child.wait()
    files = list(process.spool.glob("*.jsonl"))
    assert [spooled_records(file) for file in files] == [1, 1], errors


def test_unconfigured_nothing_happens_and_it_is_said_once(process: Process) -> None:
    script = """
        import sys, threading, timeit, trackside
        for _ in range(3):
            with trackside.Run(project="p") as run:
                for step in range(10):
                    run.log(step=step, train_loss=object())
                assert not run.should_stop and run.health is None and run.id
        assert "httpx" not in sys.modules
        assert threading.active_count() == 1
        print(min(timeit.repeat(lambda: run.log(step=1, train_loss=1.0), number=1000, repeat=5)) / 1000)
    """
    done = process(script)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "trackside: neither url nor TRACKSIDE_URL is set, so this run is not reported. Training is not affected."
    ]
    assert float(done.stdout) < 5e-6


def test_a_broken_environment_is_told_and_never_raises(process: Process, receiver: Receiver) -> None:
    done = process("import trackside; trackside.Run().log(step=0, a=1.0)", TRACKSIDE_URL="nonsense")
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    odd = {"TRACKSIDE_EXIT_TIMEOUT": "soon", "TRACKSIDE_QUEUE_SIZE": "-1", "TRACKSIDE_RUN_ID": "7"}
    done = process(SCRIPT, receiver.url, **odd)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 3
    assert len(receiver.stored(done.stdout.strip())) == 100


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("", {"status": "failed", "reason": "training did not come to its end"}),
        ("raise ValueError('no')", {"status": "failed", "reason": "ValueError: no"}),
        ("run.finish()", {"status": "finished"}),
    ],
)
def test_a_frameworks_training_has_ended_well_only_where_it_says_so(
    process: Process, receiver: Receiver, end: str, expected: dict[str, str]
) -> None:
    """As where a script catches the exception that broke off its `trainer.train()`, and goes on to its own end."""
    process(
        f"""
        import sys
        from trackside.callbacks._loop import FitRun
        run = FitRun(sys.argv[1])
        run.log(step=0, a=1.0)
        {end}
        """,
        receiver.url,
    )
    ((_, found),) = receiver.ends.items()
    assert found == expected


def test_importing_imports_neither_httpx_nor_a_framework(process: Process) -> None:
    script = """
        import sys
        import trackside, trackside.schedules, trackside.__main__
        import trackside.callbacks.torch, trackside.callbacks.paddle, trackside.callbacks.transformers
        import trackside.callbacks.lightning, trackside.callbacks.keras
        heavy = {"httpx", "httpcore", "numpy", "ssl"} & set(sys.modules)
        heavy |= {"torch", "paddle", "transformers", "keras", "lightning", "pytorch_lightning"} & set(sys.modules)
        assert not heavy, heavy
    """
    done = process(script)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_closed_stderr_is_no_error(process: Process) -> None:
    done = process("import sys; sys.stderr.close(); sys.stderr = None\nimport trackside; trackside.Run().log(a=1.0)")
    assert done.returncode == 0


def test_the_command_goes_past_a_file_that_the_service_does_not_take(process: Process) -> None:
    port = free_port()
    runs = [process(SCRIPT, f"http://127.0.0.1:{port}").stdout.strip() for _ in range(2)]
    back = Receiver(port=port)
    back.behave = lambda request: Reply(500) if runs[0] in request.path else None
    try:
        done = process.python("-m", "trackside", "sync", TRACKSIDE_URL=back.url)
        assert (done.returncode, done.stdout.split(" in ")[0]) == (1, "1 sent, 1 waiting")
        assert len(back.stored(runs[1])) == 100
    finally:
        back.stop()
