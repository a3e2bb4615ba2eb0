"""The client beside `torch.compile`: what is compiled is the same with it as without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters

from tests.client.receiver import Receiver
from trackside.callbacks.torch import TorchCallback

# dynamo calls what torch itself has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")

Watch = Callable[[torch.optim.Optimizer, Any], AbstractContextManager[Any]]


@pytest.fixture(autouse=True)
def fresh_dynamo() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()
    counters.clear()


def trained(watch: Watch, lr: Any) -> tuple[dict[str, int], list[float]]:
    """Train with a compiled step of the optimizer. Returns what dynamo captured, and the weights."""
    torch._dynamo.reset()
    counters.clear()
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    step = torch.compile(optimizer.step, backend="eager")
    with watch(optimizer, scheduler) as run:
        for epoch in range(6):
            loss = model(torch.ones(4, 8)).square().sum()
            optimizer.zero_grad()
            loss.backward()
            step()
            scheduler.step()
            if run is not None:
                run.log(epoch=epoch, train_loss=loss)
    captured = {**counters["stats"], "breaks": sum(counters["graph_break"].values())}
    return captured, torch.cat([weight.flatten() for weight in model.parameters()]).tolist()


@pytest.mark.parametrize("in_tensor", [False, True], ids=["float", "tensor"])
@pytest.mark.parametrize("grad_norm", [False, True])
def test_a_compiled_step_of_the_optimizer_is_not_cut_and_its_rates_are_read(
    receiver: Receiver, grad_norm: bool, in_tensor: bool
) -> None:
    lr = torch.tensor(0.1) if in_tensor else 0.1
    alone, weights = trained(lambda *_: nullcontext(), lr)

    def watch(optimizer: torch.optim.Optimizer, scheduler: Any) -> TorchCallback:
        return TorchCallback(
            receiver.url, optimizer=optimizer, scheduler=scheduler, total_epochs=6, grad_norm=grad_norm
        )

    watched, same = trained(watch, torch.tensor(0.1) if in_tensor else 0.1)
    assert same == weights
    assert watched.pop("breaks") <= alone.pop("breaks")
    assert watched == alone
    (run_id,) = receiver.runs
    records = receiver.stored(run_id)
    assert [record["metrics"]["lr"] for record in records] == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert all(("grad_norm" in record["metrics"]) is grad_norm for record in records)
