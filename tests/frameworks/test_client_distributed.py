"""Real torch.distributed: who reports when no variable says the rank, and a tensor that is spread over processes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

import trackside
from tests.client.environment import clean
from tests.client.processes import CLIENT, free_port
from tests.client.receiver import Receiver

SPAWNED = """
    import sys
    import torch.distributed, torch.multiprocessing
    import trackside


    def train(rank, url, meeting):
        torch.distributed.init_process_group("gloo", init_method="file://" + meeting, rank=rank, world_size=2)
        with trackside.Run(url, name=f"rank {rank}") as run:
            run.log(step=0, train_loss=1.0)
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


    if __name__ == "__main__":
        torch.multiprocessing.spawn(train, args=(sys.argv[1], sys.argv[2]), nprocs=2)
"""


def test_of_spawned_processes_rank_0_reports(receiver: Receiver, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(SPAWNED))
    done = subprocess.run(
        [sys.executable, str(script), receiver.url, str(tmp_path / "meeting")],
        env={**clean(tmp_path / "spool"), "PYTHONPATH": str(CLIENT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert [(run["name"], run["params"]) for run in receiver.runs.values()] == [("rank 0", {"world_size": 2})]


@pytest.mark.parametrize("asked", [False, True])
def test_under_torchrun_rank_0_reports_unless_all_are_asked_for(
    receiver: Receiver, tmp_path: Path, asked: bool
) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import os, sys, trackside\n"
        "with trackside.Run(sys.argv[1], name=os.environ['RANK']) as run:\n"
        "    run.log(step=0, train_loss=1.0)\n"
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={free_port()}"]
    done = subprocess.run(
        [*torchrun, str(script), receiver.url],
        env={
            **clean(tmp_path / "spool"),
            "PYTHONPATH": str(CLIENT),
            "OMP_NUM_THREADS": "1",
            **({"TRACKSIDE_ALL_RANKS": "1"} if asked else {}),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(run["name"] for run in receiver.runs.values()) == (["0", "1"] if asked else ["0"])
    assert list(receiver.ends.values()) == [{"status": "finished"}] * (2 if asked else 1)


def test_a_dtensor_is_refused_with_what_to_pass(
    receiver: Receiver, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from torch.distributed.tensor import Partial, distribute_tensor, init_device_mesh

    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1)
    try:
        mesh = init_device_mesh("cpu", (1,))
        loss = distribute_tensor(torch.tensor(0.5), mesh, [Partial()])
        with trackside.Run(receiver.url) as run:
            run.log(step=0, train_loss=loss, val_loss=loss.full_tensor())
    finally:
        torch.distributed.destroy_process_group()
    assert receiver.stored(run.id)[0]["metrics"] == {"val_loss": 0.5}
    assert "'train_loss' is not reported: a distributed tensor; pass value.full_tensor()" in capfd.readouterr().err
