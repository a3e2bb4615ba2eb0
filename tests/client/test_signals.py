"""Signals that ask a process to end, and sessions in which cells are run again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.client.environment import PATIENCE_S
from tests.client.processes import Process, spooled_records
from tests.client.receiver import Receiver, Reply

LOOP = """
    import signal, sys, time, trackside
    signal.signal(signal.SIGHUP, signal.SIG_DFL)     # whoever starts the tests with nohup has it ignored
    {before}
    run = trackside.Run(sys.argv[1], name="n")
    {after}
    {opens}
        run.log(step=0, train_loss=1.0)
        print("training", flush=True)
        for step in range(1, 60_000):
            time.sleep(0.01)
            {loop}
    {end}
    print("end", flush=True)
"""
NOTHING: Mapping[str, str] = {}
PLAIN = {"before": "", "after": "", "opens": "if True:", "loop": "", "end": ""}


def signalled(
    process: Process,
    url: str,
    number: int = signal.SIGTERM,
    *,
    variables: Mapping[str, str] = NOTHING,
    parts: Mapping[str, str] = NOTHING,
) -> tuple[int, str, str]:
    """Send the signal to a loop in training; return its exit status, and what it said."""
    with process.started(LOOP.format(**{**PLAIN, **parts}), url, **variables) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "training\n"
        child.send_signal(number)
        out, errors = child.communicate(timeout=PATIENCE_S / 2)
        return child.returncode, out, errors


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("opens", ["if True:", "with run:"])
def test_a_signal_ends_the_run_as_killed_and_the_process_as_ever(
    process: Process, receiver: Receiver, name: str, opens: str
) -> None:
    number = getattr(signal, name)
    assert signalled(process, receiver.url, number, parts={"opens": opens}) == (-number, "", "")
    ((run_id, end),) = receiver.ends.items()
    assert end == {"status": "killed", "reason": name}
    assert [record["step"] for record in receiver.stored(run_id)] == [0]


def test_slurm_names_the_job(process: Process, receiver: Receiver) -> None:
    signalled(process, receiver.url, variables={"SLURM_JOB_ID": "4711", "SLURM_PROCID": "0"})
    assert list(receiver.ends.values()) == [{"status": "killed", "reason": "SIGTERM (SLURM job 4711)"}]


def test_with_the_service_hanging_the_process_ends_in_time_and_the_records_are_kept(
    process: Process, receiver: Receiver
) -> None:
    receiver.behave = lambda _: Reply(fault="hang")
    code, _, errors = signalled(process, receiver.url, variables={"TRACKSIDE_EXIT_TIMEOUT": "1"})
    assert code == -signal.SIGTERM
    assert "1 records could not be sent in time" in errors
    (file,) = process.spool.glob("*.jsonl")
    assert spooled_records(file) == 1
    assert '"killed"' in file.read_text()


OWN = "asked = []\n    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))"


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize(
    ("parts", "ended"),
    [
        # it notes the signal and leaves the loop: the training was asked to end and did
        ({"opens": "with run:", "loop": "if asked: break"}, ({"status": "killed", "reason": "SIGTERM"}, 0)),
        # it says itself how the run ended
        ({"loop": "if asked: break", "end": "run.finish('finished', reason='saved')"}, (None, 0)),
        # it exits
        (
            {"opens": "with run:", "loop": "if asked: sys.exit(143)"},
            ({"status": "killed", "reason": "SIGTERM"}, 143),
        ),
        # workers fall by the same signal, and take the loop with them
        (
            {"opens": "with run:", "loop": "if asked: raise RuntimeError('worker is gone')"},
            ({"status": "killed", "reason": "SIGTERM, then RuntimeError: worker is gone"}, 1),
        ),
    ],
)
def test_a_handler_of_the_scripts_own_decides(
    process: Process, receiver: Receiver, place: str, parts: dict[str, str], ended: tuple[dict[str, str] | None, int]
) -> None:
    end, code = ended
    found, _, _ = signalled(process, receiver.url, parts={place: OWN, **parts})
    assert found == code
    wanted = end or {"status": "finished", "reason": "saved"}
    if place == "after" and end is not None and code != 143:  # ours was replaced, and nothing tells us of a signal
        wanted = {"status": "failed", "reason": "RuntimeError: worker is gone"} if code else {"status": "finished"}
    assert list(receiver.ends.values()) == [wanted]


def test_a_run_that_starts_after_a_signal_was_dealt_with_knows_nothing_of_it(
    process: Process, receiver: Receiver
) -> None:
    script = """
        import os, signal, sys, trackside
        signal.signal(signal.SIGHUP, lambda number, frame: None)
        for name in ("open", "later"):
            with trackside.Run(sys.argv[1], name=name) as run:
                run.log(step=0, train_loss=1.0)
                if name == "open":
                    os.kill(os.getpid(), signal.SIGHUP)
    """
    assert process(script, receiver.url).returncode == 0
    ends = {run["name"]: receiver.ends[run_id] for run_id, run in receiver.runs.items()}
    assert ends == {"open": {"status": "killed", "reason": "SIGHUP"}, "later": {"status": "finished"}}


def test_a_handler_that_calls_the_one_before_it_decides_too(process: Process, receiver: Receiver) -> None:
    """As Lightning's, which ends its training in good order."""
    own = (
        "before = signal.getsignal(signal.SIGTERM)\n    asked = []\n"
        "    signal.signal(signal.SIGTERM, lambda number, frame: (before(number, frame), asked.append(1)))"
    )
    code, out, _ = signalled(
        process, receiver.url, parts={"after": own, "opens": "with run:", "loop": "if asked: break"}
    )
    assert (code, out) == (0, "end\n")
    assert list(receiver.ends.values()) == [{"status": "killed", "reason": "SIGTERM"}]


def test_two_handlers_that_call_each_other_end(process: Process, receiver: Receiver) -> None:
    own = (
        "before = signal.getsignal(signal.SIGTERM)\n    asked = []\n"
        "    signal.signal(signal.SIGTERM, lambda number, frame: (asked.append(1), before(number, frame)))\n"
        "    other = trackside.Run(sys.argv[1], name='other')"
    )
    code, _, errors = signalled(
        process, receiver.url, parts={"after": own, "opens": "with run, other:", "loop": "if asked: break"}
    )
    assert (code, errors) == (0, "")
    assert list(receiver.ends.values()) == [{"status": "killed", "reason": "SIGTERM"}] * 2


def test_a_signal_that_is_ignored_stays_so(process: Process, receiver: Receiver) -> None:
    ignore = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    code, out, _ = signalled(
        process, receiver.url, signal.SIGHUP, parts={"before": ignore, "loop": "if step > 30: break"}
    )
    assert (code, out) == (0, "end\n")
    assert list(receiver.ends.values()) == [{"status": "finished"}]


def test_the_signals_can_be_left_alone(process: Process, receiver: Receiver) -> None:
    code, _, _ = signalled(process, receiver.url, variables={"TRACKSIDE_SIGNALS": "0"})
    assert code == -signal.SIGTERM
    assert receiver.ends == {}


def test_with_the_last_run_the_handler_goes(process: Process, receiver: Receiver) -> None:
    script = """
        import signal, sys, trackside
        def own(number, frame):
            pass
        signal.signal(signal.SIGHUP, own)
        with trackside.Run(sys.argv[1]):
            with trackside.Run(sys.argv[1]):
                ours = signal.getsignal(signal.SIGTERM)
            assert signal.getsignal(signal.SIGTERM) is ours is not signal.SIG_DFL
            assert signal.getsignal(signal.SIGHUP) is ours
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) is own
        with trackside.Run(sys.argv[1]):
            assert signal.getsignal(signal.SIGTERM) is ours
    """
    done = process(script, receiver.url)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_unconfigured_run_touches_no_signal(process: Process) -> None:
    script = """
        import signal, trackside
        trackside.Run()
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    """
    assert process(script).returncode == 0


def test_a_run_of_another_thread_installs_nothing_and_works(process: Process, receiver: Receiver) -> None:
    script = """
        import signal, sys, threading, trackside
        def train():
            with trackside.Run(sys.argv[1]) as run:
                run.log(step=0, train_loss=1.0)
        thread = threading.Thread(target=train)
        thread.start()
        thread.join()
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    """
    done = process(script, receiver.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(receiver.ends.values()) == [{"status": "finished"}]


def test_a_signal_during_the_end_lets_what_is_being_kept_be_kept(process: Process, receiver: Receiver) -> None:
    """The handler comes in the middle of the hand-over, in the same thread: it must neither wait for it nor cut it."""
    receiver.behave = lambda _: Reply(fault="hang")
    script = """
        import os, signal, sys, trackside
        from trackside._keeper import Keeper
        conclude = Keeper.conclude
        def interrupted(*arguments, **options):
            os.kill(os.getpid(), signal.SIGTERM)
            return conclude(*arguments, **options)
        Keeper.conclude = interrupted
        run = trackside.Run(sys.argv[1])
        run.log(step=0, train_loss=1.0)
        run.finish()
        print("not reached")
    """
    done = process(script, receiver.url, TRACKSIDE_EXIT_TIMEOUT="0.3")
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "")
    (file,) = process.spool.glob("*.jsonl")
    assert spooled_records(file) == 1


@pytest.mark.parametrize("threaded", [False, True])
def test_a_signal_during_the_end_of_one_run_ends_the_others_too(
    process: Process, receiver: Receiver, threaded: bool
) -> None:
    script = """
        import os, signal, sys, threading, time, trackside
        from trackside._keeper import Keeper
        conclude = Keeper.conclude
        def interrupted(*arguments, **options):
            Keeper.conclude = conclude
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.3)     # the main thread comes to its handler meanwhile
            return conclude(*arguments, **options)
        Keeper.conclude = interrupted
        one, other = trackside.Run(sys.argv[1], name="one"), trackside.Run(sys.argv[1], name="other")
        one.log(step=0, train_loss=1.0)
        other.log(step=0, train_loss=1.0)
        if sys.argv[2] == "True":
            threading.Thread(target=one.finish).start()
            for _ in range(6000):
                time.sleep(0.01)
        else:
            one.finish()
        print("not reached")
        os._exit(0)
    """
    done = process(script, receiver.url, str(threaded))
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, "", "")
    names = {receiver.runs[run_id]["name"]: end for run_id, end in receiver.ends.items()}
    assert names == {"one": {"status": "finished"}, "other": {"status": "killed", "reason": "SIGTERM"}}
    assert all([record["step"] for record in receiver.stored(run_id)] == [0] for run_id in receiver.runs)


def test_a_signal_during_the_wait_for_the_end(process: Process, receiver: Receiver) -> None:
    receiver.behave = lambda _: Reply(fault="hang")
    ends = {"loop": "break", "end": "run.finish()"}
    code, out, _ = signalled(process, receiver.url, variables={"TRACKSIDE_EXIT_TIMEOUT": "4"}, parts=ends)
    assert (code, out) in ((-signal.SIGTERM, ""), (0, "end\n"))  # the latter where it came between two lines
    (file,) = process.spool.glob("*.jsonl")
    assert spooled_records(file) == 1


def test_a_forked_worker_that_is_terminated_ends_as_ever_and_says_nothing(process: Process, receiver: Receiver) -> None:
    script = """
        import multiprocessing, signal, sys, time, trackside, warnings
        warnings.simplefilter("ignore", DeprecationWarning)   # 3.12 warns of a fork beside threads
        def work():
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
            run.log(step=99, train_loss=1.0)
            ready.set()
            time.sleep(600)
        context = multiprocessing.get_context("fork")
        ready = context.Event()
        with trackside.Run(sys.argv[1]) as run:
            run.log(step=0, train_loss=1.0)
            worker = context.Process(target=work)
            worker.start()
            assert ready.wait(60)
            worker.terminate()
            worker.join(60)
            assert worker.exitcode == -signal.SIGTERM, worker.exitcode
    """
    done = process(script, receiver.url)
    assert (done.returncode, done.stderr) == (0, "")
    ((run_id, end),) = receiver.ends.items()
    assert end == {"status": "finished"}
    assert [record["step"] for record in receiver.stored(run_id)] == [0]


def test_spawned_workers_report_nothing_and_may_have_runs_of_their_own(process: Process, receiver: Receiver) -> None:
    script = """
        import multiprocessing, sys, trackside
        def work(run, url):
            run.log(step=99, train_loss=1.0)     # went through pickle: does nothing here
            run.finish("failed")
            with trackside.Run(url, name="own") as own:
                own.log(step=0, train_loss=1.0)
        if __name__ == "__main__":
            with trackside.Run(sys.argv[1], name="parent") as run:
                run.log(step=0, train_loss=1.0)
                worker = multiprocessing.get_context("spawn").Process(target=work, args=(run, sys.argv[1]))
                worker.start()
                worker.join(30)
                assert worker.exitcode == 0
    """
    done = process(script, receiver.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(run["name"] for run in receiver.runs.values()) == ["own", "parent"]
    assert list(receiver.ends.values()) == [{"status": "finished"}] * 2
    assert all([record["step"] for record in receiver.stored(run_id)] == [0] for run_id in receiver.runs)


def test_os_exit_is_silence(process: Process, receiver: Receiver) -> None:
    script = """
        import os, sys, time, trackside
        with trackside.Run(sys.argv[1]) as run:
            run.log(step=0, train_loss=1.0)
            sys.stdin.readline()
            os._exit(3)
    """
    with process.started(script, receiver.url) as child:
        receiver.wait_for(lambda: any(receiver.records.values()))
        child.communicate("\n", timeout=PATIENCE_S)
    assert child.returncode == 3
    (run_id,) = receiver.runs
    assert len(receiver.stored(run_id)) == 1
    assert receiver.ends == {}


# -- sessions ----------------------------------------------------------------------------------------------------------

CELLS = """
    import sys
    sys.ps1 = "In : "        # as IPython and a Python prompt have it
    def cell(name):
        import trackside
        run = trackside.Run(sys.argv[1], project="p", name=name)
        run.log(step=0, train_loss=1.0)
        return run
"""


def test_a_cell_that_is_run_again_replaces_its_run(process: Process, receiver: Receiver) -> None:
    done = process(CELLS + "\n    first = cell('n')\n    other = cell('m')\n    second = cell('n')", receiver.url)
    assert (done.returncode, done.stderr) == (0, "")
    ends = {run_id: receiver.ends[run_id] for run_id in receiver.runs}
    assert sorted(end["status"] for end in ends.values()) == ["finished", "finished", "killed"]
    (killed,) = [run_id for run_id, end in ends.items() if end["status"] == "killed"]
    assert ends[killed]["reason"] == "another run was started in its place"
    assert all(len(receiver.stored(run_id)) == 1 for run_id in receiver.runs)


def test_in_a_script_runs_of_one_name_live_side_by_side(process: Process, receiver: Receiver) -> None:
    done = process(CELLS.replace("sys.ps1 =", "_ =") + "\n    runs = [cell('n'), cell('n')]", receiver.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert [end["status"] for end in receiver.ends.values()] == ["finished", "finished"]


def test_a_cell_that_is_run_again_under_the_same_id_is_the_runs_next_life(process: Process, receiver: Receiver) -> None:
    script = CELLS + "\n    first = cell('n')\n    second = cell('n')\n    second.finish()\n    first.finish()"
    done = process(script, receiver.url, TRACKSIDE_RUN_ID="6f1f39d0-7c43-4e0e-9b1c-0f6f0d1f7a11")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(receiver.records) == 2
    assert [request.method for request in receiver.requests].count("PATCH") == 1


def test_an_interrupted_cell_keeps_its_run_open_and_the_next_goes_on_with_it(
    process: Process, receiver: Receiver
) -> None:
    script = (
        CELLS
        + """
    run = cell('n')
    try:
        raise KeyboardInterrupt      # the button of the notebook
    except KeyboardInterrupt:
        pass
    run.log(step=1, train_loss=1.0)
    run.finish()
    """
    )
    done = process(script, receiver.url)
    assert (done.returncode, done.stderr) == (0, "")
    ((run_id, end),) = receiver.ends.items()
    assert end == {"status": "finished"}
    assert [record["step"] for record in receiver.stored(run_id)] == [0, 1]


def test_the_error_of_an_old_cell_is_not_how_the_session_ended(process: Process, receiver: Receiver) -> None:
    done = process(CELLS + "\n    sys.last_value = ValueError('old')\n    run = cell('n')", receiver.url)
    assert done.returncode == 0
    assert [end["status"] for end in receiver.ends.values()] == ["finished"]


# -- the interpreter's end ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "late",
    [
        "atexit.register(lambda: run.log(step=1, train_loss=1.0))",  # runs before the client's own end
        "import weakref\n    class Old: ...\n    old = Old()\n    weakref.finalize(old, run.log, step=1, a=1.0)",
    ],
)
def test_a_log_while_the_interpreter_ends(process: Process, receiver: Receiver, late: str) -> None:
    script = f"""
    import atexit, sys, trackside
    run = trackside.Run(sys.argv[1])
    run.log(step=0, train_loss=1.0)
    {late}
    """
    done = process(script, receiver.url)
    assert (done.returncode, done.stderr) == (0, "")
    ((run_id, end),) = receiver.ends.items()
    assert end == {"status": "finished"}
    assert [record["step"] for record in receiver.stored(run_id)] == [0, 1]


def test_a_log_after_the_end_harms_nothing(process: Process, receiver: Receiver) -> None:
    script = """
        import sys, trackside
        class Last:
            def __del__(self, make=trackside.Run, url=sys.argv[1]):
                self.run.log(step=1, train_loss=1.0)
                self.run.finish()
                make(url)           # too late for a thread, and for the exit's own work
        last = Last()
        last.run = trackside.Run(sys.argv[1])
        last.run.log(step=0, train_loss=1.0)
        sys.modules["keeps"] = last
    """
    done = process(script, receiver.url)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert next(iter(receiver.ends.values())) == {"status": "finished"}


def test_threads_that_log_on_while_the_interpreter_ends(process: Process, receiver: Receiver) -> None:
    script = """
        import sys, threading, time, trackside
        run = trackside.Run(sys.argv[1])
        def work():
            while True:
                run.log(step=0, train_loss=1.0)
                time.sleep(0.001)
        for _ in range(4):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.5)
    """
    done: subprocess.CompletedProcess[str] = process(script, receiver.url)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert list(receiver.ends.values()) == [{"status": "finished"}]


def test_no_thread_is_to_be_had(process: Process, receiver: Receiver, tmp_path: Path) -> None:
    """The system refuses one, as under a limit of processes or of memory: here no stack can be mapped for it."""
    script = """
        import resource, sys, threading, trackside
        import httpx, trackside._transport, trackside._sender      # what is mapped after the limit would fail
        threading.stack_size(1 << 40)                              # no machine has a stack of a terabyte
        run = trackside.Run(sys.argv[1], name="n")
        for step in range(50):
            run.log(step=step, train_loss=1.0)
        run.finish()
    """
    done = process(script, receiver.url)
    assert done.returncode == 0, done.stderr
    assert "no thread can be started (can't start new thread)" in done.stderr
    (file,) = process.spool.glob("*.jsonl")
    assert spooled_records(file) == 50
    assert os.listdir(process.spool) == [file.name]
