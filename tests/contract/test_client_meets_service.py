"""What the client sends is what the service stores, compares and tells."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

import trackside

STEP_DECAY = {
    "framework": "torch",
    "class": "StepLR",
    "params": {"step_size": 2, "gamma": 0.1},
    "base_lr": 0.1,
    "unit": "epoch",
}


def read(url: str, run: trackside.Run, what: str = "") -> Any:
    answer = httpx.get(f"{url}/v1/runs/{run.id}{what}", timeout=30)
    answer.raise_for_status()
    return answer.json()


def stored(url: str, run: trackside.Run) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = read(url, run, "/records?limit=100")["items"]
    return items


def test_a_run_arrives_whole(url: str) -> None:
    with trackside.Run(
        url,
        project="vision",
        name="whole",
        schedule=STEP_DECAY,
        total_epochs=4,
        num_classes=10,
        params={"batch_size": 32},
        tags=["baseline"],
        expectations=[{"metric": "val_acc", "epoch": 3, "min": 50.0}],
    ) as run:
        for epoch, lr in enumerate([0.1, 0.1, 0.01, 0.01]):
            run.log(epoch=epoch, lr=lr, loss=1.0 / (epoch + 1), accuracy=40.0 + 10 * epoch, val_acc=40.0 + 9 * epoch)
    shown = read(url, run)
    assert (shown["status"], shown["health"]) == ("finished", "ok")
    assert shown["declaration"]["params"] == {"batch_size": 32}
    assert [record["metrics"]["lr"] for record in stored(url, run)] == [0.1, 0.1, 0.01, 0.01]
    # Aliases become canonical at the door; the values stay.
    assert {"train_loss", "train_acc", "val_acc", "lr"} == set(stored(url, run)[0]["metrics"])
    assert read(url, run, "/lr")["verdict"] == "on_schedule"


def test_values_that_json_lacks_come_back_as_they_went_in(url: str) -> None:
    with trackside.Run(url, project="vision", name="odd") as run:
        run.log(step=0, a=math.nan, b=math.inf, c=-math.inf, d=5e-324, e=1.7976931348623157e308)
    assert stored(url, run)[0]["metrics"] == {
        "a": "NaN",
        "b": "Infinity",
        "c": "-Infinity",
        "d": 5e-324,
        "e": 1.7976931348623157e308,
    }


def test_a_schedule_that_the_loop_does_not_follow_is_told(url: str) -> None:
    with trackside.Run(url, project="vision", name="tenth", schedule=STEP_DECAY, total_epochs=4) as run:
        for epoch in range(4):
            run.log(epoch=epoch, lr=0.01 * 0.1 ** (epoch // 2))
    health = read(url, run, "/health")
    assert health["health"] == "critical"
    assert [alert["code"] for alert in health["alerts"]] == ["LR001"]
    assert "scale" in [cause["cause"] for cause in read(url, run, "/lr")["causes"]]


def test_a_critical_alert_reaches_the_loop_that_asked(url: str) -> None:
    run = trackside.Run(url, project="vision", name="stop", stop_on="critical")
    run.log(step=0, train_loss=1.0)
    run.log(step=1, train_loss=math.nan)
    run.finish()
    assert run.should_stop
    assert read(url, run, "/health")["health"] == "critical"


def test_an_alert_of_an_earlier_life_does_not_stop_the_one_that_was_started_to_repair_it(url: str) -> None:
    run_id = str(uuid.uuid4())
    first = trackside.Run(url, project="vision", name="again", run_id=run_id, stop_on="critical")
    first.log(step=0, train_loss=1.0)
    first.log(step=1, train_loss=math.nan)
    first.finish("failed")
    assert first.should_stop
    second = trackside.Run(url, project="vision", name="again", run_id=run_id, stop_on="critical", resumed_from_step=0)
    second.log(step=1, train_loss=0.9)
    second.finish()
    assert second.health == "critical"  # the old alert is still open
    assert not second.should_stop
    third = trackside.Run(url, project="vision", name="again", run_id=run_id, stop_on="critical", resumed_from_step=1)
    for step in range(2, 30):
        third.log(step=step, train_loss=0.9)
    third.log(step=30, train_loss=math.nan)  # the old alert resolved, and this is one of its own
    third.finish()
    assert third.should_stop


def test_an_exception_is_told_as_failed(url: str) -> None:
    with pytest.raises(ZeroDivisionError), trackside.Run(url, project="vision", name="broken") as run:  # noqa: PT012
        run.log(step=0, train_loss=1.0)
        _ = 1 / 0
    shown = read(url, run)
    assert shown["status"] == "failed"
    assert shown["reason"] == "ZeroDivisionError: division by zero"


def test_a_resumed_run_goes_on_under_its_id(url: str) -> None:
    run_id = str(uuid.uuid4())
    for first in (0, 2):
        resumed = first or None
        with trackside.Run(
            url, project="vision", name="long", run_id=run_id, schedule=STEP_DECAY, resumed_from_step=resumed
        ) as run:
            for epoch in range(first, first + 2):
                run.log(epoch=epoch, lr=0.1 * 0.1 ** (epoch // 2))
    shown = read(url, run)
    assert shown["status"] == "finished"
    assert len(shown["processes"]) == 2
    assert [record["epoch"] for record in stored(url, run)] == [0, 1, 2, 3]
    assert read(url, run, "/lr")["verdict"] == "on_schedule"


def test_what_the_service_caps_the_client_caps(url: str) -> None:
    with trackside.Run(url, project="vision", name="caps") as run:
        run.log({"x" * 500: 1.0, "fine": 2.0, "lr/1": 0.01}, step=0)
        run.log({f"m{number}": float(number) for number in range(5000)}, step=1)
        run.log(step=2, fine=3.0)
    found = stored(url, run)
    assert found[0]["metrics"]["fine"] == 2.0
    assert found[0]["metrics"]["lr/1"] == 0.01
    assert found[-1]["metrics"] == {"fine": 3.0}


def _train(
    run: trackside.Run, steps: range, loss_at: Callable[[int], float], error: BaseException | None = None
) -> None:
    with run:
        for step in steps:
            run.log(step=step, train_loss=loss_at(step))
        if error is not None:
            raise error


def test_what_ends_a_run_is_told_and_over_when_it_goes_on(url: str) -> None:
    run = trackside.Run(url, project="vision", name="failing")
    with pytest.raises(RuntimeError):
        _train(run, range(100), lambda step: 2.0 / (1 + step), RuntimeError("step 99\nCUDA out of memory."))
    (alert,) = read(url, run, "/health")["alerts"]
    assert (alert["code"], alert["title"]) == ("RUN002", "Failed: RuntimeError: CUDA out of memory.")
    assert alert["opened"] == {"step": 99, "epoch": None}
    again = trackside.Run(url, project="vision", name="failing", run_id=run.id, resumed_from_step=90)
    with pytest.raises(KeyboardInterrupt):
        _train(again, range(90, 200), lambda step: 2.0 / (1 + step), KeyboardInterrupt())
    (alert,) = read(url, run, "/health")["alerts"]
    assert (alert["code"], alert["severity"]) == ("RUN003", "info")


def test_a_resume_without_the_weights_is_told(url: str) -> None:
    run = trackside.Run(url, project="vision", name="resumed")
    _train(run, range(200), lambda step: 2.0 / (1 + step))
    again = trackside.Run(url, project="vision", name="resumed", run_id=run.id, resumed_from_step=150)
    _train(again, range(150, 250), lambda step: 2.0 / (1 + step - 150))
    (alert,) = [alert for alert in read(url, run, "/health")["alerts"] if alert["code"] == "RUN007"]
    assert (alert["severity"], alert["opened"]["step"]) == ("warning", 150)
    assert "weights" in alert["advice"]
