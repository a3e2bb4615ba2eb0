"""Disks that take little, or nothing, or hang: what they do not take is counted and told."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path

import pytest

import trackside
from tests.client.processes import SMALL_FILES, Process, free_port
from tests.client.receiver import Receiver, Reply
from trackside import _config, _keeper, _marks, _sender


def recovered(process: Process, port: int, run_id: str) -> tuple[int, int, str | None]:
    """Bring the service back and replay what waits. Returns (records, told lost, status) of the run."""
    back = Receiver(port=port)
    try:
        assert process.python("-m", "trackside", "sync", "--url", back.url).returncode == 0
        end = back.ends.get(run_id, {}).get("status")
        return len(back.stored(run_id)), sum(n for (run, _), n in back.lost.items() if run == run_id), end
    finally:
        back.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.parametrize("size", [60_000, 1500, 900])
def test_of_what_a_full_disk_takes_as_much_is_kept_as_fits_and_the_rest_is_counted(process: Process, size: int) -> None:
    port = free_port()
    done = process(SMALL_FILES, f"http://127.0.0.1:{port}", str(size))
    assert done.returncode == 0, done.stderr
    assert "are lost: the spool cannot be written (File too large)" in done.stderr
    stored, lost, end = recovered(process, port, done.stdout.strip())
    assert stored + lost == 1000
    assert (stored > 100) == (size == 60_000)
    assert end == "finished"
    assert list(process.spool.glob("*")) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_a_disk_that_takes_nothing_but_a_name_still_says_how_many(process: Process) -> None:
    port = free_port()
    done = process(SMALL_FILES, f"http://127.0.0.1:{port}", "0")
    assert "1000 records could not be sent and are lost" in done.stderr
    (mark,) = process.spool.glob("*")
    assert mark.stat().st_size == 0
    assert recovered(process, port, done.stdout.strip()) == (0, 1000, "finished")
    assert list(process.spool.glob("*")) == []


def test_a_home_that_cannot_be_written_leaves_its_count_among_the_temporary_files(
    process: Process, tmp_path: Path
) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    port = free_port()
    script = SMALL_FILES.replace("resource.setrlimit", "# ")
    done = process(script, f"http://127.0.0.1:{port}", "0", TRACKSIDE_SPOOL_DIR=str(blocker / "spool"))
    assert done.stderr.count("1000 records could not be sent and are lost") == 1
    (mark,) = process.shelter.glob("trackside-*/*")
    back = Receiver(port=port)
    try:
        sent = process.python("-m", "trackside", "sync", "--url", back.url)
        assert (sent.returncode, sent.stdout.split(" in ")[0]) == (0, "1 sent, 0 waiting")
        assert list(back.lost.values()) == [1000]
        (run,) = back.runs.values()
        assert run["name"] == "n"
    finally:
        back.stop()
    assert not mark.exists()


def test_a_disk_that_is_full_while_the_run_lasts_is_told_once_and_memory_keeps_what_it_can(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRACKSIDE_SPOOL_MB", "0.00001")
    monkeypatch.setattr(_sender, "LOOK_S", 0.01)
    monkeypatch.setattr(_keeper, "ROOM_AGAIN_S", 0.0)
    receiver.behave = lambda _: Reply(503)
    run = trackside.Run(receiver.url)
    for step in range(50):
        run.log(step=step, train_loss=1.0)
        time.sleep(0.01)
    receiver.behave = None
    run.finish()
    assert len(receiver.stored(run.id)) == 50
    assert capfd.readouterr().err.count("cannot be kept on disk and stays in memory: the spool is full") == 1


def test_where_no_folder_for_temporary_files_is_to_be_had_a_run_reports(process: Process, receiver: Receiver) -> None:
    script = """
        import os, sys, tempfile, trackside
        def none():
            raise FileNotFoundError("No usable temporary directory found")
        tempfile.gettempdir = none      # as in a container that is read-only
        del os.environ["TMPDIR"]
        with trackside.Run(sys.argv[1]) as run:
            run.log(step=0, train_loss=1.0)
    """
    done = process(script, receiver.url, TRACKSIDE_SPOOL_DIR="/proc/nowhere")
    assert (done.returncode, done.stderr) == (0, "")
    ((run_id, end),) = receiver.ends.items()
    assert (len(receiver.stored(run_id)), end) == (1, {"status": "finished"})


def test_a_disk_that_hangs_at_a_waiting_file_keeps_no_process(process: Process, receiver: Receiver) -> None:
    process.spool.mkdir()
    (process.spool / "00000000000000000001-x.jsonl").write_text("{}\n")
    script = """
        import sys, threading, time, trackside
        from trackside import _spool
        reached = threading.Event()
        def claim(path, url):
            reached.set()
            threading.Event().wait()
        _spool.claim = claim
        run = trackside.Run(sys.argv[1])
        run.log(step=0, train_loss=1.0)
        assert reached.wait(60)
        begun = time.monotonic()
        run.finish()
        print(time.monotonic() - begun)
    """
    done = process(script, receiver.url, TRACKSIDE_EXIT_TIMEOUT="0.3")
    assert float(done.stdout) < 8  # it would be for ever


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ENAMETOOLONG], ids=errno.errorcode.get)
def test_a_spool_that_is_not_to_be_had_stops_no_report_to_a_service_that_is_there(
    process: Process, receiver: Receiver, error: int
) -> None:
    """A container's user whose HOME is root's, a network file system that is gone: no file of it can be asked for."""
    script = """
        import os, sys
        spool = os.environ["TRACKSIDE_SPOOL_DIR"]
        def barred(real):
            def call(path, *arguments, **options):
                if not isinstance(path, int) and os.fspath(path).startswith(spool):
                    raise OSError(int(sys.argv[2]), os.strerror(int(sys.argv[2])))
                return real(path, *arguments, **options)
            return call
        for name in ("stat", "lstat", "scandir", "listdir", "open", "mkdir", "rename", "unlink", "utime"):
            setattr(os, name, barred(getattr(os, name)))
        import pathlib  # takes some of them when it is imported
        import trackside
        with trackside.Run(sys.argv[1]) as run:
            run.log(step=0, train_loss=1.0)
    """
    done = process(script, receiver.url, str(error))
    assert (done.returncode, done.stderr) == (0, "")
    (run_id,) = receiver.runs
    assert len(receiver.stored(run_id)) == 1
    assert receiver.ends[run_id] == {"status": "finished"}


def test_the_spool_is_where_it_was_when_the_script_goes_elsewhere(process: Process, tmp_path: Path) -> None:
    script = f"""
        import os, sys, time, pathlib, trackside
        os.chdir({str(tmp_path)!r})
        run = trackside.Run(sys.argv[1])
        run.log(step=0, train_loss=1.0)
        while not list(pathlib.Path("relative").glob("*.live")):
            time.sleep(0.02)
        os.mkdir("elsewhere")
        os.chdir("elsewhere")
    """
    process(script, f"http://127.0.0.1:{free_port()}", TRACKSIDE_SPOOL_DIR="relative")
    (file,) = (tmp_path / "relative").iterdir()
    assert file.suffix == ".jsonl"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_user_without_a_home_has_a_spool_among_the_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACKSIDE_SPOOL_DIR")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it does where nobody knows the user
    assert _config.spool_dir() == _marks.shelter() / "spool"
