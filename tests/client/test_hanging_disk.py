"""A disk that hangs, as a dead network file system does: neither the loop nor the end of the process waits for it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.client.environment import PATIENCE_S
from tests.client.processes import Process, free_port, spooled_records
from tests.client.receiver import Receiver, Reply

# From some moment on a call of the system's never returns: it waits for somebody to write to a FIFO.
HANGING = """
    import atexit, os, sys, time
    url, fifo, *operations = sys.argv[1:]
    def tell():
        print("exit took", time.monotonic() - ended)
    atexit.register(tell)  # runs after the client's own, which registers later
    def hang():
        for name in operations:
            real = getattr(os, name)
            def hanging(*arguments, real=real, **options):
                if arguments[0] in (1, 2):
                    return real(*arguments, **options)
                open(fifo)
            setattr(os, name, hanging)
    import trackside
    def train(**options):
        global ended
        run = trackside.Run(url, name="n", **options)
        took = 0.0
        for step in range(100):
            began = time.monotonic()
            run.log(step=step, train_loss=1.0)
            took = max(took, time.monotonic() - began)
        assert took < 5, took     # it would be for ever
        ended = time.monotonic()
        return run
"""
OPERATIONS = ["open", "write", "fsync", "rename", "scandir"]
ENDS = {
    "returns": ("run = train()", 0),
    "raises": ("run = train()\n    raise RuntimeError('no memory')", 1),
    "leaves with": ("with train(): pass", 0),
    "finishes": (
        "train().finish(); assert time.monotonic() - ended < 6; time.sleep(0.1); ended = time.monotonic()",
        0,
    ),
    "is terminated": ("run = train(); os.kill(os.getpid(), 15)", -signal.SIGTERM),
}
NO_ANSWER = "trackside: 100 records could not be sent and may be lost: the disk does not answer."


# A disk that goes on gets ten seconds after the time of the end, and one that hangs a second, on a machine with time.
GIVEN_UP_S = 5.5


def exit_time(output: str) -> float:
    return float(output.rsplit("exit took", 1)[1])


@pytest.fixture
def fifo(tmp_path: Path) -> str:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return str(path)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_disk_that_hangs_from_the_start_keeps_no_process(
    process: Process, receiver: Receiver, fifo: str, operation: str
) -> None:
    receiver.behave = lambda _: Reply(fault="hang")
    script = HANGING + "    hang(); train()"
    done = process(script, receiver.url, fifo, operation, TRACKSIDE_EXIT_TIMEOUT="0.5")
    assert done.returncode == 0, done.stderr
    assert exit_time(done.stdout) < 0.5 + GIVEN_UP_S
    assert done.stderr.splitlines()[-1] == NO_ANSWER


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("timeout", ["0", "0.5"])  # without any, nothing was written before the end
def test_a_disk_that_hangs_at_the_last_write_keeps_no_process(
    process: Process, receiver: Receiver, fifo: str, end: str, timeout: str
) -> None:
    receiver.behave = lambda _: Reply(fault="hang")
    last, code = ENDS[end]
    script = HANGING + f"    hang()\n    {last}"
    with process.started(script, receiver.url, fifo, "fsync", TRACKSIDE_EXIT_TIMEOUT=timeout) as child:
        output, errors = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == code, errors
    if code >= 0:
        assert exit_time(output) < float(timeout) + GIVEN_UP_S
    assert NO_ANSWER in errors.splitlines()
    # what reached the file is not lost: whoever comes next sees that nobody has it any more
    (file,) = process.spool.glob("*")
    assert file.suffix == ".live"
    assert spooled_records(file) == 100


@pytest.mark.parametrize("waiting", ["nothing", "a file", "a FIFO"])
def test_while_the_disk_hangs_what_the_service_takes_is_there(
    process: Process, receiver: Receiver, fifo: str, waiting: str
) -> None:
    """The folder is looked at before the run is opened: for what an earlier life of it may have left."""
    if waiting == "a file":
        process("import sys, trackside; trackside.Run(sys.argv[1]).log(a=1.0)", f"http://127.0.0.1:{free_port()}")
    elif waiting == "a FIFO":
        process.spool.mkdir()
        os.mkfifo(process.spool / "0-0.jsonl")
    script = HANGING + "    hang(); train()"
    operations = () if waiting == "a FIFO" else OPERATIONS
    done = process(script, receiver.url, fifo, *operations)
    assert done.returncode == 0
    assert exit_time(done.stdout) < GIVEN_UP_S
    assert done.stderr == ""
    (run_id,) = receiver.runs
    assert len(receiver.stored(run_id)) == 100
    assert receiver.ends[run_id] == {"status": "finished"}


def test_while_the_disk_hangs_and_the_service_is_away_memory_keeps_what_it_can(process: Process, fifo: str) -> None:
    port = free_port()
    script = (
        HANGING
        + """
    hang()
    run = train()
    print(run.id, flush=True)
    sys.stdin.readline()  # until the service is back
    run.log(step=100, train_loss=1.0)
    ended = time.monotonic()
    """
    )
    with process.started(script, f"http://127.0.0.1:{port}", fifo, "open") as child:
        assert child.stdout is not None
        assert child.stderr is not None
        run_id = child.stdout.readline().strip()
        assert child.stderr.readline().startswith("trackside: the service cannot be reached")
        back = Receiver(port=port)
        try:
            back.wait_for(lambda: len(back.stored(run_id)) == 100)
            output, errors = child.communicate("\n", timeout=PATIENCE_S)
            assert (child.returncode, errors) == (0, "")
            assert exit_time(output) < GIVEN_UP_S
            assert [record["step"] for record in back.stored(run_id)] == list(range(101))
            assert back.ends[run_id] == {"status": "finished"}
        finally:
            back.stop()


def test_many_runs_and_a_disk_that_hangs(process: Process, fifo: str) -> None:
    """The first waits for the disk to move; those behind it know."""
    script = HANGING + "    hang(); runs = [train() for _ in range(10)]"
    done = process(script, f"http://127.0.0.1:{free_port()}", fifo, "fsync", TRACKSIDE_EXIT_TIMEOUT="0.5")
    assert done.returncode == 0
    assert exit_time(done.stdout) < 9  # a second each would be more
    assert done.stderr.splitlines().count(NO_ANSWER) == 10


def test_a_disk_that_is_slow_gets_the_time_to_take_everything(process: Process) -> None:
    script = """
        import os, sys, time, trackside
        write = os.write
        def slow(file, data):
            if file > 2:
                time.sleep(0.3)
            return write(file, data)
        os.write = slow
        run = trackside.Run(sys.argv[1])
        for step in range(1000):
            run.log(step=step, train_loss=1.0)
    """
    done = process(script, f"http://127.0.0.1:{free_port()}", TRACKSIDE_EXIT_TIMEOUT="0")
    assert done.returncode == 0
    (file,) = process.spool.glob("*.jsonl")
    assert spooled_records(file) == 1000
