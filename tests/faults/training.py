"""The training that is watched: blocks of its loop with the client, and beside each the same work without.

Run as a script in a process of its own: `python training.py '{"url": ..., "steps": ..., ...}'`. It prints a line of
JSON every so many steps, and how long its exit took.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
import time
from typing import Any

BLOCK = 25
_ended = [0.0]


def _tell_exit() -> None:
    print(json.dumps({"exit_s": time.monotonic() - _ended[0]}), flush=True)


def empty(values: dict[str, float], *, step: int) -> None:
    """What a call costs that does nothing: the machine's own delays hit it as they hit `log`."""


def work(amount: int) -> int:
    """A step of training: plain work that holds the interpreter."""
    total = 0
    for number in range(amount):
        total += number * number
    return total


def without(amount: int) -> float:
    """The processor time of a block's work without the client, in seconds."""
    began = time.thread_time()
    for _ in range(BLOCK):
        work(amount)
    return time.thread_time() - began


def main() -> None:
    """Train as the argument says."""
    want = json.loads(sys.argv[1])
    atexit.register(_tell_exit)  # before the client's own, and so after it
    import trackside

    if want.get("file_limit") is not None:
        import resource

        import httpx  # noqa: F401 - its bytecode may be written yet

        resource.setrlimit(resource.RLIMIT_FSIZE, (want["file_limit"], want["file_limit"]))
    if want.get("no_threads"):
        threading.stack_size(1 << 40)  # no machine has it: the system itself refuses the thread
    clock = time.perf_counter
    run = trackside.Run(want["url"], project="faults", name=want["name"])
    print(json.dumps({"run": run.id}), flush=True)
    calls: list[float] = []
    empties: list[float] = []
    names = 0
    own = 0.0
    began_all = time.process_time(), time.thread_time()
    for block in range(0, want["steps"], BLOCK):
        bare = without(want["work"]) if block % (2 * BLOCK) else None
        began = time.thread_time()
        for step in range(block, block + BLOCK):
            work(want["work"])
            values = {"train_loss": 1.0 / (step + 1), "val_acc": 50.0}
            if step in want.get("wide", ()):  # a run may have 10,000 metrics: the service refuses the last of these
                values.update((f"m{names + number}", 1.0) for number in range(900))
                names += 900
            # In turn the first: whatever comes right after the work finds the processor's caches cold.
            for log, costs in ((run.log, calls), (empty, empties))[:: 1 if step % 2 else -1]:
                called = clock()
                log(values, step=step)
                costs.append(clock() - called)
        took = time.thread_time() - began
        own += took
        if bare is None:  # in turn the first, as the calls above
            bare = without(want["work"])
        others = time.process_time() - began_all[0] - (time.thread_time() - began_all[1])
        said: dict[str, Any] = {"took": took, "bare": bare, "own_s": own, "others_s": others}
        said |= {"at": block + BLOCK, "calls": calls[-BLOCK:], "empty": empties[-BLOCK:]}
        print(json.dumps(said), flush=True)
        if want.get("fork") and block == want["steps"] // 2 // BLOCK * BLOCK:
            child = os.fork()
            for extra in range(10 if child == 0 else 0):
                run.log(step=10**6 + extra, train_loss=0.0)
            if child == 0:
                run.finish("failed")
                os._exit(0)
            os.waitpid(child, 0)
        if want.get("pause_s"):
            time.sleep(want["pause_s"])
    _ended[0] = time.monotonic()


if __name__ == "__main__":
    main()
